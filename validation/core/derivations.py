"""How facts are found that no property states. Each derivation is one function and one row of `DERIVATIONS`; None means that it cannot be known.

Every derivation that has to assume something says so (`assumed`); the definition's assumption text is what the report prints.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from validation.core import shapes
from validation.core.building import Value
from validation.core.functions import CIRCULATION, FUNCTIONS, Mapped, function_of
from validation.core.readings import READERS
from validation.core.sources import Derived, Deriving, FactDefinition

Derivation: TypeAlias = Callable[[Deriving, FactDefinition], Derived | None]
_MILLIMETRE: Final = 3
_LEVEL: Final = 0.02  # m of height by which a railing or flight still counts as level


def _rounded(value: float | None, *, assumed: bool = False, note: str = "") -> Derived | None:
    return None if value is None or value <= 0 else Derived(round(value, 4), assumed, note)


def _less_frame(of: str, frames: int) -> Derivation:
    """Overall size less the frame on `frames` sides."""

    def less(asking: Deriving, definition: FactDefinition) -> Derived | None:
        overall = asking.value(of) if of in asking.known.of(asking.element.ifc_class) else asking.attribute(_OVERALL[of])
        if not isinstance(overall, int | float):
            return None
        frame = float(definition.params.get("frame", 0.05))
        return _rounded(overall - frames * frame, assumed=True, note=f"{definition.assumption} ({overall:g} m - {frames} x {frame:g} m)")

    return less


_OVERALL: Final[Mapping[str, str]] = {"window_width": "OverallWidth", "window_height": "OverallHeight"}


def _window_area(asking: Deriving, definition: FactDefinition) -> Derived | None:
    width, height = asking.fact("clear_opening_width"), asking.fact("clear_opening_height")
    return _rounded(width.value * height.value, assumed=width.assumed or height.assumed) if width and height else None


def _box_height(asking: Deriving, definition: FactDefinition) -> Derived | None:
    box = asking.element.box
    return _rounded(box[5] - box[2], assumed=True) if box else None


def _box_bottom(asking: Deriving, definition: FactDefinition) -> Derived | None:
    return Derived(round(asking.element.box[2], 4), assumed=True) if asking.element.box else None


def _side(which: int) -> Derivation:
    """0: the long side of the outline, 1: the short one."""

    def side(asking: Deriving, definition: FactDefinition) -> Derived | None:
        shape = shapes.outline(asking.element)
        return _rounded(shapes.sides(shape)[which], assumed=True) if shape is not None else None

    return side


def _railing_height(asking: Deriving, definition: FactDefinition) -> Derived | None:
    """Only of a level railing: one that climbs a stair is as tall as the stair."""
    height = _box_height(asking, definition)
    return height if height and height.value <= 1.5 else None


def mapped_function(asking: Deriving) -> Mapped | None:
    """The building's map first, then the words of occupancy type, long name, name and reference, then classification codes."""
    names = [str(one[1]) for name in _NAMES if (one := asking.property(name)) and one[1]]
    names += [asking.element.name] if asking.element.name else []
    codes = [str(one[1]) for name in _CODES if (one := asking.property(name)) and one[1]]
    classified = asking.attribute("Classifications")
    codes += [str(one) for one in classified] if isinstance(classified, list | tuple) else []
    return function_of(names, asking.known.function_map, codes)


_NAMES: Final = (
    "Pset_SpaceOccupancyRequirements.OccupancyType",
    "Attributes.LongName",
    "Attributes.ObjectType",
    "*.OccupancyType",
    "*.RoomType",
    "*.Raumtyp",
    "*.Nutzung",
    "Pset_SpaceCommon.Reference",
    "Identity Data.Name",
    "*.Category Description",
    "Attributes.Description",
)
_CODES: Final = (
    "*.OmniClass Number",
    "*.OmniClass",
    "*.Classification Code",
    "*.ClassificationCode",
    "*.Category",
    "*.DIN 277",
    "*.DIN277",
    "*.Uniclass",
)


def _space_function(asking: Deriving, definition: FactDefinition) -> Derived | None:
    mapped = mapped_function(asking)
    if mapped is None:
        return None
    return Derived(
        mapped.function, assumed=mapped.confidence < 1, note=f"{definition.assumption}: {mapped.why}" if mapped.confidence < 1 else mapped.why
    )


_GROUP: Final = re.compile(r"\b(?:group\s+)?([ABEFHIMRSU](?:-[1-5])?)\b")


def _stated_group(asking: Deriving, definition: FactDefinition) -> Derived | None:
    for name in ("*.OccupancyGroup", "*.Occupancy Group", "*.Occupancy Classification", "*.OccupancyType", "*.Occupancy"):
        found = asking.property(name)
        match = _GROUP.fullmatch(str(found[1]).strip()) if found else None
        if match and found:
            return Derived(match[1], source=f"pset:{found[0]}")
    return None


