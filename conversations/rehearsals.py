"""Tests of flows, played by the engine: the runner that `flows` is given, and conversations that become tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from conversations import errors, hearing, queries, records
from conversations.core import codec, recording
from conversations.core.rehearsal import Stubs, rehearse
from conversations.core.types import Book, Call, Outcome, Started, Understanding
from conversations.nlu import patterns
from conversations.nlu.ear import NOTHING_ELSE
from flows import queries as flows
from flows import services as flow_services
from flows.core import definition, scripts
from flows.core.program import compile_program
from flows.core.scripts import Script
from flows.core.types import Flow as Definition
from flows.core.types import Json, Program
from flows.core.verdicts import Verdict
from flows.errors import FlowHasProblems
from flows.models import FlowTest, Stub
from mcp_platform.errors import PlatformError
from mcp_platform.metadata import queries as product_metadata
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By


def play(tenant: Tenant, parsed: Definition, played: Sequence[Script]) -> list[Verdict]:
    """One verdict for each script; what `flows.services` runs tests with. Raises FlowHasProblems when the definition does not compile."""
    if not played:
        return []
    program = compiled(parsed)
    book = book_for(tenant, program, default_environment_id(tenant))
    stubs = stubs_of(tenant)
    return [rehearse(book, script, flow_id=parsed.flow_id, understand=understood(tenant), stubs=stubs) for script in played]


def compiled(parsed: Definition) -> Program:
    """A definition, ready to run under a key of its own. Raises FlowHasProblems."""
    program, problems = compile_program(parsed, f"tried:{definition.digest(definition.canonical(definition.export(parsed)))}")
    if program is None:
        raise FlowHasProblems(flow_id=parsed.flow_id, errors=flows.as_errors(problems))
    return program


def book_for(tenant: Tenant, program: Program, environment_id: int | None, also: Sequence[str] = ()) -> Book:
    """A book in which this program is what its flow runs now; the other flows run what the environment runs."""
    if environment_id is None:
        here = {program.flow.flow_id: program.key}
        return Book(programs={program.key: program}, current=here, products=product_metadata.live(tenant))
    base = queries.book(tenant, environment_id, ())
    named = [name for name in (*flows.flows_used(program.flow), *also) if name != program.flow.flow_id]
    found = flows.book_for(tenant, environment_id, (), named)
    return replace(
        base,
        programs={**base.programs, **found.programs, program.key: program},
        current={**base.current, **found.current, program.flow.flow_id: program.key},
        products=product_metadata.live(tenant),
    )


def default_environment_id(tenant: Tenant) -> int | None:
    """None while the tenant has none."""
    try:
        return int(flows.environment(tenant).pk)
    except PlatformError:
        return None


def understood(tenant: Tenant, instead: Mapping[str, UUID] = NOTHING_ELSE) -> Callable[[Sequence[Program], str, str], Understanding]:
    """As in a live conversation of this tenant, with the models that serve it now, or those that are named (`instead`, by flow)."""

    def understand(programs: Sequence[Program], text: str, locale: str) -> Understanding:
        return hearing.understand(programs, text, locale, tenant=tenant, instead=instead) if programs else Understanding()

    return understand


def understood_alone(programs: Sequence[Program], text: str, locale: str) -> Understanding:
    """Without a tenant, and so without trained models: by the patterns, keywords and examples of the flow on top."""
    return patterns.understand(programs[-1], text, locale=locale) if programs else Understanding()


def stubs_of(tenant: Tenant) -> Stubs:
    """The tenant's stubs, read when the first call wants one; the one that says most about the call wins."""
    held: dict[str, list[Stub]] = {}

    def answer(call: Call) -> Outcome | None:
        if not held:
            held[""] = []
            for row in Stub.objects.for_tenant(tenant).select_related("integration").order_by("name", "id"):
                held.setdefault(row.integration.integration_id, []).append(row)
        fitting = [row for row in held.get(call.integration_id, ()) if _fits(row, call)]
        best = max(fitting, key=lambda row: (len(row.request), bool(row.endpoint), bool(row.method)), default=None)
        return codec.outcome_from_json(best.outcome) if best is not None else None

    return answer


def _fits(row: Stub, call: Call) -> bool:
    if row.endpoint not in ("", call.endpoint) or row.method not in ("", call.method):
        return False
    return all(name in call.request and call.request[name] == value for name, value in row.request.items())


def record_test(
    tenant: Tenant, *, conversation_id: UUID, name: str = "", description: str = "", understood_then: bool = True, enabled: bool = True, by: By
) -> FlowTest:
    """A test of the conversation's flow that says and expects what was said and came of it, on the version that it ran on.

    `understood_then`: the test keeps what was understood; else it understands anew each time. Values of sensitive slots are replaced by others.
    Raises ConversationNotFound, NotRecordable, NameTaken.
    """
    held = queries.conversation(tenant, conversation_id)
    record = records.record(tenant, conversation_id)
    first = record.moments[0]
    started = next((event.data for event in first.events if event.kind == "started"), None)
    if not isinstance(first.input, Started) or started is None:
        raise errors.NotRecordable("The log does not begin with the start of a flow.", conversation_id=str(conversation_id))
    try:
        program = flows.program_for(started["program"])
        book = book_for(tenant, program, held.environment_id)
    except PlatformError as fault:
        raise errors.NotRecordable("The version that it ran on cannot be run any more.", conversation_id=str(conversation_id)) from fault
    script = recording.script_of(record, understood=understood_then)
    names = {name for one in book.programs.values() for name, rule in one.flow.slots.items() if rule.sensitive}
    script = recording.without(script, recording.secrets_in(record, names))
    script = recording.mended(script, _on(book, program, tenant))
    if not script.steps:
        raise errors.NotRecordable("Nothing of it can be played again.", conversation_id=str(conversation_id))
    fields = {
        "name": name or f"Conversation {str(conversation_id)[:8]}",
        "description": description or _origin(held.created_at.date(), held.channel),
        "enabled": enabled,
        "script": scripts.to_json(script),
    }
    flow_id = program.flow.flow_id
    return flow_services.save_test(tenant, flow_id=flow_id, fields=_unique(tenant, flow_id, fields, bool(name)), recorded_from=conversation_id, by=by)


def _on(book: Book, program: Program, tenant: Tenant) -> Callable[[Script], Verdict]:
    stubs = stubs_of(tenant)
    return lambda script: rehearse(book, script, flow_id=program.flow.flow_id, understand=understood(tenant), stubs=stubs)


def _origin(day: date, channel: str) -> str:
    return f"Recorded from a conversation of {day.isoformat()} on {channel}."


def _unique(tenant: Tenant, flow_id: str, fields: Mapping[str, Json], named: bool) -> dict[str, Json]:
    """A name that nobody has chosen gets a number when it is taken."""
    taken = set(flows.tests(tenant, flow_id).values_list("name", flat=True)) if not named else set()
    name, number = fields["name"], 2
    while name in taken:
        name, number = f"{fields['name']} ({number})", number + 1
    return {**fields, "name": name}
