"""The graph of one storey: doors, the places where one enters a space through them, and the corners at which ways bend.

And the shortest ways out of it.
Exits are doors to the open on a level of exit discharge (and fire exits on others), doors into exit stairs on other levels, and open stairs that
lead inwards, with the distance from there on. Source: IBC 2021 1006, 1017.3 (measured along the natural and unobstructed way, stairs along their
slope).
"""

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from validation.core import shapes
from validation.core.building import Point
from validation.core.egress.doorways import Doorway, doorways
from validation.core.egress.regions import Region
from validation.core.functions import FUNCTIONS
from validation.core.storeys import Placed, StairEnd, StoreyModel

_NEAR_STAIR: Final = 1.5  # m between a stair and the floor from which one steps on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """`way`: the doorway that leads into it, or "" for an open stair (`stair`). counts_as.

    Exits with the same name are one (two doors of a stair).
    """

    counts_as: str
    kind: str  # outside | exit_stair | open_stair
    node: int
    cost: float = 0.0
    way: str = ""
    stair: str = ""
    space: str = ""  # the exit stair's


@dataclass(slots=True, kw_only=True)
class Network:
    """Nodes are numbered. `space_of`: the space in which a node lies; `way_of`: the doorway of a node in a wall."""

    model: StoreyModel
    spaces: dict[str, Placed]
    regions: dict[str, Region]
    enclosures: frozenset[str]  # exit stairs, on levels where they are exits
    ways: list[Doorway]
    places: list[Point] = field(default_factory=list)
    edges: list[list[tuple[int, float]]] = field(default_factory=list)
    space_of: dict[int, str] = field(default_factory=dict)
    way_of: dict[int, str] = field(default_factory=dict)
    portal: dict[str, int] = field(default_factory=dict)
    entry: dict[tuple[str, str], int] = field(default_factory=dict)  # (space, way) -> node
    inside: dict[str, list[int]] = field(default_factory=dict)  # space -> its nodes
    exits: list[Exit] = field(default_factory=list)
    stair_at: dict[str, tuple[str, int]] = field(default_factory=dict)  # stair -> (space, node)
    by_space: dict[str, list[Doorway]] = field(default_factory=dict)
    exit_by: dict[str, Exit] = field(default_factory=dict)  # doorway -> the exit that it leads into
    _way_by: dict[str, Doorway] = field(default_factory=dict)

    @property
    def way_by(self) -> dict[str, Doorway]:
        if not self._way_by:
            self._way_by = {way.id: way for way in self.ways}
        return self._way_by

    def node(self, place: Point) -> int:
        self.places.append(place)
        self.edges.append([])
        return len(self.places) - 1

    def join(self, a: int, b: int, length: float) -> None:
        self.edges[a].append((b, length))
        self.edges[b].append((a, length))

    def function(self, space: str) -> str:
        return str(self.spaces[space].value("function") or "")

    def circulation(self, space: str) -> bool:
        known = FUNCTIONS.get(self.function(space))
        return space in self.enclosures or (known.circulation if known else bool(self.spaces[space].value("is_corridor")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Shortest way out of every node: its length, the next node, and the exit (index in Network.exits). Unreachable nodes are absent."""

    length: Mapping[int, float]
    after: Mapping[int, int]
    exit: Mapping[int, int]

    def path(self, node: int) -> list[int]:
        found = [node]
        while found[-1] in self.after:
            found.append(self.after[found[-1]])
        return found


def network(model: StoreyModel) -> Network:
    spaces = {one.id: one for one in model.of_exactly("IfcSpace")}
    shaped = {name: shape for name, one in spaces.items() if one.element.footprint and (shape := shapes.polygon(one.element.footprint)) is not None}
    regions = {name: Region(shape) for name, shape in sorted(shaped.items())}
    stairs = frozenset(name for name in regions if spaces[name].value("is_exit_stair"))
    net = Network(
        model=model, spaces=spaces, regions=regions, enclosures=frozenset() if model.level.discharge else stairs, ways=doorways(model, regions)
    )
    for way in net.ways:
        for side in way.sides:
            if side:
                net.by_space.setdefault(side, []).append(way)
    for way in net.ways:
        _add_way(net, way)
    for end in model.stairs:
        _add_stair(net, end)
    for name, region in regions.items():
        if _walkable(net, name):
            _add_floor(net, name, region)
    net.exit_by = {one.way: one for one in net.exits if one.way}
    return net


