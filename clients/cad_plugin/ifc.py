"""An IFC file as the fields of the live protocol, and what differs between two readings of it. Needs the `ifcopenshell` package."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Model = Mapping[str, Mapping[str, Any]]  # global id -> {"ifc_class": …, "name": …, "properties.Pset_DoorCommon.FireRating": …}
BATCH = 200
_LENGTHS = ("OverallWidth", "OverallHeight", "Elevation", "RiserHeight", "TreadLength")


def read(path: str) -> dict[str, Json]:
    """Every product of the file; lengths in metres. Raises OSError, RuntimeError for what is no IFC file, or not yet."""
    import ifcopenshell
    import ifcopenshell.util.unit

    model: Any = ifcopenshell.open(path)
    scale = float(ifcopenshell.util.unit.calculate_unit_scale(model))
    found: dict[str, Json] = {}
    for product in model.by_type("IfcProduct"):
        if not product.is_a("IfcPort") and not product.is_a("IfcAnnotation") and not product.is_a("IfcOpeningElement"):
            found.setdefault(product.GlobalId, fields(product, scale))
    return found


def fields(product: Any, scale: float) -> Json:
    import ifcopenshell.util.element as util

    made: Json = {"ifc_class": product.is_a(), "name": product.Name or "", "tag": getattr(product, "Tag", None) or "", **_place(product)}
    for name in _LENGTHS:
        value = getattr(product, name, None)
        if isinstance(value, int | float):
            made[f"properties.Attributes.{name}"] = round(float(value) * scale, 6)
    for name, values in util.get_psets(product, psets_only=True).items():
        made |= {f"properties.{name}.{key}": value for key, value in values.items() if key != "id" and _is_plain(value)}
    return made


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _place(product: Any) -> Json:
    import ifcopenshell.util.element as util

    if product.is_a("IfcBuildingStorey"):
        return {"storey": product.GlobalId}
    place: Json = {}
    container: Any = util.get_container(product) or util.get_aggregate(product)
    while container is not None:
        if container.is_a("IfcSpace"):
            place.setdefault("space", container.GlobalId)
        if container.is_a("IfcBuildingStorey"):
            return {**place, "storey": container.GlobalId}
        container = util.get_container(container) or util.get_aggregate(container)
    return place


def difference(before: Model, after: Model) -> list[Json]:
    """The operations that turn one reading into the other."""
    ops: list[Json] = [{"op": "delete", "global_id": mark} for mark in before if mark not in after]
    for mark, now in after.items():
        was = before.get(mark, {})
        changed = {name: value for name, value in now.items() if name != "ifc_class" and was.get(name) != value}
        gone = [name for name in was if name not in now and name != "ifc_class"]
        if changed or gone or not was or was["ifc_class"] != now["ifc_class"]:
            ops.append({"op": "upsert", "global_id": mark, "ifc_class": now["ifc_class"], "set": changed, "unset": gone})
    return ops


def batches(ops: list[Json]) -> Iterator[list[Json]]:
    for start in range(0, len(ops), BATCH):
        yield ops[start : start + BATCH]
