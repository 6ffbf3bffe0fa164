"""A revision's file as elements: the child process is run, and what it has written is read back line by line."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings

from validation.core.building import Element
from validation.ingest import child, neutral
from validation.models import ModelRevision

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What reading gave. `problem` is {} or says why there is nothing else. `elements` may be walked as often as needed."""

    problem: dict[str, Any]
    state: str = ""
    schema: str = ""
    application: str = ""
    integrity: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    lines: Path | None = None
    seconds: float = 0.0
    peak_bytes: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def elements(self) -> Iterator[Element]:
        """In the order of the file: building, storeys and spaces first."""
        assert self.lines is not None
        with self.lines.open(encoding="utf-8") as lines:
            next(lines)
            for line in lines:
                yield neutral.element(json.loads(line))


def limits() -> child.Limits:
    return child.Limits(max_bytes=settings.MODEL_MAX_BYTES, seconds=settings.MODEL_SECONDS, caged=caged())


def caged() -> bool:
    """Whether files are only read where the cage of their readers is whole."""
    return bool(settings.ENVIRONMENT == "production")


@contextmanager
def read(revision: ModelRevision, *, tell: Tell) -> Iterator[Found]:
    """What is found lives as long as the context. Raises what `tell` raises, after the child has been ended."""
    with local_copy(revision) as source, of_file(source, kind=revision.source, tell=tell) as found:
        cost = {"seconds": round(found.seconds, 1), "peak_megabytes": found.peak_bytes // 1_000_000}
        yield found if found.problem else replace(found, integrity={**found.integrity, **cost})


@contextmanager
def of_file(source: Path, *, kind: str, tell: Tell) -> Iterator[Found]:
    """The one way a model file is read, whoever asks. kind: ifc or json."""
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        lines = Path(folder) / "elements.jsonl"
        ended = child.run("elements", {"source": str(source), "out": str(lines), "kind": kind}, limits=limits(), tell=tell)
        if ended.problem:
            yield Found(problem=ended.problem)
            return
        result = ended.result
        shaped = _outline(source, lines, result, tell) if result["unread"] else None
        yield Found(
            problem={},
            state=result["state"],
            schema=result["schema"],
            application=result["application"],
            integrity={**result["integrity"], "problems": result["problems"], "without_shape": len(result["unread"])},
            counts=result["counts"],
            lines=lines,
            seconds=ended.seconds + (shaped.seconds if shaped else 0.0),
            peak_bytes=max(ended.peak_bytes, shaped.peak_bytes if shaped else 0),
        )


def _outline(source: Path, lines: Path, result: dict[str, Any], tell: Tell) -> child.Ended:
    """Boxes of bodies that only the geometry engine understands. It is a process of its own: when it dies, these have no shape, and that is all."""
    asked = result["unread"]
    ended = child.run("outlines", {"source": str(source), "steps": [step for step, _ in asked]}, limits=limits(), tell=tell)
    shapes = {global_id: ended.result["outlines"][str(step)] for step, global_id in asked if str(step) in ended.result.get("outlines", {})}
    if not shapes:
        return ended
    result["unread"] = [one for one in asked if one[1] not in shapes]
    rewritten = lines.with_suffix(".shaped")
    with lines.open(encoding="utf-8") as old, rewritten.open("w", encoding="utf-8") as new:
        new.write(next(old))
        for line in old:
            one = json.loads(line)
            new.write(json.dumps(one | shapes[one["global_id"]], ensure_ascii=False) + "\n" if one["global_id"] in shapes else line)
    rewritten.replace(lines)
    return ended


@contextmanager
def local_copy(revision: ModelRevision) -> Iterator[Path]:
    """The file on this machine's disk: where it is, or a copy when the storage is elsewhere."""
    try:
        path = Path(revision.file.path)
    except NotImplementedError:
        with tempfile.NamedTemporaryFile(suffix=Path(revision.file.name or "").suffix) as copy:
            with revision.file.open("rb") as file:
                shutil.copyfileobj(file, copy)
            copy.flush()
            yield Path(copy.name)
        return
    yield path
