"""Facts that depend on surroundings: ways out, loads, corridor walls, free floor. Per storey; the building and zones are sums over storeys.

A whole building: `around(placed, …)`. After a change: `recheck(dirty, …)` with the storeys that it touched (`dirty_storeys`); it goes on to storeys
which open stairs join to them only when what they hand over has changed. Both give the same facts.

Storeys hang together by their stairs alone: distances are handed outwards from the level of exit discharge, loads inwards to it (`stair_links`).
Elevators are no way out. Sources: IBC 2021 chapter 10 (1004 loads, 1005 capacity, 1006 exits, 1017 travel, 1020 corridors), AD B, MBO; see
docs/validation/facts.md.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from validation.core.building import Facts
from validation.core.checks import Parameters
from validation.core.egress import stack, storey
from validation.core.storeys import (
    EVERYWHERE,
    PART_OF,
    STAIR_CLASSES,
    Level,
    Links,
    Placed,
    StairEnd,
    StoreyModel,
    dirty_storeys,
    joined,
    levels,
    part_of,
    storey_models,
)


def of_storey(model: StoreyModel) -> dict[str, Facts]:
    """global id -> facts from the surroundings, of everything on the storey, the storey itself and its stairs. Stated facts are never among them."""
    return storey.finish(storey.solve(model))


def around(placed: Iterable[Placed], *, parameters: Parameters, situation: Facts) -> dict[str, Facts]:
    """Surroundings of the whole building: every storey, its zones, and the building itself."""
    return stack.whole_building(tuple(placed), parameters=parameters, situation=situation)


def recheck(
    dirty: Collection[str], *, order: Mapping[str, Level], load: Callable[[str], StoreyModel], links: Mapping[str, Links]
) -> dict[str, dict[str, Facts]]:
    """storey -> facts as `of_storey`, for the dirty storeys and those that they change. `links`: the stored "stair_links" of every storey.

    `load` gives models.
    """
    return stack.recheck(dirty, order=order, load=load, links=links)


def of_building(storeys: Iterable[Facts], situation: Facts) -> Facts:
    """Facts of the building from those of its storeys (sums, and the most exits that any needs), with the project's situation."""
    return stack.building_facts(list(storeys), situation)


def of_zone(zone: Placed, spaces: Mapping[str, Facts], discharge: Collection[str] = ()) -> Facts:
    """Facts of a zone, whose members are the spaces that it `connects`. `spaces`: own and surrounding facts together, of at least its members."""
    return stack.zone_facts(zone, spaces, discharge)


__all__ = [
    "EVERYWHERE",
    "PART_OF",
    "STAIR_CLASSES",
    "Level",
    "Links",
    "Placed",
    "StairEnd",
    "StoreyModel",
    "around",
    "dirty_storeys",
    "joined",
    "levels",
    "of_building",
    "of_storey",
    "of_zone",
    "part_of",
    "recheck",
    "storey_models",
]
