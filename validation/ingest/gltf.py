"""Triangles as one binary glTF 2.0 file: a mesh and a node for each element, the node's name its GlobalId, its class in `extras`.

Written by hand because it is little: a JSON part that describes slices of one binary part. Metres; glTF has y up, so the root node turns it.
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

FLOAT, UNSIGNED_INT, UNSIGNED_SHORT = 5126, 5125, 5123
_ARRAY, _ELEMENTS = 34962, 34963
_TURN: Final = [-0.7071067811865476, 0, 0, 0.7071067811865476]  # z up becomes y up
_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942


class Drawn(Protocol):
    @property
    def global_id(self) -> str: ...
    @property
    def ifc_class(self) -> str: ...
    @property
    def vertices(self) -> Any: ...
    @property
    def triangles(self) -> Any: ...


def write(meshes: Sequence[Drawn], path: Path) -> int:
    """How many bytes were written."""
    content = encoded(meshes)
    path.write_bytes(content)
    return len(content)


def encoded(meshes: Sequence[Drawn]) -> bytes:
    import numpy as np

    origin = _origin(meshes)
    pieces: list[bytes] = []
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = [{"rotation": _TURN, "children": [], "name": "building"}]
    offset = 0
    for number, mesh in enumerate(meshes):
        vertices = np.ascontiguousarray(np.asarray(mesh.vertices, dtype=np.float64) - origin, dtype="<f4")
        small = len(vertices) < 2**16
        indices = np.ascontiguousarray(mesh.triangles, dtype="<u2" if small else "<u4").reshape(-1)
        for data, target in ((vertices.tobytes(), _ARRAY), (indices.tobytes(), _ELEMENTS)):
            views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(data), "target": target})
            padded = data + b"\x00" * (-len(data) % 4)
            pieces.append(padded)
            offset += len(padded)
        low, high = vertices.min(axis=0).tolist(), vertices.max(axis=0).tolist()
        accessors.append({"bufferView": 2 * number, "componentType": FLOAT, "count": len(vertices), "type": "VEC3", "min": low, "max": high})
        kind = UNSIGNED_SHORT if small else UNSIGNED_INT
        accessors.append({"bufferView": 2 * number + 1, "componentType": kind, "count": len(indices), "type": "SCALAR"})
        nodes.append({"mesh": number, "name": mesh.global_id, "extras": {"ifc_class": mesh.ifc_class}})
    nodes[0]["children"] = list(range(1, len(nodes)))
    nodes[0]["extras"] = {"origin": origin.tolist()}
    document: dict[str, Any] = {"asset": {"version": "2.0", "generator": "mcp-platform"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": nodes}
    if meshes:
        document |= {
            "meshes": [{"primitives": [{"attributes": {"POSITION": 2 * one}, "indices": 2 * one + 1}]} for one in range(len(meshes))],
            "accessors": accessors,
            "bufferViews": views,
            "buffers": [{"byteLength": offset}],
        }
    return _packed(document, b"".join(pieces))


def _origin(meshes: Sequence[Drawn]) -> Any:
    """Large coordinates (a national grid) would lose millimetres in 32 bits: the file is relative to a point, which the root node tells."""
    import numpy as np

    if not meshes:
        return np.zeros(3)
    return np.floor(np.min([np.asarray(mesh.vertices, dtype=np.float64).min(axis=0) for mesh in meshes], axis=0))


def _packed(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<II", len(text), _JSON) + text
    if binary:
        parts += struct.pack("<II", len(binary), _BINARY) + binary
    return struct.pack("<III", _MAGIC, 2, 12 + len(parts)) + parts