def _walkable(net: Network, space: str) -> bool:
    """Exit stairs are walked in only where they lead to the open; shafts, elevators and the outside never."""
    known = FUNCTIONS.get(net.function(space))
    return space not in net.enclosures and not (known and not known.passable) and net.function(space) != "outside"


def _is_open(net: Network, way: Doorway) -> bool:
    return way.outside or any(side and net.function(side) == "outside" for side in way.sides)


def _add_way(net: Network, way: Doorway) -> None:
    portal = net.portal[way.id] = net.node(way.at)
    net.way_of[portal] = way.id
    inner = [side for side in way.sides if side and _walkable(net, side)]
    for side in inner:
        place = net.regions[side].entry(way.at)
        node = net.entry[side, way.id] = net.node(place)
        net.space_of[node] = side
        net.inside.setdefault(side, []).append(node)
        net.join(portal, node, math.dist(place, way.at))
    if not inner or not way.door:
        return
    stair = next((side for side in way.sides if side in net.enclosures), "")
    if stair:
        net.exits.append(Exit(counts_as=stair, kind="exit_stair", node=portal, way=way.id, space=stair))
    elif _is_exit_door(net, way):
        net.exits.append(Exit(counts_as=way.id, kind="outside", node=portal, way=way.id))


def _is_exit_door(net: Network, way: Doorway) -> bool:
    given = way.placed.element.given.get("is_exit") if way.placed else None
    if given is not None:
        return bool(given)
    return _is_open(net, way) and (net.model.level.discharge or bool(way.placed and way.placed.value("is_egress")))


def _add_stair(net: Network, end: StairEnd) -> None:
    """Open stairs stand in a space (or beside one); those in an exit stair belong to it."""
    import shapely

    name, centre = end.placed.id, shapes.centre(end.placed.element)
    if centre is None or name in net.stair_at:
        if name in net.stair_at and end.inward:
            _exit_over(net, end)
        return
    place = shapely.Point(centre)
    near = sorted((round(region.shape.distance(place), 4), region.shape.area, space) for space, region in net.regions.items())
    if not near or near[0][0] > _NEAR_STAIR:
        return
    space = near[0][2]
    node = -1
    if _walkable(net, space):
        node = net.node(net.regions[space].entry(centre))
        net.space_of[node] = space
        net.inside.setdefault(space, []).append(node)
    net.stair_at[name] = (space, node)
    if end.inward:
        _exit_over(net, end)


def _exit_over(net: Network, end: StairEnd) -> None:
    _, node = net.stair_at[end.placed.id]
    if node >= 0 and end.onward is not None and not net.model.level.discharge:
        net.exits.append(Exit(counts_as=end.placed.id, kind="open_stair", node=node, cost=end.onward, stair=end.placed.id))


def _add_floor(net: Network, name: str, region: Region) -> None:
    nodes = net.inside.setdefault(name, [])
    for corner in region.corners:
        node = net.node(corner)
        net.space_of[node] = name
        nodes.append(node)
    for a, b, length in region.lines([net.places[node] for node in nodes]):
        net.join(nodes[a], nodes[b], length)


def shortest(net: Network, exits: Iterable[int] | None = None) -> Ways:
    """From all exits at once (or some, by index): Dijkstra's algorithm, O(E log V) of this storey."""
    length: dict[int, float] = {}
    after: dict[int, int] = {}
    found: dict[int, int] = {}
    heap: list[tuple[float, int, int, int]] = []
    for at in range(len(net.exits)) if exits is None else exits:
        heapq.heappush(heap, (net.exits[at].cost, net.exits[at].node, -1, at))
    while heap:
        so_far, node, came, exit_ = heapq.heappop(heap)
        if node in length:
            continue
        length[node], found[node] = so_far, exit_
        if came >= 0:
            after[node] = came
        for other, step in net.edges[node]:
            if other not in length:
                heapq.heappush(heap, (so_far + step, other, node, exit_))
    return Ways(length=length, after=after, exit=found)
