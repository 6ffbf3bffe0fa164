"""The work of a plan, conversation by conversation: a dry run, the move, the way back, and the end of a drain.

Each may be cut short anywhere and be run again: what has moved is seen by its rows (it no longer runs the old version, and its turn carries the
id of the run), so nothing is lost and nothing happens twice.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from conversations import sealed, turn
from conversations.core import codec
from conversations.core.mapping import inverse as inverse_of
from conversations.core.mapping import prepare
from conversations.core.migrate import Migrated, Reason, Refused, migrate
from conversations.errors import LockTimeout
from conversations.models import MigrationPlan, Turn
from conversations.turn import Way
from conversations.versions import counts, planning
from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)
CHUNK = 500
BATCH = 20  # conversations in one transaction: their turns wait no longer than that takes
MOVED_ON = Reason("moved_on", "it has gone on since it was moved")
EXAMPLES = 5
Status = MigrationPlan.Status


class Progress(Protocol):
    def report(self, done: int, total: int, phase: str = "") -> None: ...


class Tally:
    """Outcomes by kind and by state, with a few conversations as examples of each kind of trouble."""

    def __init__(self) -> None:
        self.by_state: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        self.notes: dict[str, Counter[str]] = {name: Counter() for name in ("slots_lost", "slots_converted", "variables_lost", "remarks")}
        self.examples: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self.moved = self.refused = self.already = 0

    def add(self, conversation_id: UUID, outcome: Migrated | Refused | turn.Already) -> None:
        if isinstance(outcome, Migrated):
            self._moved(conversation_id, outcome)
        elif isinstance(outcome, Refused):
            self._refused(conversation_id, outcome)
        else:
            self.already += 1

    def _moved(self, conversation_id: UUID, outcome: Migrated) -> None:
        self.moved += 1
        for move in outcome.moves:
            self.by_state[move]["movable"] += 1
        for name, counter in self.notes.items():
            for one in getattr(outcome, name):
                counter[one] += 1
                self._example(conversation_id, name, one)

    def _refused(self, conversation_id: UUID, outcome: Refused) -> None:
        self.refused += 1
        self.by_state[outcome.state, ""]["refused"] += 1
        for reason in outcome.reasons:
            self.reasons[outcome.state, reason.code, reason.message] += 1
            self._example(conversation_id, outcome.state, reason.code, reason.message)

    def _example(self, conversation_id: UUID, *key: str) -> None:
        held = self.examples[key]
        if len(held) < EXAMPLES:
            held.append(str(conversation_id))

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.moved + self.refused + self.already,
            "movable": self.moved,
            "refused": self.refused,
            "states": [{"from": old, "to": new, **counted} for (old, new), counted in sorted(self.by_state.items())],
            "reasons": [
                {"state": key[0], "code": key[1], "message": key[2], "count": count, "examples": self.examples[key]}
                for key, count in self.reasons.most_common()
            ],
            **{name: self._noted(name) for name in self.notes},
        }

    def _noted(self, name: str) -> list[dict[str, Any]]:
        return [{"name": one, "count": count, "examples": self.examples[name, one]} for one, count in self.notes[name].most_common()]


def _ids(tenant: Tenant, plan: MigrationPlan) -> Iterator[UUID]:
    """The conversations of a plan by id, a chunk at a time: none twice, whatever becomes of them meanwhile."""
    last: UUID | None = None
    while True:
        rows = counts.waiting_for(tenant, plan).order_by("pk").values_list("pk", flat=True)
        chunk = list((rows if last is None else rows.filter(pk__gt=last))[:CHUNK])
        yield from chunk
        if len(chunk) < CHUNK:
            return
        last = chunk[-1]


def run_dry(tenant: Tenant, plan_id: UUID, progress: Progress) -> dict[str, Any]:
    """The plan on every real snapshot; nothing is written but the plan's report. Raises PlanNotFound, PlanDoesNotFit."""
    plan = planning.plan(tenant, plan_id)
    way, tally, began = turn.way_of(plan), Tally(), time.monotonic()
    total, awaiting = counts.waiting_for(tenant, plan).count(), 0
    rows = counts.waiting_for(tenant, plan).order_by("pk").values_list("pk", "snapshot", "awaiting")
    for done, (pk, snapshot, busy) in enumerate(rows.iterator(chunk_size=CHUNK), start=1):
        awaiting += bool(busy)
        tally.add(pk, _tried(tenant, plan, way, pk, snapshot))
        progress.report(done, total, "Trying the plan")
    report = {**tally.as_json(), "awaiting": awaiting, "seconds": round(time.monotonic() - began, 2), "rev": plan.rev}
    MigrationPlan.objects.filter(pk=plan.pk).update(report=report, report_rev=plan.rev, report_at=Now())
    return {"plan": str(plan.pk), **report}


