"""All facts of one storey. First what does not depend on people from other storeys (`solve`), then the rest (`finish`).

Lengths in m, people as whole numbers.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from validation.core.building import Fact, Facts, Point
from validation.core.egress import bounds, fixtures, loads
from validation.core.egress.choice import Alone, Choices, alone_in_corridor, alone_in_room, choices, dead_end, egress_ways
from validation.core.egress.doorways import Doorway
from validation.core.egress.network import Exit, Network, Ways, network, shortest
from validation.core.functions import FUNCTIONS
from validation.core.storeys import StairEnd, StoreyModel, part_of

_SOURCE: Final = "derived:egress"
_GEOMETRY: Final = "what lies on both sides of doors was found by their place"
_LEVEL: Final = "the level of exit discharge is the one nearest to elevation 0"
_ROOMS: Final = "the only way leads through other rooms"
_MILLIMETRE: Final = 1e-3
_TWO_EXITS, _THREE_EXITS = 500, 1000  # people up to whom two and three exits are enough; IBC 2021 Table 1006.3.3


@dataclass(slots=True, kw_only=True)
class Solution:
    """A storey with its ways out. `counted`: design occupants by space, `load` of the storey."""

    net: Network
    ways: Ways
    strict: Choices
    loose: Choices | None
    counted: Mapping[str, Fact | None]
    load: Fact | None
    flow: loads.Flow

    @property
    def model(self) -> StoreyModel:
        return self.net.model

    def choices(self, space: str) -> Choices:
        """Without ways through other rooms where one can get out without them."""
        if self.loose is None or egress_ways(self.strict, space) or any(step in self.strict.dominator for step in self.strict.ends.get(space, ())):
            return self.strict
        return self.loose


def solve(model: StoreyModel) -> Solution:
    net = network(model)
    ways = shortest(net)
    strict = choices(net)
    alone = [space for space, nodes in net.inside.items() if any(node in ways.length for node in nodes) and not egress_ways(strict, space)]
    loose = choices(net, strict=False) if alone else None
    counted = {name: loads.load_of(space, model) for name, space in net.spaces.items()}
    made = Solution(net=net, ways=ways, strict=strict, loose=loose, counted=counted, load=loads.storey_load(counted, net.spaces), flow=loads.Flow())
    people = {name: float(fact.value) for name, fact in counted.items() if fact is not None and name in net.inside}
    made.flow = loads.flow(net, made.choices, ways, people)
    return made


def handed_over(made: Solution, arriving: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """stair -> {"to": [storeys], "distance": m from its end here to an exit (None: no way), "load": people who leave over it}. `arriving`.

    Stair -> people.
    """
    found: dict[str, dict[str, Any]] = {}
    through = _arrivals(made, arriving)
    for end in made.model.stairs:
        at = made.net.stair_at.get(end.placed.id)
        row = found.setdefault(end.placed.id, {"to": [], "distance": None, "load": 0.0})
        row["to"] = sorted({*row["to"], *end.to})
        if at is None:
            continue
        if not end.inward and at[1] in made.ways.length:
            row["distance"] = round(made.ways.length[at[1]], 6)
        if end.inward:
            row["load"] = round(_leaving(made, end, at[0], arriving, through), 6)
    return found


def _leaving(made: Solution, end: StairEnd, space: str, arriving: Mapping[str, float], through: loads.Flow) -> float:
    """People of the worst single storey who go on over a stair: those who enter its exit stair here, or who come down in it."""
    if space in made.net.enclosures:
        from_above = [
            arriving.get(other.placed.id, 0.0)
            for other in made.model.stairs
            if not other.inward and made.net.stair_at.get(other.placed.id, ("",))[0] == space
        ]
        shared = sum(1 for other in made.model.stairs if other.inward and made.net.stair_at.get(other.placed.id, ("",))[0] == space)
        return max([made.flow.exits.get(space, 0.0) / max(shared, 1), *from_above])
    return max(made.flow.exits.get(end.placed.id, 0.0), through.exits.get(end.placed.id, 0.0))


def _arrivals(made: Solution, arriving: Mapping[str, float]) -> loads.Flow:
    """People from other storeys on their way over this one."""
    found, onward = loads.Flow(), loads.Onward(made.net, made.ways)
    for stair, number in arriving.items():
        _, node = made.net.stair_at.get(stair, ("", -1))
        if node >= 0 and number > 0:
            onward.send(found, node, number, "")
    return found


def finish(made: Solution) -> dict[str, Facts]:
    """Facts of everything on the storey. What a person stated of an element is left as it is."""
    arriving = {end.placed.id: end.arriving for end in made.model.stairs if not end.inward}
    through = _arrivals(made, arriving)
    served = _served(made, through)
    found: dict[str, dict[str, Fact]] = {}
    for part in _parts(made, served, arriving):
        for name, facts in part.items():
            found.setdefault(name, {}).update(facts)
    found.setdefault(made.model.storey.id, {}).update(_storey(made, arriving))
    stated = {one.id: one.element.given for one in (made.model.storey, *made.model.placed, *(end.placed for end in made.model.stairs))}
    kept = {name: {fact: value for fact, value in facts.items() if fact not in stated.get(name, {})} for name, facts in found.items()}
    return {name: facts for name, facts in sorted(kept.items()) if facts}


def _parts(made: Solution, served: Mapping[str, float], arriving: Mapping[str, float]) -> Iterator[dict[str, dict[str, Fact]]]:
    net = made.net
    load = made.load
    corridors = {name: loads.whole(served.get(name, 0.0)) for name in net.regions if net.spaces[name].value("is_corridor")} if load else {}
    yield {name: _space(made, name, served) for name in net.spaces}
    yield {way.id: _door(made, way, served) for way in net.ways if way.door}
    yield _stairs(made, arriving)
    near = bounds.neighbours(net)
    yield bounds.wall_facts(near, corridors, _connected(made))
    yield bounds.window_facts(near)
    yield bounds.railing_facts(net)
    yield bounds.route_facts(net)
    yield bounds.landing_facts(net)
    yield bounds.approach_facts(net)
    yield fixtures.fixture_facts(net)


def _served(made: Solution, through: loads.Flow) -> loads.Tally:
    """People through every doorway and space, those from other storeys added."""
    return loads.together(made.flow.ways, made.flow.spaces, through.ways, through.spaces)


def _fact(value: Any, *, notes: tuple[str, ...] = ()) -> Fact:
    return Fact(value=value, source=_SOURCE, assumed=bool(notes), note="; ".join(notes))


def _people(made: Solution, number: float) -> Fact:
    load = made.load
    return _fact(loads.whole(number), notes=(load.note or "loads rest on assumed functions or areas",) if load and load.assumed else ())


def _space(made: Solution, space: str, served: Mapping[str, float]) -> dict[str, Fact]:
    net, load = made.net, made.counted.get(space)
    found = {"is_basement": _fact(made.model.level.below, notes=(_LEVEL,) if made.model.level.assumed else ())}
    found |= {"occupant_load": load} if load else {}
    found |= _group(made, space)
    if space in net.enclosures or (space in net.regions and space not in net.inside):
        return found | _no_way_needed(net, space)
    if space not in net.regions:
        return found
    found |= {"in_egress_path": _fact(net.circulation(space) or made.flow.spaces.get(space, 0.0) > 0)}
    found |= {"occupant_load_served": _people(made, served.get(space, 0.0) + (load.value if load else 0))} if made.load else {}
    return found | _way_out(made, space)


def _group(made: Solution, space: str) -> dict[str, Fact]:
    """Corridors, toilets and shafts belong to the group of the building."""
    main, own = made.model.situation.get("occupancy"), made.net.spaces[space].facts
    if main is None or "occupancy" in own:
        return {}
    note = "Occupancy group taken as that of the building"
    found = {"occupancy": Fact(value=main.value, source="project", assumed=True, note=note)}
    if "occupancy_class" not in own:
        found["occupancy_class"] = Fact(value=str(main.value)[:1], source="project", assumed=True, note=note)
    return found


def _no_way_needed(net: Network, space: str) -> dict[str, Fact]:
    """An exit stair is the exit; nobody stays in a shaft, an elevator or outside."""
    known = FUNCTIONS.get(net.function(space))
    why = "the space is an exit" if space in net.enclosures else f"nobody is counted in a space of function {net.function(space)}"
    names = ("travel_distance", "common_path") if space in net.enclosures or known else ()
    zero = {name: Fact(value=0.0, source=_SOURCE, note=why) for name in names}
    doors = {"egress_door_count": Fact(value=0, source=_SOURCE, note=why)} if names else {}
    return zero | doors | {"in_egress_path": _fact(space in net.enclosures)}


def _way_out(made: Solution, space: str) -> dict[str, Fact]:
    net, ways = made.net, made.ways
    graph = made.choices(space)
    nodes = [node for node in net.inside[space] if node in ways.length]
    far = net.regions[space].farthest([(net.places[node], ways.length[node]) for node in nodes])
    doors = egress_ways(graph, space)
    found = {"reaches_exit": _fact(far is not None), "egress_door_count": _fact(len(doors), notes=_notes(made, doors))}
    if far is None:
        return found
    path = ways.path(nodes[far[2]])
    passed = [net.way_of[node] for node in path if node in net.way_of]
    notes = _notes(made, [net.way_by[name] for name in passed]) + ((_ROOMS,) if graph is not made.strict else ())
    found["travel_distance"] = _fact(round(far[1], 3), notes=notes)
    found["travel_path"] = _fact(_line(made, [far[0], *(net.places[node] for node in path)]))
    return found | _alone(made, graph, space, far[1], notes)


def _alone(made: Solution, graph: Choices, space: str, travel: float, notes: tuple[str, ...]) -> dict[str, Fact]:
    corridor = bool(made.net.spaces[space].value("is_corridor"))
    alone = alone_in_corridor(graph, space) if corridor else alone_in_room(graph, space)
    if alone is None:
        return {}
    length = travel if alone.at_exit else min(alone.length, travel)
    found = {"common_path": _fact(round(length, 3), notes=notes), "escape_directions": _fact(1 if alone.at_exit else 2, notes=notes)}
    found |= {"common_path_line": _fact(_line(made, alone.line))} if alone.line else {}
    dead = dead_end(graph, space) if corridor else None
    return found | (_dead(made, dead, notes) if dead else {})


def _dead(made: Solution, dead: Alone, notes: tuple[str, ...]) -> dict[str, Fact]:
    return {"dead_end_length": _fact(round(dead.length, 3), notes=notes)} | (
        {"dead_end_line": _fact(_line(made, dead.line))} if dead.length > 0 else {}
    )


def _notes(made: Solution, passed: Any) -> tuple[str, ...]:
    return ((_GEOMETRY,) if any(way.assumed for way in passed) else ()) + ((_LEVEL,) if made.model.level.assumed else ())


def _line(made: Solution, places: Iterable[Point]) -> list[list[float]]:
    """[[x, y, z], …] on the storey's floor, without points that repeat or lie on a straight line."""
    found: list[Point] = []
    for place in places:
        if found and math.dist(found[-1], place) < _MILLIMETRE:
            continue
        if len(found) > 1 and _straight(found[-2], found[-1], place):
            found.pop()
        found.append(place)
    height = round(made.model.level.elevation, 3)
    return [[round(x, 3), round(y, 3), height] for x, y in found]