def _from_function(read: Callable[[str], Value], *, of_all: bool = False) -> Derivation:
    """A fact that follows from the function of the space. `of_all`: also for functions that the table does not know (a tenant's own)."""

    def follows(asking: Deriving, definition: FactDefinition) -> Derived | None:
        function = asking.fact("function")
        if function is None or (not of_all and function.value not in FUNCTIONS):
            return None
        value = read(function.value)
        note = f"{definition.assumption} ({function.value})" if definition.assumption else ""
        return None if value in (None, "") else Derived(value, assumed=True, note=note)

    return follows


def _occupancy_class(asking: Deriving, definition: FactDefinition) -> Derived | None:
    group = asking.fact("occupancy")
    return Derived(str(group.value)[:1], assumed=group.assumed, note=group.note) if group else None


_PURPOSE: Final[Mapping[str, str]] = {
    "business": "office",
    "mercantile": "shop_commercial",
    "dwelling": "residential",
    "storage_mechanical": "storage",
    "warehouse": "storage",
    "parking": "storage",
    "industrial": "industrial",
    "kitchen_commercial": "industrial",
    "assembly_tables": "assembly",
    "assembly_chairs": "assembly",
    "assembly_standing": "assembly",
    "classroom": "assembly",
    "library_reading": "assembly",
    "exercise": "assembly",
}


def _footprint_area(asking: Deriving, definition: FactDefinition) -> Derived | None:
    shape = shapes.polygon(asking.element.footprint) if asking.element.footprint else None
    return _rounded(shape.area, assumed=True) if shape is not None else None


def _net_as_gross(asking: Deriving, definition: FactDefinition) -> Derived | None:
    net = asking.fact("net_area")
    return Derived(net.value, assumed=True) if net else None


def _passage_width(asking: Deriving, definition: FactDefinition) -> Derived | None:
    shape = shapes.polygon(asking.element.footprint) if asking.element.footprint else None
    return Derived(round(shapes.passage_width(shape), _MILLIMETRE), assumed=True) if shape is not None else None


def _free_circle(asking: Deriving, definition: FactDefinition) -> Derived | None:
    shape = shapes.polygon(asking.element.footprint) if asking.element.footprint else None
    return Derived(round(shapes.widest_circle(shape)[1], _MILLIMETRE), assumed=True) if shape is not None else None


def _not_stated(asking: Deriving, definition: FactDefinition) -> Derived | None:
    """Permissions that only a person can give: as long as nobody has, there is none."""
    return Derived(value=False, assumed=True)


_ACCESSIBLE: Final = re.compile(
    r"\b(accessible|ada|dda|handicap\w*|disabled|barrierefrei\w*|behinderten\w*|rollstuhl\w*|pmr|wheelchair)\b", re.IGNORECASE
)


def _accessible_by_name(asking: Deriving, definition: FactDefinition) -> Derived | None:
    names = f"{asking.element.name} {asking.attribute('LongName') or ''}"
    return Derived(value=True, assumed=True) if _ACCESSIBLE.search(names) else None


def _corridor_is_route(asking: Deriving, definition: FactDefinition) -> Derived | None:
    return Derived(value=True, assumed=True) if asking.value("is_corridor") else None


def _of_children(pick: Callable[[list[float]], float]) -> Derivation:
    """From the flights of a stair: a stair is as narrow as its narrowest flight."""

    def of_children(asking: Deriving, definition: FactDefinition) -> Derived | None:
        facts = asking.of_children(definition.name)
        values = [float(fact.value) for fact in facts if isinstance(fact.value, int | float)]
        return _rounded(pick(values), assumed=any(fact.assumed for fact in facts), note=facts[0].note) if values else None

    return of_children


def _riser_from_rise(asking: Deriving, definition: FactDefinition) -> Derived | None:
    rise, risers = asking.value("rise"), asking.value("risers")
    return _rounded(rise / risers, assumed=True) if rise and risers else None


def _tread_from_run(asking: Deriving, definition: FactDefinition) -> Derived | None:
    shape, treads = shapes.outline(asking.element), asking.value("treads") or (asking.value("risers") or 0) - 1
    return _rounded(shapes.sides(shape)[0] / treads, assumed=True) if shape is not None and treads and treads > 0 else None


def _run_width(asking: Deriving, definition: FactDefinition) -> Derived | None:
    """The short side of one straight run; of a whole stair with landings the outline says nothing."""
    straight = asking.element.ifc_class.endswith("Flight") or asking.element.predefined_type.startswith("STRAIGHT")
    return _side(1)(asking, definition) if straight else None


def _stair_category(asking: Deriving, definition: FactDefinition) -> Derived | None:
    return Derived("general_access", assumed=True)


