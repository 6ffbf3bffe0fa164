"""What is wrong with the rules of a version: each problem with its path. Two kinds: faults of shape, which refuse a save, and everything else."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from django.core.exceptions import ValidationError

from mcp_platform.tenancy.models import Tenant
from validation.core import canonical, definition, documents
from validation.core.documents import Document
from validation.models import Rule, RuleSetVersion
from validation.queries import facts as fact_queries
from validation.queries import rulebook as queries
from validation.services.authoring import Fault, fault

Problem: TypeAlias = dict[str, str]  # path, code, message, expected, severity
REMEMBERED: Final = 4_096  # documents whose problems this process knows
MEMORY: Final = "M"
_known: "OrderedDict[str, list[Problem]]" = OrderedDict()
_lock = threading.Lock()
_NAMES: Final[Mapping[type, str]] = {str: "a text", list: "a list", dict: "an object", float: "a number", bool: "true or false"}


def set_members(row: Rule, given: Mapping[str, Any]) -> list[Fault]:
    """Put members of a rule document into the row. What comes back refuses the save: members that are not known, of another type, or too long."""
    found = [fault(str(name)[:100], "unknown", "is not known here", ", ".join(documents.MEMBERS)) for name in given if not _is_known(name)]
    found += [one for name, value in given.items() if _is_known(name) for one in _member_faults(name, value)]
    if found:
        return found
    if "position" in given:
        row.position = given["position"]
    for column, value in queries.columns(given).items():
        setattr(row, column, value)
    return _column_faults(row)


def _is_known(name: str) -> bool:
    return name in documents.MEMBERS or name == "position"


def _member_faults(name: str, value: Any) -> list[Fault]:
    if name == "position":
        good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 100_000
        return [] if good else [fault("position", "wrong_type", "is no place", "a whole number from 0")]
    kind = type(documents.MEMBERS[name])
    number = kind is float and isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, kind) and not number:
        return [fault(name, "wrong_type", f"is {type(value).__name__}", _NAMES[kind])]
    if name == "citation":
        expected = ", ".join(documents.CITATION)
        return [
            fault(f"citation.{str(member)[:80]}", "wrong_type", "is no text of a citation", expected)
            for member, text in value.items()
            if member not in documents.CITATION or not isinstance(text, str)
        ]
    return []


_MEMBER_OF: Final = {"check_name": "check", "section": "citation.section", "paraphrase": "citation.paraphrase", "url": "citation.url"}
_JSON: Final = ("applies_to", "params", "examples", "exceptions", "facts")  # definition.parse speaks of these


def _column_faults(row: Rule) -> list[Fault]:
    try:
        row.clean_fields(exclude=["tenant", "version", "ids_file", "created_by", "updated_by", "confirmed_by", *_JSON])
    except ValidationError as refused:
        return [
            fault(_MEMBER_OF.get(name, name), one.code or "invalid", " ".join(one.messages), _expected(row, name))
            for name, found in refused.error_dict.items()
            for one in found
        ]
    return []


def _expected(row: Rule, name: str) -> str:
    field: Any = row._meta.get_field(name)
    return ", ".join(str(value) for value, _ in field.choices) if field.choices else str(field.help_text or "")


def document_problems(tenant: Tenant, document: Document, *, path: str = "$", examples: bool = True) -> list[Problem]:
    """Errors and warnings of a rule document, found once for each content; without `examples` those about examples are left out."""
    key = canonical.sha256([document, fact_queries.fingerprint(tenant)])
    with _lock:
        found = _known.get(key)
    if found is None:
        found = [problem.json() for problem in definition.parse(document, fact_queries.of_tenant(tenant)).problems]
        with _lock:
            _known[key] = found
            while len(_known) > REMEMBERED:
                _known.popitem(last=False)
    wanted = [one for one in found if examples or not one["path"].startswith("$.examples")]
    return [{**one, "path": one["path"].replace("$", path, 1)} for one in wanted]


def problems_of(row: Rule, *, path: str = "$") -> list[Problem]:
    """Of one stored rule, with its examples run; also that a rule from memory runs only once a person has confirmed it."""
    found = document_problems(row.tenant, queries.document(row), path=path)
    if row.is_active and row.provenance == MEMORY and row.confirmed_at is None:
        message = "It was written from memory, so it stays inactive until a person has compared it with the code."
        found.append({**fault("", "unconfirmed", message, "false, or confirm the rule"), "path": f"{path}.is_active", "severity": "error"})
    return found


def problems(version: RuleSetVersion, *, warnings: bool = False) -> list[Problem]:
    """Of every rule of the version; paths start at the version: `$.rules['IBC21-1017.2-TRAVEL'].require`."""
    rows = Rule.objects.for_tenant(version.tenant_id).filter(version=version).select_related("tenant")
    found = [one for row in rows for one in problems_of(row, path=f"$.rules['{row.key}']")]
    return [one for one in found if warnings or one["severity"] == "error"]


def recount(version: RuleSetVersion) -> None:
    version.problem_count = len(problems(version))
    RuleSetVersion.objects.for_tenant(version.tenant_id).filter(pk=version.pk).update(problem_count=version.problem_count)


def facts_of(row: Rule) -> list[str]:
    """The facts that it reads, for lists and look-ups; none for a rule that cannot be read."""
    try:
        return sorted(definition.as_rule(queries.document(row)).facts)
    except ValueError:
        return []