def _straight(a: Point, b: Point, c: Point) -> bool:
    return math.dist(a, b) + math.dist(b, c) - math.dist(a, c) < 1e-6


def _door(made: Solution, way: Doorway, served: Mapping[str, float]) -> dict[str, Fact]:
    net = made.net
    exit_ = net.exit_by.get(way.id)
    used = exit_ is not None or any(way in egress_ways(made.choices(side), side) for side in way.sides if side in net.inside)
    leads = "exit_stair" if exit_ and exit_.space else "outside" if way.outside or exit_ else "space" if all(way.sides) else "unknown"
    notes = _notes(made, [way])
    found = {"is_egress": _fact(used, notes=notes), "leads_to": _fact(leads, notes=notes)}
    found |= {"occupant_load_served": _people(made, served.get(way.id, 0.0))} if made.load else {}
    if leads == "outside" and net.model.level.discharge:
        found["is_external_public"] = _fact(
            True, notes=("An exit door to the open is taken as a public entrance where the model does not say otherwise",)
        )
    elif leads != "unknown":
        found["is_external_public"] = _fact(False)
    return found


def _stairs(made: Solution, arriving: Mapping[str, float]) -> dict[str, dict[str, Fact]]:
    """Of the stairs that stand on this storey, and of their flights."""
    rows = handed_over(made, arriving)
    here = {one.id for one in made.model.placed}
    people: dict[str, float] = {}
    for end in made.model.stairs:
        number = rows[end.placed.id]["load"] if end.inward else end.arriving
        people[end.placed.id] = max(number, people.get(end.placed.id, 0.0))
    found = {name: _stair(made, name, number, _connected_of(made, name)) for name, number in people.items() if name in here}
    wholes = [end.placed for end in made.model.stairs]
    for one in made.model.of("IfcStairFlight", "IfcRampFlight"):
        stair = next((whole.id for whole in wholes if part_of(one, {whole.id}, wholes)), "") if one.id not in people else ""
        if stair:
            found[one.id] = _stair(made, stair, people[stair], _connected_of(made, stair))
    return found


