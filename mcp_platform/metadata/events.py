"""What listeners are told when other product metadata is live."""

from typing import Final
from uuid import UUID

from mcp_platform import realtime

ALIASES: Final = "product-aliases://list"
COLUMNS: Final = "column-mappings://list"
SUMMARY: Final = "metadata-summary://info"
URIS: Final = (ALIASES, COLUMNS, SUMMARY)


def changed(tenant_id: UUID) -> None:
    """After commit: whoever has subscribed to one of the resources reads it again."""
    for uri in URIS:
        realtime.catalogue_changed(tenant_id, "resource", uri=uri)
