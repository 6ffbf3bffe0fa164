"""Design occupants of spaces, and whom doors, corridors and stairs serve.

A space has its area divided by the factor of its function, rounded up, or the stated number when that is greater (or approved as smaller). Its
people are spread evenly over the doors through which they get out, and walk on the shortest way from there. People who come over stairs count for
the worst single storey only. Sources: IBC 2021 1004.5 (factors), 1004.9 and 1005.5 (ways out shared), 1005.3.1 (one storey at a time).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from validation.core.building import Fact
from validation.core.egress.choice import Choices, egress_ways
from validation.core.egress.network import Network, Ways
from validation.core.functions import FUNCTIONS
from validation.core.storeys import Placed, StoreyModel

_MAPPED: Final = 0.9  # share of the floor whose function has to be known for a storey's load to be stated
_ROUNDING: Final = 1e-9
Tally: TypeAlias = defaultdict[str, float]


@dataclass(slots=True)
class Flow:
    """People through each way, space, exit (by the name that it counts as) and open stair."""

    ways: Tally = field(default_factory=lambda: defaultdict(float))
    spaces: Tally = field(default_factory=lambda: defaultdict(float))
    exits: Tally = field(default_factory=lambda: defaultdict(float))


def load_of(space: Placed, model: StoreyModel) -> Fact | None:
    """Design occupants of one space; None when its function or its area is not known."""
    if "occupant_load" in space.element.given:
        return Fact(value=math.ceil(space.element.given["occupant_load"]), source="user")
    function, declared = space.value("function"), space.value("declared_occupants")
    known = FUNCTIONS.get(str(function))
    if known and not known.occupied:
        return Fact(value=int(declared or 0), source="derived:occupant_load", note=f"nobody is counted in a space of function {function}")
    factor = model.parameters.factors.get(str(function))
    area = space.value(f"{factor.basis}_area") if factor else None
    if not factor or not isinstance(area, int | float):
        return None
    counted = math.ceil(area / factor.area - _ROUNDING)
    if declared is not None and (declared > counted or space.value("load_reduction_approved")):
        return Fact(value=int(declared), source="derived:occupant_load", note=f"stated; the table gives {counted}")
    whence = model.parameters.factors_from or "the built-in table"
    return Fact(
        value=counted,
        source="derived:occupant_load",
        assumed=any(space.facts[name].assumed for name in ("function", f"{factor.basis}_area") if name in space.facts)
        or not model.parameters.factors_from,
        note=f"{area:g} m² ({factor.basis}) / {factor.area:g} m² a person ({function}, {whence}), rounded up",
    )


def storey_load(loads: Mapping[str, Fact | None], spaces: Mapping[str, Placed]) -> Fact | None:
    """The sum; None while less than nine tenths of the floor have a known load, so that nothing passes for want of names."""
    if not spaces:
        return None
    area = {name: float(one.value("net_area") or 0) for name, one in spaces.items()}
    known = [name for name in spaces if loads.get(name) is not None]
    whole = sum(area.values())
    share = sum(area[name] for name in known) / whole if whole else len(known) / len(spaces)
    if share < _MAPPED:
        return None
    note = "" if len(known) == len(spaces) else f"{len(spaces) - len(known)} of {len(spaces)} spaces have no known function and are not counted"
    facts = [fact for name in known if (fact := loads[name])]
    return Fact(
        value=sum(fact.value for fact in facts), source="derived:occupant_load", assumed=bool(note) or any(fact.assumed for fact in facts), note=note
    )


def flow(net: Network, made: Callable[[str], Choices], ways: Ways, people: Mapping[str, float]) -> Flow:
    """Everybody from their space to an exit."""
    found, onward = Flow(), Onward(net, ways)
    for space, number in people.items():
        if number <= 0:
            continue
        doors = egress_ways(made(space), space)
        stairs = [
            node for _, node in net.stair_at.values() if node >= 0 and net.space_of[node] == space and node in ways.exit and node not in ways.after
        ]
        if not doors:
            doors_to = stairs or [node for node in net.inside.get(space, ()) if node in ways.length][:1]
            for node in doors_to:
                onward.send(found, node, number / len(doors_to), space)
            continue
        for way in doors:
            share = number / len(doors)
            found.ways[way.id] += share
            other = way.other(space)
            node = net.entry.get((other, way.id), net.portal[way.id])
            onward.send(found, net.portal[way.id] if way.id in net.exit_by else node, share, space, through=way.id)
    return found


class Onward:
    """What lies on the shortest way from a node; kept, since many share it."""

    def __init__(self, net: Network, ways: Ways) -> None:
        self.net, self.ways = net, ways
        self._known: dict[int, tuple[tuple[str, ...], tuple[str, ...], str]] = {}

    def send(self, flow: Flow, node: int, number: float, home: str, through: str = "") -> None:
        if node not in self.ways.length:
            return
        ways, spaces, exit_ = self._of(node)
        for way in ways:
            if way != through:
                flow.ways[way] += number
        for space in spaces:
            if space != home:
                flow.spaces[space] += number
        flow.exits[exit_] += number

    def _of(self, node: int) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        if node not in self._known:
            path = self.ways.path(node)
            ways = dict.fromkeys(self.net.way_of[one] for one in path if one in self.net.way_of)
            spaces = dict.fromkeys(self.net.space_of[one] for one in path if one in self.net.space_of)
            self._known[node] = (tuple(ways), tuple(spaces), self.net.exits[self.ways.exit[node]].counts_as)
        return self._known[node]


def together(*tallies: Mapping[str, float]) -> Tally:
    found: Tally = defaultdict(float)
    for tally in tallies:
        for name, number in tally.items():
            found[name] += number
    return found


def whole(number: float) -> int:
    """People are whole; a share counts as one more."""
    return math.ceil(number - 1e-6)