def _stair(made: Solution, name: str, number: float, connected: int) -> dict[str, Fact]:
    found = {"is_egress": _fact(name in made.net.stair_at), "storeys_connected": _fact(connected)}
    return found | ({"occupant_load_served": _people(made, number)} if made.load else {})


def _connected_of(made: Solution, name: str) -> int:
    return next((end.connected for end in made.model.stairs if end.placed.id == name), 1)


def _connected(made: Solution) -> dict[str, int]:
    """Exit stair (space) -> storeys that its stairs join."""
    found: dict[str, int] = {}
    for end in made.model.stairs:
        space = made.net.stair_at.get(end.placed.id, ("", -1))[0]
        found[space] = max(end.connected, found.get(space, 0))
    return found


def _storey(made: Solution, arriving: Mapping[str, float]) -> dict[str, Fact]:
    model, load = made.model, made.load
    exits = _exits(made)
    found = {
        "exit_count": _fact(len(exits), notes=_notes(made, [way for way in made.net.ways if way.id in {one.way for one in exits.values()}])),
        "on_exit_discharge_level": _fact(model.level.discharge, notes=(_LEVEL,) if model.level.assumed else ()),
        "stair_links": _fact(handed_over(made, arriving)),
        **fixtures.counts(made.net),
    }
    areas = {name: float(space.value("gross_area") or 0) for name, space in made.net.spaces.items() if made.net.function(name) != "outside"}
    if areas and sum(areas.values()) > 0:
        found["fire_area"] = _fact(round(sum(areas.values()), 3), notes=("The whole storey is taken as one fire area",))
    found |= _main_group(made, areas)
    if load is not None:
        single = model.storey.value("single_exit_permitted") is True
        found |= {"occupant_load": load, "fire_area_load": load, "exits_required": _fact(exits_required(load.value, single=single))}
    return found


