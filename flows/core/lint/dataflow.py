"""What is filled by the time it is read: a forward analysis over the graph of the states.

A fact is a name that may be unset: `slots.<name>`, or `variables.<name>` of a variable without an initial value. Sets of facts are bits
of an int. `must` holds on every path to a state (meet is and), `may` on at least one (meet is or). Facts that nothing in the flow fills
are left to whoever starts it (inputs, a calling flow): reading them is one warning of its own.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from flows.core.lint.implied import filled_when_passed, filled_when_taken
from flows.core.lint.structure import Shape, warning
from flows.core.lint.typed import Checked
from flows.core.program import names_of
from flows.core.sites import Kind, Moment, Site, all_actions
from flows.core.templates import Filled
from flows.core.types import (
    Action,
    CallIntegration,
    ClearVariable,
    Condition,
    Flow,
    IntegrationConfig,
    Problem,
    SetVariable,
    SlotFillingConfig,
    State,
    Transition,
    TriggerFlow,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is filled at some point: on every path, and on some path."""

    must: int
    may: int

    def plus(self, must: int, may: int = 0) -> "Known":
        return Known(self.must | must, self.may | must | may)

    def minus(self, bits: int) -> "Known":
        return Known(self.must & ~bits, self.may & ~bits)

    def meet(self, other: "Known") -> "Known":
        return Known(self.must & other.must, self.may | other.may)


def check(shape: Shape, checked: list[Checked]) -> list[Problem]:
    return Analysis(shape).problems(checked)


