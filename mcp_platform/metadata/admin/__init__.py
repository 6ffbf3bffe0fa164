"""The pages of product metadata: rows to edit, what is live, versions, import and export."""

from mcp_platform.metadata.admin import rows, versions

__all__ = ["rows", "versions"]
