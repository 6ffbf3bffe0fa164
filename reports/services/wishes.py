"""What somebody wants of a report, and whether there is such a thing."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from mcp_platform import rest
from reports.core.sections import KINDS
from reports.gathering.gathered import Subject
from reports.models import Report, ReportTemplate

MOST_READERS: Final = 20


def known(name: str, values: Sequence[str], of_kind: Mapping[str, Sequence[str]], kind: str) -> list[str]:
    """Each once. Raises SchemaError with every fault."""
    if kind not in of_kind:
        raise _refused("kind", f"{kind!r} is not known", ", ".join(KINDS))
    allowed = of_kind[kind]
    wrong = [(place, value) for place, value in enumerate(values) if value not in allowed]
    if wrong:
        faults = [{"path": f"$.{name}[{place}]", "message": f"{value!r} is not known", "expected": ", ".join(allowed)} for place, value in wrong]
        raise rest.SchemaError(errors=faults)
    return list(dict.fromkeys(values))


def kept(about: Mapping[str, Any]) -> dict[str, str]:
    """As a row keeps it: texts, without what is empty."""
    return {name: _text(value) for name, value in sorted(about.items()) if value not in (None, "")}


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def require_same_kind(kind: str, template: ReportTemplate | None) -> None:
    """Raises SchemaError."""
    if template is not None and template.kind != kind:
        raise _refused("template", f"is for reports of the kind {template.kind}", f"a template of the kind {kind}")


def require_same_subject(kind: str, found: Subject, before: Report | None) -> None:
    """A report supersedes only what was about the same thing. Raises SchemaError."""
    if before is None:
        return
    subject = before.subject or f"building:{before.building_id}"  # those of single checks did not always say it
    if (before.kind, subject) != (kind, found.key):
        raise _refused("supersedes", "is a report about something else", f"one about {found.title}")


def _refused(name: str, message: str, expected: str) -> rest.SchemaError:
    return rest.SchemaError(errors=[{"path": f"$.{name}", "message": message, "expected": expected}])


def readers(addresses: Sequence[str]) -> list[str]:
    """Each address once. Raises SchemaError with every fault."""
    faults = (
        [{"path": "$.notify", "message": f"has {len(addresses)} addresses", "expected": f"at most {MOST_READERS}"}]
        if len(addresses) > MOST_READERS
        else []
    )
    for place, address in enumerate(addresses):
        try:
            validate_email(address)
        except ValidationError:
            faults.append({"path": f"$.notify[{place}]", "message": f"{address!r:.80} is no address", "expected": "an e-mail address"})
    if faults:
        raise rest.SchemaError(errors=faults)
    return list(dict.fromkeys(addresses))
