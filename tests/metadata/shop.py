"""A small shop's metadata, and ways to say it wrong."""

from copy import deepcopy
from typing import Any

SHOP: dict[str, Any] = {
    "version": "2.0.0",
    "product_aliases": {
        "abracadabra": {
            "canonical_id": "PROD_123",
            "canonical_name": "Magic Wand Pro",
            "aliases": ["abra", "cadabra", "magic_wand"],
            "database_references": {"products.product_name": "Magic Wand Pro", "products.product_id": 123},
            "categories": ["wands"],
        },
        "top_hat": {
            "canonical_id": "PROD_7",
            "canonical_name": "Top Hat",
            "aliases": ["hat", "Zylinder"],
            "database_references": {"products.product_id": 7},
            "categories": ["clothes"],
        },
        "cape": {"canonical_id": "PROD_8", "canonical_name": "Velvet Cape", "aliases": ["cloak", "costume"], "categories": ["clothes"]},
        "suit": {"canonical_id": "PROD_9", "canonical_name": "Evening Suit", "aliases": ["costume"], "categories": ["clothes"]},
    },
    "column_mappings": {
        "sales amount": "sales.total_amount",
        "customer name": "customers.full_name",
        "this month": "DATE_TRUNC('month', {date_column}) = DATE_TRUNC('month', CURRENT_DATE)",
    },
    "column_descriptions": {"this month": "A condition"},
}


def shop(**more: Any) -> dict[str, Any]:
    return {**deepcopy(SHOP), **more}


def without(name: str) -> dict[str, Any]:
    found = shop()
    del found["product_aliases"][name]
    return found
