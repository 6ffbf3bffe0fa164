"""What experiments ask of stored conversations before they start: how they would have come out in a variant, and how made-up ones do.

Nothing is sent and nobody is called; of a simulation no conversation is stored either, and of the people it is made from only rates are.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final, Protocol
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from conversations import errors, records, rehearsals, replays
from conversations.analytics.core import calibration, simulation
from conversations.analytics.core.outcomes import outcome
from conversations.analytics.core.people import Decision, People, decisions, under_way
from conversations.analytics.core.simulation import Simulated, chance, simulate
from conversations.core.differences import CAUSES
from conversations.core.replay import Record, Stubs, Understand
from conversations.core.types import Book, Understanding
from conversations.models import Replay, ReplayedConversation
from experiments.core.metrics import Outcome
from experiments.core.prediction import Forecast
from experiments.errors import NotInThisState
from experiments.models import Evaluation, Experiment, Variant
from experiments.services.planning import running_base
from flows import queries as flows
from flows.core.types import Program
from flows.models import FlowVersion
from mcp_platform.errors import PlatformError
from mcp_platform.operations.models import OPEN, Operation
from mcp_platform.tenancy.models import Tenant

BATCH: Final = 25
HELD_OUT: Final = 0.3  # of the conversations: the model is held against them
EXAMPLES: Final = 50
MOST_CAUSES: Final = 40
REPLAYED: Final = 3  # evaluations of a flow whose conversations can be looked at one by one
BEGINS: Final = frozenset({"started", "restarted", "pushed", "replaced"})
BASE: Final = "base"
Verdict = ReplayedConversation.Verdict


class Progress(Protocol):
    def report(self, done: int, total: int, phase: str = "") -> None:
        """Raises what ends the work, such as Cancelled."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The progress of one piece of several of equal length."""

    whole: Progress
    index: int
    pieces: int
    name: str

    def report(self, done: int, total: int, phase: str = "") -> None:
        self.whole.report(self.index * total + done, self.pieces * total, f"{phase} on {self.name}")


