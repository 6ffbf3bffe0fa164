"""Addresses, pages, names and questions: pure functions."""

from hypothesis import given
from hypothesis import strategies as st

from flows.core.types import Choice, SlotRule, SlotType
from mcp_platform.mcp.core import names, paging, questions, uris

TEMPLATE = "reports://{report}/files/{format}"
WORDS = st.text(min_size=1, max_size=20)


@given(WORDS, WORDS)
def test_what_is_expanded_is_found_again(report: str, form: str) -> None:
    assert uris.match(TEMPLATE, uris.expand(TEMPLATE, {"report": report, "format": form})) == {"report": report, "format": form}


def test_an_address_is_matched_as_a_whole() -> None:
    for uri in ("reports://1/files/", "reports://1/files/pdf/x", "xreports://1/files/pdf", "reports://1/2/files/pdf", "reports://1/files/pdf?x"):
        assert uris.match(TEMPLATE, uri) is None
    assert uris.match("a.b://{x}", "aXb://1") is None  # a dot is a dot


@given(st.sets(WORDS, max_size=40), st.integers(1, 10))
def test_pages_show_everything_once(entries: set[str], size: int) -> None:
    ordered, seen, cursor = sorted(entries), [], None
    while True:
        shown, cursor = paging.page(ordered, cursor, key=str, size=size)
        seen += shown
        if cursor is None:
            break
    assert seen == ordered


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_\-]{0,62}", fullmatch=True), st.from_regex(r"[A-Za-z][A-Za-z0-9_\-]{0,62}", fullmatch=True))
def test_every_flow_has_a_name_of_its_own(one: str, other: str) -> None:
    assert len(names.of_flow(one)) <= 64
    assert (names.of_flow(one) == names.of_flow(other)) == (one == other)


def test_every_kind_of_slot_has_a_schema_and_a_form() -> None:
    for kind in SlotType:
        rule = SlotRule(name="x", type=kind, choices=(Choice(value="a"),) if kind is SlotType.ENUM else ())
        assert questions.of_slot(rule, "Which?")["description"].startswith("Which?")
        field = questions.form(rule, "Which?")["properties"]["x"]
        assert field["type"] in ("string", "number", "integer", "boolean", "array")
        assert "properties" not in field  # forms are flat


def test_bounds_and_choices_are_told() -> None:
    assert questions.of_slot(SlotRule(name="n", type=SlotType.INTEGER, minimum=1, maximum=9)) == {"type": "integer", "minimum": 1, "maximum": 9}
    several = SlotRule(name="c", type=SlotType.ENUM, multiple=True, choices=(Choice(value="a"), Choice(value="b")))
    assert questions.of_slot(several)["items"] == {"type": "string", "enum": ["a", "b"]}
    assert questions.spoken([True, "x"]) == "True, x"
    assert questions.spoken(True) == "yes"
