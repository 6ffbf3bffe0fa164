"""Product metadata as one document: what it looks like, what may be wrong with it, its one canonical writing.

The shape is that of the resources: `product_aliases{key: {canonical_id, canonical_name, aliases[], database_references{}, categories[]}}`,
`column_mappings{term: sql}`, `last_updated`, `version`. `column_descriptions{term: text}` is ours, and may be left out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias

from mcp_platform.metadata.core import shapes, sql
from mcp_platform.metadata.core.words import folded

Json: TypeAlias = Any
Fault: TypeAlias = dict[str, str]  # path, code, message, expected, severity

MOST_PRODUCTS: Final = 20_000
MOST_MAPPINGS: Final = 5_000
MOST_ALIASES: Final = 200
MOST_FAULTS: Final = 200
FIRST_VERSION: Final = "1.0.0"

_END: Final = r"(?![\s\S])"  # `$` would let a newline follow, in Python's reading of it
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": rf"^\S(.*\S)?{_END}"}
_KEY: Final = {"minLength": 1, "maxLength": 100, "pattern": r"^[^\s/\\?#%\x00-\x1f]([^/\\?#%\x00-\x1f]*[^\s/\\?#%\x00-\x1f])?" + _END}
_REFERENCE: Final = {
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"], "maxLength": 2_000},
        {"type": "array", "maxItems": 200, "items": {"type": ["string", "number", "boolean", "null"], "maxLength": 2_000}},
    ]
}

PRODUCT_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "canonical_id": {**_NAME, "description": "The product's id, the same everywhere"},
        "canonical_name": {**_NAME, "description": "What the product is called officially"},
        "aliases": {"type": "array", "items": _NAME, "uniqueItems": True, "maxItems": MOST_ALIASES, "default": []},
        "database_references": {
            "type": "object",
            "propertyNames": {"maxLength": 200, "minLength": 1},
            "additionalProperties": _REFERENCE,
            "maxProperties": 100,
            "default": {},
            "description": "Column, such as products.product_id, to the product's value in it",
        },
        "categories": {"type": "array", "items": _NAME, "uniqueItems": True, "maxItems": 50, "default": []},
    },
    "required": ["canonical_id", "canonical_name"],
    "additionalProperties": False,
}

SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mcp-platform:schema:product-metadata",
    "title": "Product metadata",
    "type": "object",
    "properties": {
        "version": {"type": "string", "pattern": r"^[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}" + _END, "description": "Three numbers, such as 1.4.0"},
        "last_updated": {"type": "string", "format": "date-time", "maxLength": 40},
        "product_aliases": {"type": "object", "propertyNames": _KEY, "additionalProperties": PRODUCT_SCHEMA, "maxProperties": MOST_PRODUCTS},
        "column_mappings": {
            "type": "object",
            "propertyNames": _NAME,
            "additionalProperties": {"type": "string", "minLength": 1, "maxLength": sql.LONGEST},
            "maxProperties": MOST_MAPPINGS,
            "description": "What people say, to the SQL expression that is meant; {name} is a blank that the user of the mapping fills",
        },
        "column_descriptions": {"type": "object", "propertyNames": _NAME, "additionalProperties": {"type": "string", "maxLength": 1_000}},
    },
    "required": ["product_aliases", "column_mappings"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    canonical_id: str
    canonical_name: str
    aliases: tuple[str, ...] = ()
    database_references: Mapping[str, Json] = field(default_factory=dict)
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    sql: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """`products` by key, `columns` by term. `version` is "" when the document names none."""

    products: Mapping[str, Product] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    version: str = ""


def read(document: Json) -> tuple[Metadata | None, list[Fault]]:
    """The metadata, or None, and everything that is wrong or doubtful (`severity` warning). Never raises."""
    if not shapes.fits(document, MOST_PRODUCTS, MOST_MAPPINGS):
        faults = list(shape_faults(document, _validator("document")))
        if faults:
            return None, faults
    found = taken(document)
    faults = sorted((*meaning_faults(found), *_orphans(document)), key=lambda one: one["severity"] != "error")
    return (None if any(fault["severity"] == "error" for fault in faults) else found), faults[:MOST_FAULTS]


def product_faults(fields: Json) -> list[Fault]:
    """Of one product's members, with paths from its own root."""
    return list(shape_faults(fields, _validator("product")))