def _tried(tenant: Tenant, plan: MigrationPlan, way: Way, pk: UUID, snapshot: Mapping[str, Any]) -> Migrated | Refused:
    try:
        at = codec.snapshot_from_json(sealed.opened(snapshot))
        book = turn.book_of(tenant, plan.environment_id, at, (way.route.before, way.route.after))
        return _at_its_state(migrate(at, way.route, book, timezone.now(), conversation_id=str(pk), force=way.force, silent=True), at, way)
    except (turn.ContextLost, PlatformError, KeyError, TypeError, ValueError, AttributeError) as fault:
        return Refused(state="", reasons=(Reason("context_lost", f"its context cannot be read: {type(fault).__name__}"),))


def _at_its_state(outcome: Migrated | Refused, at: Any, way: Way) -> Migrated | Refused:
    """A refusal is told at the state of the flow that the plan is about, which is not always the one on top."""
    if isinstance(outcome, Migrated):
        return outcome
    state = next((frame.state for frame in at.frames if frame.program == way.route.before.key), outcome.state)
    return Refused(state=state, reasons=outcome.reasons)


def run_apply(tenant: Tenant, plan_id: UUID, progress: Progress, *, run: int) -> dict[str, Any]:
    """Move every conversation that can move now. It may be run again after it was cut short, and goes on where it was.

    Raises PlanNotFound, PlanDoesNotFit.
    """
    plan = planning.plan(tenant, plan_id)
    if plan.run != run or plan.status != Status.ACTIVE:
        return {"plan": str(plan_id), "run": run, "superseded": True}
    if plan.ends_conversations:
        return _expired(tenant, plan, progress)
    force = True if plan.policy == MigrationPlan.Policy.DRAIN else None
    way, tally, began = turn.way_of(plan, force=force), Tally(), time.monotonic()
    earlier, total = _moved_so_far(tenant, plan), counts.waiting_for(tenant, plan).count()
    done = 0
    for batch in _batches(_ids(tenant, plan)):
        for pk, outcome in zip(batch, _together(tenant, batch, way), strict=True):
            tally.add(pk, outcome)
        done += len(batch)
        progress.report(earlier + done, earlier + max(total, done), "Moving conversations")
    left = _finished(tenant, plan)
    moved = _moved_so_far(tenant, plan)
    seconds = round(time.monotonic() - began, 2)
    return {"plan": str(plan.pk), "run": run, **tally.as_json(), "migrated": moved, "remaining": left, "seconds": seconds}


def _batches(ids: Iterator[UUID]) -> Iterator[list[UUID]]:
    while batch := list(islice(ids, BATCH)):
        yield batch


def _together(tenant: Tenant, batch: list[UUID], way: Way) -> Sequence[Migrated | Refused | turn.Already]:
    """In one transaction; one by one when somebody holds a lock among them."""
    try:
        return turn.move(tenant, batch, way)
    except LockTimeout:
        return [_one(tenant, pk, way) for pk in batch]


def _one(tenant: Tenant, pk: UUID, way: Way) -> Migrated | Refused | turn.Already:
    try:
        return turn.move(tenant, [pk], way)[0]
    except LockTimeout:
        return Refused(state="", reasons=(Reason("busy", "it was locked by its turns all the time; it moves with its next message"),))


def _moved_so_far(tenant: Tenant, plan: MigrationPlan) -> int:
    return int(Turn.objects.for_tenant(tenant).filter(kind=Turn.Kind.MIGRATION, client_message_id=plan.message_id).count())


def _finished(tenant: Tenant, plan: MigrationPlan) -> int:
    """How many conversations are left; with none of them the plan is finished."""
    left = counts.waiting_for(tenant, plan).count()
    if not left:
        MigrationPlan.objects.filter(pk=plan.pk, run=plan.run, status=Status.ACTIVE).update(status=Status.FINISHED, updated_at=Now())
        turn.forget(tenant)
    return left


