"""What every socket of a building is told alike: read and written out once for all of this process that ask at the same time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from mcp_platform import pool
from mcp_platform.db.one_reading import read_once
from mcp_platform.sockets import Frame, dump
from mcp_platform.tenancy.models import Tenant
from validation.core.merging import Diff
from validation.queries import live as reads
from validation.services.findings import MOST_TOLD

PART_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The diffs after a number as one, in frames that are written out. No frames: nothing is new, or (`too_much`) more than anybody should replay."""

    seq: int
    size: int = 0
    frames: tuple[str, ...] = ()
    too_much: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the findings that are there: (fingerprint, rev) of each, and the frames that hold them."""

    marks: tuple[tuple[str, int], ...]
    frames: tuple[str, ...]


async def heads(tenant: Tenant, building_id: UUID) -> reads.Heads:
    """Raises BuildingNotFound."""
    return await read_once((tenant.pk, building_id, "heads"), partial(pool.read, reads.heads, tenant, building_id))


async def present(tenant: Tenant, building_id: UUID) -> list[dict[str, Any]]:
    return await read_once((tenant.pk, building_id, "present"), partial(pool.read, reads.present, tenant, building_id))


async def standing(tenant: Tenant, building_id: UUID) -> tuple[int, Diff | None]:
    """How many findings there are, and the last diff."""
    return await read_once((tenant.pk, building_id, "standing"), partial(pool.read, _standing, tenant, building_id))


async def news(tenant: Tenant, building_id: UUID, stream_id: UUID, since: int) -> News:
    key = (tenant.pk, building_id, "news", stream_id, since)
    return await read_once(key, partial(pool.read, _news, tenant, building_id, stream_id, since))


async def page(tenant: Tenant, building_id: UUID, after: str) -> Page:
    return await read_once((tenant.pk, building_id, "page", after), partial(pool.read, _page, tenant, building_id, after))


def result_id(stream_id: UUID, number: int) -> str:
    return f"{stream_id}:{number}"


def _standing(tenant: Tenant, building_id: UUID) -> tuple[int, Diff | None]:
    return reads.finding_count(tenant, building_id), reads.last_diff(tenant, building_id)


def _news(tenant: Tenant, building_id: UUID, stream_id: UUID, since: int) -> News:
    waiting = reads.pending(tenant, building_id, since, most=MOST_TOLD)
    if waiting.too_much:
        return News(seq=waiting.last, size=waiting.size, too_much=True)
    if waiting.last == since:
        return News(seq=since)
    diff = reads.diff_after(tenant, building_id, since, waiting.last)
    pieces = list(_pieces(diff))
    written = (dump(_frame(piece, stream_id, number, more=number < len(pieces))) for number, piece in enumerate(pieces, 1))
    return News(seq=diff.seq, size=diff.size, frames=tuple(written))


def _page(tenant: Tenant, building_id: UUID, after: str) -> Page:
    found = reads.findings_page(tenant, building_id, after)
    return Page(
        marks=tuple((one["fingerprint"], one["rev"]) for one in found),
        frames=tuple(dump({"type": "snapshot_part", "findings": some}) for some in _parts(found)),
    )


def _frame(diff: Diff, stream_id: UUID, part: int, *, more: bool) -> Frame:
    return {
        "type": "findings",
        "seq": diff.seq,
        "since": diff.since,
        "at_seq": diff.at_seq,
        "added": list(diff.added),
        "updated": list(diff.updated),
        "resolved": list(diff.resolved),
        "rechecking": list(diff.rechecking),
        "counts": diff.counts,
        "score": diff.score,
        "coverage": diff.coverage,
        "result_id": result_id(stream_id, diff.seq),
        "part": part,
        "more": more,
    }


def _pieces(diff: Diff) -> Iterator[Diff]:
    """The diff in pieces of about PART_BYTES; one, when it is small enough."""
    entries = [*(("added", one) for one in diff.added), *(("updated", one) for one in diff.updated), *(("resolved", one) for one in diff.resolved)]
    for some in _parts(entries) if entries else [[]]:
        found: dict[str, list[Any]] = {"added": [], "updated": [], "resolved": []}
        for kind, one in some:
            found[kind].append(one)
        yield replace(diff, added=tuple(found["added"]), updated=tuple(found["updated"]), resolved=tuple(found["resolved"]))


def _parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    part: list[Any] = []
    held = 0
    for item in items:
        size = len(dump(item).encode())
        if part and held + size > PART_BYTES:
            yield part
            part, held = [], 0
        part.append(item)
        held += size
    if part:
        yield part
