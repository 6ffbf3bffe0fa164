"""Experiments inside a turn: which version a flow begins in, which model understands, and the first time that a conversation meets a difference.

Nothing is asked of the database while no experiment runs, and afterwards once for each unit and process.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from conversations import arms, store
from conversations.arms import ModelArm, attributes, unit_of
from conversations.core.types import Event, Snapshot, Step
from experiments import queries as experiments
from experiments.queries import Trial
from experiments.services import assigning
from mcp_platform.outbox import queries as outbox

BEGINS: Final = frozenset({"started", "restarted", "pushed", "replaced"})
EXPOSED: Final = "experiment.exposed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """The experiments that a conversation takes part in. `instead`: flow -> the version that it begins in. `arms`: with the unit that has them.
    `models`: those on the models that understand its words."""

    instead: Mapping[str, str] = field(default_factory=dict)
    arms: tuple[tuple[Trial, str, str], ...] = ()  # trial, arm, unit
    models: tuple[ModelArm, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.arms or self.models)

    @property
    def asked(self) -> Mapping[str, uuid.UUID]:
        """flow -> the model that understands in the champion's place."""
        return arms.instead(self.models)

    def shown(self, after: Snapshot) -> str | None:
        """ "experiment:arm" of the lowest flow that runs in its arm's version, or is understood by its arm's model; None without any."""
        for frame in after.frames:
            for trial, arm, _ in self.arms:
                if trial.versions.get(arm) == frame.program:
                    return f"{trial.key}:{arm}"
        for frame in after.frames:
            for one in self.models:
                if one.flow_id == frame.flow_id:
                    return f"{one.trial.key}:{one.arm}"
        return None

    def exposures(self, row: store.Row, before: Snapshot, step: Step) -> tuple[store.ExposureWrite, ...]:
        return (*self._met_in_flows(row, before, step), *self._met_in_words(row, before, step))

    def _met_in_words(self, row: store.Row, before: Snapshot, step: Step) -> Iterator[store.ExposureWrite]:
        """Where an arm's own model understood what was said. What the patterns alone or a remote service understood exposes nobody."""
        asked = {name: key for event in step.events if event.kind == "message" for name, key in (event.data.get("models") or {}).items()}
        for one in self.models:
            if asked.get(one.flow_id) == str(one.model) and _mark(one.trial, row) not in _exposed:
                yield _written(row, one.trial, one.arm, one.unit, state=before.state, fresh=True)  # `arms` has seen to who takes part

    def _met_in_flows(self, row: store.Row, before: Snapshot, step: Step) -> tuple[store.ExposureWrite, ...]:
        """Where this step came to a state in which an arm differs, in the version of its own arm."""
        begun = {str(event.data.get("program")) for event in step.events if event.kind in BEGINS}  # also what is over within this step
        for trial, arm, _ in self.arms:
            if trial.versions.get(arm) in begun:
                _exposed.pop(_mark(trial, row), None)  # what was refused because it had begun too early may count now
        programs = {frame.program for frame in (*before.frames, *step.snapshot.frames)} | begun
        mine = [found for found in self.arms if found[0].versions.get(found[1]) in programs and _mark(found[0], row) not in _exposed]
        if not mine:
            return ()
        visited = list(_visited(before, step.events))
        return tuple(found for trial, arm, unit in mine if (found := _exposure(row, trial, arm, unit, step, visited)) is not None)


NONE: Final = Trials()
_KEPT: Final = 50_000
_Mark = tuple[uuid.UUID, int, uuid.UUID]  # experiment, phase, conversation
_exposed: dict[_Mark, None] = {}  # what needs not be written again; the database refuses a second one anyway


def _mark(trial: Trial, row: store.Row) -> _Mark:
    return trial.id, trial.phase, row.id


def remember(row: store.Row, exposures: tuple[store.ExposureWrite, ...]) -> None:
    """After the commit."""
    if len(_exposed) >= _KEPT:
        _exposed.clear()
    _exposed.update(dict.fromkeys((one.experiment, one.phase, row.id) for one in exposures))


def met(row: store.Row, before: Snapshot, current: Mapping[str, str], now: datetime, *, fresh: bool) -> Trials:
    """What this conversation's unit gets of the experiments on the flows that it can come to. `fresh`: the conversation is being made."""
    running = experiments.running(row.tenant_id, row.environment_id)
    if not running:
        return NONE
    held, instead = [], {}
    for trial in running:
        if trial.kind != arms.OF_FLOWS or trial.flow_id not in current or trial.flow_id in instead:
            continue
        unit = unit_of(trial, row)
        made = fresh and trial.unit == "conversation"
        arm = assigning.arm_for(row.tenant_id, trial, unit, attributes(row, before, trial, trial.flow_id), now, fresh=made)
        if arm in trial.versions:
            held.append((trial, arm, unit))
            instead[trial.flow_id] = trial.versions[arm]
    others = {name: key for name, key in instead.items() if current[name] != key}
    return Trials(instead=others, arms=tuple(held), models=arms.of_models(row, before, current, now, fresh=fresh))


def _exposure(row: store.Row, trial: Trial, arm: str, unit: str, step: Step, visited: list[tuple[str, str]]) -> store.ExposureWrite | None:
    program = trial.versions[arm]
    state = next((state for key, state in visited if key == program and state in trial.states), None)
    if state is None:
        return None
    fresh = any(event.kind in BEGINS and event.data.get("program") == program for event in step.events)
    return _written(row, trial, arm, unit, state=state, program=program, fresh=fresh)


def _written(row: store.Row, trial: Trial, arm: str, unit: str, *, state: str, fresh: bool, program: str = "") -> store.ExposureWrite:
    return store.ExposureWrite(
        experiment=trial.id,
        unit_type=trial.unit,
        unit_id=unit,
        bucket_version=trial.bucket_version,
        variant=trial.rows[arm],
        phase=trial.phase,
        state=state,
        program=program,
        since=trial.since,
        opened=trial.opened,
        fresh=fresh,
        outbox=_told(row, trial, arm, state),
    )


def _told(row: store.Row, trial: Trial, arm: str, state: str) -> store.OutboxWrite | None:
    wanted = outbox.listener(row.tenant_id)
    if wanted is None or not wanted(EXPOSED):
        return None
    data = {"experiment": trial.key, "variant": arm, "phase": trial.phase, "unit": trial.unit, "conversation_id": str(row.id), "state": state}
    return store.OutboxWrite(id=uuid.uuid4(), type=EXPOSED, data=data)


def _visited(before: Snapshot, events: tuple[Event, ...]) -> Iterator[tuple[str, str]]:
    """(version, state) of every state that these events entered."""
    frames = [frame.program for frame in before.frames]
    for event in events:
        data = event.data
        if event.kind in ("started", "restarted"):
            frames = [str(data["program"])]
        elif event.kind == "pushed":
            frames.append(str(data["program"]))
        elif event.kind == "replaced":
            frames = [*frames[: int(data["depth"])], str(data["program"])]
        elif event.kind == "unwound":
            frames = frames[: int(data["depth"])]
        elif event.kind == "popped":
            frames = frames[:-1]
        if event.kind in BEGINS and frames:
            yield frames[-1], str(data.get("state", ""))
        elif event.kind == "moved" and frames:
            yield frames[-1], str(data["to"])
