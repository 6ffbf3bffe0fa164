"""The document, its faults, differences, and what names mean."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_platform.metadata.core import document, shapes, sql
from mcp_platform.metadata.core.difference import changes
from mcp_platform.metadata.core.document import Metadata
from mcp_platform.metadata.core.sample import sample
from mcp_platform.metadata.core.vocabulary import EMPTY, Vocabulary, mentions, named, near, resolved, vocabulary
from mcp_platform.metadata.core.words import folded
from tests.metadata.shop import shop, without


def read(found: Any) -> Metadata:
    metadata, faults = document.read(found)
    assert metadata is not None, faults
    return metadata


@pytest.fixture(scope="module")
def known() -> Vocabulary:
    return vocabulary(read(shop()), number=3)


def test_a_document_comes_out_as_it_went_in() -> None:
    metadata = read(shop())
    again = document.written(metadata)
    assert again["product_aliases"]["abracadabra"] == shop()["product_aliases"]["abracadabra"]
    assert again["product_aliases"]["cape"]["database_references"] == {}
    assert again["column_mappings"] == shop()["column_mappings"]
    assert again["version"] == "2.0.0"
    assert read(again) == metadata


def test_order_and_the_name_of_the_version_do_not_change_the_digest() -> None:
    backwards = json.loads(json.dumps(shop(version="9.9.9")))
    backwards["product_aliases"] = dict(reversed(backwards["product_aliases"].items()))
    assert document.digest(read(backwards)) == document.digest(read(shop()))
    assert document.digest(read(without("cape"))) != document.digest(read(shop()))


FAULTS: list[tuple[str, Any, str, str]] = [
    ("no object", [], "$", "type"),
    ("nothing in it", {}, "$", "required"),
    ("a member nobody knows", shop(aliases={}), "$", "additionalProperties"),
    ("a version of two numbers", shop(version="1.0"), "$.version", "pattern"),
    ("a product without a name", shop(product_aliases={"x": {"canonical_id": "1"}}), "$.product_aliases.x", "required"),
    (
        "aliases that are a text",
        shop(product_aliases={"x": {"canonical_id": "1", "canonical_name": "X", "aliases": "x"}}),
        "$.product_aliases.x.aliases",
        "type",
    ),
    (
        "an alias twice",
        shop(product_aliases={"x": {"canonical_id": "1", "canonical_name": "X", "aliases": ["y", "y"]}}),
        "$.product_aliases.x.aliases",
        "uniqueItems",
    ),
    (
        "an alias of spaces",
        shop(product_aliases={"x": {"canonical_id": "1", "canonical_name": "X", "aliases": [" "]}}),
        "$.product_aliases.x.aliases[0]",
        "pattern",
    ),
    (
        "an alias without letters",
        shop(product_aliases={"x": {"canonical_id": "1", "canonical_name": "X", "aliases": ["!!"]}}),
        "$.product_aliases.x.aliases[0]",
        "unspeakable",
    ),
    ("a key with a slash", shop(product_aliases={"a/b": {"canonical_id": "1", "canonical_name": "X"}}), '$.product_aliases["a/b"]', "pattern"),
    (
        "an id twice",
        shop(product_aliases={"a": {"canonical_id": "1", "canonical_name": "A"}, "b": {"canonical_id": "1", "canonical_name": "B"}}),
        "$.product_aliases.b.canonical_id",
        "duplicate_id",
    ),
    ("SQL that is a number", shop(column_mappings={"x": 3}), "$.column_mappings.x", "type"),
    ("SQL that ends its statement", shop(column_mappings={"all sales": "1; DROP TABLE sales"}), '$.column_mappings["all sales"]', "bad_sql"),
    ("two terms that sound alike", shop(column_mappings={"Sales": "a", "sales!": "b"}), '$.column_mappings["sales!"]', "duplicate_term"),
    ("a description of nothing", shop(column_descriptions={"nothing": "x"}), "$.column_descriptions.nothing", "unknown_term"),
]


@pytest.mark.parametrize(("given_", "path", "code"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_faults_name_their_place(given_: Any, path: str, code: str) -> None:
    found, faults = document.read(given_)
    assert found is None
    assert (path, code) in [(fault["path"].replace("'", '"'), fault["code"]) for fault in faults], faults


def test_every_fault_is_told_at_once() -> None:
    wrong = shop(version="x", product_aliases={"a": {"canonical_id": ""}, "b": {"canonical_name": 3}})
    _, faults = document.read(wrong)
    assert len(faults) >= 5


def test_a_shared_name_is_a_warning_only() -> None:
    found, faults = document.read(shop())
    assert found is not None
    assert [(fault["severity"], fault["code"], fault["path"]) for fault in faults] == [
        ("warning", "ambiguous_alias", "$.product_aliases.suit.aliases[0]")
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_document_breaks_the_reader(anything: Any) -> None:
    for one in (anything, shop(product_aliases=anything), shop(column_mappings=anything), shop(product_aliases={"x": anything})):
        found, faults = document.read(one)
        assert (found is not None) or faults
        if found is not None:
            assert read(document.written(found)) == found


NEAR_MISSES: Any = st.sampled_from(
    ["", " ", "x", "x ", "x\n", "a/b", "é", "x" * 201, "1.0.0", "1.0", "١.0.0", None, 3, True, [], ["x"], ["x", "x"], {}, {"x": 1}, {"": 1}]
)


@given(st.sampled_from(["document", "product", "key", "alias", "term", "sql", "reference", "description", "version"]), NEAR_MISSES)
def test_the_quick_look_never_takes_what_the_schema_refuses(where: str, value: Any) -> None:
    """And it takes the samples, else it would be of no use."""
    from jsonschema import Draft202012Validator

    found = shop()
    product = found["product_aliases"]["cape"]
    places: dict[str, Any] = {
        "document": lambda: found.update({str(value): value}),
        "product": lambda: product.update({"canonical_name": value}),
        "key": lambda: found["product_aliases"].update({str(value): product}),
        "alias": lambda: product.update({"aliases": value if isinstance(value, list) else [value]}),
        "term": lambda: found["column_mappings"].update({str(value): "x"}),
        "sql": lambda: found["column_mappings"].update({"x": value}),
        "reference": lambda: product.update({"database_references": value if isinstance(value, dict) else {"x": value}}),
        "description": lambda: found["column_descriptions"].update({str(value): value}),
        "version": lambda: found.update({"version": value}),
    }
    places[where]()
    if shapes.fits(found, 100, 100):
        assert list(Draft202012Validator(document.SCHEMA).iter_errors(found)) == []
    assert shapes.fits(sample(20), 100, 100)
    assert shapes.fits(shop(), 100, 100)


@pytest.mark.parametrize(
    "text",
    [
        "sales.total_amount",
        "DATE_TRUNC('month', {date_column}) = DATE_TRUNC('month', CURRENT_DATE)",
        "'it''s; -- no comment'",
        "COALESCE(a, '(')",
        "payload #>> '{a,b}'",
        '"odd;name".x',
        "(SELECT max(id) FROM t)",
    ],
)
def test_expressions_are_taken(text: str) -> None:
    assert list(sql.faults(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "a; b",
        "a -- b",
        "a /* b",
        "a */ b",
        "a # b",
        "'a",
        '"a',
        "(a",
        "a)",
        "a]",
        "{a",
        "select 1",
        " drop table x",
        "",
        "  ",
        "a\0b",
        "$$ a; b $$",
        "'\\' OR ';'",
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    assert list(sql.faults(text))


@given(st.text(alphabet="ab'\"`;-/*#(){}[]$\\ \n", max_size=30))
def test_what_is_taken_cannot_end_or_hide_the_statement_around_it(text: str) -> None:
    """Outside of quotes nothing is left that could."""
    if list(sql.faults(text)):
        return
    bare = re.sub(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`""", "", text, flags=re.DOTALL)
    assert not re.search(r";|--|/\*|\*/|'|\"|`", bare)


