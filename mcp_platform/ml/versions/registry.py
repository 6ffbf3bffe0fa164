"""Versions of models as people look at them: every key at a glance, versions side by side, and the card."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from mcp_platform.ml import queries, services
from mcp_platform.ml.core import card as cards
from mcp_platform.ml.core import comparison
from mcp_platform.ml.core.comparison import Line, Measure
from mcp_platform.ml.core.drift import Shift
from mcp_platform.ml.core.gates import Gate
from mcp_platform.ml.models import Champion, ModelVersion
from mcp_platform.ml.versions.watching import drift_of
from mcp_platform.tenancy.models import Tenant

Status = ModelVersion.Status
SIDE_BY_SIDE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key of the registry. `ready`: newer versions whose gates were open when they were last judged; `worst`: what has drifted most."""

    kind: str
    title: str
    subject: str
    tenant_id: UUID
    champion: ModelVersion | None
    newest: ModelVersion
    states: Mapping[str, int]
    ready: tuple[ModelVersion, ...]
    headline: tuple[tuple[str, str], ...]
    worst: Shift | None

    @property
    def versions(self) -> int:
        return sum(self.states.values())


def registry(rows: QuerySet[ModelVersion]) -> list[Entry]:
    """One entry for each tenant, kind and subject among these rows; what was trained last comes first."""
    by_key: dict[tuple[UUID, str, str], list[ModelVersion]] = defaultdict(list)
    for row in rows.defer("metrics", "card").select_related("tenant").order_by("-created_at", "-number"):
        by_key[row.tenant_id, row.kind, row.subject].append(row)
    serving = _serving(rows, by_key)
    return [_entry(key, found, serving.get(key)) for key, found in by_key.items()]


def _serving(rows: QuerySet[ModelVersion], keys: Iterable[tuple[UUID, str, str]]) -> dict[tuple[UUID, str, str], ModelVersion]:
    pointers = Champion.objects.filter(tenant_id__in={key[0] for key in keys}, model__in=rows.order_by().values("pk")).select_related("model")
    return {(one.tenant_id, one.kind, one.subject): one.model for one in pointers}


def _entry(key: tuple[UUID, str, str], found: list[ModelVersion], champion: ModelVersion | None) -> Entry:
    known = services.KINDS.get(key[1])
    states: dict[str, int] = defaultdict(int)
    for row in found:
        states[row.status] += 1
    newer = [row for row in found if row.status in (Status.CANDIDATE, Status.SHADOW) and row.number > (champion.number if champion else 0)]
    return Entry(
        kind=key[1],
        title=known.title if known else key[1],
        subject=key[2],
        tenant_id=key[0],
        champion=champion,
        newest=found[0],
        states=dict(states),
        ready=tuple(row for row in newer if all(gate.get("passed") for gate in row.gates)),
        headline=_headline(champion, known.measures if known else ()),
        worst=drift_of(champion).worst if champion is not None else None,
    )


def _headline(row: ModelVersion | None, measures: Sequence[Measure]) -> tuple[tuple[str, str], ...]:
    if row is None:
        return ()
    pairs = ((one.title, comparison.value_of(row.metrics, one.path), one.style) for one in measures)
    return tuple((title, comparison.shown(value, style)) for title, value, style in pairs if value is not None)[:2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`champion`: the place of the one that serves; None when it is not among them."""

    versions: tuple[ModelVersion, ...]
    champion: int | None
    lines: tuple[Line, ...]
    gates: tuple[tuple[str, tuple[Gate | None, ...]], ...]


def compare(tenant: Tenant, *, model_id: UUID, beside: Sequence[UUID] = ()) -> Comparison:
    """A model beside others of its key: those named, or what serves and the newest. Every version is judged as of now. Raises ModelNotFound."""
    row = queries.model(tenant, model_id)
    chosen = _chosen(tenant, row, beside)
    pointer = queries.champion(tenant, kind=row.kind, subject=row.subject)
    place = next((place for place, one in enumerate(chosen) if pointer is not None and one.pk == pointer.pk), None)
    metrics = [one.metrics for one in chosen]
    verdicts = [{gate.name: gate for gate in gates_of(tenant, one, serves=number == place)} for number, one in enumerate(chosen)]
    names = list(dict.fromkeys(name for found in verdicts for name in found))
    return Comparison(
        versions=tuple(chosen),
        champion=place,
        lines=comparison.side_by_side(_measures(row, metrics), metrics, place),
        gates=tuple((name, tuple(found.get(name) for found in verdicts)) for name in names),
    )


def _chosen(tenant: Tenant, row: ModelVersion, beside: Sequence[UUID]) -> list[ModelVersion]:
    """The champion first, then the newest; the model itself is always there."""
    same = queries.models(tenant).filter(kind=row.kind, subject=row.subject)
    if beside:
        wanted = list(dict.fromkeys([row.pk, *beside]))[:SIDE_BY_SIDE]
        found = {one.pk: one for one in same.filter(pk__in=wanted)}
        return [*(found[pk] if pk in found else queries.model(tenant, pk) for pk in wanted)]
    pointer = queries.champion(tenant, kind=row.kind, subject=row.subject)
    first = [pointer.pk] if pointer is not None else []
    newest = same.exclude(status=Status.REJECTED).order_by("-number").values_list("pk", flat=True)[:SIDE_BY_SIDE]
    wanted = list(dict.fromkeys([*first, row.pk, *newest]))[:SIDE_BY_SIDE]
    found = same.in_bulk(wanted)
    return [found[pk] for pk in wanted]


def gates_of(tenant: Tenant, row: ModelVersion, *, serves: bool) -> list[Gate]:
    """As they stand now; of what serves, as they stood when it was promoted."""
    return [Gate(**gate) for gate in row.gates] if serves else services.judge(tenant, row)


def _measures(row: ModelVersion, metrics: Sequence[Mapping[str, Any]]) -> Sequence[Measure]:
    known = services.KINDS.get(row.kind)
    return known.measures if known and known.measures else comparison.found_in(metrics)


def card(row: ModelVersion) -> str:
    """In Markdown."""
    known = services.KINDS.get(row.kind)
    identity = cards.Identity(
        title=known.title if known else row.kind,
        kind=row.kind,
        subject=row.subject,
        number=row.number,
        status=row.get_status_display(),
        sha256=row.sha256,
        data_sha256=row.data_sha256,
        size=row.size,
        created_by=row.created_by,
        created_at=row.created_at,
    )
    lines = comparison.side_by_side(_measures(row, [row.metrics]), [row.metrics], None)
    return cards.markdown(identity, row.card, lines, [Gate(**gate) for gate in row.gates])


def as_json(found: Comparison) -> dict[str, Any]:
    """For REST."""
    return {
        "versions": found.versions,
        "champion": found.versions[found.champion].pk if found.champion is not None else None,
        "measures": [
            {"path": line.measure.path, "title": line.measure.title, "better": line.measure.better, "values": [asdict(cell) for cell in line.cells]}
            for line in found.lines
        ],
        "gates": [{"name": name, "verdicts": [asdict(gate) if gate else None for gate in verdicts]} for name, verdicts in found.gates],
    }
