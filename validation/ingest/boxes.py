"""Triangles of elements of which only a footprint and a height, or a box, is known."""

from collections.abc import Iterable
from typing import Any, Final

from validation.core.building import Element
from validation.ingest.engine import Mesh

HIDDEN: Final = ("IfcSpace", "IfcZone", "IfcSite", "IfcBuilding", "IfcBuildingStorey", "IfcOpeningElement", "IfcVirtualElement")
_FACES: Final = ((0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7), (0, 1, 5), (0, 5, 4), (1, 2, 6), (1, 6, 5), (2, 3, 7), (2, 7, 6), (3, 0, 4), (3, 4, 7))


def meshes(elements: Iterable[Element]) -> list[Mesh]:
    return [_mesh(one) for one in elements if one.box and one.ifc_class not in HIDDEN]


def _mesh(element: Element) -> Mesh:
    import numpy as np

    assert element.box is not None
    x0, y0, z0, x1, y1, z1 = element.box
    corners: list[Any] = [(x, y, z) for z in (z0, z1) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    return Mesh(
        global_id=element.global_id,
        ifc_class=element.ifc_class,
        vertices=np.array(corners, dtype=np.float64),
        triangles=np.array(_FACES, dtype=np.uint32),
    )
