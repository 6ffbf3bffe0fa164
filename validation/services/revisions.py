"""Revisions of a building's model: a file comes in, is read in a child process, and becomes the building's head in one short transaction.

New states of elements are staged in chunks where nobody sees them, then turned on together with the end of the old states. So a worker that dies
leaves nothing half done, and a run that is repeated begins by throwing away what the last one had staged.
"""

import hashlib
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.base import File
from django.db import transaction

from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import audit
from validation.errors import ModelRejected, ModelTooLarge, RevisionNotFound
from validation.models import Building, ModelRevision, ValidationRun
from validation.services import files, live, meshes, reading, replacing

KIND: Final = "validation.ingest"
SUFFIXES: Final[Mapping[str, str]] = {".ifc": "ifc", ".ifczip": "ifc", ".json": "json"}
_BEGINNINGS: Final = {".ifc": b"ISO-10303-21", ".ifczip": b"PK\x03\x04", ".json": b"{"}
_DONE: Final = (ModelRevision.State.READY, ModelRevision.State.PARTIAL)


def upload(tenant: Tenant, *, building_id: UUID, name: str, content: "File[bytes]", by: Principal) -> tuple[ModelRevision, bool]:
    """Keep the file and start reading it. The file of the newest revision again, with no change since, is that revision: (row, False).

    Raises BuildingNotFound, ModelTooLarge, ModelRejected (not a model by its name or its first bytes).
    """
    by.require("validation:write")
    suffix = _suffix(name, content)
    sha256 = _sha256(content)
    with transaction.atomic():
        building = live.locked(tenant, building_id)
        if (same := _same(building, sha256)) is not None:
            return _again(tenant, same, by), False
    made = _made(building, suffix=suffix, name=name, size=content.size, sha256=sha256, by=by)
    with files.kept(made.file, f"{made.pk}{suffix}", content), transaction.atomic():  # a name of ours: theirs is never a path
        building = live.locked(tenant, building_id)
        if (same := _same(building, sha256)) is not None:  # the same file came twice at once
            made.file.delete(save=False)
            return _again(tenant, same, by), False
        _number(made, building)
        started = _start(tenant, made, by)
        ModelRevision.objects.filter(pk=made.pk).update(operation_id=started.pk)
        made.operation_id = started.pk
        audit(
            tenant, actor=by.actor, action="revision.upload", target=made, changes={"number": made.number, "file": made.file_name, "sha256": sha256}
        )
    return made, True


def _suffix(name: str, content: "File[bytes]") -> str:
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ModelRejected("The name of a model ends in .ifc, .ifczip or .json.", reason="EXTENSION", expected=", ".join(SUFFIXES))
    if not content.size:
        raise ModelRejected("The file is empty.", reason="EMPTY")
    if content.size > settings.MODEL_MAX_BYTES:
        raise ModelTooLarge(limit_bytes=settings.MODEL_MAX_BYTES, size_bytes=content.size)
    content.seek(0)
    head = content.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith(_BEGINNINGS[suffix]):
        raise ModelRejected(f"The file does not begin as a {suffix} file begins.", reason="NOT_A_MODEL")
    return suffix


def _sha256(content: "File[bytes]") -> str:
    digest = hashlib.sha256()
    content.seek(0)
    for piece in content.chunks():
        digest.update(piece)
    content.seek(0)
    return digest.hexdigest()


def _same(building: Building, sha256: str) -> ModelRevision | None:
    """The newest revision, when this is its file and nothing has changed since."""
    newest = _newest(building)
    return newest if newest is not None and newest.sha256 == sha256 and _is_current(newest, building) else None


def _newest(building: Building) -> ModelRevision | None:
    found: ModelRevision | None = ModelRevision.objects.for_tenant(building.tenant_id).filter(building=building).order_by("-number").first()
    return found


def _is_current(revision: ModelRevision, building: Building) -> bool:
    """Nothing has been changed live since, or it is still on its way."""
    return revision.at_seq is None or revision.at_seq == building.head_seq


