"""Problems of a definition, brought to the place where the author can mend them: a state, a row, a field."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from uuid import UUID

from django.urls import reverse

from flows import queries
from flows.core.types import Json, Problem, Severity
from flows.models import Flow

Step = str | int
_STEP: Final = re.compile(r'\.([^.\[\]]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


def steps(path: str) -> tuple[Step, ...]:
    """`$.states.ask.transitions[2].target_state` -> ("states", "ask", "transitions", 2, "target_state")."""
    return tuple(_step(*found) for found in _STEP.findall(path))


def _step(name: str, index: str, quoted: str) -> Step:
    return int(index) if index else name or str(json.loads(f'"{quoted}"'))


@dataclass(frozen=True, kw_only=True)
class Found:
    """A problem and where it is: `state` "" for the flow itself, `rest` what comes below the state or the flow."""

    problem: Problem
    state: str
    rest: tuple[Step, ...]
    to: str = ""  # the page where it is mended

    @property
    def is_error(self) -> bool:
        return self.problem.severity is Severity.ERROR

    @property
    def variant(self) -> str:
        return "danger" if self.is_error else "warning"

    @property
    def field(self) -> str:
        return str(self.rest[0]) if self.rest else ""

    @property
    def short(self) -> str:
        """For a place that says itself where it is."""
        expected = f" Expected: {self.problem.expected}." if self.problem.expected else ""
        return f"{'' if self.is_error else 'Warning: '}{self.problem.message}{expected}"

    @property
    def sentence(self) -> str:
        """For under a field: the rest of the path when it goes deeper than the field."""
        deeper = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.rest[1:]).removeprefix(".")
        expected = f" Expected: {self.problem.expected}." if self.problem.expected else ""
        kind = "" if self.is_error else "Warning: "
        return f"{kind}{deeper + ': ' if deeper else ''}{self.problem.message}{expected}"


class Review:
    """The draft with everything that is wrong with it."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.document: Mapping[str, Json] = queries.draft_document(flow)
        self.checked = queries.check(flow.tenant_id, self.document)
        self.ids: Mapping[str, int] = dict(flow.states.values_list("name", "pk"))

    @cached_property
    def found(self) -> tuple[Found, ...]:
        return tuple(self._place(problem) for problem in self.checked.problems)

    def _place(self, problem: Problem) -> Found:
        where = steps(problem.path)
        name = str(where[1]) if len(where) > 1 and where[0] == "states" else ""
        if name in self.ids:
            return Found(problem=problem, state=name, rest=where[2:], to=reverse("admin:flows_state_change", args=(self.ids[name],)))
        return Found(problem=problem, state="", rest=where, to=flow_page(self.flow.pk))

    @property
    def errors(self) -> int:
        return len(self.checked.errors)

    @property
    def warnings(self) -> int:
        return len(self.checked.problems) - self.errors

    def of_state(self, name: str) -> list[Found]:
        return [found for found in self.found if found.state == name]


def on_fields(problems: Iterable[Found]) -> dict[str, list[str]]:
    """Field -> sentences."""
    fields: dict[str, list[str]] = {}
    for found in problems:
        fields.setdefault(found.field or "__all__", []).append(found.sentence)
    return fields


def flow_page(pk: UUID) -> str:
    return reverse("admin:flows_flow_change", args=(pk,))
