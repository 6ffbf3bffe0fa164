"""A conversation moves to another version of its flow while it waits: what becomes of its frames, slots and variables, or why it cannot move.

Pure, and told as one event (`migrated`), so that the fold of the events is the snapshot after a migration too.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from conversations.core import codec, machine, slots
from conversations.core.corrections import PENDING
from conversations.core.fold import fold
from conversations.core.mapping import Change, Route, waits
from conversations.core.plan import plan_of
from conversations.core.run import Fault, Run
from conversations.core.types import Book, Event, Frame, Snapshot, Status, Step
from conversations.core.values import Unfit, plain, typed
from flows.core.types import EvaluationFailed, Json, SlotRule, Variable

LIVE = (Status.ACTIVE, Status.WAITING, Status.HANDOFF, Status.FAILED)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a conversation cannot move. `code` is stable: docs/live_versions.md lists them."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    state: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """`step` is what the shell writes. `moves` are (state before, state after) of each frame that moved, the one at the bottom first."""

    step: Step
    moves: tuple[tuple[str, str], ...]
    slots_lost: tuple[str, ...] = ()
    slots_converted: tuple[str, ...] = ()
    variables_lost: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class _Stop(Exception):
    """This conversation cannot move."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__(reasons)
        self.reasons = reasons


class _Notes:
    """What is lost on the way, each named once."""

    def __init__(self, *, force: bool) -> None:
        self.force = force
        self.slots_lost: dict[str, None] = {}
        self.slots_converted: dict[str, None] = {}
        self.variables_lost: dict[str, None] = {}
        self.remarks: dict[str, None] = {}
        self.reasons: list[Reason] = []


def migrate(
    at: Snapshot,
    route: Route,
    book: Book,
    now: datetime,
    *,
    conversation_id: str = "",
    plan: str = "",
    force: bool = False,
    silent: bool = False,
) -> Migrated | Refused:
    """The conversation in the new version. `book` knows the programs of all its frames and those of the route.

    `force`: nothing is refused that can be helped: a state without a counterpart leads to the fallback (else the initial state), a value that
    does not fit is dropped, a call that is on its way is given up. `silent`: the new state's question is not asked, whatever the map says.
    `plan` is named in the event.
    """
    try:
        return _migrated(at, route, book, now, conversation_id, plan, force, silent)
    except _Stop as stop:
        return Refused(state=at.state, reasons=stop.reasons)
    except Fault as fault:
        return Refused(state=at.state, reasons=(Reason("engine", f"{fault.code}: {fault.message}"),))


def concerns(at: Snapshot, route: Route) -> bool:
    """Whether any of its flows runs the version that the route leaves."""
    return any(frame.program == route.before.key for frame in at.frames)


def _migrated(at: Snapshot, route: Route, book: Book, now: datetime, conversation_id: str, plan: str, force: bool, silent: bool) -> Migrated:
    if not concerns(at, route):
        raise _Stop(Reason("elsewhere", "none of its flows runs this version"))
    if at.status not in LIVE:
        raise _Stop(Reason("ended", "it has ended"))
    opening = _given_up(at, force)
    start = fold(opening, start=at)
    notes = _Notes(force=force)
    frames = _frames(start, route, notes)
    values, sensitive = _slots(start, route, book, now, notes)
    if notes.reasons and not force:
        raise _Stop(*notes.reasons)
    event = Event(seq=start.seq + 1, kind="migrated", data=_told(start, route, plan, frames, values, sensitive))
    events = (*opening, event)
    step = _settled(fold(events, start=at), route, book, now, conversation_id, ask=_asks(start, frames, route) and not silent)
    moves = [(old.state, new.state) for old, new in zip(start.frames, frames, strict=True) if old.program == route.before.key]
    return Migrated(
        step=replace(step, events=(*events, *step.events)),
        moves=tuple(moves),
        slots_lost=tuple(notes.slots_lost),
        slots_converted=tuple(notes.slots_converted),
        variables_lost=tuple(notes.variables_lost),
        remarks=tuple(notes.remarks),
    )


def _given_up(at: Snapshot, force: bool) -> tuple[Event, ...]:
    """A call is on its way: only force gives it up. What it brings is discarded, because nobody awaits it any more."""
    if not at.awaiting:
        return ()
    if not force:
        raise _Stop(Reason("awaiting", "a call to an integration is on its way"))
    data = {"code": "CONVERSATION_MIGRATED", "message": "The conversation was moved to another version."}
    if not at.stable:
        data["status"] = Status.FAILED.value  # it has never waited: the next message begins its state
    return (Event(seq=at.seq + 1, kind="failed", data=data),)


