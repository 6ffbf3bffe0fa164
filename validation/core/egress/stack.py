"""Storeys joined by open stairs: distances go outwards from the level of exit discharge, people inwards to it.

And sums for the building and its zones.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from validation.core.building import BUILDING, STOREY, Fact, Facts
from validation.core.checks import Parameters
from validation.core.egress.storey import Solution, finish, handed_over, solve
from validation.core.storeys import Level, Links, Placed, StairEnd, StoreyModel, levels, storey_models

_SUMS: Final = ("occupant_load", "wc_count", "lavatory_count")
_ZONES: Final = ("IfcZone", "IfcSpatialZone")
_SOURCE: Final = "derived:egress"


def whole_building(placed: Sequence[Placed], *, parameters: Parameters, situation: Facts) -> dict[str, Facts]:
    models = storey_models(placed, parameters=parameters, situation=situation)
    order = {name: model.level for name, model in models.items()}
    found: dict[str, Facts] = {}
    for facts in recheck(tuple(order), order=order, load=models.__getitem__, links={}).values():
        found.update(facts)
    storeys = [found.get(name, {}) for name in sorted(order)]
    for one in placed:
        if one.element.ifc_class == BUILDING:
            found[one.id] = _unstated(one, building_facts(storeys, situation))
    spaces = {one.id: {**one.facts, **found.get(one.id, {})} for one in placed}
    discharge = {one.id for one in placed if one.element.storey in order and order[one.element.storey].discharge}
    for one in placed:
        if one.element.ifc_class in _ZONES:
            found[one.id] = _unstated(one, zone_facts(one, spaces, discharge))
    return {name: facts for name, facts in found.items() if facts}


def _unstated(one: Placed, facts: Facts) -> Facts:
    return {name: fact for name, fact in facts.items() if name not in one.element.given}


def recheck(
    dirty: Collection[str], *, order: Mapping[str, Level], load: Callable[[str], StoreyModel], links: Mapping[str, Links]
) -> dict[str, dict[str, Facts]]:
    """See surroundings.recheck. Every storey is solved once: outwards for the distances, then inwards for the people."""
    known = {name: {stair: dict(row) for stair, row in rows.items()} for name, rows in links.items()}
    ranked = [level.id for level in sorted(order.values(), key=lambda level: (level.rank, level.elevation, level.id))]
    solved = _outwards(ranked, set(dirty) & set(order), load, known)
    return _inwards(list(reversed(ranked)), solved, load, known)


def _outwards(
    ranked: Sequence[str], dirty: set[str], load: Callable[[str], StoreyModel], known: dict[str, dict[str, dict[str, Any]]]
) -> dict[str, Solution]:
    solved: dict[str, Solution] = {}
    for name in ranked:
        if name not in dirty:
            continue
        solved[name] = made = solve(_with_onward(load(name), known))
        before, after = known.get(name, {}), handed_over(made, _arriving(made.model, known))
        for stair in {*before, *after}:
            if before.get(stair, {}).get("distance") != after.get(stair, {}).get("distance"):
                dirty.update((*before.get(stair, {}).get("to", ()), *after.get(stair, {}).get("to", ())))
        # Loads are handed over in the second walk; the old ones stay until then, so that it sees which have changed.
        known[name] = {stair: row | {"load": before.get(stair, {}).get("load", 0.0)} for stair, row in after.items()}
    return solved


def _inwards(
    ranked: Sequence[str], solved: dict[str, Solution], load: Callable[[str], StoreyModel], known: dict[str, dict[str, dict[str, Any]]]
) -> dict[str, dict[str, Facts]]:
    found: dict[str, dict[str, Facts]] = {}
    changed = set(solved)
    for name in ranked:
        if name not in changed:
            continue
        made = solved.get(name) or solve(_with_onward(load(name), known))
        arriving = _arriving(made.model, known)
        ends = tuple(end if end.inward else replace(end, arriving=arriving.get(end.placed.id, 0.0)) for end in made.model.stairs)
        made.net.model = replace(made.model, stairs=ends)
        after = handed_over(made, arriving)
        for stair, row in after.items():
            if row["load"] != known.get(name, {}).get(stair, {}).get("load", 0.0):
                changed.update(row["to"])
        known[name] = after
        found[name] = finish(made)
    return found


def _with_onward(model: StoreyModel, known: Mapping[str, Links]) -> StoreyModel:
    return replace(model, stairs=tuple(_onward(end, known) if end.inward else end for end in model.stairs))


def _onward(end: StairEnd, known: Mapping[str, Links]) -> StairEnd:
    rows = [known.get(storey, {}).get(end.placed.id, {}).get("distance") for storey in end.to]
    beyond = [float(distance) for distance in rows if distance is not None]
    return replace(end, onward=min(beyond) + end.length if beyond else None)


def _arriving(model: StoreyModel, known: Mapping[str, Links]) -> dict[str, float]:
    """People who come over each outward stair, as its other end handed them over."""
    found: dict[str, float] = {}
    for end in model.stairs:
        if not end.inward:
            people = [float(known.get(storey, {}).get(end.placed.id, {}).get("load", 0.0)) for storey in end.to]
            found[end.placed.id] = max([found.get(end.placed.id, 0.0), *people])
    return found


def building_facts(storeys: Sequence[Facts], situation: Facts) -> Facts:
    """Sums over the storeys; the project's facts as they are.

    A storey without spaces adds nothing, one whose load is not known leaves the sum unknown.
    """
    found = dict(situation)
    for name in _SUMS:
        of_it = [facts[name] for facts in storeys if name in facts]
        missing = [facts for facts in storeys if name not in facts and "fire_area" in facts]
        if of_it and not missing:
            notes = "; ".join(dict.fromkeys(fact.note for fact in of_it if fact.note))
            found[name] = Fact(value=sum(fact.value for fact in of_it), source=_SOURCE, assumed=any(fact.assumed for fact in of_it), note=notes)
    required = [facts["exits_required"] for facts in storeys if "exits_required" in facts]
    if required:
        found["exits_required"] = max(required, key=lambda fact: int(fact.value))
    return found


def zone_facts(zone: Placed, spaces: Mapping[str, Facts], discharge: Collection[str]) -> Facts:
    members = [spaces[name] for name in zone.element.connects if name in spaces]
    if not members:
        return {}
    found: dict[str, Fact] = {}
    for name, of_space in (("fire_area", "gross_area"), ("fire_area_load", "occupant_load")):
        values = [facts[of_space] for facts in members if of_space in facts]
        if len(values) == len(members):
            found[name] = Fact(value=round(sum(fact.value for fact in values), 3), source=_SOURCE, assumed=any(fact.assumed for fact in values))
    groups = _areas_by_group(members)
    if groups:
        found["occupancy"] = Fact(
            value=min(groups, key=lambda group: (-groups[group], group)), source=_SOURCE, assumed=True, note="Group with the largest area in the zone"
        )
    if discharge:
        found["on_exit_discharge_level"] = Fact(value=all(name in discharge for name in zone.element.connects if name in spaces), source=_SOURCE)
    return found


def _areas_by_group(members: Iterable[Facts]) -> dict[str, float]:
    found: dict[str, float] = {}
    for facts in members:
        if "occupancy" in facts and "gross_area" in facts:
            found[str(facts["occupancy"].value)] = found.get(str(facts["occupancy"].value), 0.0) + float(facts["gross_area"].value)
    return found


__all__ = ["STOREY", "building_facts", "levels", "recheck", "whole_building", "zone_facts"]