class Analysis:
    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.flow = shape.flow
        self.bits = {name: 1 << index for index, name in enumerate(facts(shape.flow))}
        self.inputs = self.bits_of(name for name in self.bits if name not in filled_somewhere(shape.flow))
        self.at_entry = self.solve()

    def bits_of(self, names: Iterable[str]) -> int:
        total = 0
        for name in names:
            total |= self.bits.get(name, 0)
        return total

    def slots(self, names: Iterable[str]) -> int:
        return self.bits_of(f"slots.{name}" for name in names)

    def variables(self, names: Iterable[str]) -> int:
        return self.bits_of(f"variables.{name}" for name in names)

    def after(self, known: Known, actions: tuple[Action, ...]) -> Known:
        for action in actions:
            if action.for_each is not None:
                known = known.plus(self.variables(names_of(action.for_each)))
            if action.when:
                known = known.meet(self.after(known, (replace(action, when=""),)))
                continue
            match action:
                case SetVariable():
                    known = known.plus(self.variables((action.name,)) | self.slots((action.slot,)))
                case ClearVariable():
                    known = known.minus(self.variables((action.name,)) | self.slots((action.slot,)))
                case CallIntegration():
                    known = known.plus(0, self.variables(action.call.response_mapping))
                case TriggerFlow():
                    known = known.plus(self.variables(action.outputs), self.asked_anywhere())
                case _:
                    pass
        return known

    def asked_anywhere(self) -> int:
        """Slots are shared by all flows of a conversation: a sub-flow may fill any."""
        return self.bits_of(name for name in self.bits if name.startswith("slots."))

    def inside(self, state: State) -> Known:
        """After the entry actions, while the state waits or works."""
        known = self.after(self.at_entry[state.name], state.entry_actions)
        if isinstance(state.config, SlotFillingConfig):
            return known.plus(0, self.slots((*state.config.required_slots, *state.config.optional_slots)))
        return known

    def when(self, state: State, transition: Transition | None) -> Known:
        """When this transition is about to be taken: what its condition, and the failure of those before it, say."""
        known = self.inside(state)
        if transition is None:
            return Known(self.at_entry[state.name].must, known.may)
        for earlier in self.shape.live(state.name):
            if earlier is transition:
                break
            known = known.plus(self.slots(filled_when_passed(earlier)))
        return known.plus(self.implied(state, transition))

    def implied(self, state: State, transition: Transition) -> int:
        config = state.config
        if transition.condition is Condition.SLOT_FILLED and not transition.condition_value:
            return self.slots(config.required_slots) if isinstance(config, SlotFillingConfig) else 0
        if transition.condition is Condition.INTEGRATION_SUCCESS and isinstance(config, IntegrationConfig):
            return self.variables(config.response_mapping)
        return self.slots(filled_when_taken(transition))

    def leaving(self, state: State, transition: Transition | None) -> Known:
        known = self.after(self.when(state, transition), state.exit_actions)
        return self.after(known, transition.actions) if transition else known

    def solve(self) -> dict[str, Known]:
        everything = Known(sum(self.bits.values()), 0)
        self.at_entry = dict.fromkeys(self.flow.states, everything)
        starts = self.starts()
        self.at_entry |= starts
        out: dict[str, list[tuple[str, Transition | None]]] = {}
        for edge in self.shape.edges:
            out.setdefault(edge.source, []).append((edge.target, edge.transition))
        queue = deque(self.shape.reached & starts.keys())
        visited = set(queue)
        while queue:
            name = queue.popleft()
            for target, transition in out.get(name, ()):
                met = self.at_entry[target].meet(self.leaving(self.flow.states[name], transition))
                if met != self.at_entry[target] or target not in visited:
                    self.at_entry[target] = met
                    visited.add(target)
                    queue.append(target)
        return self.at_entry

    def starts(self) -> dict[str, Known]:
        """Nothing is filled at the start; anything may be where a handler goes to."""
        from_handlers = {name: Known(0, sum(self.bits.values())) for name in self.shape.reached if name in handler_goals(self.flow)}
        first = {self.flow.initial_state: Known(0, 0)} if self.flow.initial_state in self.flow.states else {}
        return {**first, **from_handlers}

    def problems(self, checked: list[Checked]) -> list[Problem]:
        found: list[Problem] = []
        for item in checked:
            if item.site.state and item.site.state not in self.shape.reached:
                continue
            wanted = needs(item)
            if wanted & self.bits.keys():
                found += self.verdicts(item.site, wanted, self.known_at(item.site).plus(self.variables(item.site.loop)))
        return found

    def verdicts(self, site: Site, wanted: frozenset[str], known: Known) -> Iterator[Problem]:
        for name in sorted(wanted):
            bit = self.bits.get(name, 0)
            if not bit or known.must & bit:
                continue
            noun, what = name.partition(".")[0].removesuffix("s"), name.partition(".")[2]
            done = "filled" if noun == "slot" else "set"
            if bit & self.inputs:
                yield warning(site.path, f"only_input_{noun}", f'Only an input or another flow can fill the {noun} "{what}".', guard(name))
            elif known.may & bit or site.moment is Moment.ANYTIME:
                yield warning(site.path, f"maybe_unset_{noun}", f'The {noun} "{what}" is not {done} on every way to here.', guard(name))
            else:
                yield Problem(path=site.path, code=f"unset_{noun}", message=f'The {noun} "{what}" is never {done} here.', expected=guard(name))

    def known_at(self, site: Site) -> Known:
        if not site.state:
            return Known(self.slots((site.slot,)), 0)
        state = self.flow.states[site.state]
        return MOMENTS[site.moment](self, state, site)

    def at_any_time(self, state: State, site: Site) -> Known:
        """Undoing, interruption and default values: an expression without its value is false there, or gives nothing."""
        everything = sum(self.bits.values())
        return Known(everything, everything)

    def at_entry_action(self, state: State, site: Site) -> Known:
        count = len(state.entry_actions) if site.action < 0 else site.action
        return self.after(self.at_entry[state.name], state.entry_actions[:count])

    def at_guard(self, state: State, site: Site) -> Known:
        """A guard may read what its own state asks for: until then it is false."""
        transition = next(item for item in state.transitions if item.index == site.transition)
        known = self.when(state, transition)
        own = (*state.config.required_slots, *state.config.optional_slots) if isinstance(state.config, SlotFillingConfig) else ()
        return known.plus(self.slots(own))

    def at_taken(self, state: State, site: Site) -> Known:
        transition = next(item for item in state.transitions if item.index == site.transition)
        known = self.after(self.when(state, transition), state.exit_actions)
        return self.after(known, transition.actions[: site.action])

    def at_exit(self, state: State, site: Site) -> Known:
        ways = [self.when(state, transition) for transition in self.shape.live(state.name)] or [self.inside(state)]
        known = ways[0]
        for other in ways[1:]:
            known = known.meet(other)
        return self.after(known, state.exit_actions[: site.action])

    def while_asking(self, state: State, site: Site) -> Known:
        """Required slots are asked for in order, then the optional ones."""
        config = state.config
        asked = config.required_slots if isinstance(config, SlotFillingConfig) else ()
        before = asked[: asked.index(site.slot)] if site.slot in asked else asked
        return self.inside(state).plus(self.slots(before))