def _told(
    start: Snapshot, route: Route, plan: str, frames: tuple[Frame, ...], values: Mapping[str, Json], sensitive: tuple[str, ...]
) -> dict[str, Json]:
    """The event says what is different from now on, in full for the frames."""
    mapped = route.mapping.states
    renamed = {name: change.to for name, change in route.mapping.slots.items() if change.to}
    data: dict[str, Json] = {
        "plan": plan,
        "flow_id": route.after.flow.flow_id,
        "from": route.before.key,
        "to": route.after.key,
        "frames": [codec.frame_to_json(frame) for frame in frames],
        "history": [mapped.get(state, state) for state in start.history],
        "retries": {renamed.get(name, name): count for name, count in start.retries.items() if renamed.get(name, name) not in values},
        "slots": {name: value for name, value in values.items() if name not in start.slots or start.slots[name] != value},
        "dropped": [name for name in start.slots if name not in values],
    }
    if sensitive:
        data["sensitive"] = list(sensitive)
    return data


def _asks(start: Snapshot, frames: tuple[Frame, ...], route: Route) -> bool:
    top, before = frames[-1], start.frames[-1]
    return route.mapping.ask and start.status is Status.WAITING and top.program == route.after.key and top.state != before.state


def _settled(moved: Snapshot, route: Route, book: Book, now: datetime, conversation_id: str, *, ask: bool) -> Step:
    """The timers of the new state, and its question when it is to be asked."""
    programs = {**book.programs, route.after.key: route.after}
    full = Book(programs=programs, current=book.current, default_flow=book.default_flow, products=book.products)
    run = Run(full, moved, now, conversation_id)
    run.left = ask or (moved.status is Status.WAITING and moved.frames[-1].program == route.after.key)
    if ask:
        run.ops.append(["ask"])
        machine.drain(run)
    return machine.close(run)


def _frames(start: Snapshot, route: Route, notes: _Notes) -> tuple[Frame, ...]:
    found: list[Frame] = []
    top = len(start.frames) - 1
    for level, frame in enumerate(start.frames):
        mine = frame.program == route.before.key
        asked = level == top and start.status is not Status.FAILED  # one that has failed begins its state anew with the next message
        moved = _frame(frame, route, start.seq + 1, notes, on_top=asked) if mine else frame
        if level and found[-1].program == route.after.key:
            renamed = {name: change.to for name, change in route.mapping.variables.items() if change.to}
            moved = replace(moved, returns={renamed.get(name, name): output for name, output in moved.returns.items()})
        found.append(moved)
    return tuple(found)


def _frame(frame: Frame, route: Route, seq: int, notes: _Notes, *, on_top: bool) -> Frame:
    state = _counterpart(frame.state, route, notes, on_top=on_top)
    return Frame(
        program=route.after.key,
        flow_id=route.after.flow.flow_id,
        state=state,
        returns=frame.returns,
        variables=_variables(frame.variables, route, notes),
        visit=frame.visit if state == frame.state else seq,  # buttons of a question that is not asked any more are stale
        agenda=_agenda(frame, state, route, notes),
        trail=tuple(token for token in frame.trail if token.rpartition("#")[0] in route.after.flow.states),
        undo=frame.undo,
        on_cancel=frame.on_cancel,
    )


def _counterpart(state: str, route: Route, notes: _Notes, *, on_top: bool) -> str:
    """The mapped state, the one of the same name, or the fallback. A flow below another is not asked now, so any state will do for it."""
    target = route.mapping.states.get(state, state)
    if target in route.after.flow.states and (waits(route.after, target) or not on_top):
        return target
    fallback = route.fallback
    if not fallback and notes.force:
        fallback = next((name for name in (route.after.flow.initial_state, *route.after.flow.states) if waits(route.after, name)), "")
    if fallback:
        return fallback
    if target in route.after.flow.states:
        notes.reasons.append(Reason("does_not_wait", f'the state "{target}" does not wait for its user in the new version'))
    else:
        notes.reasons.append(Reason("no_state", f'the state "{state}" has no counterpart'))
    return state


# What is left to do in a flow that waits for the one above it: see core/run.py for these operations.
_STATE_AT: Mapping[str, int] = {"begin": 1, "enter": 1, "go": 1, "body": 1, "result": 1, "goto": 2}


