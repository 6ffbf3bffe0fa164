"""Where people have a choice of ways: common paths of egress travel, dead ends, directions of escape.

Corridors are walked along their middle line, other spaces from door to door. Nobody who is in a corridor is sent through a room to get out, unless
there is no other way. A place has a choice when no single other place lies on all ways from it to the exits: then there are two ways to two exits
without a common point (Menger), which the dominator tree over the reversed graph tells for all places at once.
Sources: IBC 2021 202 and 1006.2.1 (common path), 1020.5 (dead ends), 1016.2 (no way through other rooms).
"""

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from validation.core.building import Point
from validation.core.egress.doorways import Doorway
from validation.core.egress.network import Network
from validation.core.egress.skeleton import axis

Step = tuple[str, ...]  # ("way", id, space one comes into) | ("axis", space, number) | ("exit", name)
_OUT: Final[Step] = ("out",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """How long one has no choice: `length` m from the place, along `line`; `at_exit`: the first choice is the exit itself."""

    length: float
    line: tuple[Point, ...]
    at_exit: bool


@dataclass(slots=True, kw_only=True)
class Choices:
    """The graph of steps. after: step -> {next step: m}."""

    net: Network
    strict: bool  # nobody goes from circulation into a room
    after: dict[Step, dict[Step, float]] = field(default_factory=dict)
    before: dict[Step, list[Step]] = field(default_factory=dict)
    place: dict[Step, Point] = field(default_factory=dict)
    ends: dict[str, list[Step]] = field(default_factory=dict)  # corridor -> the ends of its middle line
    at_door: dict[tuple[str, str], Step] = field(default_factory=dict)  # (corridor, way) -> the step of its middle line beside the door
    dominator: Mapping[Step, Step] = field(default_factory=dict)
    free: Mapping[Step, Step] = field(default_factory=dict)  # step -> where it first has a choice
    to_free: Mapping[Step, tuple[float, Step | None]] = field(default_factory=dict)  # step -> (m to there, next step)
    out: dict[str, list[Doorway]] = field(default_factory=dict)  # answers of egress_ways

    def link(self, a: Step, b: Step, length: float) -> None:
        row = self.after.setdefault(a, {})
        if b not in row:
            self.before.setdefault(b, []).append(a)
        row[b] = min(length, row.get(b, math.inf))

    def line(self, step: Step | None) -> list[Point]:
        found: list[Point] = []
        while step is not None:
            if step in self.place and (not found or found[-1] != self.place[step]):
                found.append(self.place[step])
            step = self.to_free.get(step, (0.0, None))[1]
        return found


def choices(net: Network, *, strict: bool = True) -> Choices:
    made = Choices(net=net, strict=strict)
    for exit_ in net.exits:
        made.link(("exit", exit_.counts_as), _OUT, 0.0)
    for space in sorted(net.inside):
        (_corridor if _is_corridor(net, space) else _room)(made, space)
    made.dominator = _dominators(made)
    made.free = _free(made.dominator)
    made.to_free = _distances(made)
    return made


def _is_corridor(net: Network, space: str) -> bool:
    return bool(net.spaces[space].value("is_corridor"))


def _into(way: Doorway, space: str) -> Step:
    return ("way", way.id, space)


def _leave(made: Choices, space: str, way: Doorway) -> Step | None:
    """The step of going through a doorway out of a space; None when it leads nowhere that helps."""
    net = made.net
    exit_ = net.exit_by.get(way.id)
    if exit_ is not None:
        return ("exit", exit_.counts_as)
    other = way.other(space)
    if (other, way.id) not in net.entry:
        return None
    return _into(way, other) if not made.strict or _may(net, space, other) else None


def _may(net: Network, space: str, other: str) -> bool:
    """Out of circulation only into circulation, or into spaces of which nothing is known."""
    return not net.circulation(space) or net.circulation(other) or not net.function(other)


def _room(made: Choices, space: str) -> None:
    """From every door to every other, over the floor."""
    net = made.net
    for way in net.by_space.get(space, ()):
        if (space, way.id) not in net.entry:
            continue
        step = _into(way, space)
        made.place[step] = way.at
        lengths = within(net, space, {net.entry[space, way.id]: math.dist(way.at, net.places[net.entry[space, way.id]])})
        for other in net.by_space[space]:
            target = _leave(made, space, other) if other.id != way.id else None
            if target is not None and (space, other.id) in net.entry:
                node = net.entry[space, other.id]
                if node in lengths:
                    made.link(step, target, lengths[node] + math.dist(other.at, net.places[node]))
                    made.place.setdefault(target, other.at)
        for stair in _stairs(net, space):
            if stair[1] in lengths:
                made.link(step, ("exit", stair[0]), lengths[stair[1]] + stair[2])
                made.place.setdefault(("exit", stair[0]), net.places[stair[1]])


def _stairs(net: Network, space: str) -> list[tuple[str, int, float]]:
    return [(one.counts_as, one.node, one.cost) for one in net.exits if one.stair and net.space_of.get(one.node) == space]


def _corridor(made: Choices, space: str) -> None:
    """Along the middle line; every door stands on it."""
    net, line = made.net, axis(made.net.regions[space].shape)
    doors = [(way, line.attach(way.at)) for way in net.by_space.get(space, ()) if (space, way.id) in net.entry]
    stairs = [(stair, line.attach(net.places[stair[1]])) for stair in _stairs(net, space)]
    for at, row in enumerate(line.links):
        made.place["axis", space, str(at)] = line.places[at]
        for other, length in row.items():
            made.link(("axis", space, str(at)), ("axis", space, str(other)), length)
    made.ends[space] = [("axis", space, str(at)) for at, row in enumerate(line.links) if len(row) == 1] or [("axis", space, "0")]
    for way, at in doors:
        step: Step = ("axis", space, str(at))
        made.at_door[space, way.id] = step
        made.place[_into(way, space)] = way.at
        made.link(_into(way, space), step, 0.0)
        target = _leave(made, space, way)
        if target is not None:
            made.link(step, target, 0.0)
            made.place.setdefault(target, way.at)
    for stair, at in stairs:
        made.link(("axis", space, str(at)), ("exit", stair[0]), stair[2])


def within(net: Network, space: str, starts: Mapping[int, float]) -> dict[int, float]:
    """Lengths from some nodes of a space to all of its nodes, without leaving it."""
    found: dict[int, float] = {}
    heap = [(cost, node) for node, cost in starts.items()]
    heapq.heapify(heap)
    while heap:
        so_far, node = heapq.heappop(heap)
        if node in found:
            continue
        found[node] = so_far
        for other, step in net.edges[node]:
            if other not in found and net.space_of.get(other) == space:
                heapq.heappush(heap, (so_far + step, other))
    return found


def _dominators(made: Choices) -> dict[Step, Step]:
    """Immediate dominators seen from the outside inwards, by semidominators and nearest common ancestors. Steps that do not lead out are absent.

    Source: L. Georgiadis, Linear-Time Algorithms for Dominators and Related Problems (2005), the algorithm SNCA.
    """
    steps, parent = _preorder(made)
    number = {step: at for at, step in enumerate(steps)}
    forest = _Forest(parent)
    for at in range(len(steps) - 1, 0, -1):
        for other in made.after.get(steps[at], ()):
            if other in number:
                forest.semi[at] = min(forest.semi[at], forest.semi[forest.best(number[other], at)])
    idom = list(parent)
    for at in range(1, len(steps)):
        while idom[at] > forest.semi[at]:
            idom[at] = idom[idom[at]]
    return {step: steps[idom[at]] for at, step in enumerate(steps)}


def _preorder(made: Choices) -> tuple[list[Step], list[int]]:
    """Depth first from the outside against the direction of walking: the steps, and the number of each one's parent."""
    steps, parent, seen = [_OUT], [0], {_OUT}
    stack = [(0, iter(made.before.get(_OUT, ())))]
    while stack:
        at, rest = stack[-1]
        following = next((other for other in rest if other not in seen), None)
        if following is None:
            stack.pop()
            continue
        seen.add(following)
        steps.append(following)
        parent.append(at)
        stack.append((len(steps) - 1, iter(made.before.get(following, ()))))
    return steps, parent


class _Forest:
    """The forest of the algorithm, with path compression. Numbers greater than `last` are linked to their parents."""

    def __init__(self, parent: list[int]) -> None:
        self.ancestor = list(parent)
        self.label = list(range(len(parent)))
        self.semi = list(range(len(parent)))

    def best(self, at: int, last: int) -> int:
        if at <= last:
            return at
        path = []
        while self.ancestor[at] > last:
            path.append(at)
            at = self.ancestor[at]
        while path:
            below = path.pop()
            if self.semi[self.label[at]] < self.semi[self.label[below]]:
                self.label[below] = self.label[at]
            self.ancestor[below] = self.ancestor[at]
            at = below
        return self.label[at]


def _free(dominator: Mapping[Step, Step]) -> dict[Step, Step]:
    """Of every step, the last place that all its ways share: from there on there is a choice (or it is the exit)."""
    found: dict[Step, Step] = {}
    for start in dominator:
        chain, step = [], start
        while step not in found and step != _OUT and dominator[step] != _OUT:
            chain.append(step)
            step = dominator[step]
        top = found.get(step, step)
        found.update(dict.fromkeys((*chain, start), top))
    return found


def _distances(made: Choices) -> dict[Step, tuple[float, Step | None]]:
    """Shortest way of every step to where it first has a choice. Each such place has its own steps, so all together are one walk over the graph."""
    found: dict[Step, tuple[float, Step | None]] = {}
    heap: list[tuple[float, Step, Step | None, Step]] = [(0.0, top, None, top) for top in sorted(set(made.free.values()))]
    while heap:
        so_far, step, following, top = heapq.heappop(heap)
        if step in found:
            continue
        found[step] = (so_far, following)
        for other in made.before.get(step, ()):
            if other not in found and made.free.get(other) == top:
                heapq.heappush(heap, (so_far + made.after[other][step], other, step, top))
    return found


def egress_ways(made: Choices, space: str) -> list[Doorway]:
    """Doorways of a space through which one gets out without coming back into it."""
    if space not in made.out:
        made.out[space] = [way for way in made.net.by_space.get(space, ()) if (space, way.id) in made.net.entry and _gets_out(made, space, way)]
    return made.out[space]


def _gets_out(made: Choices, space: str, way: Doorway) -> bool:
    target = _leave(made, space, way)
    if target is None or target not in made.dominator:
        return False
    return target[0] == "exit" or space not in _through(made, target)


def _through(made: Choices, step: Step) -> set[str]:
    """Spaces that every way from a step leads into: those of its dominators."""
    found = set()
    while step != _OUT:
        if step[0] == "way":
            found.add(step[2])
        elif step[0] == "axis":
            found.add(step[1])
        step = made.dominator[step]
    return found


def alone_in_room(made: Choices, space: str) -> Alone | None:
    """The common path from the most remote point of a space that is no corridor. None when no exit can be reached."""
    net, ways = made.net, egress_ways(made, space)
    targets = [(way, target) for way in ways if (target := _leave(made, space, way)) is not None]
    stairs = _stairs(net, space)
    if not targets and not stairs:
        return None
    tops = {made.free[target] for _, target in targets} | {("exit", name) for name, _, _ in stairs}
    if len(tops) > 1:
        return Alone(length=0.0, line=(), at_exit=False)
    starts = {net.entry[space, way.id]: math.dist(way.at, net.places[net.entry[space, way.id]]) + made.to_free[target][0] for way, target in targets}
    starts |= {node: cost for _, node, cost in stairs}
    lengths = within(net, space, starts)
    nodes = list(lengths)
    far = net.regions[space].farthest([(net.places[node], lengths[node]) for node in nodes])
    if far is None:
        return None
    nearest = min(targets, key=lambda one: starts[net.entry[space, one[0].id]], default=None)
    line = (far[0], net.places[nodes[far[2]]], *((nearest[0].at, *made.line(nearest[1])) if nearest else ()))
    return Alone(length=far[1], line=line, at_exit=next(iter(tops))[0] == "exit")


def alone_in_corridor(made: Choices, space: str) -> Alone | None:
    """The longest way in a corridor, from one of its ends or doors, without a choice."""
    ends = [step for step in made.ends.get(space, ()) if step in made.to_free]
    if not ends:
        return None
    worst = max(ends, key=lambda step: (round(made.to_free[step][0], 6), step))
    return Alone(length=made.to_free[worst][0], line=tuple(made.line(worst)), at_exit=made.free[worst][0] == "exit")


def dead_end(made: Choices, space: str) -> Alone | None:
    """The longest stretch from an end of the corridor to the first choice, or to the exit; corridors behind doors count on, rooms do not."""
    found = [_dead_from(made, step) for step in made.ends.get(space, ()) if step in made.to_free]
    return max(found, key=lambda one: round(one.length, 6), default=None)


def _dead_from(made: Choices, end: Step) -> Alone:
    far, line, step = 0.0, [made.place[end]], end
    while (following := made.to_free[step][1]) is not None:
        if following[0] == "way" and not _is_corridor(made.net, following[2]):
            break
        far += made.after[step][following]
        step = following
        if step in made.place and line[-1] != made.place[step]:
            line.append(made.place[step])
    return Alone(length=far, line=tuple(line), at_exit=made.free[end][0] == "exit")


def unreached(made: Choices, spaces: Iterable[str]) -> list[str]:
    """Spaces that no way leads out of in this graph."""
    return [space for space in spaces if not egress_ways(made, space) and not _stairs(made.net, space)]
