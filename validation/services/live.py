"""Live changes: a batch of operations becomes new states of elements and, in the same transaction, what the rules say of them.

Work depends on the batch, never on the size of the model: the touched rows are read by their ids, judged before and after, and the building's counts
are shifted by the difference. What depends on surroundings waits for its storey (`services.rechecking`), and is told as `rechecking` until then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from mcp_platform import errors, jobs
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of
from validation.core import building as core
from validation.core import canonical, delta, surroundings, tally
from validation.core.building import BUILDING, STOREY, ZONE
from validation.core.delta import Conflict, Op, Upsert, Version
from validation.core.rules import Judgement
from validation.errors import BuildingNotFound
from validation.models import Building, ChangeBatch, Element
from validation.queries import elements
from validation.services import findings, ground, metered, standing, waivers
from validation.services.findings import Check
from validation.services.ground import Ground

MAX_OPS: Final = 500
EVERYTHING: Final = standing.EVERYTHING
FLIGHTS: Final = ("IfcStairFlight", "IfcRampFlight")
PART_OF: Final = "Attributes.PartOf"  # among the properties of a flight: the stair or ramp that it belongs to
REVISION: Final = "revision"  # client_id of the batches that uploads make


class ChangesRefused(errors.Invalid):
    """The changes cannot be applied; `errors` lists every fault."""

    code = "CHANGES_REFUSED"


class ClientSeqReused(errors.Conflict):
    """This client_seq was used for another batch of the same client."""

    code = "CLIENT_SEQ_REUSED"


class BaseAhead(errors.Conflict):
    """base_seq is higher than the model's own sequence number."""

    code = "BASE_AHEAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """seq: the model's number after the batch. diverged: elements whose hash is not what the client believed. replayed: applied before."""

    seq: int
    conflicts: tuple[dict[str, Any], ...] = ()
    diverged: tuple[str, ...] = ()
    replayed: bool = False