def _agenda(frame: Frame, state: str, route: Route, notes: _Notes) -> tuple[Json, ...]:
    """Kept when all of it means the same in the new version; else cut short to where it leads, or to asking the state's question again."""
    if not frame.agenda:
        return ()
    mapped = [_operation(list(one), route) for one in frame.agenda]
    if all(one is not None for one in mapped):
        return tuple(mapped)
    notes.remarks[f'what was left to do in "{frame.state}" was cut short'] = None
    leads = next((one for one in mapped if one is not None and one[0] == "enter"), None)
    return (["enter", leads[1], None],) if leads is not None else (["ask"],)


def _operation(one: list[Json], route: Route) -> list[Json] | None:
    """The operation in the new version, None when it would not be the same there."""
    name = one[0]
    if name in _STATE_AT:
        place = _STATE_AT[name]
        target = route.mapping.states.get(one[place], one[place])
        if target not in route.after.flow.states or (name == "result" and not _same_config(one[place], target, route)):
            return None
        return [*one[:place], target, *one[place + 1 :]]
    if name in ("acts", "called"):
        return _actions(one, route)
    if name == "say":
        return one if any(handler.name == one[2] for handler in route.after.flow.handlers) else None
    return one


def _actions(one: list[Json], route: Route) -> list[Json] | None:
    """A list of actions goes on only where the list is the same."""
    name, level, state, place, number = one
    target = route.mapping.states.get(state, state) if state else state
    before = plan_of(route.before).actions.get((state, place))
    return [name, level, target, place, number] if before == plan_of(route.after).actions.get((target, place)) else None


def _same_config(state: str, target: str, route: Route) -> bool:
    one = route.before.flow.states.get(state)
    return one is not None and one.config == route.after.flow.states[target].config


def _variables(before: Mapping[str, Json], route: Route, notes: _Notes) -> dict[str, Json]:
    """Those of one frame. What no version declares was an input, and stays."""
    old, new = route.before.flow.variables, route.after.flow.variables
    found: dict[str, Json] = {}
    for name, value in before.items():
        change = route.mapping.variables.get(name, Change())
        target = change.to or name
        if name == PENDING:
            continue  # a correction that waited for a yes: the question is not asked any more
        if change.drop or (name in old and target not in new):
            notes.variables_lost[name] = None
            continue
        kept = _fitting_variable(name, value, change, new.get(target), before, route, notes)
        if kept is not _NOTHING:
            found[target] = kept
    return {**_initial(route, found), **found}


_NOTHING: Json = object()


def _fitting_variable(
    name: str, value: Json, change: Change, declared: Variable | None, variables: Mapping[str, Json], route: Route, notes: _Notes
) -> Json:
    try:
        converted = _converted(change, value, {f"variables.{key}": held for key, held in variables.items()}, route)
        return typed(converted, declared)
    except (EvaluationFailed, Unfit) as failure:
        _misfit(notes, route, Reason("variable_misfit", f'the variable "{name}": {failure}'))
        notes.variables_lost[name] = None
        return _NOTHING


def _initial(route: Route, found: Collection[str]) -> dict[str, Json]:
    """Variables that only the new version has begin as its author wrote, or with the map's default."""
    initial = {name: one.initial for name, one in route.after.flow.variables.items() if one.initial is not None and name not in found}
    defaults = {change.to or name: change.default for name, change in route.mapping.variables.items() if change.default is not None}
    return {**initial, **{name: value for name, value in defaults.items() if name not in found}}


def _misfit(notes: _Notes, route: Route, reason: Reason) -> None:
    if route.mapping.misfit == "refuse":
        notes.reasons.append(reason)


def _converted(change: Change, value: Json, scope: Mapping[str, Json], route: Route) -> Json:
    """Raises EvaluationFailed, Unfit."""
    if not change.convert:
        return value
    return plain(route.conversions[change.convert].evaluate({**scope, "value": value}))


def _slots(at: Snapshot, route: Route, book: Book, now: datetime, notes: _Notes) -> tuple[dict[str, Json], tuple[str, ...]]:
    """The slots, and which of them are sensitive. A slot that another flow on the stack knows too stays for that flow."""
    shared = _known_to_others(at, route, book)
    scope = {f"slots.{name}": value for name, value in at.slots.items()} | {f"filled.{name}": True for name in at.slots}
    scope |= {f"variables.{name}": value for name, value in _variables_of(at, route).items()}
    found: dict[str, Json] = {}
    for name, value in at.slots.items():
        target = _slot(name, value, route, at, now, scope, shared, found, notes)
        if target != name and name in shared:
            found[name] = value
    for name, change in route.mapping.slots.items():
        target = change.to or name
        if change.default is not None and target not in found and target in route.after.flow.slots:
            found[target] = change.default
    return found, _sensitive(at, route, found)


