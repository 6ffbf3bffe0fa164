"""Tests and conversations on a definition, from a file or stored."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from conversations import rehearsals
from conversations.core.rehearsal import Chat, Stubs, Understand, rehearse
from conversations.core.types import Book, Call, Outcome
from flows import queries
from flows.core import scripts, transcripts, verdicts
from flows.core.scripts import NamedScript, Script
from flows.core.types import Program
from flows.errors import FieldsRefused
from mcp_platform.management.flows.sources import Source, Unusable, read_json, read_text

PROMPT = "> "
HELP = (
    "Write as the user. Steps of a script begin with a slash: /press: Yes  /wait: PT30M  /command: restart  /answer crm: {…}  /fail crm: CODE  /quit"
)


def book_of(source: Source, others: Sequence[Source] = ()) -> tuple[Program, Book, Stubs]:
    """The definition compiled, with the flows that it can start: of its tenant, else from other files."""
    program = rehearsals.compiled(source.parsed())
    if source.tenant is not None:
        environment = rehearsals.default_environment_id(source.tenant)
        return program, rehearsals.book_for(source.tenant, program, environment), rehearsals.stubs_of(source.tenant)
    programs = [program, *(rehearsals.compiled(other.parsed()) for other in others)]
    book = Book(programs={one.key: one for one in programs}, current={one.flow.flow_id: one.key for one in programs})
    return program, book, no_stubs


def understanding(source: Source) -> Understand:
    """As in a live conversation of the tenant; a file that stands alone has its own patterns, keywords and examples."""
    return rehearsals.understood(source.tenant) if source.tenant is not None else rehearsals.understood_alone


def no_stubs(call: Call) -> Outcome | None:
    return None


def tests_of(paths: Sequence[str]) -> list[NamedScript]:
    """Tests from files: exported ones as JSON, transcripts as text. Raises FieldsRefused with every fault."""
    return [one for path in paths for one in _tests(path)]


def _tests(path: str) -> Iterator[NamedScript]:
    if path.endswith(".json"):
        document = read_json(path)
        single = isinstance(document, dict) and "steps" in document
        found, problems = scripts.parse_tests({"tests": [{"name": Path(path).stem, "script": document}]} if single else document)
        if found is None:
            raise FieldsRefused(f"{path} has faults.", errors=queries.as_errors(problems))
        yield from found
        return
    script, problems = transcripts.parse(read_text(path))
    if script is None:
        raise FieldsRefused(f"{path} has faults.", errors=queries.as_errors(problems))
    yield NamedScript(name=Path(path).stem, script=script)


def run(source: Source, tests: Sequence[NamedScript], others: Sequence[Source]) -> list[dict[str, Any]]:
    program, book, stubs = book_of(source, others)
    flow_id = program.flow.flow_id
    played = (rehearse(book, one.script, flow_id=flow_id, understand=understanding(source), stubs=stubs) for one in tests)
    return [{"name": one.name, **verdicts.to_json(verdict)} for one, verdict in zip(tests, played, strict=True)]


class Dialogue:
    """An interactive conversation, or one that is piped in."""

    def __init__(self, source: Source, others: Sequence[Source], *, locale: str, trace: bool, quiet: bool) -> None:
        program, book, stubs = book_of(source, others)
        self.chat = Chat(book, Script(locale=locale), understanding(source), stubs)
        self.flow_id, self.trace, self.quiet = program.flow.flow_id, trace, quiet
        self.told = self.traced = 0
        self.faults: list[dict[str, Any]] = []

    def hold(self) -> dict[str, Any]:
        """Until the end of the input, `/quit` or the end of the conversation. What was said, and where it stands."""
        self.chat.begin(self.flow_id)
        self._tell()
        interactive = sys.stdin.isatty() and not self.quiet
        if interactive:
            sys.stdout.write(HELP + "\n")
        for line in self._lines(interactive):
            if line.strip() == "/quit":
                break
            self._take(line)
            self._tell()
        at = self.chat.at
        return {
            "flow_id": self.flow_id,
            "lines": [{"by": line.by, "text": line.text} for line in self.chat.lines],
            "state": at.state,
            "status": at.status.value,
            "slots": dict(at.slots),
            "variables": dict(at.frames[-1].variables) if at.frames else {},
            "faults": self.faults,
        }

    def _lines(self, interactive: bool) -> Iterator[str]:
        while True:
            if interactive:
                sys.stdout.write(PROMPT)
                sys.stdout.flush()
            line = sys.stdin.readline()
            if not line:
                return
            if line.strip():
                yield line.rstrip("\n")

    def _take(self, line: str) -> None:
        script, problems = transcripts.parse(line[1:] if line.startswith("/") else f"user: {transcripts.quoted(line)}")
        if script is None or not script.steps:
            message = problems[0].message if problems else "This is no step."
            self._fault(line, message, problems[0].expected if problems else HELP)
            return
        self.chat.trace = []
        divergence = self.chat.step(script.steps[0])
        if divergence is not None:
            self._fault(line, divergence.message, f"{divergence.expected} {divergence.got}".strip())

    def _fault(self, line: str, message: str, more: str) -> None:
        self.faults.append({"line": line, "message": message, "detail": more})
        if not self.quiet:
            sys.stdout.write(f"!  {message} {more}\n")

    def _tell(self) -> None:
        new, self.told = self.chat.lines[self.told :], len(self.chat.lines)
        if self.quiet:
            return
        for line in new:
            if line.by != "user":
                sys.stdout.write(f"{_MARKS.get(line.by, line.by):<4} {line.text}\n")
        if self.trace:
            for entry in self.chat.trace:
                sys.stdout.write(f"     {_traced(entry)}\n")
        sys.stdout.write(f"     [{self.chat.at.state} · {self.chat.at.status.value}]\n")
        sys.stdout.flush()


_MARKS = {"bot": "bot", "outside": "·", "note": "·"}


def _traced(entry: Any) -> str:
    if "condition" in entry:
        mark = "→" if entry.get("taken") else "·"
        return f"{mark} {entry.get('state')} [{entry.get('condition')}] {entry.get('target', '')}: {entry.get('why', '')}"
    return ", ".join(f"{name}: {value}" for name, value in entry.items())


def need(condition: object, message: str) -> None:
    """Raises Unusable."""
    if not condition:
        raise Unusable(message)
