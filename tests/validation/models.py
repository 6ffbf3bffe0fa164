"""Model files for tests: the demo building, changed variants of it, and how to read one as the service does."""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from validation.core.building import Element
from validation.ingest import child, demo, neutral

SAMPLES = Path(os.environ.get("IFC_SAMPLES") or Path(__file__).resolve().parents[3] / "shared" / "data" / "ifc")
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="there are no sample models: name their folder with IFC_SAMPLES")
LIMITS = child.Limits(max_bytes=60_000_000, seconds=60)


@cache
def demo_file(*without: str, seed: int = 1) -> bytes:
    return demo.write(seed=seed, without=without)


def zipped(content: bytes, name: str = "model.ifc", more: Mapping[str, bytes] | None = None) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        for other, body in (more or {}).items():
            archive.writestr(other, body)
    return packed.getvalue()


class Read:
    """What the child made of a file."""

    def __init__(self, content: bytes, folder: Path, *, kind: str = "ifc", limits: child.Limits = LIMITS) -> None:
        source, out = folder / "source", folder / "out"
        source.write_bytes(content)
        self.told: list[str] = []
        self.ended = child.run(
            "elements",
            {"source": str(source), "out": str(out), "kind": kind},
            limits=limits,
            tell=lambda done, total, phase: self.told.append(phase),
        )
        lines = out.read_text(encoding="utf-8").splitlines() if out.exists() and not self.ended.problem else []
        self.header: dict[str, Any] = json.loads(lines[0]) if lines else {}
        self.elements: list[Element] = [neutral.element(json.loads(line)) for line in lines[1:]]

    @property
    def problem(self) -> str:
        return str(self.ended.problem.get("code", ""))

    @property
    def state(self) -> str:
        return str(self.ended.result.get("state", ""))

    @property
    def integrity(self) -> dict[str, Any]:
        return dict(self.ended.result["integrity"])

    def named(self, name: str) -> Element:
        return next(one for one in self.elements if one.name == name)