def replay(tenant: Tenant, made: Evaluation, progress: Progress) -> dict[str, Any]:
    """The newest conversations on every arm. The control is played too: what comes out otherwise there as well is not the variant's doing.

    Raises NothingToReplay.
    """
    arms = arms_of(made.experiment)
    held = _begun(tenant, made) or _begin(tenant, made, arms)
    for index, one in enumerate(arms):
        replays.work(tenant, {"replay_id": held[one.key]}, _Part(progress, index, len(arms), one.key))
    control = next(one.key for one in arms if one.control)
    drifted = set(_rows(tenant, held[control]).exclude(verdict=Verdict.SAME).values_list("conversation_id", flat=True))
    told = [_arm(tenant, one, UUID(held[one.key]), drifted) for one in arms]
    return {"conversations": told[0]["total"], "drifted": len(drifted), "arms": told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """`models`: flow -> the intent model that is asked in the champion's place; of experiments on models all arms run the base."""

    key: str
    control: bool
    version: FlowVersion
    models: Mapping[str, UUID]


def arms_of(row: Experiment) -> list[Arm]:
    """Raises NotInThisState where a variant of a flow is not frozen: the base in its place would look like a variant without an effect."""
    base = base_of(row)
    return [_arm_of(row, one, base) for one in row.variants.all()]


def _arm_of(row: Experiment, one: Variant, base: FlowVersion) -> Arm:
    models = {row.flow.flow_id: one.model_id} if row.flow is not None and one.model_id is not None else {}
    version = one.version if row.kind == Experiment.Kind.FLOW else base
    if version is None:
        raise NotInThisState("Validate it first: that freezes what the variants are.", state=row.state, expected=["validated"])
    return Arm(key=one.key, control=one.is_control, version=version, models=models)


def heard_otherwise(arms: Sequence[Arm]) -> bool:
    """Whether the arms do not all listen alike. Then words are understood anew in all of them: one arm that hears as people were heard then, and
    one that hears as they would be now, differ by every model that was trained in between."""
    intents = [flows.program_for(one.version.pk).flow.intents for one in arms]
    return any(one.models for one in arms) or any(one != intents[0] for one in intents)


def base_of(row: Experiment) -> FlowVersion:
    """What the control runs: of an experiment on models, whatever the environment does. Raises PlanRefused."""
    return row.base or running_base(row)


def _begun(tenant: Tenant, made: Evaluation) -> dict[str, str]:
    """The replays that were begun already; none when somebody has deleted one of them."""
    held: dict[str, str] = made.progress.get("replays", {})
    there = Replay.objects.for_tenant(tenant).filter(pk__in=held.values()).count()
    return held if there == len(held) else {}


def _begin(tenant: Tenant, made: Evaluation, arms: Sequence[Arm]) -> dict[str, str]:
    """A replay for each arm, of the same conversations; noted, so that who takes the work up again goes on with them."""
    row = made.experiment
    ids = _newest(tenant, made, int(made.chosen["conversations"]))
    options: Any = {"flow_id": row.flow_id, "environment": row.environment.name, "conversations": ids, "evaluation": made.pk}
    options["understanding"] = _understanding(made, arms)
    with transaction.atomic():
        found = [replays.prepare(tenant, number=one.version.number, models=one.models, by=None, **options) for one in arms]
        made.progress = {"replays": {one.key: str(each.pk) for one, each in zip(arms, found, strict=True)}}
        made.save(update_fields=("progress",))
        _drop_old(tenant, row)
    return dict(made.progress["replays"])


def _understanding(made: Evaluation, arms: Sequence[Arm]) -> str:
    """One for all arms. Who wants it as recorded has it so, unless other models are what is tried."""
    chosen = str(made.chosen["understanding"])
    anew = any(one.models for one in arms) or (chosen == Replay.Understanding.AUTO and heard_otherwise(arms))
    return Replay.Understanding.ANEW if anew else chosen


def _drop_old(tenant: Tenant, row: Experiment) -> None:
    """Replays of earlier evaluations of the flow, and of deleted ones; not of those that are under way. What they counted is kept elsewhere."""
    mine = Evaluation.objects.for_tenant(tenant).filter(experiment__flow=row.flow, kind=Evaluation.Kind.REPLAY)
    running = Operation.objects.for_tenant(tenant).filter(status__in=OPEN).values("pk")
    newest = mine.order_by("-created_at").values_list("pk", flat=True)[:REPLAYED]
    kept = {str(key) for key in (*newest, *mine.filter(finished_at=None, operation_id__in=running).values_list("pk", flat=True))}
    held = Replay.objects.for_tenant(tenant).filter(flow=row.flow, chosen__has_key="evaluation").values_list("pk", "chosen")
    Replay.objects.for_tenant(tenant).filter(pk__in=[key for key, chosen in held if chosen["evaluation"] not in kept]).delete()


def _newest(tenant: Tenant, made: Evaluation, most: int) -> list[UUID]:
    row = made.experiment
    if row.flow is None:
        raise errors.NothingToReplay(flow_id="")
    version = base_of(row).number if made.chosen["ran_on"] == BASE else None
    found = records.newest(tenant, row.flow, environment=row.environment.name, version=version)
    ids = list(found.values_list("pk", flat=True)[:most])
    if not ids:
        raise errors.NothingToReplay(flow_id=row.flow.flow_id)
    return ids


def _rows(tenant: Tenant, replay_id: str | UUID) -> Any:
    return ReplayedConversation.objects.for_tenant(tenant).filter(replay_id=replay_id)


def _arm(tenant: Tenant, one: Arm, replay_id: UUID, drifted: set[UUID]) -> dict[str, Any]:
    found = records.replay(tenant, replay_id)
    counts = {name: value for name, value in found.counts.items() if name != "causes"}
    parted = _Parted()
    differing = _rows(tenant, replay_id).filter(verdict=Verdict.DIFFERS)
    for row in differing.order_by("position").iterator(chunk_size=200):
        if one.control or row.conversation_id not in drifted:
            parted.add(row)
    return {"key": one.key, "control": one.control, "version": found.version, "replay_id": str(replay_id), **counts, **parted.told()}


@dataclass(slots=True)
class _Parted:
    """Where conversations part from what they were, and why."""

    own: int = 0
    own_words_only: int = 0
    turns: list[int] = field(default_factory=list)
    points: Counter[str] = field(default_factory=Counter)
    causes: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: ReplayedConversation) -> None:
        state = _stood(row)
        self.own += 1
        self.own_words_only += row.texts_only
        self.points[state] += 1
        self.causes[row.cause, row.detail, row.texts_only] += 1
        if row.diverged_at is not None:
            self.turns.append(row.diverged_at)
        if len(self.examples) < EXAMPLES:
            told = {"conversation_id": str(row.conversation_id), "turn": row.diverged_at, "turns": row.turns, "state": state}
            self.examples.append({**told, "cause": row.cause, "label": CAUSES.get(row.cause, row.cause), "detail": row.detail})

    def told(self) -> dict[str, Any]:
        causes = [
            {"cause": cause, "label": CAUSES.get(cause, cause), "detail": detail, "texts_only": words, "count": count}
            for (cause, detail, words), count in self.causes.most_common(MOST_CAUSES)
        ]
        points = [{"state": state, "count": count} for state, count in self.points.most_common()]
        turn = median(self.turns) if self.turns else None
        more = {"median_turn": turn, "points": points, "causes": causes, "examples": self.examples}
        return {"own": self.own, "own_words_only": self.own_words_only, **more}