def test_blanks_are_found() -> None:
    assert sql.blanks("a({x}) + {y} + {x}") == ("x", "y")


def test_differences_name_what_has_changed() -> None:
    before, after = read(shop()), read(without("cape"))
    after.products["top_hat"].database_references["products.product_id"] = 8  # type: ignore[index]  # a fresh document
    found = [(one.kind, one.of, one.name, dict(one.fields)) for one in changes(before, after)]
    assert [row[:3] for row in found] == [("removed", "product", "cape"), ("changed", "product", "top_hat")]
    assert found[1][3] == {"database_references": ({"products.product_id": 7}, {"products.product_id": 8})}
    assert changes(before, before) == ()


@given(st.sets(st.sampled_from(sorted(shop()["product_aliases"]))), st.sets(st.sampled_from(sorted(shop()["product_aliases"]))))
def test_a_difference_forward_is_the_one_backward_turned_round(one: set[str], other: set[str]) -> None:
    def part(names: set[str]) -> Metadata:
        return read(shop(product_aliases={name: shop()["product_aliases"][name] for name in names}))

    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    forward, backward = changes(part(one), part(other)), changes(part(other), part(one))
    assert [(turned[found.kind], found.name) for found in forward] == [(found.kind, found.name) for found in backward]


@pytest.mark.parametrize("text", ["Magic Wand Pro", "MAGIC WAND", "abra", "prod_123", "abracadabra!", "magic-wand"])
def test_every_name_means_its_product(known: Vocabulary, text: str) -> None:
    assert named(known, text) == ("PROD_123",)