@dataclass(slots=True, kw_only=True)
class Touched:
    """One element in a batch: its row before, what it has become, and what it counted."""

    before: Element | None
    after: core.Element | None
    counted: Mapping[str, str] = field(default_factory=dict)
    row: Element | None = None  # the new row, when there is one
    dirty: frozenset[str] = frozenset()  # storeys whose surroundings it changes
    waits: bool = False  # one of them will give it its own
    whole: bool = False  # its own facts come from its parts, and these are touched

    @property
    def changed(self) -> bool:
        return self.row is not self.before

    def after_that(self, earlier: "Touched | None") -> "Touched":
        """This batch's and an earlier one's, neither of which has been judged yet, as one."""
        if earlier is None or not earlier.changed:
            return self
        if not self.changed:
            return earlier
        waits = self.waits or (earlier.waits and not self.dirty)  # a later batch that moves nothing takes nobody off its storey
        return replace(self, before=earlier.before, counted=earlier.counted, dirty=earlier.dirty | self.dirty, waits=waits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one client has sent: operations (JSON) on the model as it was at `base_seq`."""

    client_id: str
    client_seq: int
    base_seq: int
    ops: Any
    by: By


def apply_changes(tenant: Tenant, *, building_id: UUID, client_id: str, client_seq: int, base_seq: int, ops: Any, by: By) -> Applied:
    """Idempotent by (actor, client_id, client_seq): nobody meets a colleague's numbers.

    Raises BuildingNotFound, ChangesRefused, ClientSeqReused, BaseAhead.
    """
    batch = Batch(client_id=client_id, client_seq=client_seq, base_seq=base_seq, ops=ops, by=by)
    (outcome,) = apply_batches(tenant, building_id=building_id, batches=[batch])
    if isinstance(outcome, PlatformError):
        raise outcome
    return outcome


def apply_batches(tenant: Tenant, *, building_id: UUID, batches: Sequence[Batch]) -> list[Applied | PlatformError]:
    """Batches of several clients in their order and one transaction; what they come to is judged once, and told in one diff.

    Gives of each what `apply_changes` would give or raise; one that is refused changes nothing for the others. Raises BuildingNotFound.
    """
    read = [delta.read(batch.ops, most=MAX_OPS) for batch in batches]
    with transaction.atomic():
        building = locked(tenant, building_id)
        with metered.timed("live"):
            gathered = Gathered(building=building)
            outcomes = [_outcome(gathered, batch, ops, faults) for batch, (ops, faults) in zip(batches, read, strict=True)]
            gathered.judge()
    return outcomes


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What the batches of one transaction have changed, until it is judged."""

    building: Building
    touched: dict[str, Touched] = field(default_factory=dict)
    applied: bool = False
    _ground: Ground | None = None

    @property
    def here(self) -> Ground:
        """As it was before the first of them."""
        if self._ground is None:
            self._ground = ground.of(self.building)
        return self._ground

    def add(self, touched: Mapping[str, Touched]) -> None:
        self.applied = True
        for mark, one in touched.items():
            self.touched[mark] = one.after_that(self.touched.get(mark))
        if any(_is_frame(one) for one in touched.values()):
            self.judge()  # what follows stands on another ground

    def judge(self) -> None:
        if self.applied:
            _judge(self.building, self.touched, self.here, self.building.head_seq)
        self.touched, self.applied, self._ground = {}, False, None


def _outcome(gathered: Gathered, batch: Batch, ops: Sequence[Op], faults: list[delta.Fault]) -> Applied | PlatformError:
    building = gathered.building
    sha256 = canonical.sha256([batch.base_seq, batch.ops])
    mine = ChangeBatch.objects.for_tenant(building.tenant_id).filter(building=building, actor=actor_of(batch.by), client_id=batch.client_id)
    try:
        done = mine.filter(client_seq=batch.client_seq).first()
        if done is not None:
            return _again(done, sha256)
        if faults:
            raise ChangesRefused(errors=faults)
        if batch.base_seq > building.head_seq:
            raise BaseAhead(path="$.base_seq", expected=f"at most {building.head_seq}", head_seq=building.head_seq)
        applied, touched = _apply(gathered, ops, batch, sha256)
    except PlatformError as refused:  # before anything of it was written
        return refused
    gathered.add(touched)
    return applied


def locked(tenant: Tenant, building_id: UUID) -> Building:
    """The building, until the transaction ends. Raises BuildingNotFound."""
    rows = Building.objects.for_tenant(tenant).select_for_update(of=("self",)).select_related("project__jurisdiction", "tenant")
    found: Building | None = rows.filter(pk=building_id, archived_at=None).first()
    if found is None:
        raise BuildingNotFound(id=str(building_id))
    return found


def _again(done: ChangeBatch, sha256: str) -> Applied:
    if done.sha256 != sha256:
        raise ClientSeqReused(client_seq=done.client_seq, seq=done.seq)
    return Applied(seq=done.seq, conflicts=tuple(done.conflicts), replayed=True)


def _apply(gathered: Gathered, ops: Sequence[Op], batch: Batch, sha256: str) -> tuple[Applied, dict[str, Touched]]:
    building, here = gathered.building, gathered.here
    seq = building.head_seq + 1
    rows = _rows(building, {op.global_id for op in ops})
    conflicts = _conflicts(building, ops, rows, batch.base_seq, _author(actor_of(batch.by), batch.client_id))
    touched, diverged = _states(ops, rows, _revived(building, ops, rows, batch.base_seq))
    touched |= _wholes(building, touched)
    for mark, one in touched.items():
        known = gathered.touched.get(mark)
        one.counted = known.counted if known else ground.counted(here, one.before) if one.before else {}
    _write(building, touched, here, seq)
    ChangeBatch.objects.create(
        tenant_id=building.tenant_id,
        building=building,
        seq=seq,
        client_id=batch.client_id,
        client_seq=batch.client_seq,
        base_seq=batch.base_seq,
        ops=batch.ops,
        sha256=sha256,
        conflicts=conflicts,
        actor=actor_of(batch.by),
    )
    building.head_seq = seq
    return Applied(seq=seq, conflicts=tuple(conflicts), diverged=tuple(diverged)), touched


def _rows(building: Building, global_ids: Iterable[str]) -> dict[str, Element]:
    return {row.global_id: row for row in elements.at(building.tenant, building).filter(global_id__in=list(global_ids))}


def _states(ops: Sequence[Op], rows: Mapping[str, Element], revived: Mapping[str, core.Element]) -> tuple[dict[str, Touched], list[str]]:
    """What the operations make of each element, in their order. Raises ChangesRefused for a new element without a class."""
    touched: dict[str, Touched] = {}
    believed: dict[str, str] = {}
    faults: list[delta.Fault] = []
    for index, op in enumerate(ops):
        row = rows.get(op.global_id)
        one = touched.setdefault(op.global_id, Touched(before=row, after=elements.core_element(row) if row else revived.get(op.global_id)))
        if delta.needs_class(one.after, op):
            faults.append(delta.fault(f"$.ops[{index}].ifc_class", "is missing, and there is no such element yet", "an IFC class", code="required"))
            continue
        one.after = delta.apply(one.after, op)
        if isinstance(op, Upsert) and op.hash:
            believed[op.global_id] = op.hash
    if faults:
        raise ChangesRefused(errors=faults)
    diverged = [mark for mark, wanted in believed.items() if (after := touched[mark].after) is None or elements.content_hash(after) != wanted]
    return touched, diverged


def _revived(building: Building, ops: Sequence[Op], rows: Mapping[str, Element], base_seq: int) -> dict[str, core.Element]:
    """Elements that the client still has and another has deleted since: a change brings them back as they were."""
    lost = {op.global_id for op in ops if isinstance(op, Upsert)} - rows.keys()
    if not lost:
        return {}
    old = elements.at(building.tenant, building, base_seq).filter(global_id__in=lost, valid_to_seq__gt=base_seq)
    return {row.global_id: elements.core_element(row) for row in old}


def _conflicts(building: Building, ops: Sequence[Op], rows: Mapping[str, Element], base_seq: int, author: str) -> list[dict[str, Any]]:
    """Only elements that have changed since the client's base are looked at, each in its own history."""
    if base_seq >= building.head_seq:
        return []
    ids = {op.global_id for op in ops if op.global_id not in rows or rows[op.global_id].valid_from_seq > base_seq}
    if not ids:
        return []
    base = {row.global_id: elements.core_element(row) for row in elements.at(building.tenant, building, base_seq).filter(global_id__in=ids)}
    since = _since(building, ids, base_seq)
    found: list[Conflict] = []
    for op in ops:
        if op.global_id in ids:
            found += delta.conflicts(op, base.get(op.global_id), since.get(op.global_id, ()), author=author)
    return [asdict(one) for one in found]


def _author(actor: str, client_id: str) -> str:
    """Clients name themselves, so a name is only worth something together with who uses it."""
    return f"{actor} {client_id}"


def _wholes(building: Building, touched: Mapping[str, Touched]) -> dict[str, Touched]:
    """The stairs and ramps whose flights are among the touched, and which are not themselves."""
    states = [part for one in touched.values() for part in (one.before, one.after) if part is not None]
    names = {str(part.properties[PART_OF]) for part in states if part.ifc_class in FLIGHTS and PART_OF in part.properties}
    for mark in names & touched.keys():
        touched[mark].whole = True
    rows = _rows(building, names - touched.keys()) if names - touched.keys() else {}
    return {mark: Touched(before=row, after=elements.core_element(row), whole=True) for mark, row in rows.items()}


def _parts(building: Building, touched: Mapping[str, Touched]) -> dict[str, list[core.Element]]:
    """The flights of the touched stairs and ramps, as they are after the batch."""
    stairs = {mark for mark, one in touched.items() if one.after is not None and one.after.ifc_class in ("IfcStair", "IfcRamp")}
    if not stairs:
        return {}
    stored = elements.at(building.tenant, building).filter(ifc_class__in=FLIGHTS).exclude(global_id__in=list(touched))
    flights = [elements.core_element(row) for row in stored]
    flights += [one.after for one in touched.values() if one.after is not None and one.after.ifc_class in FLIGHTS]
    found: dict[str, list[core.Element]] = {}
    for flight in sorted(flights, key=lambda one: one.global_id):
        whole = str(flight.properties.get(PART_OF, ""))
        if whole in stairs:
            found.setdefault(whole, []).append(flight)
    return found


def _since(building: Building, ids: Iterable[str], base_seq: int) -> dict[str, list[Version]]:
    """The states of the elements after `base_seq`, oldest first, with the client that made each."""
    mine = Element.objects.for_tenant(building.tenant_id).filter(building=building, global_id__in=list(ids))
    changes: list[tuple[int, str, core.Element | None]] = [
        (row.valid_from_seq, row.global_id, elements.core_element(row)) for row in mine.filter(valid_from_seq__gt=base_seq)
    ]
    begins = {(seq, mark) for seq, mark, _ in changes}
    ends = mine.filter(valid_to_seq__gt=base_seq).values_list("global_id", "valid_to_seq")
    changes += [(until, mark, None) for mark, until in ends if until is not None and (until, mark) not in begins]
    batches = ChangeBatch.objects.for_tenant(building.tenant_id).filter(building=building, seq__in={seq for seq, _, _ in changes})
    authors = {seq: _author(actor, client) for seq, actor, client in batches.values_list("seq", "actor", "client_id")}
    found: dict[str, list[Version]] = {}
    for seq, mark, element in sorted(changes, key=lambda one: one[:2]):
        found.setdefault(mark, []).append(Version(seq=seq, author=authors.get(seq, ""), element=element))
    return found


def _write(building: Building, touched: Mapping[str, Touched], here: Ground, seq: int) -> None:
    """Close the old states and open the new ones. What has not changed keeps its row."""
    ended: list[int] = []
    opened: list[Element] = []
    order = _order(here)
    parts = _parts(building, touched)
    for mark, one in touched.items():
        before = elements.core_element(one.before) if one.before else None
        changed = delta.changed(before, one.after)
        if one.after is not None and (changed or one.whole):
            one.row = _opened(building, mark, one, here, seq, parts.get(mark, ()))
        if not changed and (one.row is None or one.before is None or one.row.facts == one.before.facts):
            one.row = one.before
            continue
        if one.before is not None:
            ended.append(one.before.pk)
        if one.row is not None:
            opened.append(one.row)
        if _matters(one, changed):
            one.dirty = frozenset(surroundings.dirty_storeys(before, one.after, order))
            one.waits = bool(surroundings.dirty_storeys(None, one.after, order))
            if one.row is not None and not one.waits:
                one.row.around, one.row.deferred = {}, {}  # it is on no storey
    Element.objects.filter(pk__in=ended).update(valid_to_seq=seq)
    Element.objects.bulk_create(opened)


def _opened(building: Building, mark: str, one: Touched, here: Ground, seq: int, parts: Sequence[core.Element]) -> Element:
    assert one.after is not None
    row = Element(
        tenant_id=building.tenant_id,
        building=building,
        valid_from_seq=seq,
        content_hash=elements.content_hash(one.after),
        around=one.before.around if one.before else {},
        deferred=one.before.deferred if one.before else {},
        of_file=one.before.of_file if one.before else {},
        **elements.columns_of(one.after),
    )
    row.facts = ground.derive(row, here.definitions, parts)
    return row


_QUIET: Final = frozenset({"tag", "discipline"})


def _matters(one: Touched, changed: frozenset[str]) -> bool:
    """Whether surroundings can be other ones after it: its place, shape or relations have changed, or what is known of it."""
    if one.before is None or one.row is None:
        return True
    groups = {name.partition(".")[0] for name in changed} - _QUIET
    if groups <= {"properties", "quantities", "facts", "name"}:
        return bool(one.row.facts != one.before.facts)
    return True


def _order(here: Ground) -> dict[str, surroundings.Level]:
    return surroundings.levels(ground.placed(here.storeys.values()))


def _judge(building: Building, touched: Mapping[str, Touched], here: Ground, seq: int) -> None:
    after = _with_new_storeys(here, touched)
    judgements: list[Judgement] = []
    waiting: set[str] = set()
    for one in touched.values():
        if one.row is one.before:  # the same, or neither there before nor now
            continue
        found, later = _judged(after, one) if one.row is not None else ([], set())
        judgements += found
        waiting |= later
        tally.shift(building.counts, one.counted, ground.counting(one.row, found) if one.row is not None else {})
    _postpone(building, touched, here)
    now = standing.of(building, here.book)
    gone = [mark for mark, one in touched.items() if one.row is None and one.before is not None]
    check = Check(
        judgements=judgements,
        elements={mark: one.after for mark, one in touched.items() if one.after is not None},
        rules=here.book.by_key,
        seq=seq,
        judged={findings.fingerprint(one.rule, one.subject) for one in judgements} | _no_longer(touched, judgements, waiting),
        gone=gone,
        rechecking=sorted(waiting),
    )
    waivers.lapse_for(building.tenant, building)
    findings.persist(building, check, now)
    standing.save(building, here.book)


def _judged(here: Ground, one: Touched) -> tuple[list[Judgement], set[str]]:
    """The judgements of a changed element, and the rules that have to wait for its storey: those count as before until then."""
    assert one.row is not None
    book = here.book
    if not one.waits:
        runnables = [runnable for runnable in book.of_class(one.row.ifc_class) if runnable.key not in one.row.deferred]
        return ground.outcomes(here, one.row, runnables), set(one.row.deferred)
    later = {runnable.key for runnable in book.around_rules(one.row.ifc_class)}
    deferred = {key: one.row.deferred.get(key, one.counted.get(key, "")) for key in later}
    if deferred != one.row.deferred:
        one.row.deferred = deferred
        Element.objects.filter(pk=one.row.pk).update(deferred=deferred)
    return ground.outcomes(here, one.row, book.own_rules(one.row.ifc_class)), later


def _no_longer(touched: Mapping[str, Touched], judgements: Iterable[Judgement], waiting: set[str]) -> set[str]:
    """Fingerprints of what an element counted before and is not judged by any more: its class has changed."""
    judged = {(one.rule, one.subject) for one in judgements}
    return {
        findings.fingerprint(key, mark)
        for mark, one in touched.items()
        for key in one.counted
        if one.row is not None and one.row is not one.before and (key, mark) not in judged and key not in {*one.row.deferred, *one.row.of_file}
    }


def _with_new_storeys(here: Ground, touched: Mapping[str, Touched]) -> Ground:
    """The ground on which the new states are judged: storeys and the building may be among them."""
    if not any(_is_frame(one) for one in touched.values()):
        return here
    storeys = {mark: row for mark, row in here.storeys.items() if mark not in touched}
    storeys |= {mark: one.row for mark, one in touched.items() if one.row is not None and one.row.ifc_class == STOREY}
    house = next((one.row for one in touched.values() if one.row is not None and one.row.ifc_class == BUILDING), here.house)
    return replace(here, storeys=storeys, house=house)


def _is_frame(one: Touched) -> bool:
    return any(row is not None and row.ifc_class in (STOREY, BUILDING, ZONE) for row in (one.before, one.row))


def _postpone(building: Building, touched: Mapping[str, Touched], here: Ground) -> None:
    """Note which storeys have to be checked again, and have it done. A changed storey or building, or another rulebook, touches everything."""
    dirty: set[str] = set().union(*(one.dirty for one in touched.values()))
    moved = any(_is_frame(one) and one.row is not one.before for one in touched.values())
    if moved or (building.basis_sha256 and building.basis_sha256 != here.basis_sha256):
        dirty = {EVERYTHING}
    building.basis_sha256 = building.basis_sha256 or here.basis_sha256
    if dirty - set(building.dirty_storeys):
        building.dirty_storeys = sorted({*building.dirty_storeys, *dirty})
    if not building.dirty_storeys:
        building.checked_seq = building.head_seq
    else:
        jobs.enqueue_once("validation.recheck", within=0, tenant_id=str(building.tenant_id), building_id=str(building.pk))
