"""Several diffs of findings as one, for who comes late or reads slowly; and the hash of a whole set of findings."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Shown: TypeAlias = Mapping[str, Any]  # a finding as sockets show it: with fingerprint and rev


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """From `since` to `seq` of the findings stream."""

    since: int
    seq: int
    at_seq: int
    added: tuple[Shown, ...] = ()
    updated: tuple[Shown, ...] = ()
    resolved: tuple[str, ...] = ()
    rechecking: tuple[str, ...] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)
    score: float | None = None
    coverage: float | None = None

    @property
    def size(self) -> int:
        return len(self.added) + len(self.updated) + len(self.resolved)


def merged(diffs: Iterable[Diff]) -> Diff:
    """What the diffs, in their order, come to. Applied to the state before the first it gives the state after the last.

    A finding that came and went in between is resolved all the same: the receiver may have it from a snapshot that was newer than its number.
    """
    added: dict[str, Shown] = {}
    updated: dict[str, Shown] = {}
    resolved: dict[str, None] = {}
    first: Diff | None = None
    last: Diff | None = None
    for diff in diffs:
        first, last = first or diff, diff
        for one in diff.added:
            mark = one["fingerprint"]
            resolved.pop(mark, None)
            updated.pop(mark, None)
            added[mark] = one
        for one in diff.updated:
            mark = one["fingerprint"]
            (added if mark in added else updated)[mark] = one
        for mark in diff.resolved:
            added.pop(mark, None)
            updated.pop(mark, None)
            resolved[mark] = None
    if first is None or last is None:
        raise ValueError("nothing to merge")
    return Diff(
        since=first.since,
        seq=last.seq,
        at_seq=last.at_seq,
        added=tuple(added.values()),
        updated=tuple(updated.values()),
        resolved=tuple(resolved),
        rechecking=last.rechecking,
        counts=last.counts,
        score=last.score,
        coverage=last.coverage,
    )


def applied(findings: Mapping[str, Shown], diff: Diff) -> dict[str, Shown]:
    """What a receiver does with a diff."""
    after = {mark: one for mark, one in findings.items() if mark not in set(diff.resolved)}
    return after | {one["fingerprint"]: one for one in (*diff.added, *diff.updated)}


def digest(marks: Iterable[tuple[str, int]]) -> str:
    """Of all findings as (fingerprint, rev): SHA-256 of the sorted lines, as docs/protocol/validation_ws.md tells."""
    return hashlib.sha256("\n".join(sorted(f"{mark} {rev}" for mark, rev in marks)).encode()).hexdigest()
