"""Storeys whose surroundings have changed are checked again, a moment after the last change and off the thread of whoever made it.

`Building.dirty_storeys` is the truth: a job that dies leaves it, and a sweep finds it. Facts and judgements are computed without a lock; under it
they are written for the rows that are still the same, and those storeys stay dirty that have changed meanwhile.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from mcp_platform import jobs, observability
from mcp_platform.tenancy.models import Tenant
from validation.core import surroundings, tally
from validation.core.building import BUILDING, STOREY, ZONE
from validation.core.rules import Judgement
from validation.core.surroundings import EVERYWHERE, Links, StoreyModel
from validation.models import Building, ChangeBatch, Element, ValidationRun
from validation.queries import elements, situation
from validation.services import findings, ground, metered, standing
from validation.services import rulebook as law
from validation.services.findings import Check
from validation.services.ground import Ground
from validation.services.live import EVERYTHING, locked

QUIET: Final = timedelta(milliseconds=300)  # after the last change
LONGEST: Final = 2.0  # seconds of waiting while changes go on
FORGOTTEN: Final = timedelta(seconds=5)
AFTER_FAILURE: Final = timedelta(minutes=10)  # before a check that has failed is tried again by itself
CHUNK: Final = 500
ATTEMPTS: Final = 3
CLAIM_SECONDS: Final = 60  # after which a recheck counts as dead

log = observability.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was computed at `seq`: facts of surroundings by element, and the rows (by global id) that they were computed for."""

    seq: int
    storeys: frozenset[str]
    around: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Element]
    ground: Ground  # as it was then


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One element under its new facts: what it counted, what it counts now, and its judgements."""

    row: Element
    counted: Mapping[str, str]
    judgements: Sequence[Judgement]

    def shift(self, counts: tally.Counts) -> None:
        tally.shift(counts, self.counted, ground.counting(self.row, self.judgements))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything that can be known without the lock. read: primary key -> facts of surroundings and deferred outcomes, as they were."""

    found: Found
    after: Ground
    judged: Mapping[str, Judged]
    changed: frozenset[str]  # whose facts of surroundings are other ones
    read: Mapping[int, tuple[Any, Any]]


def recheck(tenant: Tenant, *, building_id: UUID, patience: float = LONGEST) -> bool:
    """Check the dirty storeys of a building again, and whatever else their new facts touch. Whether there was something to do.

    One at a time for each building: who comes meanwhile leaves what it knows of to the one that is there.
    """
    mark = f"validation:rechecking:{building_id}"
    if not _claimed(mark):
        return False
    try:
        done = _recheck(tenant, building_id, patience)
    finally:
        with suppress(Exception):  # each cache has its own errors; a claim ends by itself
            cache.delete(mark)
    if done and Building.objects.for_tenant(tenant).filter(pk=building_id, archived_at=None).exclude(dirty_storeys=[]).exists():
        jobs.enqueue("validation.recheck", tenant_id=str(tenant.pk), building_id=str(building_id))
    return done


def _claimed(mark: str) -> bool:
    """Without the shared cache everybody works: of several the first one settles."""
    try:
        return bool(cache.add(mark, 1, timeout=CLAIM_SECONDS))
    except Exception as fault:  # noqa: BLE001  each cache has its own errors
        log.warning("recheck_unclaimed", fault=repr(fault))
        return True


def _recheck(tenant: Tenant, building_id: UUID, patience: float) -> bool:
    wait_for_quiet(tenant, building_id, patience)
    for _ in range(ATTEMPTS):
        rows = Building.objects.for_tenant(tenant).select_related("project__jurisdiction", "tenant")
        building = rows.filter(pk=building_id, archived_at=None).first()
        if building is None or not building.dirty_storeys:
            return False
        if EVERYTHING in building.dirty_storeys:
            return _from_the_start(tenant, building)
        with metered.timed("storey"):
            prepared = prepare(building, compute(building))
            with transaction.atomic():
                if settle(locked(tenant, building_id), prepared):
                    return True
    return False  # the sweep has it tried again