def key_faults(key: str) -> list[Fault]:
    return [{**fault, "path": "$.key"} for fault in shape_faults(key, _validator("key"))]


def mapping_faults(fields: Mapping[str, Json]) -> list[Fault]:
    """Of {user_term, sql_expression, description}."""
    faults = list(shape_faults(fields, _validator("mapping")))
    return faults or [fault("$.sql_expression", "bad_sql", message, sql.EXPECTED) for message in sql.faults(fields["sql_expression"])]


def fault(path: str, code: str, message: str, expected: str = "", severity: str = "error") -> Fault:
    return {"path": path, "code": code, "message": message, "expected": expected, "severity": severity}


def _names_once(_validator: Any, _wanted: bool, names: Any, _schema: Json) -> Iterator[Any]:
    """In place of the library's, which compares each with each as soon as one of them is no text: that is another fault already."""
    from jsonschema import ValidationError

    if isinstance(names, list) and all(isinstance(name, str) for name in names) and len(set(names)) != len(names):
        yield ValidationError(f"{json.dumps(names, ensure_ascii=False)} has non-unique elements")


@lru_cache(maxsize=4)
def _validator(of: str) -> Any:
    from jsonschema import Draft202012Validator, validators

    mapping = {
        "type": "object",
        "properties": {
            "user_term": _NAME,
            "sql_expression": {"type": "string", "minLength": 1, "maxLength": sql.LONGEST},
            "description": {"type": "string", "maxLength": 1_000},
        },
        "required": ["user_term", "sql_expression"],
        "additionalProperties": False,
    }
    extend: Any = validators.extend
    kind = extend(Draft202012Validator, {"uniqueItems": _names_once})
    return kind({"document": SCHEMA, "product": PRODUCT_SCHEMA, "mapping": mapping, "key": {"type": "string", **_KEY}}[of])


def shape_faults(document: Json, validator: Any) -> Iterator[Fault]:
    for number, error in enumerate(validator.iter_errors(document)):
        if number >= MOST_FAULTS:
            return
        named = f"{error.json_path}[{json.dumps(error.instance, ensure_ascii=False)[:120]}]" if "propertyNames" in error.schema_path else ""
        yield fault(named or error.json_path, str(error.validator), _short(error), _expected(error))


def _short(error: Any) -> str:
    return str(error.message) if len(error.message) <= 200 else f"{json.dumps(error.instance, default=str)[:80]}… does not fit"


EXPECTED: Final[Mapping[str, str]] = {
    "required": "all of: {}",
    "type": "{}",
    "additionalProperties": "known members only",
    "pattern": "text that matches {}",
    "maxLength": "at most {} characters",
    "minLength": "at least {} characters",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} members",
    "uniqueItems": "each item once",
    "anyOf": "a text, a number, true, false, null, or a list of these",
}


PATTERNS: Final[Mapping[Any, str]] = {
    _NAME["pattern"]: "text without spaces around it",
    _KEY["pattern"]: "a name without spaces around it and without / \\ ? # %",
    SCHEMA["properties"]["version"]["pattern"]: "three numbers, such as 1.4.0",
}


def _expected(error: Any) -> str:
    value = error.validator_value
    if error.validator == "pattern" and value in PATTERNS:
        return PATTERNS[value]
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return EXPECTED.get(error.validator, "").format(shown)[:200]


def taken(document: Json) -> Metadata:
    """From a document that has been read before, as versions keep it: nothing is checked."""
    descriptions = document.get("column_descriptions", {})
    return Metadata(
        products={key: product_of(fields) for key, fields in document["product_aliases"].items()},
        columns={term: Column(sql=text, description=descriptions.get(term, "")) for term, text in document["column_mappings"].items()},
        version=document.get("version", ""),
    )


