"""Everything that changes product metadata: rows of the draft, imports, what is live."""

from mcp_platform.metadata.services.importing import MODES, import_document
from mcp_platform.metadata.services.publishing import publish, restore, roll_back
from mcp_platform.metadata.services.rows import delete_mapping, delete_product, save_mapping, save_product

__all__ = [
    "MODES",
    "delete_mapping",
    "delete_product",
    "import_document",
    "publish",
    "restore",
    "roll_back",
    "save_mapping",
    "save_product",
]