def start_due() -> int:
    """Begin the end of every drain whose time has come, each once. How many there were."""
    due = MigrationPlan.objects.filter(status=Status.ACTIVE, policy=MigrationPlan.Policy.DRAIN, ends_at__lte=Now()).select_related("tenant", "flow")
    found = 0
    for plan in due[:50]:
        with transaction.atomic():  # a drain without an end and without a job would never end
            if not MigrationPlan.objects.filter(pk=plan.pk, run=plan.run, status=Status.ACTIVE, ends_at=plan.ends_at).update(ends_at=None):
                continue
            planning.start_work(plan.tenant, "conversations.apply_plan", f"End of the drain: {plan}", plan, {"run": plan.run}, None)
        found += 1
    return found


def _expired(tenant: Tenant, plan: MigrationPlan, progress: Progress) -> dict[str, Any]:
    way, ended, total, began = turn.way_of(plan), 0, counts.waiting_for(tenant, plan).count(), time.monotonic()
    for done, pk in enumerate(_ids(tenant, plan), start=1):
        try:
            ended += turn.expire(tenant, pk, way)
        except (turn.ContextLost, LockTimeout) as fault:
            log.warning("expiry_failed", conversation_id=str(pk), fault=repr(fault))
        progress.report(done, total, "Ending what the drain has left")
    left = _finished(tenant, plan)
    return {"plan": str(plan.pk), "run": plan.run, "expired": ended, "remaining": left, "seconds": round(time.monotonic() - began, 2)}


def run_revert(tenant: Tenant, plan_id: UUID, progress: Progress, *, run: int, inverse: bool) -> dict[str, Any]:
    """Conversations that have not gone on since become what they were. The others are told, or (`inverse`) moved by the map read backwards."""
    plan = planning.plan(tenant, plan_id)
    back, restored, already, moved_on = _inverse(plan) if inverse else None, 0, 0, 0
    tally, began = Tally(), time.monotonic()
    moves = _moves(tenant, plan, run)
    for done, (pk, request, message_id) in enumerate(_requests(moves), start=1):
        outcome = _restored(tenant, pk, sealed.opened(request), f"{message_id}:back")
        if isinstance(outcome, turn.Already):
            already += 1
        elif isinstance(outcome, turn.MovedOn | Refused):
            moved_on += 1
            tally.add(pk, _one(tenant, pk, back) if back else Refused(state="", reasons=(MOVED_ON,)))
        else:
            restored += 1
        progress.report(done, len(moves), "Taking back")
    found = tally.as_json()
    return {
        "plan": str(plan.pk),
        "run": run,
        "total": len(moves),
        "restored": restored,
        "already": already,
        "moved_on": moved_on,
        "inverse": {name: found[name] for name in ("movable", "refused", "slots_lost")} if back else None,
        "reasons": found["reasons"],
        "seconds": round(time.monotonic() - began, 2),
    }


def _moves(tenant: Tenant, plan: MigrationPlan, run: int) -> list[UUID]:
    """Of each conversation the turn by which the plan has moved it last."""
    ids = [plan.message_id_of(number) for number in range(1, run + 1)]
    rows = Turn.objects.for_tenant(tenant).filter(kind=Turn.Kind.MIGRATION, client_message_id__in=ids)
    return list(dict(rows.order_by("conversation_id", "number").values_list("conversation_id", "pk")).values())  # the last of each wins


def _requests(moves: list[UUID]) -> Iterator[tuple[UUID, dict[str, Any], str]]:
    for start in range(0, len(moves), CHUNK):
        rows = Turn.objects.filter(pk__in=moves[start : start + CHUNK]).order_by("conversation_id")
        yield from list(rows.values_list("conversation_id", "request", "client_message_id"))


def _restored(tenant: Tenant, pk: UUID, request: Mapping[str, Any], message_id: str) -> Any:
    try:
        return turn.go_back(tenant, pk, request, message_id)
    except (turn.ContextLost, LockTimeout) as fault:
        return Refused(state="", reasons=(Reason("context_lost", type(fault).__name__),))


def _inverse(plan: MigrationPlan) -> Way:
    way = turn.way_of(plan)
    route, _ = prepare(inverse_of(way.route.mapping, way.route.before.flow), way.route.after, way.route.before)
    return Way(plan_id=plan.pk, run=plan.run, message_id=f"{plan.message_id}:inverse", route=route, force=False)