def _stood(row: ReplayedConversation) -> str:
    """The last state in which both runs agree; "" for the start."""
    turns = (row.diff or {}).get("turns", ())
    place = next((index for index, turn in enumerate(turns) if turn["turn"] == row.diverged_at), 0)
    return str(turns[place - 1]["before"]["state"]) if place else ""


@dataclass(slots=True)
class _Learned:
    """What the stored conversations say: `everybody` for the forecast, `judged` without the conversations that are held out."""

    everybody: People = field(default_factory=People)
    judged: People = field(default_factory=People)
    held: list[Decision] = field(default_factory=list)
    logged: list[Outcome] = field(default_factory=list)
    unfinished: int = 0
    conversations: int = 0
    programs: dict[str, Program] = field(default_factory=dict)

    def take(self, record: Record, until: datetime, *, held_out: bool) -> None:
        found = list(decisions(record, self._programs(record), until=until))
        self.conversations += 1
        self.everybody.begin(record)
        self.everybody.learn(found)
        if held_out:
            self.held += found
            self._compare(record, until)
        else:
            self.judged.begin(record)
            self.judged.learn(found)

    def _compare(self, record: Record, until: datetime) -> None:
        """Made-up conversations all come to their end: one that is still under way would make a model that is right look wrong."""
        if under_way(record, until):
            self.unfinished += 1
        else:
            self.logged.append(outcome(simulation.recorded_facts(record)))

    def _programs(self, record: Record) -> Mapping[str, Program]:
        for key in {str(event.data["program"]) for moment in record.moments for event in moment.events if event.kind in BEGINS}:
            if key not in self.programs:
                try:
                    self.programs[key] = flows.program_for(key)
                except PlatformError:  # a version that this release cannot run: its states are known by their names alone
                    continue
        return self.programs


def simulate_arms(tenant: Tenant, made: Evaluation, progress: Progress) -> Forecast:
    """Learn how people are, hold that against conversations it has not learned from, and let made-up ones talk to every arm.

    Raises NothingToReplay.
    """
    arms = arms_of(made.experiment)
    ids = _newest(tenant, made, int(made.chosen["learn_from"]))
    number = int(made.chosen["conversations"])
    total = len(ids) + number * (len(arms) + 1)
    learned = _learn(tenant, made, ids, lambda done: progress.report(done, total, "Learning from stored conversations"))
    if not learned.everybody.openings:
        raise errors.NothingToReplay(flow_id=made.experiment.flow.flow_id if made.experiment.flow else "")
    stage = _Stage(tenant, made, number, anew=heard_otherwise(arms))
    found: dict[str, _Played] = {}
    for index, one in enumerate(arms):
        begun = len(ids) + number * index
        found[one.key] = stage.play(one, learned.everybody, _Counted(progress, begun, total, f"Simulating {one.key}"))
    judged = learned.judged if learned.judged.openings else learned.everybody
    base = Arm(key=BASE, control=True, version=base_of(made.experiment), models={})
    rehearsed = stage.play(base, judged, _Counted(progress, len(ids) + number * len(arms), total, "Holding the model against the log"))
    return Forecast(
        arms={key: played.outcomes for key, played in found.items()},
        logged=learned.logged,
        rehearsed=rehearsed.outcomes,
        conversations=learned.conversations,
        unfinished=learned.unfinished,
        notes={key: played.told() for key, played in found.items()},
        people={"decisions": learned.everybody.decisions, "places": calibration.rates(judged, learned.held)},
        reliability=calibration.reliability(judged, learned.held),
    )