def product_of(fields: Mapping[str, Json]) -> Product:
    """From members that have passed PRODUCT_SCHEMA."""
    return Product(
        canonical_id=fields["canonical_id"],
        canonical_name=fields["canonical_name"],
        aliases=tuple(fields.get("aliases", ())),
        database_references=fields.get("database_references", {}),
        categories=tuple(fields.get("categories", ())),
    )


def _orphans(document: Json) -> Iterator[Fault]:
    for term in document.get("column_descriptions", {}):
        if term not in document["column_mappings"]:
            yield fault(_at("$.column_descriptions", term), "unknown_term", "There is no mapping of this term.", "a term of column_mappings")


def meaning_faults(found: Metadata) -> Iterator[Fault]:
    """What no schema says: ids twice, names that nobody can say, names that mean several products, terms twice, texts that are no expression."""
    ids: dict[str, str] = {}
    names: dict[str, str] = {}
    for key, product in found.products.items():
        path = _at("$.product_aliases", key)
        other = ids.setdefault(product.canonical_id, key)
        if other != key:
            message = f"The product {other[:100]} has this id, too."
            yield fault(f"{path}.canonical_id", "duplicate_id", message, "one product for each id: add its other names to `aliases`")
        yield from _name_faults(path, key, product, names)
    yield from _column_faults(found.columns)


def _name_faults(path: str, key: str, product: Product, names: dict[str, str]) -> Iterator[Fault]:
    """Two products may share a name: who says it is asked which one is meant. That is worth a warning."""
    said = [(f"{path}.canonical_name", product.canonical_name)]
    said += [(f"{path}.aliases[{index}]", alias) for index, alias in enumerate(product.aliases)]
    for place, name in said:
        spoken = folded(name)
        if not spoken:
            yield fault(place, "unspeakable", "This name has neither letters nor digits.", "a name that somebody can say")
            continue
        other = names.setdefault(spoken, key)
        if other != key:
            message = f"The product {other[:100]} is called so, too: who says it is asked which one is meant."
            yield fault(place, "ambiguous_alias", message, "a name of one product only", "warning")


def _column_faults(columns: Mapping[str, Column]) -> Iterator[Fault]:
    terms: dict[str, str] = {}
    for term, mapping in columns.items():
        path = _at("$.column_mappings", term)
        other = terms.setdefault(folded(term), term)
        if other != term:
            yield fault(path, "duplicate_term", f"It is the same as the term {other[:100]!r} when it is said.", "each term once")
        for message in sql.faults(mapping.sql):
            yield fault(path, "bad_sql", message, sql.EXPECTED)


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{json.dumps(name, ensure_ascii=False)}]"


def written(found: Metadata, *, last_updated: str = "") -> dict[str, Json]:
    """The document. Everything in the order of its names, so that equal metadata is equal text."""
    described = {term: mapping.description for term, mapping in sorted(found.columns.items()) if mapping.description}
    return {
        **({"version": found.version} if found.version else {}),
        **({"last_updated": last_updated} if last_updated else {}),
        "product_aliases": {key: product_written(product) for key, product in sorted(found.products.items())},
        "column_mappings": {term: mapping.sql for term, mapping in sorted(found.columns.items())},
        **({"column_descriptions": described} if described else {}),
    }


def product_written(product: Product) -> dict[str, Json]:
    return {
        "canonical_id": product.canonical_id,
        "canonical_name": product.canonical_name,
        "aliases": list(product.aliases),
        "database_references": dict(sorted(product.database_references.items())),
        "categories": list(product.categories),
    }


def digest(found: Metadata) -> str:
    """SHA-256 of the content: neither the version's name nor the moment counts."""
    content = {name: value for name, value in written(found).items() if name != "version"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def next_version(last: str) -> str:
    """1.4.0 -> 1.4.1; the first one when there is none."""
    parts = last.split(".")
    return f"{parts[0]}.{parts[1]}.{int(parts[2]) + 1}" if len(parts) == 3 else FIRST_VERSION


def merged(base: Metadata, more: Metadata) -> Metadata:
    """`more` laid over `base`: products by key, columns by term."""
    return Metadata(products={**base.products, **more.products}, columns={**base.columns, **more.columns}, version=more.version)
