"""Stored conversations, played again: on a draft or another version, many at a time; with another input; and to prove that the log is whole."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from conversations import errors, events, hearing, queries, records, rehearsals, sealed
from conversations.core import hiding, replay
from conversations.core.codec import snapshot_from_json
from conversations.core.differences import CAUSES, Seen
from conversations.core.replay import Comparison, Record, TurnPair
from conversations.core.types import Book, Event, Input, Started
from conversations.models import Conversation, ConversationEvent, Replay, ReplayedConversation
from conversations.nlu.ear import NOTHING_ELSE
from flows import queries as flows
from flows.core import definition
from flows.core.types import Json, Program
from flows.errors import FieldsRefused, FlowHasProblems
from flows.queries import FlowKey
from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.operations import services as operations
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

log = observability.logger(__name__)

KIND: Final = "conversations.replay"
MOST: Final = 10_000  # conversations of one replay
KEPT: Final = 20  # replays of a flow; older ones go when a new one begins
BATCH: Final = 25
TURNS_KEPT: Final = 120  # of a stored comparison
CAUSES_COUNTED: Final = 200
Verdict = ReplayedConversation.Verdict


def start(tenant: Tenant, *, by: By, **chosen: Any) -> Replay:
    """`prepare`, and let a worker play it (`operation_id`)."""
    with transaction.atomic():
        made = prepare(tenant, by=by, **chosen)
        total = made.results.count()
        title = f"Replay of {total} conversation{'s' if total != 1 else ''} of {made.flow.name} on {made.target}"
        arguments = {"replay_id": str(made.pk)}
        made.operation_id = operations.start(tenant, kind=KIND, title=title, arguments=arguments, subject=f"flow:{made.flow_id}", by=actor_of(by)).pk
        made.save(update_fields=("operation_id",))
    return made


def prepare(
    tenant: Tenant,
    *,
    flow_id: FlowKey,
    number: int | None = None,
    count: int = 1_000,
    environment: str = "",
    ran_on: int | None = None,
    since: datetime | None = None,
    understanding: str = Replay.Understanding.AUTO,
    conversations: Sequence[UUID] = (),
    models: Mapping[str, UUID] = NOTHING_ELSE,
    evaluation: UUID | None = None,
    by: By,
) -> Replay:
    """Choose the newest `count` conversations of a flow, to be played on its draft or on version `number`.

    `environment`, `ran_on` (number of a version) and `since` choose among the stored conversations; `conversations` names them instead.
    `models`: flow -> the intent model that is asked in the champion's place, where words are understood anew.
    `evaluation`: of an experiment, which needs this replay; it takes no place of those that people have asked for.
    Raises FlowNotFound, VersionNotFound, EnvironmentNotFound, FlowHasProblems when the draft cannot run, FieldsRefused, NothingToReplay.
    """
    _require_sensible(count, understanding)
    flow = flows.flow(tenant, flow_id)
    parsed = flows.definition_of(tenant, flow, number)
    where = flows.environment(tenant, environment)
    if ran_on is not None:
        flows.version(tenant, flow.pk, ran_on)
    newest = records.newest(tenant, flow, environment=environment, version=ran_on, since=since)
    chosen = list(conversations) or list(newest.values_list("pk", flat=True)[:count])
    if not chosen:
        raise errors.NothingToReplay(flow_id=flow.flow_id)
    text = definition.canonical(definition.export(parsed))
    target = f"version {number}" if number is not None else f"draft rev {flow.rev}"
    target += "".join(f", model {str(model)[:8]}" for model in models.values())
    made = Replay(
        tenant=tenant,
        flow=flow,
        target=target,
        version=number,
        definition=text,
        sha256=definition.digest(text),
        environment=where,
        understanding=understanding,
        chosen={"count": count, "environment": environment, "version": ran_on, "since": since.isoformat() if since else None}
        | ({"models": {name: str(model) for name, model in models.items()}} if models else {})
        | ({"evaluation": str(evaluation)} if evaluation is not None else {}),
        created_by=actor_of(by),
        created_at=timezone.now(),
    )
    _keep(tenant, made, chosen)
    return made


def _keep(tenant: Tenant, made: Replay, chosen: Iterable[UUID]) -> None:
    """With a row for each conversation, in this order; the oldest replays of the flow that people have asked for go."""
    with transaction.atomic():
        made.save(force_insert=True)
        rows = [ReplayedConversation(tenant=tenant, replay=made, conversation_id=key, position=place) for place, key in enumerate(chosen, start=1)]
        ReplayedConversation.objects.bulk_create(rows, batch_size=500)
        _drop_old(tenant, made.flow_id)


def _require_sensible(count: int, understanding: str) -> None:
    found = []
    if not 1 <= count <= MOST:
        found.append({"path": "$.count", "code": "out_of_range", "message": "is out of range", "expected": f"1 to {MOST}"})
    if understanding not in Replay.Understanding.values:
        expected = ", ".join(Replay.Understanding.values)
        found.append({"path": "$.understanding", "code": "unknown_value", "message": "is not known", "expected": expected})
    if found:
        raise FieldsRefused(errors=found)


def _drop_old(tenant: Tenant, flow_pk: UUID) -> None:
    asked = Replay.objects.for_tenant(tenant).filter(flow_id=flow_pk).exclude(chosen__has_key="evaluation")
    old = asked.order_by("-created_at").values_list("pk", flat=True)[KEPT:]
    Replay.objects.for_tenant(tenant).filter(pk__in=list(old)).delete()


def delete(tenant: Tenant, *, replay_id: UUID, by: By) -> None:
    """The rows of a replay; nothing of the conversations. Raises ReplayNotFound."""
    with transaction.atomic():
        found = records.replay(tenant, replay_id)
        audit(tenant, actor=actor_of(by), action="replay.delete", target=found, changes={"target": found.target})
        found.delete()


class Progress(Protocol):
    def report(self, done: int, total: int, phase: str = "") -> None:
        """Raises what ends the work, such as Cancelled."""


def work(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Play what has not been played yet; taken up again after a crash it goes on where it was. Raises ReplayNotFound, when it was deleted."""
    found = Replay.objects.for_tenant(tenant).filter(pk=arguments["replay_id"]).select_related("flow").first()
    if found is None:
        raise errors.ReplayNotFound(replay_id=str(arguments["replay_id"]))
    models = {name: UUID(model) for name, model in found.chosen.get("models", {}).items()}
    stage = Stage(tenant, program_of(found), found.environment_id, found.understanding, models)
    rows = ReplayedConversation.objects.for_tenant(tenant).filter(replay=found)
    total = rows.count()
    done = total - rows.filter(verdict=Verdict.PENDING).count()
    progress.report(done, total, "Playing")
    while batch := list(rows.filter(verdict=Verdict.PENDING).order_by("position")[:BATCH]):
        for row, told in zip(batch, stage.play([row.conversation_id for row in batch]), strict=True):
            _fill(row, told)
        ReplayedConversation.objects.bulk_update(batch, ("verdict", "cause", "detail", "texts_only", "diverged_at", "turns", "diff"))
        done += len(batch)
        progress.report(done, total, "Playing")
    return finish(tenant, found)


