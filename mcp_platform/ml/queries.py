"""Reads used by several doors, and the one of the hot path: which model serves, remembered in this process.

A promotion in this process is seen at once, one in another process within a second (a generation number in the shared cache), and after a
minute in any case. What a model is never changes, so whoever loads one may keep it for ever by its id.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.core.cache import cache
from django.db.models import QuerySet

from mcp_platform import observability
from mcp_platform.ml import signing
from mcp_platform.ml.errors import ArtifactRefused, ModelNotFound
from mcp_platform.ml.models import Champion, ModelArtifact, ModelVersion, ShadowReading
from mcp_platform.tenancy.models import Tenant

log = observability.logger(__name__)

LOOK_SECONDS = 1.0
BELIEVED_SECONDS = 60.0
TENANTS_KEPT = 10_000


def models(tenant: Tenant | UUID) -> QuerySet[ModelVersion]:
    found: QuerySet[ModelVersion] = ModelVersion.objects.for_tenant(tenant)
    return found


def model(tenant: Tenant | UUID, model_id: UUID) -> ModelVersion:
    """Raises ModelNotFound, also for one of another tenant."""
    found = models(tenant).filter(pk=model_id).first()
    if found is None:
        raise ModelNotFound(model_id=str(model_id))
    return found


def champion(tenant: Tenant | UUID, *, kind: str, subject: str) -> ModelVersion | None:
    """The model that serves, from its row."""
    row = Champion.objects.for_tenant(tenant).filter(kind=kind, subject=subject).select_related("model").first()
    return row.model if row else None


def shadow_readings(row: ModelVersion) -> QuerySet[ShadowReading]:
    """The newest day first."""
    found: QuerySet[ShadowReading] = ShadowReading.objects.for_tenant(row.tenant_id).filter(model=row)
    return found


def content(tenant: Tenant | UUID, model_id: UUID) -> bytes:
    """The artifact, after its digest and its signature were found right. Raises ModelNotFound, ArtifactRefused."""
    row = model(tenant, model_id)
    held = ModelArtifact.objects.for_tenant(tenant).filter(model_id=model_id).values_list("content", flat=True).first()
    found = bytes(held) if held is not None else b""
    if not signing.fits(found, row):
        log.error("artifact_refused", model_id=str(model_id))
        raise ArtifactRefused(model_id=str(model_id))
    return found


@dataclass(slots=True)
class _Serving:
    by_subject: Mapping[tuple[str, str], UUID]
    shadows: Mapping[tuple[str, str], tuple[UUID, ...]]
    generation: str
    looked: float
    expires: float


_serving: dict[UUID, _Serving] = {}
_lock = threading.Lock()


def serving(tenant_id: UUID) -> Mapping[tuple[str, str], UUID]:
    """(kind, subject) -> id of the champion. Nearly always a look into a dictionary."""
    return _held(tenant_id).by_subject


def shadows(tenant_id: UUID) -> Mapping[tuple[str, str], tuple[UUID, ...]]:
    """(kind, subject) -> ids of the models that are run on the same input, unheard. As cheap as `serving`."""
    return _held(tenant_id).shadows


def _held(tenant_id: UUID) -> _Serving:
    found = _serving.get(tenant_id)
    if found is not None and _still_true(found, tenant_id):
        return found
    generation = _generation(tenant_id)  # before the rows: a promotion in between makes this look old, never new
    rows = Champion.objects.for_tenant(tenant_id).values_list("kind", "subject", "model_id")
    by_subject = {(kind, subject): pk for kind, subject, pk in rows}
    shadowing: dict[tuple[str, str], tuple[UUID, ...]] = {}
    for kind, subject, pk in models(tenant_id).filter(status=ModelVersion.Status.SHADOW).order_by("number").values_list("kind", "subject", "pk"):
        shadowing[kind, subject] = (*shadowing.get((kind, subject), ()), pk)
    now = time.monotonic()
    made = _Serving(by_subject=by_subject, shadows=shadowing, generation=generation, looked=now, expires=now + BELIEVED_SECONDS)
    with _lock:
        if len(_serving) >= TENANTS_KEPT:
            _serving.clear()
        _serving[tenant_id] = made
    return made


def forget(tenant_id: UUID, generation: str) -> None:
    """A champion has changed: this process looks again at once, the others within a second."""
    with _lock:
        _serving.pop(tenant_id, None)
    try:
        cache.set(_key(tenant_id), generation, BELIEVED_SECONDS * 10)
    except Exception as fault:  # noqa: BLE001  every backend has its own errors; the others then look again after a minute
        log.warning("generation_unwritten", fault=repr(fault))


def _still_true(entry: _Serving, tenant_id: UUID) -> bool:
    now = time.monotonic()
    if now >= entry.expires:
        return False
    if now - entry.looked >= LOOK_SECONDS:
        entry.looked = now
        return _generation(tenant_id) in (entry.generation, "")
    return True


def _generation(tenant_id: UUID) -> str:
    try:
        return str(cache.get(_key(tenant_id)) or "")
    except Exception as fault:  # noqa: BLE001  every backend has its own errors, and a turn must not fail because Redis is away
        log.warning("generation_unread", fault=repr(fault))
        return ""


def _key(tenant_id: UUID) -> str:
    return f"ml:generation:{tenant_id}"
