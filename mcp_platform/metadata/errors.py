"""What can go wrong with product metadata."""

from mcp_platform.errors import Conflict, Invalid, NotFound


class ProductNotFound(NotFound):
    """There is no product of this key."""

    code = "PRODUCT_NOT_FOUND"


class MappingNotFound(NotFound):
    """There is no such column mapping."""

    code = "COLUMN_MAPPING_NOT_FOUND"


class MetadataVersionNotFound(NotFound):
    """There is no such version of the product metadata."""

    code = "METADATA_VERSION_NOT_FOUND"


class AlreadyThere(Conflict):
    """There is one already."""

    code = "ALREADY_EXISTS"


class RowHasChanged(Conflict):
    """It has changed since you read it; read it again and repeat your change."""

    code = "STALE_ETAG"


class NothingToPublish(Conflict):
    """What is live is the same already."""

    code = "NOTHING_TO_PUBLISH"


class MetadataRefused(Invalid):
    """The product metadata is not valid; `errors` lists every fault with its path."""

    code = "SCHEMA_ERROR"