def _again(tenant: Tenant, revision: ModelRevision, by: Principal) -> ModelRevision:
    """The same file once more: what was rejected or was given up is tried again."""
    last = Operation.objects.for_tenant(tenant).filter(pk=revision.operation_id).first() if revision.operation_id else None
    if revision.state not in _DONE and (last is None or not last.is_open):
        revision.operation_id = _start(tenant, revision, by).pk
        revision.state = ModelRevision.State.UPLOADED
        revision.save(update_fields=("operation_id", "state", "updated_at"))
    return revision


def _made(building: Building, *, suffix: str, name: str, size: int, sha256: str, by: Principal) -> ModelRevision:
    return ModelRevision(
        id=uuid4(),
        tenant_id=building.tenant_id,
        building=building,
        source=SUFFIXES[suffix],
        file_name=PurePath(name.replace("\\", "/")).name[:255],
        sha256=sha256,
        size=size,
        created_by=by.user,
        updated_by=by.user,
    )


def _number(made: ModelRevision, building: Building) -> None:
    """It comes after the newest one; with the building locked."""
    newest = _newest(building)
    made.building, made.number = building, (newest.number if newest else 0) + 1
    made.parent = ModelRevision.objects.filter(building=building, state__in=_DONE).order_by("-number").first()
    made.save(force_insert=True)


def _start(tenant: Tenant, revision: ModelRevision, by: Principal) -> Operation:
    return operations.start(
        tenant,
        kind=KIND,
        title=f"Read {revision.file_name} for {revision.building}",
        arguments={"revision": str(revision.pk), "by": by.actor},
        by=by,
        subject=f"building:{revision.building_id}",
    )


def ingest(tenant: Tenant, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The worker's part. Runs again after a crash: a revision that is the head already is left as it is. Raises ModelRejected."""
    revision = _of(tenant, UUID(arguments["revision"]))
    if revision.state not in _DONE:
        _claim(revision)
        with reading.read(revision, tell=progress.report) as found:
            if found.problem:
                _reject(revision, found)
            replacing.replace_model(tenant, revision, found, actor=arguments["by"], tell=progress.report)
        revision.refresh_from_db()
    started = _check(tenant, revision, arguments["by"])
    meshes.of_revision(tenant, revision=revision, actor=arguments["by"])
    return {"revision": revision.number, "state": revision.state, "changes": revision.changes, "run": started}


def _claim(revision: ModelRevision) -> None:
    """One revision of a building is read at a time. While a living worker has another in hand this one is given back: who waits holds no thread.

    Raises operations.NotYet.
    """
    with transaction.atomic():
        building = live.locked(revision.tenant, revision.building_id)
        others = ModelRevision.objects.filter(building=building, state=ModelRevision.State.PARSING).exclude(pk=revision.pk)
        if Operation.objects.filter(pk__in=others.values("operation_id"), status=Operation.Status.RUNNING).exists():
            raise operations.NotYet("waiting for another revision")
        ModelRevision.objects.filter(pk=revision.pk).update(state=ModelRevision.State.PARSING)


def _of(tenant: Tenant, revision_id: UUID) -> ModelRevision:
    found: ModelRevision | None = (
        ModelRevision.objects.for_tenant(tenant).select_related("building__project", "tenant").filter(pk=revision_id).first()
    )
    if found is None:
        raise RevisionNotFound(revision=str(revision_id))
    return found


def _reject(revision: ModelRevision, found: "reading.Found") -> None:
    problem = {"error_code": ModelRejected.code, "reason": found.problem["code"], "detail": found.problem["detail"]}
    more = {name: value for name, value in found.problem.items() if name not in ("code", "detail", "integrity")}
    ModelRevision.objects.filter(pk=revision.pk).update(
        state=ModelRevision.State.REJECTED, problem={**problem, **more}, integrity=found.problem.get("integrity", {})
    )
    raise ModelRejected(found.problem["detail"], reason=found.problem["code"], revision=revision.number, **more)


def _check(tenant: Tenant, revision: ModelRevision, actor: str) -> str:
    """A full check of the new head, once. Its id."""
    from validation.services import checking

    runs = ValidationRun.objects.for_tenant(tenant).filter(building_id=revision.building_id, is_what_if=False, at_seq__gte=revision.at_seq)
    found = runs.exclude(state__in=("failed", "cancelled")).order_by("created_at").first()
    return str((found or checking.start(tenant, building_id=revision.building_id, trigger="full", by=actor)).pk)