def exits_required(people: int, *, single: bool = False) -> int:
    """Source: IBC 2021 1006.3.2 and Table 1006.3.3."""
    if people <= 0:
        return 0
    return 1 if single else 2 if people <= _TWO_EXITS else 3 if people <= _THREE_EXITS else 4


def _exits(made: Solution) -> dict[str, Exit]:
    """Exits to which somebody can walk from a space that is not itself an exit stair; two doors into one stair count once."""
    found: dict[str, Exit] = {}
    for at, one in enumerate(made.net.exits):
        reached = shortest(made.net, [at]).length if len(made.net.exits) <= 64 else made.ways.length
        if any(node in reached and not made.net.spaces[space].value("is_exit_stair") for node, space in made.net.space_of.items()):
            found.setdefault(one.counts_as, one)
    return found


def _main_group(made: Solution, areas: Mapping[str, float]) -> dict[str, Fact]:
    by_group: Counter[str] = Counter()
    for name, area in areas.items():
        group = made.net.spaces[name].value("occupancy")
        if group:
            by_group[str(group)] += int(area * 1000)
    if by_group:
        most = min(by_group, key=lambda group: (-by_group[group], group))
        return {"occupancy": _fact(most, notes=("Group with the largest area on the storey",))}
    main = made.model.situation.get("occupancy")
    return {"occupancy": replace(main, assumed=True, note="Occupancy group taken as that of the building")} if main else {}
