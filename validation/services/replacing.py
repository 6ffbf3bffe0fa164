"""The whole model of a building replaced by another one: compared by content, staged, turned on in one short transaction."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from mcp_platform.tenancy.models import Tenant
from validation.core import building as core
from validation.core import facts
from validation.core.facts import Definitions
from validation.core.score import Status
from validation.errors import ModelRejected
from validation.models import Building, ChangeBatch, Element, ModelRevision
from validation.queries import elements
from validation.queries import facts as fact_rows
from validation.services import live
from validation.services.reading import Found

Tell = Callable[[int, int, str], None]
CHUNK: Final = 500
STAGED: Final = 0  # a state from 0 to 0 is true at no time: nobody sees it
TRIES: Final = 3
PART_OF: Final = "Attributes.PartOf"
OUTDATED: Final = "OUTDATED"
MOST_NAMED: Final = 200  # of each kind of change, kept with the revision


@dataclass(slots=True)
class Difference:
    """ended: ids of rows that are no longer true. named: global ids of each kind, the first of them."""

    added: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    ended: list[int] = field(default_factory=list)
    named: dict[str, list[str]] = field(default_factory=lambda: {"added": [], "changed": [], "removed": []})

    def count(self, kind: str, global_id: str, ifc_class: str) -> None:
        getattr(self, kind)[ifc_class] += 1
        if len(self.named[kind]) < MOST_NAMED:
            self.named[kind].append(global_id)

    def as_json(self) -> dict[str, Any]:
        kinds = ("added", "changed", "removed")
        classes = sorted({*self.added, *self.changed, *self.removed})
        return {
            **{kind: sum(getattr(self, kind).values()) for kind in kinds},
            "unchanged": self.unchanged,
            "by_class": {name: {kind: getattr(self, kind)[name] for kind in kinds if getattr(self, kind)[name]} for name in classes},
            "named": self.named,
        }


@dataclass(frozen=True, slots=True)
class Head:
    """What the building has now, as little of it as a comparison needs."""

    pk: int
    content_hash: str
    ifc_class: str
    facts: Mapping[str, Any]
    given: Mapping[str, Any]


def replace_model(tenant: Tenant, revision: ModelRevision, found: Found, *, actor: str, tell: Tell) -> None:
    """Changes that people make live while it works are taken in by comparing again; at last, with the building locked.

    Raises ModelRejected when a later revision is the head, or has been: an old model never takes its place.
    """
    try:
        _replace(tenant, revision, found, actor=actor, tell=tell)
    except ModelRejected as refused:
        _of_nobody(revision.building).delete()
        problem = {"error_code": refused.code, "reason": OUTDATED, "detail": str(refused)}
        ModelRevision.objects.filter(pk=revision.pk).update(state=ModelRevision.State.REJECTED, problem=problem)
        raise


def _replace(tenant: Tenant, revision: ModelRevision, found: Found, *, actor: str, tell: Tell) -> None:
    for attempt in range(TRIES):
        seen = Building.objects.for_tenant(tenant).get(pk=revision.building_id)
        if attempt == TRIES - 1:
            break
        difference = _staged(seen, revision, found, tell)
        with transaction.atomic():
            building = live.locked(tenant, revision.building_id)
            if building.head_seq == seen.head_seq:
                _turn_on(building, revision, found, difference, actor)
                return
    with transaction.atomic():
        building = live.locked(tenant, revision.building_id)
        _turn_on(building, revision, found, _staged(building, revision, found, tell), actor)


def _staged(building: Building, revision: ModelRevision, found: Found, tell: Tell) -> Difference:
    """Write the states that are new where nobody sees them, and say what differs from the head. Of a building one revision at a time is staged."""
    _of_nobody(building).delete()
    head = _head(building)
    definitions = fact_rows.definitions(building)
    parts = _parts(found)
    difference = Difference()
    rows = _rows(building, found, head, definitions, parts, difference)
    written = 0
    tell(0, found.total, "comparing")
    while chunk := list(islice(rows, CHUNK)):
        Element.objects.bulk_create(chunk, batch_size=CHUNK)
        written += len(chunk)
        tell(min(written + difference.unchanged, found.total), found.total, "storing")
    for global_id, old in head.items():
        difference.ended.append(old.pk)
        difference.count("removed", global_id, old.ifc_class)
    return difference


def _of_nobody(building: Building) -> QuerySet[Element]:
    rows: QuerySet[Element] = Element.objects.for_tenant(building.tenant_id).filter(building=building, valid_from_seq=STAGED, valid_to_seq=STAGED)
    return rows


def _head(building: Building) -> dict[str, Head]:
    rows = elements.at(building.tenant, building).values_list("global_id", "pk", "content_hash", "ifc_class", "facts", "given")
    return {row[0]: Head(*row[1:]) for row in rows.iterator(chunk_size=2000)}


def _parts(found: Found) -> dict[str, list[core.Element]]:
    """Flights of stairs and ramps, by what they are parts of: facts of the whole come from them."""
    made: dict[str, list[core.Element]] = {}
    for one in found.elements():
        if one.ifc_class in ("IfcStairFlight", "IfcRampFlight") and PART_OF in one.properties:
            made.setdefault(str(one.properties[PART_OF]), []).append(one)
    return made


def _rows(
    building: Building,
    found: Found,
    head: dict[str, Head],
    definitions: Definitions,
    parts: Mapping[str, list[core.Element]],
    difference: Difference,
) -> Iterator[Element]:
    """Rows of what is new or different. What is met is taken out of `head`: what stays there has gone."""
    for one in found.elements():
        old = head.pop(one.global_id, None)
        if old is not None and old.given:  # what people have stated goes on being true; what the file states wins
            one = replace(one, given={**old.given, **one.given})
        known = elements.stored_facts(facts.derive(one, definitions, children=parts.get(one.global_id, ())))
        content_hash = elements.content_hash(one)
        if old is not None and old.content_hash == content_hash and old.facts == known:
            difference.unchanged += 1
            continue
        if old is not None:
            difference.ended.append(old.pk)
        if old is not None and old.content_hash == content_hash:
            difference.unchanged += 1  # the same element, of which more or something else is known now
        else:
            difference.count("changed" if old else "added", one.global_id, one.ifc_class)
        yield Element(
            tenant_id=building.tenant_id,
            building=building,
            valid_from_seq=STAGED,
            valid_to_seq=STAGED,
            content_hash=content_hash,
            facts=known,
            **elements.columns_of(one),
        )


def _turn_on(building: Building, revision: ModelRevision, found: Found, difference: Difference, actor: str) -> None:
    """Raises ModelRejected when a later revision is the head, or has been."""
    later = ModelRevision.objects.filter(building=building, number__gt=revision.number, at_seq__isnull=False).order_by("number").first()
    if later is not None:
        raise ModelRejected(f"Revision {later.number} has been read before it: upload it again.", reason=OUTDATED, revision=revision.number)
    seq = building.head_seq + 1
    mine = Element.objects.for_tenant(building.tenant_id).filter(building=building)
    for start in range(0, len(difference.ended), CHUNK):
        mine.filter(pk__in=difference.ended[start : start + CHUNK]).update(valid_to_seq=seq)
    _of_nobody(building).update(valid_from_seq=seq, valid_to_seq=None)
    ChangeBatch.objects.create(
        tenant_id=building.tenant_id,
        building=building,
        seq=seq,
        client_id=live.REVISION,
        client_seq=revision.number,
        base_seq=building.head_seq,
        sha256=revision.sha256,
        actor=actor,
        revision=revision,
    )
    building.head_seq = seq
    building.dirty_storeys = [live.EVERYTHING]
    building.status = Status.INDETERMINATE.value  # what is known is of the model before
    building.save(update_fields=("head_seq", "dirty_storeys", "status", "updated_at"))
    ModelRevision.objects.filter(pk=revision.pk).update(
        state=found.state,
        schema=found.schema[:20],
        application=found.application[:200],
        integrity=found.integrity,
        problem={},
        counts=found.counts,
        changes=difference.as_json(),
        at_seq=seq,
    )
