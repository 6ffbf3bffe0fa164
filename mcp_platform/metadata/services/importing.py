"""A whole document becomes the draft, and live, too, unless it shall only be looked at first."""

from typing import Any, NamedTuple

from django.db import transaction

from mcp_platform.metadata import queries
from mcp_platform.metadata.core import document
from mcp_platform.metadata.core.difference import Change, changes, counted
from mcp_platform.metadata.core.document import Fault, Metadata
from mcp_platform.metadata.errors import MetadataRefused, NothingToPublish, RowHasChanged
from mcp_platform.metadata.models import MetadataVersion
from mcp_platform.metadata.services.publishing import fill, publish
from mcp_platform.metadata.services.rows import locked_head, touched
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

MODES = ("replace", "merge")


class Imported(NamedTuple):
    """`changes` of the draft; `version` that went live, None when nothing did; `warnings` are doubtful but taken."""

    changes: tuple[Change, ...]
    version: MetadataVersion | None
    warnings: list[Fault]


def import_document(
    tenant: Tenant, *, document_: Any, mode: str = "replace", go_live: bool = True, note: str = "", expected_rev: int | None = None, by: By
) -> Imported:
    """`mode` replace: the draft becomes the document; merge: its products and columns are laid over the draft.

    All or nothing. Raises MetadataRefused with every fault and its path, RowHasChanged.
    """
    if mode not in MODES:
        raise MetadataRefused(errors=[document.fault("?mode", "unknown_value", "is not known", ", ".join(MODES))])
    found, faults = document.read(document_)
    if found is None:
        raise MetadataRefused(errors=faults)
    with transaction.atomic():
        head = locked_head(tenant)
        if expected_rev is not None and head.draft_rev != expected_rev:
            raise RowHasChanged(expected=f'"{head.draft_rev}"', given=f'"{expected_rev}"')
        before = queries.draft(tenant)
        after = found if mode == "replace" else _laid_over(before, found)
        different = changes(before, after)
        if different:
            fill(tenant, after)
            touched(head)
            audit(tenant, actor=actor_of(by), action="metadata.import", target=head, changes={"mode": mode, **counted(different)})
        version = _published(tenant, found.version, note, by) if go_live else None
    return Imported(different, version, [one for one in faults if one["severity"] == "warning"])


def _laid_over(before: Metadata, found: Metadata) -> Metadata:
    """Both together must be valid, too."""
    after = document.merged(before, found)
    checked, faults = document.read(document.written(after))
    if checked is None:
        raise MetadataRefused(errors=faults)
    return checked


def _published(tenant: Tenant, name: str, note: str, by: By) -> MetadataVersion | None:
    try:
        return publish(tenant, note=note, version=name, by=by)
    except NothingToPublish:
        return None
