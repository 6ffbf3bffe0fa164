"""What 3D views draw: triangles of a revision as one glTF file, made once for each file, and boxes for what has changed live since."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.core.files import File
from django.core.files.base import ContentFile
from django.db.models import Q

from mcp_platform.operations import queries as operation_queries
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from validation.errors import RevisionNotFound, ShapesFailed
from validation.ingest import boxes, child, gltf
from validation.models import Building, Element, ModelRevision
from validation.queries import elements, revisions
from validation.services import reading

KIND: Final = "validation.meshes"


def of_revision(tenant: Tenant, *, revision: ModelRevision, actor: str) -> ModelRevision | Operation:
    """The revision when its triangles are there; else the operation that makes them, which is started if need be."""
    if revision.meshes:
        return revision
    subject = f"revision:{revision.pk}"
    last = operation_queries.latest(tenant, kind=KIND, subject=subject)
    if last is not None and (last.is_open or last.status == Operation.Status.FAILED):
        return last
    return operations.start(tenant, kind=KIND, title=f"Triangles of {revision}", arguments={"revision": str(revision.pk)}, by=actor, subject=subject)


def make(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The worker's part; idempotent. The same file in another revision has the same triangles."""
    revision = ModelRevision.objects.for_tenant(tenant).select_related("building").filter(pk=UUID(arguments["revision"])).first()
    if revision is None:
        raise RevisionNotFound(revision=arguments["revision"])
    if revision.meshes:
        return {"bytes": revision.meshes.size}
    twin = ModelRevision.objects.for_tenant(tenant).filter(sha256=revision.sha256).exclude(meshes="").first() if revision.source == "ifc" else None
    if twin is not None:
        with twin.meshes.open("rb") as content:
            return _keep(revision, File(content))
    if revision.source != "ifc":
        rows = elements.at(tenant, revision.building, revision.at_seq)
        return _keep(revision, ContentFile(gltf.encoded(boxes.meshes(elements.core_element(row) for row in rows.iterator(chunk_size=2000)))))
    return _from_file(revision, progress)


def _from_file(revision: ModelRevision, progress: Progress) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="meshes-") as folder, reading.local_copy(revision) as source:
        out = Path(folder) / "model.glb"
        ended = child.run("meshes", {"source": str(source), "out": str(out)}, limits=reading.limits(), tell=progress.report)
        if ended.problem:
            raise ShapesFailed(ended.problem["detail"], reason=ended.problem["code"])
        with out.open("rb") as content:
            return {**_keep(revision, File(content)), **{name: ended.result[name] for name in ("elements", "of", "in_time")}}


def _keep(revision: ModelRevision, content: "File[bytes]") -> dict[str, Any]:
    revision.meshes.save(f"{revision.pk}.glb", content, save=False)
    ModelRevision.objects.filter(pk=revision.pk).update(meshes=revision.meshes.name)
    return {"bytes": revision.meshes.size}


def etag(revision: ModelRevision) -> str:
    return hashlib.sha256(f"{revision.sha256}:{revision.meshes.name}".encode()).hexdigest()[:32]


def since(tenant: Tenant, building: Building, revision: ModelRevision) -> dict[str, Any]:
    """What has changed live since the revision: boxes to draw instead, and what is to be hidden."""
    mine = Element.objects.for_tenant(tenant).filter(building=building)
    at = revision.at_seq or 0
    moved = set(mine.filter(Q(valid_from_seq__gt=at) | Q(valid_to_seq__gt=at)).values_list("global_id", flat=True))
    old = {mark: row.box for mark, row in elements.rows_of(elements.at(tenant, building, at).only("global_id", "box"), moved).items()}
    new = elements.rows_of(elements.at(tenant, building).only("global_id", "ifc_class", "box"), moved)
    drawn = [
        {"global_id": key, "ifc_class": row.ifc_class, "box": row.box} for key, row in sorted(new.items()) if row.box and row.box != old.get(key)
    ]
    return {"at_seq": building.head_seq, "boxes": drawn, "gone": sorted(set(old) - set(new))}


def newest(tenant: Tenant, building_id: UUID) -> ModelRevision:
    """Raises BuildingNotFound, RevisionNotFound."""
    revisions.building(tenant, building_id)
    found = revisions.newest_done(tenant, building_id)
    if found is None:
        raise RevisionNotFound(building=str(building_id))
    return found
