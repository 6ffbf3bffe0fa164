"""Walls of corridors and exit stairs, doors' approach, landings, windows above the floor: what stands beside what on a storey. Lengths in m."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from validation.core import shapes
from validation.core.building import Fact, Point
from validation.core.egress.network import Network
from validation.core.storeys import Placed

if TYPE_CHECKING:
    from shapely import STRtree

_BESIDE: Final = 0.15  # m between a wall's face and the space that it bounds
_RUN: Final = 0.3  # m along which it must bound it
_THICK: Final = 0.6  # m from the middle of a window to the room behind its wall
_SLEEPING: Final = ("dwelling", "sleeping_institutional")
_EXEMPT: Final = ("storage_mechanical", "warehouse", "shaft", "elevator")
_ROUTE: Final = "Doors between corridors and rooms in which people stay are taken as on accessible routes"
_SOURCE: Final = "derived:surroundings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Spaces beside a body."""

    net: Network
    names: list[str]
    tree: "STRtree"

    def of(self, one: Placed) -> list[str]:
        """As related, else those whose floor lies along it; by name."""
        related = [name for name in one.element.connects if name in self.net.spaces]
        return sorted(related) if related else self._beside(one)

    def _beside(self, one: Placed) -> list[str]:
        import shapely

        shape = shapes.outline(one.element)
        if shape is None:
            return []
        around = shape.buffer(_BESIDE, join_style="mitre")
        hits = (self.names[at] for at in self.tree.query(around, predicate="intersects"))
        return sorted(name for name in hits if shapely.intersection(self.net.regions[name].shape.boundary, around).length > _RUN + 2 * _BESIDE)

    def function_at(self, place: Point | None) -> str:
        """Of the space nearest to a place in or before a wall; "" when there is none or nothing is known of it."""
        import shapely

        if place is None or not self.names:
            return ""
        hits = self.tree.query_nearest(shapely.Point(place), max_distance=_THICK)
        return self.net.function(min(self.names[at] for at in hits)) if len(hits) else ""


def neighbours(net: Network) -> Neighbours:
    import shapely

    names = sorted(net.regions)
    return Neighbours(net=net, names=names, tree=shapely.STRtree([net.regions[name].shape for name in names]))


def wall_facts(near: Neighbours, served: Mapping[str, int], connected: Mapping[str, int]) -> dict[str, dict[str, Fact]]:
    """bounds_corridor, corridor_load, bounds_exit_stair, storeys_connected of every wall. `connected`: exit stair -> storeys that it joins."""
    return {one.id: _wall(near, one, served, connected) for one in near.net.model.of("IfcWall", "IfcCurtainWall")}


def _wall(near: Neighbours, one: Placed, served: Mapping[str, int], connected: Mapping[str, int]) -> dict[str, Fact]:
    beside = near.of(one)
    if not beside:
        return {} if shapes.outline(one.element) is None else {"bounds_corridor": _fact(False), "bounds_exit_stair": _fact(False)}
    corridors = [name for name in beside if near.net.spaces[name].value("is_corridor")]
    stairs = [name for name in beside if near.net.spaces[name].value("is_exit_stair")]
    found = {
        "bounds_corridor": _fact(bool(corridors) and len(beside) > len(corridors)),
        "bounds_exit_stair": _fact(bool(stairs) and len(beside) > len(stairs)),
    }
    loads = [served[name] for name in corridors if name in served]
    if loads:
        found["corridor_load"] = _fact(max(loads))
    joined = [connected[name] for name in stairs if name in connected]
    if joined:
        found["storeys_connected"] = _fact(max(joined))
    return found


def _fact(value: Any, *, assumed: bool = False, note: str = "") -> Fact:
    return Fact(value=value, source=_SOURCE, assumed=assumed, note=note)


def window_facts(near: Neighbours) -> dict[str, dict[str, Fact]]:
    net, found = near.net, dict[str, dict[str, Fact]]()
    for one in net.model.of("IfcWindow"):
        found[one.id] = {"grade_floor": _fact(net.model.level.discharge, assumed=net.model.level.assumed)}
        found[one.id] |= _rescue(near, one)
        if one.element.box is not None and "sill_height" not in one.facts:
            height = round(one.element.box[2] - net.model.level.elevation, 3)
            found[one.id]["sill_height"] = _fact(height, assumed=True, note="Sill height taken from the bottom of the window above its storey")
    return found


def _rescue(near: Neighbours, one: Placed) -> dict[str, Fact]:
    """No rescue opening where nobody sleeps; which one of a bedroom's windows serves is not known unless the model says."""
    function = near.function_at(shapes.centre(one.element))
    if function in ("", *_SLEEPING):
        return {}
    note = f"Windows of spaces in which nobody sleeps are taken as no rescue openings ({function})"
    return {name: _fact(False, assumed=True, note=note) for name in ("is_eero", "is_rescue_window") if name not in one.facts}


def railing_facts(net: Network) -> dict[str, dict[str, Fact]]:
    """How deep one falls beside a guard of an upper storey."""
    found = {}
    for one in net.model.of("IfcRailing"):
        if one.value("predefined_type") == "GUARDRAIL" and "drop" not in one.facts and net.model.level.drop > 0:
            base = one.element.box[2] - net.model.level.elevation if one.element.box else 0.0
            note = "A guard is taken as standing beside a drop to the storey below"
            found[one.id] = {"drop": _fact(round(net.model.level.drop + base, 3), assumed=True, note=note)}
    return found


def route_facts(net: Network) -> dict[str, dict[str, Fact]]:
    """Doors on accessible routes, where the model does not say: to rooms in which people stay, to toilets, to the open. Source: ADA 2010 206.

    To storage and plant rooms it is left unknown: to assume that they are on none would take checks away without anybody having said so.
    """
    found = {}
    for way in net.ways:
        if not way.door or way.placed is None or "on_accessible_route" in way.placed.facts:
            continue
        rooms = [net.function(side) for side in way.sides if side and not net.circulation(side)]
        if not all(rooms) or any(room in _EXEMPT for room in rooms):
            continue
        found[way.id] = {"on_accessible_route": _fact(True, assumed=True, note=_ROUTE)}
    return found


def landing_facts(net: Network) -> dict[str, dict[str, Fact]]:
    """A landing serves a ramp when a ramp's outline meets its own."""
    ramps = [shape for one in net.model.of("IfcRamp") if (shape := shapes.outline(one.element)) is not None]
    found = {}
    for one in net.model.of("IfcSlab"):
        shape = shapes.outline(one.element)
        if one.value("predefined_type") == "LANDING" and shape is not None:
            found[one.id] = {"serves_ramp": _fact(any(shape.distance(ramp) <= _BESIDE for ramp in ramps))}
    return found


def approach_facts(net: Network) -> dict[str, dict[str, Fact]]:
    """The narrowest corridor from which one comes to a door."""
    found = {}
    for way in net.ways:
        widths = [
            net.spaces[side].facts["clear_width"]
            for side in way.sides
            if side and net.spaces[side].value("is_corridor") and "clear_width" in net.spaces[side].facts
        ]
        if widths and way.door:
            least = min(widths, key=lambda fact: float(fact.value))
            found[way.id] = {"approach_width": Fact(value=least.value, source=_SOURCE, assumed=least.assumed, note=least.note)}
    return found