MOMENTS: Final = {
    Moment.ANYTIME: Analysis.at_any_time,
    Moment.ENTRY: Analysis.at_entry_action,
    Moment.GUARD: Analysis.at_guard,
    Moment.TAKEN: Analysis.at_taken,
    Moment.EXIT: Analysis.at_exit,
    Moment.ASKING: Analysis.while_asking,
}


def facts(flow: Flow) -> list[str]:
    unset = [name for name, variable in flow.variables.items() if variable.initial is None and variable.type != "dyn"]
    declared = [f"variables.{name}" for name in (*unset, *sorted(undeclared(flow)))]
    return [*(f"slots.{name}" for name in flow.slots), *declared]


def undeclared(flow: Flow) -> frozenset[str]:
    return frozenset(name for name in variables_filled(flow) if name not in flow.variables)


def variables_filled(flow: Flow) -> Iterator[str]:
    for state in flow.states.values():
        if isinstance(state.config, IntegrationConfig):
            yield from state.config.response_mapping
    for _, _, action in all_actions(flow):
        if isinstance(action, SetVariable) and action.name:
            yield action.name
        yield from filter(None, names_of(action.for_each))
        if isinstance(action, CallIntegration):
            yield from action.call.response_mapping
        if isinstance(action, TriggerFlow):
            yield from action.outputs


def filled_somewhere(flow: Flow) -> frozenset[str]:
    asked = (
        slot
        for state in flow.states.values()
        if isinstance(state.config, SlotFillingConfig)
        for slot in (*state.config.required_slots, *state.config.optional_slots)
    )
    set_here = (action.slot for _, _, action in all_actions(flow) if isinstance(action, SetVariable) and action.slot)
    return frozenset((*(f"slots.{slot}" for slot in (*asked, *set_here)), *(f"variables.{name}" for name in variables_filled(flow))))


def handler_goals(flow: Flow) -> frozenset[str]:
    return frozenset(handler.target_state for handler in flow.handlers if handler.target_state)


def needs(item: Checked) -> frozenset[str]:
    """The names that must be set for this to work: not those with a `default`, nor those whose `filled` is asked in the same breath."""
    compiled = item.compiled
    names = compiled.needs if isinstance(compiled, Filled) else compiled.reads
    names = frozenset(f"slots.{name.partition('.')[2]}" if name.startswith(("labels.", "products.")) else name for name in names)
    if item.site.kind is Kind.RULE:
        names -= {f"slots.{item.site.slot}"}
    return frozenset(name for name in names if name.replace("slots.", "filled.", 1) not in compiled.reads or name.startswith("variables."))


def guard(name: str) -> str:
    noun, _, what = name.partition(".")
    return f"{{{{ {name} | default('…') }}}} in a text" + (f", filled.{what} in an expression" if noun == "slots" else "")