def finish(tenant: Tenant, found: Replay) -> dict[str, Any]:
    found.counts = counted(tenant, found)
    found.finished_at = timezone.now()
    found.save(update_fields=("counts", "finished_at"))
    return {"replay_id": str(found.pk), **found.counts}


def program_of(found: Replay) -> Program:
    """What the replay is played on. Raises FlowHasProblems when this release cannot run it any more."""
    parsed, problems = definition.parse(json.loads(found.definition))
    if parsed is None:
        raise FlowHasProblems(flow_id=found.flow.flow_id, errors=flows.as_errors(problems))
    return rehearsals.compiled(parsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one conversation; `fault` when it could not be played."""

    comparison: Comparison | None
    fault: str = ""


class Stage:
    """A program and everything that is needed to play conversations on it."""

    def __init__(
        self, tenant: Tenant, program: Program, environment_id: int | None, understanding: str, models: Mapping[str, UUID] = NOTHING_ELSE
    ) -> None:
        self.tenant, self.program, self.understanding, self.models = tenant, program, understanding, models
        self.environment_id = environment_id
        self.stubs = rehearsals.stubs_of(tenant)
        self._books: dict[frozenset[str], Book] = {}

    def play(self, conversation_ids: Iterable[UUID]) -> Iterator[Told]:
        wanted = list(conversation_ids)
        found = records.records(self.tenant, wanted)
        for key in wanted:
            yield self._one(found[key]) if key in found else Told(comparison=None, fault="its log cannot be read")

    def _one(self, record: Record) -> Told:
        try:
            understand = rehearsals.understood(self.tenant, self.models) if self.anew(record) else None
            return Told(comparison=replay.rerun(record, self.book(record), understand=understand, stubs=self.stubs))
        except (PlatformError, KeyError, TypeError, ValueError, AttributeError, IndexError) as fault:
            log.warning("replay_failed", conversation_id=record.conversation_id, fault=repr(fault))
            return Told(comparison=None, fault=f"{type(fault).__name__}: {fault}"[:200])

    def book(self, record: Record) -> Book:
        """With the other flows that the record starts."""
        others = frozenset(moment.input.flow_id for moment in record.moments if isinstance(moment.input, Started)) - {self.program.flow.flow_id}
        if others not in self._books:
            self._books[others] = rehearsals.book_for(self.tenant, self.program, self.environment_id, sorted(others))
        return self._books[others]

    def anew(self, record: Record) -> bool:
        if self.understanding != Replay.Understanding.AUTO:
            return self.understanding == Replay.Understanding.ANEW
        opening = next((event.data for event in record.moments[0].events if event.kind == "started"), {})
        try:
            return flows.program_for(opening.get("program", "")).flow.intents != self.program.flow.intents
        except (PlatformError, ValidationError):
            return True


def _fill(row: ReplayedConversation, told: Told) -> None:
    found = told.comparison
    if found is None:
        row.verdict, row.cause, row.detail = Verdict.FAILED, "failed", told.fault[:200]
        return
    row.turns = len(found.turns)
    if found.skipped:
        row.verdict, row.detail = Verdict.SKIPPED, found.skipped[:200]
    elif found.cause is None:
        row.verdict = Verdict.SAME
    else:
        row.verdict, row.cause, row.texts_only, row.diverged_at = Verdict.DIFFERS, found.cause.what, found.texts_only, found.diverged_at
        row.detail = hiding.masked_text(found.cause.where, found.secrets)[:200]
        row.diff = shown(found)


def shown(found: Comparison) -> dict[str, Json]:
    """A comparison as JSON, values of sensitive slots masked. A long one keeps the turns around the first difference."""
    turns = [_turn(pair, found) for pair in _around(found)]
    body = {"turns": turns, "left_out": len(found.turns) - len(turns), "diverged_at": found.diverged_at, "texts_only": found.texts_only}
    cause = {"what": found.cause.what, "label": CAUSES[found.cause.what], "where": found.cause.where} if found.cause is not None else None
    masked, _ = hiding.take_out({**body, "cause": cause, "skipped": found.skipped}, found.sensitive, found.secrets)
    return masked


def _around(found: Comparison) -> list[TurnPair]:
    turns = list(found.turns)
    if len(turns) <= TURNS_KEPT:
        return turns
    place = next((index for index, pair in enumerate(turns) if pair.number == found.diverged_at), 0)
    begin = max(0, min(place - TURNS_KEPT // 2, len(turns) - TURNS_KEPT))
    return turns[begin : begin + TURNS_KEPT]


def _turn(pair: TurnPair, found: Comparison) -> dict[str, Json]:
    hidden = pair.kind == "message" and pair.said in found.secrets
    return {
        "turn": pair.number,
        "kind": pair.kind,
        "said": events.MASK if hidden else pair.said,
        "at": pair.at.isoformat(),
        "before": _seen(pair.before),
        "after": _seen(pair.after) if pair.after is not None else None,
        "differences": [_difference(one, found.sensitive) for one in pair.differences],
        "note": pair.note,
    }


def _difference(one: Any, sensitive: frozenset[str]) -> dict[str, Json]:
    secret = one.what == "slot" and one.where in sensitive
    before, after = (events.MASK if secret and value is not None else value for value in (one.before, one.after))
    return {"what": one.what, "label": CAUSES[one.what], "where": one.where, "before": before, "after": after}


def _seen(seen: Seen) -> dict[str, Json]:
    return {
        "replies": [
            {"text": one.get("text", ""), "type": one.get("type", "text"), "buttons": [button.get("label") for button in one.get("buttons", ())]}
            for one in seen.replies
        ],
        "calls": [{"integration": name, "request": dict(request)} for name, request in seen.calls],
        "intent": seen.intent,
        "state": seen.state,
        "flow": seen.flow,
        "status": seen.status,
        "slots": dict(seen.slots),
        "variables": dict(seen.variables),
        "completion": seen.completion,
        "error": seen.error,
    }


def counted(tenant: Tenant, found: Replay) -> dict[str, Any]:
    """How many came out the same or not, and why: the causes of all differences, most frequent first."""
    rows = ReplayedConversation.objects.for_tenant(tenant).filter(replay=found)
    verdicts = dict(rows.values_list("verdict").annotate(n=Count("pk")).order_by())
    groups = rows.exclude(cause="").values("cause", "detail", "texts_only").annotate(n=Count("pk")).order_by("texts_only", "-n", "cause", "detail")
    return {
        "total": sum(verdicts.values()),
        **{name: verdicts.get(name, 0) for name in Verdict.values},
        "texts_only": rows.filter(verdict=Verdict.DIFFERS, texts_only=True).count(),
        "causes": [_group(one) for one in groups[:CAUSES_COUNTED]],
    }


def _group(one: Mapping[str, Any]) -> dict[str, Any]:
    label = CAUSES.get(one["cause"], one["cause"])
    return {"cause": one["cause"], "label": label, "detail": one["detail"], "count": one["n"], "texts_only": one["texts_only"]}


def what_if(
    tenant: Tenant,
    *,
    conversation_id: UUID,
    flow_id: str = "",
    number: int | None = None,
    draft: bool = False,
    changes: Mapping[int, Mapping[str, Any]] | None = None,
    understanding: str = Replay.Understanding.AUTO,
) -> Comparison:
    """One conversation on the version that it ran on, on version `number` or on the draft, with other contents of some messages (`changes`:
    number of the turn -> content, checked by the door). Nothing is stored.

    Raises ConversationNotFound, TurnNotFound, FlowNotFound, VersionNotFound, FlowHasProblems.
    """
    held = queries.conversation(tenant, conversation_id)
    record = records.record(tenant, conversation_id)
    program = _program_to_try(tenant, held, number, draft)
    stage = Stage(tenant, program, held.environment_id, understanding)
    inputs = {turn: _heard(content, turn, record, program, held) for turn, content in (changes or {}).items()}
    anew = stage.anew(record)
    understand = rehearsals.understood(tenant) if anew or inputs else None
    return replay.rerun(
        replay.changed(record, inputs), stage.book(record), understand=understand, anew=None if anew else frozenset(inputs), stubs=stage.stubs
    )


def _program_to_try(tenant: Tenant, held: Conversation, number: int | None, draft: bool) -> Program:
    if not draft and number is None:
        return flows.program_for(held.version_id)
    flow = flows.flow(tenant, held.version.flow_id)
    return rehearsals.compiled(flows.definition_of(tenant, flow, number))


def _heard(content: Mapping[str, Any], turn: int, record: Record, program: Program, held: Conversation) -> Input:
    if turn not in {moment.turn for moment in record.moments if moment.kind in ("message", "command")}:
        raise errors.TurnNotFound("There is no such message in this conversation.", conversation_id=record.conversation_id, number=turn)
    listeners = hearing.Audience(programs=(program,), locale=held.locale, tenant_id=held.tenant_id)
    return hearing.message(content, listeners, hearing.hear(listeners, content))


def verify(tenant: Tenant, *, limit: int = 1_000) -> Iterator[tuple[UUID, list[str]]]:
    """The newest conversations whose log has a gap, or whose events do not fold to the stored snapshot, each with what is wrong."""
    ids = list(Conversation.objects.for_tenant(tenant).order_by("-updated_at").values_list("pk", flat=True)[:limit])
    for begin in range(0, len(ids), BATCH):
        wanted = ids[begin : begin + BATCH]
        logs: dict[UUID, list[Event]] = {key: [] for key in wanted}
        with transaction.atomic():
            held = {row.pk: row for row in Conversation.objects.for_tenant(tenant).filter(pk__in=wanted).select_for_update()}
            for row in ConversationEvent.objects.for_tenant(tenant).filter(conversation_id__in=wanted).order_by("conversation_id", "seq"):
                logs[row.conversation_id].append(Event(seq=row.seq, kind=row.kind, data=sealed.opened(row.data)))
        for key, conversation in held.items():
            faults = _faults(conversation, logs[key])
            if faults:
                yield key, faults


def _faults(held: Conversation, log_: list[Event]) -> list[str]:
    try:
        return replay.rebuilt(log_, snapshot_from_json(sealed.opened(held.snapshot)))
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        return [f"the snapshot cannot be read: {type(fault).__name__}"]
