"""Bad product metadata."""

from tests.platform.bad_input.row import Bad

SCHEMA = "SCHEMA_ERROR"
NOBODY = "00000000-0000-4000-8000-000000000000"
BASE = "product-metadata"
NEW = {"canonical_id": "1", "canonical_name": "One"}


def document(**more: object) -> dict[str, object]:
    return {"product_aliases": {}, "column_mappings": {}, **more}


ROWS = [
    Bad("document that is a list", f"PUT {BASE}/document", [], 400, SCHEMA, "$"),
    Bad("document without products", f"PUT {BASE}/document", {"column_mappings": {}}, 400, SCHEMA, "$"),
    Bad("document that is no JSON", f"PUT {BASE}/document", b"{", 400, SCHEMA, "$"),
    Bad("document with a key twice", f"PUT {BASE}/document", b'{"version": "1.0.0", "version": "1.0.1"}', 400, SCHEMA, "$"),
    Bad("document of a half version", f"PUT {BASE}/document", document(version="1"), 400, SCHEMA, "$.version"),
    Bad("product without a name", f"PUT {BASE}/document", document(product_aliases={"x": {"canonical_id": "1"}}), 400, SCHEMA, "$.product_aliases.x"),
    Bad(
        "product with an id of another",
        f"PUT {BASE}/document",
        document(product_aliases={"a": NEW, "b": NEW}),
        400,
        SCHEMA,
        "$.product_aliases.b.canonical_id",
    ),
    Bad("mapping to two statements", f"PUT {BASE}/document", document(column_mappings={"x": "1; DROP"}), 400, SCHEMA, "$.column_mappings.x"),
    Bad("import in a made-up way", f"PUT {BASE}/document?mode=mix", document(), 400, SCHEMA, "?mode"),
    Bad("import that is perhaps live", f"PUT {BASE}/document?publish=perhaps", document(), 400, SCHEMA, "?publish"),
    Bad("import of an old draft", f"PUT {BASE}/document", document(), 412, "STALE_ETAG", headers={"If-Match": '"77"'}),
    Bad("export of no version", f"GET {BASE}/document?version=77", None, 404, "METADATA_VERSION_NOT_FOUND"),
    Bad("export of version x", f"GET {BASE}/document?version=x", None, 400, SCHEMA, "?version"),
    Bad("product without a key", f"POST {BASE}/products", NEW, 400, SCHEMA, "$.key"),
    Bad("product with a path for a key", f"POST {BASE}/products", {"key": "a/b", **NEW}, 400, SCHEMA, "$.key"),
    Bad("product with a number for a key", f"POST {BASE}/products", {"key": 3, **NEW}, 400, SCHEMA, "$.key"),
    Bad("product of an unknown member", f"POST {BASE}/products", {"key": "x", "colour": "red", **NEW}, 400, SCHEMA, "$"),
    Bad("product with one alias for a list", f"POST {BASE}/products", {"key": "x", "aliases": "y", **NEW}, 400, SCHEMA, "$.aliases"),
    Bad("product that is a list", f"POST {BASE}/products", [], 400, SCHEMA, "$"),
    Bad("no such product", f"GET {BASE}/products/nobody", None, 404, "PRODUCT_NOT_FOUND"),
    Bad("change of no product", f"PATCH {BASE}/products/nobody", {}, 404, "PRODUCT_NOT_FOUND"),
    Bad("mapping without SQL", f"POST {BASE}/columns", {"user_term": "x"}, 400, SCHEMA, "$"),
    Bad("mapping with a comment", f"POST {BASE}/columns", {"user_term": "x", "sql_expression": "a -- b"}, 400, SCHEMA, "$.sql_expression"),
    Bad("no such mapping", f"GET {BASE}/columns/{NOBODY}", None, 404, "COLUMN_MAPPING_NOT_FOUND"),
    Bad("publish of nothing", f"POST {BASE}/publish", {}, 409, "NOTHING_TO_PUBLISH"),
    Bad("publish under a wrong name", f"POST {BASE}/publish", {"version": "one"}, 400, SCHEMA, "$.version"),
    Bad("publish with a novel", f"POST {BASE}/publish", {"note": "x" * 301}, 400, SCHEMA, "$.note"),
    Bad("no such version", f"GET {BASE}/versions/77", None, 404, "METADATA_VERSION_NOT_FOUND"),
    Bad("roll back to no version", f"POST {BASE}/versions/77/rollback", None, 404, "METADATA_VERSION_NOT_FOUND"),
    Bad("restore of no version", f"POST {BASE}/versions/77/restore", None, 404, "METADATA_VERSION_NOT_FOUND"),
    Bad("difference from no version", f"GET {BASE}/versions/77/diff", None, 404, "METADATA_VERSION_NOT_FOUND"),
    Bad("look-up of nothing", f"POST {BASE}/resolve", {"text": ""}, 400, SCHEMA, "$.text"),
    Bad("look-up of a novel", f"POST {BASE}/resolve", {"text": "x" * 2001}, 400, SCHEMA, "$.text"),
]
