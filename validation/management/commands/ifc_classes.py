"""`manage.py ifc_classes > validation/core/ifc_classes.py`: the table of classes, anew from the schemas. Needed when a schema is added."""

from typing import Any, Final

from django.core.management.base import BaseCommand

SCHEMAS: Final = ("IFC2X3", "IFC4", "IFC4X3_ADD2")
ROOT: Final = "IfcObject"
HEADER: Final = '''"""What each class of objects is a kind of, in IFC2X3, IFC4 and IFC4X3. Written by `manage.py ifc_classes`, not by hand."""

from collections.abc import Mapping
from typing import Final

PARENTS: Final[Mapping[str, tuple[str, ...]]] = {'''


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(module(), ending="")


def module() -> str:
    rows = [row(name, parents) for name, parents in sorted(parents_by_class().items())]
    return "\n".join([HEADER, *rows, "}"]) + "\n"


def row(name: str, parents: set[str]) -> str:
    quoted = ", ".join(f'"{parent}"' for parent in sorted(parents))
    return f'    "{name}": ({quoted},),' if len(parents) == 1 else f'    "{name}": ({quoted}),'


def parents_by_class() -> dict[str, set[str]]:
    from ifcopenshell import ifcopenshell_wrapper

    found: dict[str, set[str]] = {}
    for schema in map(ifcopenshell_wrapper.schema_by_name, SCHEMAS):
        for entity in schema.entities():
            chain = lineage(entity)
            if ROOT in chain[1:]:
                found.setdefault(chain[0], set()).add(chain[1])
    return found


def lineage(entity: Any) -> list[str]:
    """The class and its supertypes, nearest first."""
    chain = []
    while entity is not None:
        chain.append(entity.name())
        entity = entity.supertype()
    return chain
