"""IFC2X3, IFC4 and IFC4X3 files as elements. Runs in the child process alone: the parser is native code, and a damaged file can take it down.

Relations are read once, all of them, before the elements: walking from each element to its properties costs ten times as much.
"""

from collections.abc import Iterator
from typing import Any, Final

from validation.ingest.relations import Relations
from validation.ingest.shapes import Shapes
from validation.ingest.step import attr, forget
from validation.ingest.units import Units

SKIPPED: Final = ("IfcPort", "IfcAnnotation", "IfcGrid")
LONGEST: Final = {"name": 255, "tag": 255, "predefined_type": 63}
_STRUCTURE: Final = ("IfcBeam", "IfcColumn", "IfcMember", "IfcFooting", "IfcPile", "IfcReinforcingElement", "IfcStructuralItem")
_NOT_STATED: Final = frozenset({"", "NOTDEFINED", "UNSET"})
_OWN_FIELDS: Final = frozenset({"GlobalId", "Name", "Tag", "PredefinedType"})
_ENGINE_FOR: Final = (
    "IfcSpace",
    "IfcDoor",
    "IfcWindow",
    "IfcStair",
    "IfcStairFlight",
    "IfcRamp",
    "IfcRampFlight",
    "IfcWall",
    "IfcRailing",
    "IfcSlab",
    "IfcWallStandardCase",
)