def _learn(tenant: Tenant, made: Evaluation, ids: Sequence[UUID], told: Callable[[int], None]) -> _Learned:
    until = timezone.now() - timedelta(minutes=float(made.chosen["quiet_minutes"]))
    seed, learned = int(made.chosen["seed"]), _Learned()
    for begin in range(0, len(ids), BATCH):
        wanted = ids[begin : begin + BATCH]
        found = records.records(tenant, wanted)
        for place, key in enumerate(wanted, start=begin):
            if key in found:
                learned.take(found[key], until, held_out=chance(seed, place, "held out") < HELD_OUT)
        told(begin + len(wanted))
    return learned


@dataclass(frozen=True, slots=True)
class _Counted:
    progress: Progress
    begun: int
    total: int
    phase: str

    def tell(self, done: int) -> None:
        self.progress.report(self.begun + done, self.total, self.phase)


class _Stage:
    """Everything that made-up conversations of an experiment need."""

    def __init__(self, tenant: Tenant, made: Evaluation, number: int, *, anew: bool) -> None:
        self.tenant, self.number, self.anew = tenant, number, anew
        self.seed = int(made.chosen["seed"])
        self.environment_id = made.experiment.environment_id
        self.stubs: Stubs = rehearsals.stubs_of(tenant)
        self.alike: dict[Outcome, Outcome] = {}

    def play(self, arm: Arm, people: People, counted: _Counted) -> "_Played":
        program = flows.program_for(arm.version.pk)
        book: Book = rehearsals.book_for(self.tenant, program, self.environment_id)
        understand = self._understand(arm.models) if self.anew else None
        played = _Played(self.alike)
        for number in range(self.number):
            played.add(simulate(book, people, program.flow.flow_id, seed=self.seed, number=number, understand=understand, stubs=self.stubs))
            if number % BATCH == 0:
                counted.tell(number)
        return played

    def _understand(self, models: Mapping[str, UUID]) -> Understand:
        """Words understood anew, each only once."""
        live = rehearsals.understood(self.tenant, models)
        heard: dict[tuple[str, ...], Understanding] = {}

        def understand(programs: Sequence[Program], text: str, locale: str) -> Understanding:
            key = (text, locale, *(one.key for one in programs))
            if key not in heard:
                heard[key] = live(programs, text, locale)
            return heard[key]

        return understand


@dataclass(slots=True)
class _Played:
    """What the conversations of an arm came to, without what was said in them: there are too many to keep that until the end.

    `alike`: outcomes that there were already, so that equal ones are held once.
    """

    alike: dict[Outcome, Outcome]
    outcomes: list[Outcome] = field(default_factory=list)
    how: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    made_up: int = 0
    unanswered: int = 0

    def add(self, one: Simulated) -> None:
        found = outcome(one.facts)
        self.outcomes.append(self.alike.setdefault(found, found))
        self.how[one.how] += 1
        if one.place is not None:
            self.gone[one.place.state] += 1
        self.decisions += one.decisions
        self.made_up += one.made_up
        self.unanswered += one.unanswered

    def told(self) -> dict[str, Any]:
        return {
            "how": dict(self.how),
            "gone_at": [{"state": state, "count": count} for state, count in self.gone.most_common(20)],
            "decisions": self.decisions,
            "made_up": self.made_up / self.decisions if self.decisions else 0.0,
            "unanswered_calls": self.unanswered,
        }
