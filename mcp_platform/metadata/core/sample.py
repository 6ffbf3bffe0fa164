"""Metadata to begin with: a small shop for building parts, as large as it is wanted. The same numbers give the same document."""

from typing import Any, Final

KINDS: Final = (
    ("Fire door", "doors", ("fire rated door", "FD"), "EI30"),
    ("Handrail", "stairs", ("stair rail", "banister"), "42 mm"),
    ("Guard", "stairs", ("guardrail", "balustrade"), "glass"),
    ("Sprinkler head", "fire protection", ("sprinkler", "fire sprinkler"), "pendent"),
    ("Exit sign", "fire protection", ("emergency sign", "escape sign"), "LED"),
    ("Ramp", "access", ("wheelchair ramp", "access ramp"), "modular"),
    ("Grab bar", "access", ("support bar", "safety rail"), "600 mm"),
    ("Smoke detector", "fire protection", ("smoke alarm", "detector"), "optical"),
)
SERIES: Final = ("Harbour", "Summit", "Cedar", "Beacon", "Quarry", "Meadow", "Anchor", "Ridge")

COLUMNS: Final = {
    "sales amount": ("sales.total_amount", "What the customer paid, taxes included"),
    "customer name": ("customers.full_name", ""),
    "product name": ("products.product_name", ""),
    "units sold": ("SUM(sales.quantity)", "Pieces, returns not taken off"),
    "this month": (
        "DATE_TRUNC('month', {date_column}) = DATE_TRUNC('month', CURRENT_DATE)",
        "A condition; {date_column} is the column that is asked about",
    ),
    "last quarter": ("DATE_TRUNC('quarter', {date_column}) = DATE_TRUNC('quarter', CURRENT_DATE - INTERVAL '3 months')", "A condition"),
}


def sample(products: int = len(KINDS)) -> dict[str, Any]:
    """A document of so many products. Beyond the first of a kind only the series tells them apart, so that their aliases name it, too."""
    made = dict(_product(number) for number in range(products))
    described = {term: text for term, (_, text) in COLUMNS.items() if text}
    return {
        "version": "1.0.0",
        "product_aliases": made,
        "column_mappings": {term: sql for term, (sql, _) in COLUMNS.items()},
        "column_descriptions": described,
    }


def _product(number: int) -> tuple[str, dict[str, Any]]:
    kind, category, others, variant = KINDS[number % len(KINDS)]
    turn = number // len(KINDS)
    series = SERIES[turn % len(SERIES)] + (f" {turn // len(SERIES) + 1}" if turn >= len(SERIES) else "")
    name = f"{series} {kind} {variant}"
    aliases = [f"{series} {kind}", *(f"{series} {other}" for other in others), *(others if not turn else ())]
    key = f"{series}_{kind}".lower().replace(" ", "_")
    return key, {
        "canonical_id": f"PROD_{1001 + number}",
        "canonical_name": name,
        "aliases": aliases,
        "database_references": {"products.product_id": 1001 + number, "products.product_name": name},
        "categories": [category],
    }
