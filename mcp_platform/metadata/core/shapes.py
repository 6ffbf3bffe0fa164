"""A quick look whether a document has the shape that the JSON Schema of `document` asks for.

The schema is the law, and names every fault; but it takes milliseconds for each product. What passes here passes there (a property test holds the
two together); what does not is looked at by the schema.
"""

import re
from typing import Any, Final

from mcp_platform.metadata.core.sql import LONGEST

_NAME: Final = re.compile(r"\S(?:.*\S)?")
_KEY: Final = re.compile(r"[^\s/\\?#%\x00-\x1f](?:[^/\\?#%\x00-\x1f]*[^\s/\\?#%\x00-\x1f])?")
_VERSION: Final = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}", re.ASCII)
_MEMBERS: Final = {"version", "product_aliases", "column_mappings", "column_descriptions", "last_updated"}
_PRODUCT: Final = {"canonical_id", "canonical_name", "aliases", "database_references", "categories"}
_PLAIN: Final = (str, int, float, bool, type(None))


def fits(document: Any, most_products: int, most_mappings: int) -> bool:
    if not isinstance(document, dict) or not set(document) <= _MEMBERS:
        return False
    products, columns = document.get("product_aliases"), document.get("column_mappings")
    if not isinstance(products, dict) or not isinstance(columns, dict) or len(products) > most_products or len(columns) > most_mappings:
        return False
    return (
        _is_version(document.get("version", "1.0.0"))
        and _is_text(document.get("last_updated", ""), 40)
        and all(_is_key(key) and _is_product(product) for key, product in products.items())
        and all(_is_name(term) and _is_text(sql, LONGEST) and sql for term, sql in columns.items())
        and _are_descriptions(document.get("column_descriptions", {}))
    )


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and _NAME.fullmatch(value) is not None


def _is_key(value: str) -> bool:
    return 0 < len(value) <= 100 and _KEY.fullmatch(value) is not None


def _are_names(value: Any, most: int) -> bool:
    return isinstance(value, list) and len(value) <= most and all(map(_is_name, value)) and len(set(value)) == len(value)


def _is_product(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= _PRODUCT
        and _is_name(value.get("canonical_id"))
        and _is_name(value.get("canonical_name"))
        and _are_names(value.get("aliases", []), 200)
        and _are_names(value.get("categories", []), 50)
        and _are_references(value.get("database_references", {}))
    )


def _are_references(value: Any) -> bool:
    return isinstance(value, dict) and len(value) <= 100 and all(0 < len(name) <= 200 and _is_reference(one) for name, one in value.items())


def _is_reference(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 200 and all(_is_plain(one) for one in value)
    return _is_plain(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) and not (isinstance(value, str) and len(value) > 2_000)


def _are_descriptions(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_name(term) and _is_text(text, 1_000) for term, text in value.items())