def _stated_slope(asking: Deriving, definition: FactDefinition) -> Derived | None:
    """As a ratio, per cent or degrees, as the sets have it: the standard property is a plane angle in degrees."""
    from math import radians, tan

    found = next(
        (
            one
            for name in ("Pset_RampFlightCommon.Slope", "*.Slope", "*.Ramp Max Slope (1/x)", "*.Gefälle", "*.Neigung")
            if (one := asking.property(name))
        ),
        None,
    )
    if found is None or isinstance(found[1], bool):
        return None
    name, raw = found
    if isinstance(raw, str):
        reading = READERS["number"](raw.replace(" ", ""), definition.unit)
        return Derived(round(reading.value, 5), source=f"pset:{name}") if reading and raw.strip().endswith("%") else None
    if not isinstance(raw, int | float) or raw < 0:
        return None
    if raw < 0.5:
        return Derived(round(float(raw), 5), source=f"pset:{name}")
    return Derived(round(tan(radians(raw)), 5), assumed=True, note=f"{raw:g} was read as degrees", source=f"pset:{name}") if raw < 45 else None


def _slope_of_box(asking: Deriving, definition: FactDefinition) -> Derived | None:
    rise, run = asking.value("rise"), asking.value("run_length")
    return Derived(round(rise / run, 5), assumed=True) if rise and run else None


_TYPE_WORDS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "IfcRailing": (
        ("handrail", "HANDRAIL"),
        ("handlauf", "HANDRAIL"),
        ("guard", "GUARDRAIL"),
        ("balustrade", "BALUSTRADE"),
        ("absturz", "GUARDRAIL"),
    ),
    "IfcSlab": (("landing", "LANDING"), ("podest", "LANDING")),
    "IfcSanitaryTerminal": (
        ("wc", "TOILETPAN"),
        ("toilet", "TOILETPAN"),
        ("urinal", "URINAL"),
        ("basin", "WASHHANDBASIN"),
        ("lavatory", "WASHHANDBASIN"),
    ),
    "IfcFlowTerminal": (
        ("wc", "TOILETPAN"),
        ("toilet", "TOILETPAN"),
        ("urinal", "URINAL"),
        ("basin", "WASHHANDBASIN"),
        ("lavatory", "WASHHANDBASIN"),
    ),
}


def _type_by_name(asking: Deriving, definition: FactDefinition) -> Derived | None:
    name = f"{asking.element.name} {asking.attribute('ObjectType') or ''}".lower()
    words = re.findall(r"[a-zäöüß]+", name)
    for word, kind in _TYPE_WORDS.get(asking.element.ifc_class, ()):
        if any(one == word or (len(word) > 3 and word in one) for one in words):
            return Derived(kind, assumed=True)
    return None


DERIVATIONS: Final[Mapping[str, Derivation]] = {
    "door_clear_width": _less_frame("width", 2),
    "door_clear_height": _less_frame("overall_height", 1),
    "window_clear_width": _less_frame("window_width", 2),
    "window_clear_height": _less_frame("window_height", 2),
    "window_clear_area": _window_area,
    "box_width": _side(0),
    "box_depth": _side(1),
    "box_height": _box_height,
    "box_bottom": _box_bottom,
    "long_side": _side(0),
    "short_side": _side(1),
    "railing_height": _railing_height,
    "space_function": _space_function,
    "stated_group": _stated_group,
    "group_of_function": _from_function(lambda name: FUNCTIONS[name].occupancy),
    "occupancy_class": _occupancy_class,
    "purpose_group": _from_function(_PURPOSE.get),
    "is_corridor": _from_function(lambda name: name == "corridor", of_all=True),
    "is_exit_stair": _from_function(lambda name: name == "exit_stair", of_all=True),
    "is_toilet_room": _from_function(lambda name: name == "toilet", of_all=True),
    "is_habitable": _from_function(lambda name: FUNCTIONS[name].habitable),
    "in_dwelling_unit": _from_function(lambda name: name == "dwelling", of_all=True),
    "footprint_area": _footprint_area,
    "net_as_gross": _net_as_gross,
    "not_stated": _not_stated,
    "passage_width": _passage_width,
    "free_circle": _free_circle,
    "accessible_by_name": _accessible_by_name,
    "corridor_is_route": _corridor_is_route,
    "children_least": _of_children(min),
    "children_greatest": _of_children(max),
    "riser_from_rise": _riser_from_rise,
    "tread_from_run": _tread_from_run,
    "run_width": _run_width,
    "stair_category": _stair_category,
    "stated_slope": _stated_slope,
    "slope_of_box": _slope_of_box,
    "type_by_name": _type_by_name,
}
__all__ = ["CIRCULATION", "DERIVATIONS", "Derivation", "mapped_function"]