def wait_for_quiet(tenant: Tenant, building_id: UUID, patience: float) -> None:
    """Until nothing has changed for a moment; not longer than `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        last = ChangeBatch.objects.for_tenant(tenant).filter(building_id=building_id).order_by("-seq").values_list("at", flat=True).first()
        rest = (last + QUIET - timezone.now()).total_seconds() if last else 0
        if rest <= 0:
            return
        time.sleep(min(rest, QUIET.total_seconds(), max(0.0, end - time.monotonic())))


def _from_the_start(tenant: Tenant, building: Building) -> bool:
    """The storeys themselves, the building or the rules have changed: a full check, unless one is on its way."""
    from validation.services import checking

    runs = ValidationRun.objects.for_tenant(tenant).filter(building=building, is_what_if=False)
    open_runs = runs.filter(state__in=("queued", "running"))
    failed = runs.filter(state="failed", at_seq__gte=building.head_seq, created_at__gt=timezone.now() - AFTER_FAILURE)
    if not open_runs.filter(Q(state="queued") | Q(at_seq__gte=building.head_seq)).exists() and not failed.exists():
        checking.start(tenant, building_id=building.pk, trigger="incremental", by="system:live")
        return True
    return False


def sweep() -> int:
    """Enqueue what was forgotten. How many buildings."""
    rows = Building.objects.exclude(dirty_storeys=[]).filter(archived_at=None, updated_at__lt=timezone.now() - FORGOTTEN)
    found = list(rows.values_list("tenant_id", "pk")[:50])
    for tenant_id, building_id in found:
        Building.objects.filter(pk=building_id).update(updated_at=timezone.now())
        jobs.enqueue("validation.recheck", tenant_id=str(tenant_id), building_id=str(building_id))
    return 0  # each is tried again after FORGOTTEN, not at once


def compute(building: Building) -> Found:
    """The facts of the dirty storeys, of those that they change over their stairs, and of their zones."""
    here = ground.of(building)
    frame = list(elements.at(building.tenant, building).filter(ifc_class__in=EVERYWHERE))
    order = surroundings.levels(ground.placed(row for row in frame if row.ifc_class == STOREY))
    dirty = frozenset(building.dirty_storeys) & set(order)
    loaded: dict[str, list[Element]] = {}

    def load(storey: str) -> StoreyModel:
        mine = loaded.setdefault(storey, list(elements.at(building.tenant, building).filter(storey=storey)))
        everything = {row.global_id: row for row in (*frame, *mine)}
        made = surroundings.storey_models(ground.placed(everything.values()), parameters=here.parameters, situation=here.situation, only=(storey,))
        return made[storey]

    links: dict[str, Links] = {row.global_id: (row.around.get("stair_links") or {}).get("value") or {} for row in frame if row.ifc_class == STOREY}
    again = surroundings.recheck(dirty, order=order, load=load, links=links)
    around = merged_facts(again)
    rows = {row.global_id: row for found in loaded.values() for row in found} | {row.global_id: row for row in frame}
    around |= _zones(building, frame, around, order)
    here_too = {row.global_id for name in again for row in loaded.get(name, ())}
    kept = {mark: rows[mark] for mark in {*around, *here_too} if mark in rows}
    return Found(seq=building.head_seq, storeys=frozenset(again) | dirty, around=around, rows=kept, ground=here)


def merged_facts(by_storey: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """global id -> facts as they are stored."""
    return {mark: elements.stored_facts(found) for facts in by_storey.values() for mark, found in facts.items()}


def _zones(building: Building, frame: Iterable[Element], around: Mapping[str, Any], order: Mapping[str, surroundings.Level]) -> dict[str, Any]:
    """Of all zones: they are few, and one may be new or have other members."""
    zones = [row for row in frame if row.ifc_class == ZONE]
    if not zones:
        return {}
    members = {member for row in zones for member in row.connects}
    rows = list(elements.at(building.tenant, building).filter(global_id__in=members))
    ground_floor = {name for name, level in order.items() if level.discharge}
    discharge = ground_floor | {row.global_id for row in rows if row.storey in ground_floor}
    spaces = {row.global_id: elements.facts_of({**row.facts, **around.get(row.global_id, row.around)}) for row in rows}
    return {row.global_id: elements.stored_facts(surroundings.of_zone(ground.placed([row])[0], spaces, discharge)) for row in zones}


def prepare(building: Building, found: Found) -> Prepared:
    """Judge again whatever reads what has changed, before anything is written."""
    before = found.ground
    read = {row.pk: (row.around, row.deferred) for row in (*found.rows.values(), *before.storeys.values())}
    changed = {mark: row for mark, row in found.rows.items() if row.around != found.around.get(mark, {}) or row.deferred}
    after = _renewed(before, changed, found)
    affected = {**changed, **_readers(building, before, after, changed)}
    counted = {mark: ground.counted(before, row) for mark, row in affected.items()}
    read |= {row.pk: (row.around, row.deferred) for row in affected.values()}
    for mark, row in changed.items():
        row.around, row.deferred = found.around.get(mark, {}), {}
    judged = {mark: _judged(after, row, counted[mark]) for mark, row in affected.items()}
    return Prepared(found=found, after=after, judged=judged, changed=frozenset(changed), read=read)


def _judged(after: Ground, row: Element, counted: Mapping[str, str]) -> Judged:
    runnables = [runnable for runnable in after.book.of_class(row.ifc_class) if runnable.key not in row.deferred]
    return Judged(row=row, counted=counted, judgements=ground.outcomes(after, row, runnables))


def settle(building: Building, prepared: Prepared) -> bool:
    """Write what was prepared where the rows are still those that were read, and tell; False when the ground has moved under it."""
    found, before = prepared.found, prepared.found.ground
    if building.basis_sha256 not in ("", before.basis_sha256):  # what has been counted was judged by other rules
        building.dirty_storeys = [EVERYTHING]
        standing.save(building, before.book)
        return True
    there = _still_there(building, prepared)
    if there is None or not _same_ground(building, before):
        return False
    judged = {mark: one for mark, one in prepared.judged.items() if one.row.pk in there}
    judged |= {row.global_id: _judged(prepared.after, row, ground.counted(before, row)) for row in _since(building, found.seq)}
    write_around(judged[mark].row for mark in prepared.changed & judged.keys() if judged[mark] is prepared.judged[mark])
    for one in judged.values():
        one.shift(building.counts)
    building.dirty_storeys = _still_dirty(building, found)
    building.checked_seq = building.head_seq if not building.dirty_storeys else max(building.checked_seq, found.seq)
    judgements = [judgement for one in judged.values() for judgement in one.judgements]
    book = before.book
    check = Check(
        judgements=judgements,
        elements={mark: elements.core_element(one.row) for mark, one in judged.items()},
        rules=book.by_key,
        seq=building.head_seq,
        judged={findings.fingerprint(one.rule, one.subject) for one in judgements},
    )
    findings.persist(building, check, standing.of(building, book))
    standing.save(building, book)
    return True


def _still_there(building: Building, prepared: Prepared) -> set[int] | None:
    """The keys that are still true; None when somebody else has settled some of them."""
    rows = elements.at(building.tenant, building)
    keys = sorted(prepared.read)
    found: set[int] = set()
    for at in range(0, len(keys), CHUNK):
        for key, around, deferred in rows.filter(pk__in=keys[at : at + CHUNK]).values_list("pk", "around", "deferred"):
            if (around, deferred) != prepared.read[key]:
                return None
            found.add(key)
    return found


def _same_ground(building: Building, before: Ground) -> bool:
    """Whether the storeys, the rules and what the project says are those that were judged on."""
    frame = elements.at(building.tenant, building).filter(ifc_class__in=(STOREY, BUILDING)).values_list("pk", flat=True)
    known = {row.pk for row in (*before.storeys.values(), *([before.house] if before.house else []))}
    return set(frame) == known and law.rulebook_of(building).sha256 == before.book.sha256 and situation.of(building) == before.situation


def _since(building: Building, seq: int) -> list[Element]:
    """Those that have changed since: they were judged on the ground as it was before."""
    return list(elements.at(building.tenant, building).filter(valid_from_seq__gt=seq)) if building.head_seq > seq else []


def _renewed(before: Ground, changed: Mapping[str, Element], found: Found) -> Ground:
    """The ground as it will be, to see which facts of storeys and building are other ones."""
    storeys = {name: _with_around(row, found.around.get(name, row.around)) if name in changed else row for name, row in before.storeys.items()}
    return replace(before, storeys=storeys)


def _with_around(row: Element, around: Mapping[str, Any]) -> Element:
    """A copy for reading."""
    return Element(
        pk=row.pk, global_id=row.global_id, ifc_class=row.ifc_class, name=row.name, storey=row.storey, facts=row.facts, around=dict(around)
    )


def _readers(building: Building, before: Ground, after: Ground, changed: Mapping[str, Element]) -> dict[str, Element]:
    """Elements elsewhere, or on the storeys, whose rules read facts of a storey or the building that have changed."""
    rows = elements.at(building.tenant, building)
    wanted = Q(pk__in=[])
    of_building = _classes(before, {f"b.{name}" for name in _different(before.b.values, after.b.values)})
    wanted |= Q(ifc_class__in=of_building)
    if any(row.ifc_class == BUILDING for row in changed.values()) or _different(before.b.values, after.b.values):
        wanted |= Q(ifc_class=BUILDING)
    for name in after.storeys:
        different = _different(before.st(name).values, after.st(name).values)
        if different:
            wanted |= Q(storey=name, ifc_class__in=_classes(before, {f"st.{fact}" for fact in different}))
    return {row.global_id: row for row in rows.filter(wanted) if row.global_id not in changed}


def _different(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _classes(here: Ground, facts: Collection[str]) -> list[str]:
    """The classes that rules reading one of these facts are about, with their subtypes."""
    from validation.core import index
    from validation.core.ifc_classes import PARENTS

    keys = here.book.reading(facts)
    named = {name for key in keys for name in here.book.by_key[key].applies_to}
    return sorted(one for one in {*PARENTS, *named} if index.is_a(one, named)) if named else []


def write_around(rows: Iterable[Element]) -> None:
    """The facts of surroundings of many rows: one prepared statement for all of them."""
    column, deferred = Element._meta.get_field("around"), Element._meta.get_field("deferred")
    values = [(column.get_db_prep_save(row.around, connection), deferred.get_db_prep_save(row.deferred, connection), row.pk) for row in rows]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE validation_element SET around = %s, deferred = %s WHERE id = %s", values)


def _still_dirty(building: Building, found: Found) -> list[str]:
    """Those that are dirty and were not computed, or have changed since."""
    since = Element.objects.for_tenant(building.tenant_id).filter(building=building)
    again = set(since.filter(Q(valid_from_seq__gt=found.seq) | Q(valid_to_seq__gt=found.seq)).values_list("storey", flat=True))
    return sorted(name for name in building.dirty_storeys if name not in found.storeys or name in again)
