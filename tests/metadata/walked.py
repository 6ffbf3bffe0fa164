"""What the walk through all doors (tests/platform/test_walk.py) finds of product metadata: two versions, rows with a change, and the calls."""

from typing import Any

from django.db.models import Model

from mcp_platform.metadata import queries, services
from mcp_platform.metadata.models import ColumnMapping, MetadataVersion, ProductAlias
from mcp_platform.tenancy.models import Tenant

BASE = "product-metadata"
PRODUCT = f"{BASE}/products/{{product_key}}"
COLUMN = f"{BASE}/columns/{{mapping_id}}"
VERSION = f"{BASE}/versions/{{version_number}}"
NEW = {"product_aliases": {"new": {"canonical_id": "new", "canonical_name": "New"}}, "column_mappings": {}}

METADATA: tuple[tuple[Any, ...], ...] = (
    (f"GET {BASE}", 200, None, 200),
    (f"GET {BASE}/document", 200, None, 200),
    (f"PUT {BASE}/document", 200, NEW, 200),
    (f"GET {BASE}/schema", 200, None, 200),
    (f"POST {BASE}/validate", 200, NEW, 200),
    (f"POST {BASE}/resolve", 200, {"text": "ours-alias"}, 200),
    (f"POST {BASE}/publish", 201, {}, 409),
    (f"GET {BASE}/products", 200, None, 200),
    (f"POST {BASE}/products", 201, {"key": "new", "canonical_id": "new", "canonical_name": "New"}, 201),
    (f"GET {PRODUCT}",),
    (f"PUT {PRODUCT}", 200, {"canonical_id": "new", "canonical_name": "New"}),
    (f"PATCH {PRODUCT}", 200, {"aliases": []}),
    (f"DELETE {PRODUCT}", 204),
    (f"GET {BASE}/columns", 200, None, 200),
    (f"POST {BASE}/columns", 201, {"user_term": "new", "sql_expression": "a.b"}, 201),
    (f"GET {COLUMN}",),
    (f"PATCH {COLUMN}", 200, {"description": "new"}),
    (f"DELETE {COLUMN}", 204),
    (f"GET {BASE}/versions", 200, None, 200),
    (f"GET {VERSION}",),
    (f"GET {VERSION}/diff",),
    (f"POST {VERSION}/rollback",),
    (f"POST {VERSION}/restore",),
)


def metadata(ours: Tenant) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the rows of the admin's pages."""
    product = {"canonical_id": "ours-id", "canonical_name": "ours-product", "aliases": ["ours-alias"], "categories": ["ours-kind"]}
    document = {"product_aliases": {"ours-key": product}, "column_mappings": {"ours-term": "ours.column"}}
    first = services.import_document(ours, document_=document, note="ours-note", by=None).version
    assert first is not None
    services.save_product(ours, key="ours-key", fields={"aliases": ["ours-other"]}, by=None)
    services.publish(ours, by=None)
    mapping = queries.mappings(ours).get()
    services.save_mapping(ours, mapping_id=mapping.pk, fields={"description": "ours-text"}, by=None)
    names = {"product_key": "ours-key", "mapping_id": mapping.pk, "version_number": 1}
    return names, {ProductAlias: queries.product(ours, "ours-key"), ColumnMapping: mapping, MetadataVersion: first}
