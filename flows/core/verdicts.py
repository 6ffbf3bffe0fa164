"""What came of playing a script: the first place where the flow does something else, and what was said on the way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flows.core.types import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of what happened. `step` is the step of the script that it belongs to, -1 for the start; `by`: user, bot, outside, note."""

    step: int
    by: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first step that was not met. `step` is its number from 0, or the number of steps when something is left at the end."""

    step: int
    message: str
    expected: str = ""
    got: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`divergence` None: passed. `visits` are the states that were run, `trace` the reasons of the last turn."""

    divergence: Divergence | None
    lines: tuple[Line, ...] = ()
    visits: frozenset[str] = frozenset()
    trace: tuple[Mapping[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        return self.divergence is None


def to_json(verdict: Verdict) -> dict[str, Json]:
    """As it is stored and shown; without the trace of what passed."""
    return {
        "passed": verdict.passed,
        "divergence": asdict(verdict.divergence) if verdict.divergence is not None else None,
        "lines": [asdict(line) for line in verdict.lines],
        "visits": sorted(verdict.visits),
        "trace": [] if verdict.passed else list(verdict.trace),
    }
