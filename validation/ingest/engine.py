"""Triangles from the geometry engine. It is slow and native: it runs in a child process, for what is needed, and stops when its time is over."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from validation.ingest.shapes import Outline
from validation.ingest.space3 import hull

Tell = Callable[[int, int, str], None]
TOLD_EVERY: Final = 50
# What people look at in 3D. Spaces are drawn as their walls and floors; furniture in bulk is left out of large models.
SHOWN: Final = ("IfcElement",)
HIDDEN: Final = ("IfcOpeningElement", "IfcVirtualElement", "IfcFeatureElement", "IfcReinforcingElement", "IfcFastener")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """vertices: float64, (n, 3), metres; triangles: uint32, (m, 3)."""

    global_id: str
    ifc_class: str
    vertices: Any
    triangles: Any


def outlines(model: Any, steps: Sequence[int], tell: Tell) -> dict[str, dict[str, Any]]:
    """Step number -> box and footprint (hull), of what can be triangulated."""
    import ifcopenshell.geom
    import numpy as np

    settings = _settings(ifcopenshell.geom)
    found = {}
    for number, step in enumerate(steps):
        if number % TOLD_EVERY == 0:
            tell(number, len(steps), "geometry")
        try:
            shape: Any = ifcopenshell.geom.create_shape(settings, model.by_id(step))
        except RuntimeError:  # this body cannot be made; the others can
            continue
        points = np.asarray(shape.geometry.verts if hasattr(shape, "geometry") else (), dtype=float).reshape(-1, 3)
        if len(points):
            low, high = points.min(axis=0), points.max(axis=0)
            box = (float(low[0]), float(low[1]), float(low[2]), float(high[0]), float(high[1]), float(high[2]))
            found[str(step)] = Outline(box, hull([(float(x), float(y)) for x, y in points[:, :2]])).fields()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Meshes:
    """wanted: how many elements there are to be drawn, bodies or not. in_time: whether the engine has got to the last of them."""

    found: list[Mesh]
    wanted: int
    in_time: bool = True


def meshes(model: Any, *, seconds: float, tell: Tell) -> Meshes:
    """Elements by their id; those that are not done when the time is over are left out, and `in_time` says so."""
    import ifcopenshell.geom
    import numpy as np

    wanted = _wanted(model)
    deadline = time.monotonic() + seconds
    iterator: Any = ifcopenshell.geom.iterator(_settings(ifcopenshell.geom), model, 1, include=wanted)
    found: list[Mesh] = []
    if not wanted or not iterator.initialize():
        return Meshes(found=found, wanted=len(wanted))
    in_time = False
    while time.monotonic() < deadline:
        shape = iterator.get()
        vertices = np.asarray(shape.geometry.verts, dtype=np.float64).reshape(-1, 3)
        triangles = np.asarray(shape.geometry.faces, dtype=np.uint32).reshape(-1, 3)
        if len(vertices) and len(triangles):
            found.append(Mesh(global_id=shape.guid, ifc_class=shape.type, vertices=vertices, triangles=triangles))
        if len(found) % TOLD_EVERY == 0:
            tell(len(found), len(wanted), "triangles")
        if not iterator.next():
            in_time = True
            break
    return Meshes(found=sorted(found, key=lambda one: one.global_id), wanted=len(wanted), in_time=in_time)


def _wanted(model: Any) -> list[Any]:
    hidden = {one.id() for name in HIDDEN for one in _by_type(model, name)}
    return [one for name in SHOWN for one in _by_type(model, name) if one.id() not in hidden]


def _by_type(model: Any, name: str) -> Any:
    try:
        return model.by_type(name)
    except RuntimeError:
        return ()


def _settings(geom: Any) -> Any:
    settings = geom.settings()
    settings.set("use-world-coords", True)
    settings.set("weld-vertices", True)
    return settings
