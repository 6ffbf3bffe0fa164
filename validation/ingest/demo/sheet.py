"""The drawing sheet of the demo building: an open IFC model and the strokes that it is drawn with. Arguments are metres, the file is in mm."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from validation.ingest.demo.layout import STOREY_HEIGHT

Point3 = tuple[float, float, float]
Box3 = tuple[float, float, float, float, float, float]
PER_METRE: Final = 1000
_LENGTHS: Final = ("Height", "Headroom", "RiserHeight", "TreadLength", "Diameter")


class Sheet:
    """`storeys`, `spaces`, `walls` and `doors` are what was drawn so far, by name; `hold` collects what storeys contain until `contain`."""

    def __init__(self, seed: int) -> None:
        import ifcopenshell.api.context
        import ifcopenshell.api.project
        import ifcopenshell.api.unit

        self.seed = seed
        self.model: Any = ifcopenshell.api.project.create_file(version="IFC4")
        self.project = self.root("IfcProject", "Demo project")
        ifcopenshell.api.unit.assign_unit(self.model)
        model = ifcopenshell.api.context.add_context(self.model, context_type="Model")
        self.body = ifcopenshell.api.context.add_context(
            self.model, context_type="Model", context_identifier="Body", target_view="MODEL_VIEW", parent=model
        )
        self.storeys: list[Any] = []
        self.spaces: dict[str, Any] = {}
        self.walls: dict[str, Any] = {}
        self.doors: dict[str, Any] = {}
        self._types: dict[str, Any] = {}
        self._held: dict[Any, list[Any]] = {}
        self._origins: dict[int, Point3] = {}
        self._count = 0

    def root(self, ifc_class: str, name: str, predefined: str | None = None) -> Any:
        import ifcopenshell.api.root

        made: Any = ifcopenshell.api.root.create_entity(self.model, ifc_class=ifc_class, predefined_type=predefined, name=name)
        if made.is_a("IfcElement"):
            self._count += 1
            made.Tag = str(1000 + self._count)
        if made.is_a("IfcTypeObject"):
            self._types[name] = made
        return made

    def part_of(self, whole: Any, parts: Sequence[Any]) -> None:
        import ifcopenshell.api.aggregate

        ifcopenshell.api.aggregate.assign_object(self.model, products=list(parts), relating_object=whole)

    def hold(self, place: int | Any, element: Any) -> None:
        """`element` is in the storey of that number, or in this space."""
        self._held.setdefault(self.storeys[place] if isinstance(place, int) else place, []).append(element)

    def contain(self) -> None:
        import ifcopenshell.api.spatial

        for place, elements in self._held.items():
            ifcopenshell.api.spatial.assign_container(self.model, products=elements, relating_structure=place)

    def typed(self, elements: Sequence[Any], type_name: str) -> None:
        import ifcopenshell.api.type

        ifcopenshell.api.type.assign_type(self.model, related_objects=list(elements), relating_type=self._types[type_name])

    def pset(self, element: Any, name: str, properties: Mapping[str, Any]) -> None:
        import ifcopenshell.api.pset

        made = ifcopenshell.api.pset.add_pset(self.model, product=element, name=name)
        values = {key: self.length(value) if key in _LENGTHS else value for key, value in properties.items()}
        ifcopenshell.api.pset.edit_pset(self.model, pset=made, properties=values)

    def quantities(self, element: Any, name: str, plain: Mapping[str, float], lengths: Mapping[str, float]) -> None:
        """`plain`: areas and volumes, whose units are square and cubic metres; `lengths` are drawn in millimetres."""
        import ifcopenshell.api.pset

        made = ifcopenshell.api.pset.add_qto(self.model, product=element, name=name)
        values: dict[str, Any] = {key: round(value, 4) for key, value in plain.items()} | {key: self.length(value) for key, value in lengths.items()}
        ifcopenshell.api.pset.edit_qto(self.model, qto=made, properties=values)

    @staticmethod
    def length(metres: float) -> float:
        return round(metres * PER_METRE, 3)

    def place(self, element: Any, at: Point3, *, inside: Any = None, along: str = "x") -> None:
        """`at` in the building's coordinates; the placement is written relative to that of `inside`, whose axes are the building's."""
        base = self._origins[inside.id()] if inside else (0.0, 0.0, 0.0)
        local = tuple(round(here - there, 6) for here, there in zip(at, base, strict=True))
        direction = (1.0, 0.0, 0.0) if along == "x" else (0.0, 1.0, 0.0)
        element.ObjectPlacement = self.model.createIfcLocalPlacement(inside.ObjectPlacement if inside else None, self._axes(local, direction))
        self._origins[element.id()] = at

    def box(self, element: Any, storey: int, box: Box3, *, role: str = "") -> None:
        """A box; z counts from the storey's floor."""
        x0, y0, z0, x1, y1, z1 = box
        self.place(element, (x0, y0, z0 + storey * STOREY_HEIGHT), inside=self.storeys[storey])
        self.solid(element, self._rectangle(x1 - x0, y1 - y0, (x1 - x0) / 2, (y1 - y0) / 2), z1 - z0)

    def fill(self, element: Any, wall: Any, storey: int, at: Point3, *, along: str, width: float, height: float) -> None:
        """An opening in the wall, and the element in it. `at`: middle of the sill, z from the storey's floor."""
        import ifcopenshell.api.feature

        x, y, z = at
        corner = (x - width / 2, y, z + storey * STOREY_HEIGHT) if along == "x" else (x, y - width / 2, z + storey * STOREY_HEIGHT)
        opening = self.root("IfcOpeningElement", f"Opening {element.Name}", predefined="OPENING")
        self.place(opening, corner, inside=wall, along=along)
        self.solid(opening, self._rectangle(width, 0.4, width / 2, 0.0), height)
        ifcopenshell.api.feature.add_feature(self.model, feature=opening, element=wall)
        element.ObjectPlacement = self.model.createIfcLocalPlacement(opening.ObjectPlacement, self._axes((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
        self.solid(element, self._rectangle(width, 0.06, width / 2, 0.0), height)
        ifcopenshell.api.feature.add_filling(self.model, opening=opening, element=element)

    def profile(self, element: Any, storey: int, at: Point3, outline: Iterable[tuple[float, float]], depth: float) -> None:
        """A vertical outline (distance along y, height), swept over `depth` along x: stairs and ramps."""
        self.place(element, (at[0], at[1], at[2] + storey * STOREY_HEIGHT), inside=self.storeys[storey])
        points = [self.model.createIfcCartesianPoint([self.length(y), self.length(z)]) for y, z in outline]
        area = self.model.createIfcArbitraryClosedProfileDef("AREA", None, self.model.createIfcPolyline([*points, points[0]]))
        # the profile's x becomes the building's y, its y the height, and its normal the building's x
        position = self._axes((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), axis=(1.0, 0.0, 0.0))
        self.solid(element, area, depth, position)

    def solid(self, element: Any, area: Any, depth: float, position: Any = None) -> None:
        up = self.model.createIfcDirection([0.0, 0.0, 1.0])
        swept = self.model.createIfcExtrudedAreaSolid(area, position, up, self.length(depth))
        shape = self.model.createIfcShapeRepresentation(self.body, "Body", "SweptSolid", [swept])
        element.Representation = self.model.createIfcProductDefinitionShape(None, None, [shape])

    def _rectangle(self, width: float, depth: float, x: float, y: float) -> Any:
        centre = self.model.createIfcAxis2Placement2D(self.model.createIfcCartesianPoint([self.length(x), self.length(y)]), None)
        return self.model.createIfcRectangleProfileDef("AREA", None, centre, self.length(width), self.length(depth))

    def _axes(self, at: tuple[float, ...], along: Point3, axis: Point3 | None = None) -> Any:
        point = self.model.createIfcCartesianPoint([self.length(value) for value in at])
        up = self.model.createIfcDirection(list(axis or (0.0, 0.0, 1.0)))
        return self.model.createIfcAxis2Placement3D(point, up, self.model.createIfcDirection(list(along)))