def _variables_of(at: Snapshot, route: Route) -> Mapping[str, Json]:
    return next((frame.variables for frame in reversed(at.frames) if frame.program == route.before.key), {})


def _known_to_others(at: Snapshot, route: Route, book: Book) -> frozenset[str]:
    others = [book.programs[frame.program] for frame in at.frames if frame.program != route.before.key and frame.program in book.programs]
    return frozenset(name for program in others for name in program.flow.slots)


def _slot(
    name: str,
    value: Json,
    route: Route,
    at: Snapshot,
    now: datetime,
    scope: Mapping[str, Json],
    shared: frozenset[str],
    found: dict[str, Json],
    notes: _Notes,
) -> str:
    """Puts the value where it belongs; gives the name that it has there, "" when it is lost."""
    change = route.mapping.slots.get(name, Change())
    rule, target = route.before.flow.slots.get(name), change.to or name
    wanted = route.after.flow.slots.get(target)
    if rule is None and name not in route.mapping.slots:
        found[name] = value  # of another flow
        return name
    if change.drop or wanted is None:
        if name not in shared:
            notes.slots_lost[name] = None
        return ""
    try:
        fitting = _fitting(_converted(change, value, scope, route), rule, wanted, at, now)
    except (EvaluationFailed, Unfit) as failure:
        _misfit(notes, route, Reason("slot_misfit", f'the slot "{name}": {failure}'))
        notes.slots_lost[name] = None
        return ""
    if fitting != value or type(fitting) is not type(value):
        notes.slots_converted[name] = None
    found[target] = fitting
    return target


def _fitting(value: Json, rule: SlotRule | None, wanted: SlotRule, at: Snapshot, now: datetime) -> Json:
    """The value as the new rule takes it. Raises Unfit. The rule's own expression is not asked: it may read what only a turn knows."""
    if rule is not None and replace(rule, name=wanted.name) == wanted:
        return value
    found = slots.accept(wanted, value, locale=at.locale, now=now)
    if isinstance(found, slots.Extracted):
        return found.value
    if isinstance(value, int | float) and not isinstance(value, bool) and not isinstance(found, slots.Refused):
        return _fitting(str(value), None, wanted, at, now)  # a number that is a text from now on
    raise Unfit(f"is no {wanted.type.value}" if isinstance(found, slots.NothingFound) else f"does not fit its rule ({found.reason})")


def _sensitive(at: Snapshot, route: Route, found: Iterable[str]) -> tuple[str, ...]:
    """Sensitive before, or sensitive from now on; a slot that has another name now was its old self."""
    before = {route.mapping.slots[name].to or name if name in route.mapping.slots else name for name in at.sensitive} | set(at.sensitive)
    rules: Mapping[str, SlotRule] = route.after.flow.slots
    return tuple(name for name in found if name in before or (name in rules and rules[name].sensitive))


def restore(at: Snapshot, before: Snapshot, book: Book, now: datetime, *, conversation_id: str = "", plan: str = "") -> Step:
    """The conversation as it was: `before` is its snapshot before the migration, and nothing has happened to it since."""
    data: dict[str, Json] = {
        "plan": plan,
        "flow_id": before.frames[0].flow_id,
        "from": at.frames[0].program,
        "to": before.frames[0].program,
        "reverted": True,
        "frames": [codec.frame_to_json(frame) for frame in before.stable or before.frames],
        "history": list(before.history),
        "retries": dict(before.retries),
        "slots": {name: value for name, value in before.slots.items() if name not in at.slots or at.slots[name] != value},
        "dropped": [name for name in at.slots if name not in before.slots],
    }
    if before.sensitive:
        data["sensitive"] = list(before.sensitive)
    event = Event(seq=at.seq + 1, kind="migrated", data=data)
    moved = fold((event,), start=at)
    run = Run(book, moved, now, conversation_id)
    run.left = moved.status is Status.WAITING
    step = machine.close(run)
    return replace(step, events=(event, *step.events))


def expire(at: Snapshot, book: Book, now: datetime, *, conversation_id: str = "") -> Step:
    """The end of a conversation whose version has been drained: nothing is said, its timers are void, a call on its way is given up."""
    opening = _given_up(at, force=True)
    last = Event(seq=at.seq + len(opening) + 1, kind="ended", data={"completion": "expired"})
    run = Run(book, fold((*opening, last), start=at), now, conversation_id)
    run.left = True
    step = machine.close(run)
    return replace(step, events=(*opening, last, *step.events), completed="expired")
