"""Registered checks: which facts each one gives, and which parameters of its rules it listens to.

A rule of kind python names a check and judges the facts that the check gives with `require`. The facts themselves are found once per storey
(validation/core/surroundings.py), never per rule.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from validation.core.building import Value
from validation.core.functions import DEFAULT_FACTORS, LoadFactor


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredCheck:
    """gives: prefixed facts ("e.travel_distance"). listens: names of rule parameters that change how they are computed. source: the code section."""

    name: str
    title: str
    gives: frozenset[str]
    listens: frozenset[str] = frozenset()
    source: str = ""


def _check(name: str, title: str, source: str, *gives: str, listens: Iterable[str] = ()) -> RegisteredCheck:
    return RegisteredCheck(name=name, title=title, gives=frozenset(gives), listens=frozenset(listens), source=source)


_ALL: Final = (
    _check(
        "exit_access_travel_distance",
        "Walking distance to the nearest exit",
        "IBC 1017.3; AD B vol 2 2.1; MBO 35",
        "e.travel_distance",
        "e.escape_directions",
        "e.reaches_exit",
    ),
    _check(
        "egress_capacity",
        "People whom doors, corridors and stairs serve",
        "IBC 1005.3, 1005.5",
        "e.occupant_load_served",
        "e.is_egress",
    ),
    _check(
        "fire_area",
        "Fire areas and the people in them",
        "IBC 202, 903.2",
        "e.fire_area",
        "e.fire_area_load",
        "e.occupancy",
        "e.on_exit_discharge_level",
    ),
    _check("dead_end_length", "Length of corridors without a choice of direction", "IBC 1020.5", "e.dead_end_length", "b.exits_required"),
    _check(
        "occupant_load", "Design occupants of spaces", "IBC 1004.5", "e.occupant_load", "st.occupant_load", "b.occupant_load", listens=("factors",)
    ),
    _check("exits_per_storey", "Exits of a storey", "IBC 1006.3", "st.exit_count", "st.occupant_load", "st.exits_required"),
    _check(
        "space_egress_doors",
        "Ways out of a space and its common path",
        "IBC 1006.2.1",
        "e.egress_door_count",
        "e.common_path",
        "e.occupant_load",
    ),
    _check("fixture_count", "Sanitary fixtures of the building", "IBC 2902.1", "b.wc_count", "b.lavatory_count", "b.occupant_load"),
    _check("turning_circle", "Free floor for turning a wheelchair", "ADA 304.3", "e.max_free_circle", "e.t_turn_fits"),
    _check("fixture_clearance", "Free floor around sanitary fixtures", "ADA 604.3", "e.clear_x", "e.clear_y"),
)
CHECKS: Final[Mapping[str, RegisteredCheck]] = {check.name: check for check in _ALL}

# Facts that hold geometry for plans and 3D; a judgement that reads the first should carry the second: {"path": [[x, y, z], …]} and such.
GEOMETRY_OF: Final[Mapping[str, str]] = {
    "travel_distance": "travel_path",
    "common_path": "common_path_line",
    "dead_end_length": "dead_end_line",
    "max_free_circle": "free_circle",
    "clear_x": "clear_floor",
    "clear_y": "clear_floor",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Numbers that the surroundings are computed with. Make them with `parameters`: the rulebook's win over the stated defaults.

    factors_from: the rule that gave the load factors, "" for the built-in table (then every load is assumed).
    """

    factors: Mapping[str, LoadFactor] = field(default_factory=lambda: DEFAULT_FACTORS)
    factors_from: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the hash of a run's input."""
        return {
            "factors": {name: [one.area, one.basis] for name, one in sorted(self.factors.items())},
            "factors_from": self.factors_from,
        }


def parameters(rules: Iterable[tuple[str, str, Mapping[str, Value]]]) -> Parameters:
    """From the python rules in force: (rule key, check name, {parameter: value}) each. Of several rules of a check the last one with factors wins."""
    found = Parameters()
    for key, check, values in rules:
        factors = values.get("factors") if check == "occupant_load" else None
        if isinstance(factors, Mapping):
            found = Parameters(factors=DEFAULT_FACTORS | _factors(factors), factors_from=key)
    return found


def _factors(values: Mapping[str, Any]) -> dict[str, LoadFactor]:
    return {
        function: LoadFactor(area=float(one["factor"]), basis=str(one.get("basis", "gross")))
        for function, one in values.items()
        if isinstance(one, Mapping) and isinstance(one.get("factor"), int | float) and one["factor"] > 0
    }