class Reading:
    """One open model. `elements` yields them as neutral JSON, the building and storeys first; `notes` says what was odd."""

    def __init__(self, model: Any) -> None:
        forget()
        self.model = model
        self.units = Units(model)
        self.relations = Relations(model, self.units)
        self.shapes = Shapes(model, self.units.length)
        self.products = self._products()
        self.notes: dict[str, Any] = {}
        self.ids = self._unique_ids()
        self._columns: dict[str, list[tuple[int, str, float]]] = {}
        self._levels = self._storey_levels()

    def header(self) -> dict[str, Any]:
        applications = [attr(one, "ApplicationFullName") for one in self.model.by_type("IfcApplication")]
        projects = self.model.by_type("IfcProject")
        return {"schema": self.model.schema, "application": str(applications[0] or "")[:200] if applications else "", "projects": len(projects)}

    def elements(self) -> Iterator[dict[str, Any]]:
        for product in self.products:
            yield self._element(product)

    def unread(self) -> list[list[Any]]:
        """[step number, global id] of what rules and plans need and whose body was not understood; the geometry engine may."""
        found = [self.model.by_id(number) for number in self.shapes.unread]
        return [[one.id(), self.ids[one.id()]] for one in found if one.is_a() in _ENGINE_FOR and one.id() in self.ids]

    def _products(self) -> list[Any]:
        """Products and zones. An opening that a door or window fills is that door or window."""
        skipped = {one.id() for name in SKIPPED for one in self._by_type(name)}
        skipped |= set(self.relations.opening_of.values())
        found = [one for one in (*self.model.by_type("IfcProduct"), *self._by_type("IfcZone")) if one.id() not in skipped]
        order = {"IfcSite": 0, "IfcBuilding": 1, "IfcBuildingStorey": 2, "IfcSpace": 3}
        return sorted(found, key=lambda one: (order.get(one.is_a(), 9), one.id()))

    def _by_type(self, name: str) -> Any:
        try:
            return self.model.by_type(name)
        except RuntimeError:  # the schema of this file has no such class
            return ()

    def _unique_ids(self) -> dict[int, str]:
        """Step number -> global id. Of several with the same one, the second (by class, name and number) is "<id>#2"."""
        same: dict[str, list[Any]] = {}
        for product in self.products:
            same.setdefault(_text(product.get_argument(0))[:22], []).append(product)
        ids = {}
        for global_id, holders in same.items():
            holders.sort(key=lambda one: (one.is_a(), _text(one.get_argument(2)), one.id()))
            for number, product in enumerate(holders, start=1):
                ids[product.id()] = f"{global_id or 'without-id'}#{number}" if number > 1 or not global_id else global_id
        twice = {global_id: len(holders) for global_id, holders in same.items() if len(holders) > 1 and global_id}
        self.notes = {"duplicate_ids": twice, "without_id": len(same.get("", []))}
        return ids

    def _storey_levels(self) -> list[tuple[float, str]]:
        storeys = self.model.by_type("IfcBuildingStorey")
        return sorted((self.shapes.origin(one)[2], self.ids[one.id()]) for one in storeys if one.id() in self.ids)

    def _element(self, product: Any) -> dict[str, Any]:
        number, ifc_class = product.id(), product.is_a()
        type_object = self.relations.type_of.get(number)
        properties, quantities = self.relations.properties_of(number, type_object)
        properties |= self._attributes(product, ifc_class, type_object)
        global_id = self.ids[number]
        if global_id.partition("#")[0] in self.notes["duplicate_ids"]:
            properties["Data.DuplicateGlobalId"] = True
        whole = self.relations.part_of.get(number)
        if whole in self.ids and not _is_spatial(product) and not self.relations.class_of(whole).startswith(("IfcBuilding", "IfcSite", "IfcSpace")):
            properties["Attributes.PartOf"] = self.ids[whole]
        storey, space = self._place(number)
        outline = self._outline(product)
        made = {
            "global_id": global_id,
            "ifc_class": ifc_class,
            "predefined_type": self._predefined(product, type_object)[: LONGEST["predefined_type"]],
            "name": _text(product.get_argument(2))[: LONGEST["name"]],
            "tag": _text(attr(product, "Tag"))[: LONGEST["tag"]],
            "storey": storey,
            "space": space,
            "discipline": self._discipline(product),
            "properties": properties,
            "quantities": quantities,
        }
        connects = self._connects(product, ifc_class, properties, outline.box if outline else None)
        return made | ({"connects": connects} if connects else {}) | (outline.fields() if outline else {})

    def _outline(self, product: Any) -> Any:
        outline = self.shapes.of(product)
        if outline is None:
            parts = [self.model.by_id(part) for part in self.relations.parts_of.get(product.id(), ())]
            outline = self.shapes.together([found for part in parts if (found := self.shapes.of(part))]) if not _is_spatial(product) else None
        return outline

    def _attributes(self, product: Any, ifc_class: str, type_object: Any) -> dict[str, Any]:
        """Plain attributes of its class and of its type, lengths in metres, with names, materials and classifications of its associations."""
        made = self._plain(product, ifc_class)
        if type_object is not None:
            for name, value in self._plain(type_object, type_object.is_a()).items():
                made.setdefault(name, value)
            made["Attributes.TypeName"] = _text(type_object.get_argument(2))
        made |= self.relations.associated(product.id(), type_object)
        return {name: value for name, value in made.items() if value != ""}

    def _plain(self, instance: Any, ifc_class: str) -> dict[str, Any]:
        columns = self._columns.get(ifc_class)
        if columns is None:
            columns = self._columns[ifc_class] = self._columns_of(ifc_class)
        made = {}
        for index, name, scale in columns:
            value = instance.get_argument(index)
            if value is not None and value != "NOTDEFINED":
                made[name] = _scaled(value, scale)
        return made

    def _columns_of(self, ifc_class: str) -> list[tuple[int, str, float]]:
        """(index, "Attributes.<name>", factor to SI) of the attributes that hold a text, a number or an enumeration."""
        import ifcopenshell

        declaration: Any = ifcopenshell.schema_by_name(self.model.schema_identifier).declaration_by_name(ifc_class)
        found = []
        for index, attribute in enumerate(declaration.all_attributes()):
            kind = attribute.type_of_attribute().as_named_type()
            declared = kind.declared_type() if kind else None
            if declared is None or not (declared.as_enumeration_type() or declared.as_type_declaration()) or _is_list(declared):
                continue
            if attribute.name() not in _OWN_FIELDS:
                found.append((index, f"Attributes.{attribute.name()}", self.units.of_measure(declared.name())))
        return found

    def _predefined(self, product: Any, type_object: Any) -> str:
        """Of the element, else of its type; what the user has defined by its own word."""
        for one in (product, type_object):
            value = _text(attr(one, "PredefinedType")) if one is not None else ""
            if value == "USERDEFINED":
                value = _text(attr(one, "ObjectType")) or _text(attr(one, "ElementType")) or value
            if value not in _NOT_STATED:
                return value
        return ""

    def _discipline(self, product: Any) -> str:
        if product.is_a("IfcDistributionElement"):
            return "services"
        return "structure" if any(_is_a(product, name) for name in _STRUCTURE) else "architecture"

    def _place(self, number: int) -> tuple[str, str]:
        """Global ids of its storey and space: what contains it, or contains what it is a part of."""
        space = ""
        at: int | None = number
        seen: set[int] = set()
        while at is not None and at not in seen:
            seen.add(at)
            kind = self.relations.class_of(at)
            if kind == "IfcBuildingStorey":
                return self.ids.get(at, ""), space
            if kind == "IfcSpace" and at != number and not space:
                space = self.ids.get(at, "")
            at = self.relations.holder_of(at)
        return "", space

    def _connects(self, product: Any, ifc_class: str, properties: dict[str, Any], box: Any) -> list[str]:
        number = product.id()
        if ifc_class == "IfcZone":
            return [self.ids[one] for one in self.relations.members_of.get(number, ()) if one in self.ids]
        if ifc_class in ("IfcStair", "IfcStairFlight", "IfcRamp", "IfcRampFlight") and box:
            return [storey for level, storey in self._levels if box[2] - 0.5 <= level <= box[5] + 0.5]
        spaces, outside = self.relations.bounded.get(number, ((), False))
        found = [self.ids[one] for one in spaces if one in self.ids]
        if found and (outside or (len(found) == 1 and _external(properties))):
            found.append("")
        return found


def _external(properties: dict[str, Any]) -> bool:
    return any(value is True for name, value in properties.items() if name.endswith("Common.IsExternal"))


def _is_spatial(product: Any) -> bool:
    return _is_a(product, "IfcSpatialStructureElement") or _is_a(product, "IfcSpatialElement")


def _is_a(product: Any, name: str) -> bool:
    try:
        return bool(product.is_a(name))
    except RuntimeError:
        return False


def _is_list(declared: Any) -> bool:
    """Whether a defined type is a list of something, such as IfcCompoundPlaneAngleMeasure."""
    plain = declared.as_type_declaration()
    return bool(plain and plain.declared_type().as_aggregation_type())


def _text(value: Any) -> str:
    return value.replace("\x00", "") if isinstance(value, str) else ""


def _scaled(value: Any, scale: float) -> Any:
    if isinstance(value, float):
        return round(value * scale, 9)
    return value.replace("\x00", "")[:4000] if isinstance(value, str) else value