def test_a_longer_name_hides_the_shorter_one(known: Vocabulary) -> None:
    found = mentions(known, "two magic wand pro and a Zylinder, please")
    assert [(one.words, one.ids) for one in found] == [("magic wand pro", ("PROD_123",)), ("zylinder", ("PROD_7",))]


def test_a_shared_name_means_both_unless_the_category_tells(known: Vocabulary) -> None:
    assert named(known, "costume") == ("PROD_8", "PROD_9")
    assert named(known, "hat", ["wands"]) == ()
    assert named(known, "hat", ["Clothes"]) == ("PROD_7",)


@pytest.mark.parametrize(
    ("text", "ids"),
    [("I want the magik wand pro", ("PROD_123",)), ("velvet kape", ("PROD_8",)), ("a costum", ("PROD_8", "PROD_9")), ("hello there", ()), ("", ())],
)
def test_misspelt_names(known: Vocabulary, text: str, ids: tuple[str, ...]) -> None:
    found = near(known, text)
    assert (found.ids if found is not None else ()) == ids


def test_a_question_is_resolved(known: Vocabulary) -> None:
    found = resolved(known, "What is the sales amount of abra for this month?")
    assert [one["words"] for one in found["products"]] == ["abra"]
    assert found["products"][0]["candidates"][0]["database_references"]["products.product_id"] == 123
    assert [(one["term"], one["sql"].split("(")[0]) for one in found["columns"]] == [
        ("sales amount", "sales.total_amount"),
        ("this month", "DATE_TRUNC"),
    ]
    assert found["version"] == 3
    assert resolved(EMPTY, "anything") == {"products": [], "columns": [], "version": 0}


@given(st.sampled_from(sorted(shop()["product_aliases"])), st.text(alphabet="xyz ", max_size=12), st.text(alphabet="xyz ", max_size=12))
def test_a_name_is_found_wherever_it_stands(key: str, before: str, after: str) -> None:
    """The quick look-up by runs of words finds what a search for the words finds."""
    product = shop()["product_aliases"][key]
    words = vocabulary(read(shop()))
    for name in (product["canonical_name"], *product["aliases"]):
        found = mentions(words, f"{before} {name} {after}")
        assert any(product["canonical_id"] in one.ids and one.words == folded(name) for one in found), (name, found)


@pytest.mark.parametrize("count", [1, 8, 9, 300])
def test_samples_are_valid(count: int) -> None:
    found, faults = document.read(sample(count))
    assert found is not None
    assert [fault for fault in faults if fault["severity"] == "error"] == []
    assert len(found.products) == count


def test_versions_are_counted_on() -> None:
    assert [document.next_version(last) for last in ("", "1.4.9", "0.0.0")] == ["1.0.0", "1.4.10", "0.0.1"]
