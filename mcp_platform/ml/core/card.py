"""A model card in Markdown, after Mitchell et al., "Model Cards for Model Reporting" (2019): what a person reads before a model may serve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mcp_platform.ml.core.comparison import Line, shown
from mcp_platform.ml.core.gates import Gate

LONGEST_LIST: Final = 30
FIRST: Final = ("purpose", "target", "method", "split", "limits")  # those that every reader looks for; the rest follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    title: str
    kind: str
    subject: str
    number: int
    status: str
    sha256: str
    data_sha256: str
    size: int
    created_by: str
    created_at: datetime


def sections(card: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(heading, what it says) in the order in which people read."""
    names = [*(name for name in FIRST if name in card), *(name for name in card if name not in FIRST)]
    return [(name.replace("_", " ").capitalize(), card[name]) for name in names]


def markdown(identity: Identity, card: Mapping[str, Any], measured: Sequence[Line], gates: Sequence[Gate]) -> str:
    """The whole card; `measured` has one version."""
    parts = [f"# {_plain(identity.title)}: {_plain(identity.subject)}, version {identity.number}", _details(identity)]
    parts += [f"## {_plain(heading)}\n\n{_body(value)}" for heading, value in sections(card)]
    if measured:
        rows = [f"| {_plain(line.measure.title)} | {shown(line.cells[0].value, line.measure.style)} |" for line in measured]
        parts.append("\n".join(["## Measured", "", "On data that the model had not seen.", "", "| Measure | Value |", "|---|---|", *rows]))
    if gates:
        rows = [f"| {_plain(gate.name)} | {'open' if gate.passed else 'closed'} | {_plain(gate.why)} |" for gate in gates]
        parts.append("\n".join(["## Gates", "", "| Gate | | Why |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _details(one: Identity) -> str:
    rows = {
        "Kind": _plain(one.kind),
        "State": _plain(one.status),
        "Trained": f"{one.created_at:%Y-%m-%d %H:%M} UTC by {_plain(one.created_by)}",
        "Artifact": f"{one.size:,} bytes, SHA-256 `{one.sha256}`",
        "Training data": f"SHA-256 `{one.data_sha256}`",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _body(value: Any) -> str:
    if isinstance(value, Mapping):
        rows = [f"- {_plain(name)}: {_inline(one)}" for name, one in list(value.items())[:LONGEST_LIST]]
        return "\n".join(_with_rest(rows, len(value)))
    if isinstance(value, list | tuple):
        return "\n".join(_with_rest([f"- {_inline(one)}" for one in value[:LONGEST_LIST]], len(value))) or "–"
    return _inline(value)


def _with_rest(rows: list[str], whole: int) -> list[str]:
    return [*rows, f"- … and {whole - LONGEST_LIST} more"] if whole > LONGEST_LIST else rows


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(name)} {_plain(one)}" for name, one in value.items())
    return _plain(value)


MEANS_SOMETHING: Final = str.maketrans({**{sign: f"\\{sign}" for sign in "\\`|<>[]*_#"}, "\n": " ", "\r": " "})


def _plain(value: Any) -> str:
    """Text of users inside Markdown: no table, link or HTML comes of it."""
    return str(value).translate(MEANS_SOMETHING)
