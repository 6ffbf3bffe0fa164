"""Typed extractors: what people write, and what it fills."""

from typing import Any

import pytest

from conversations.core.slots import Extracted, NothingFound, Refused, accept, extract, spot, validate
from flows.core.types import Choice, Json, SlotRule, SlotType
from tests.playbook import MONDAY

KINDS = (
    Choice(value="office", labels={"de": "Büro"}),
    Choice(value="high school", synonyms=("gymnasium",)),
    Choice(value="school"),
    Choice(value="house", synonyms=("home", "villa")),
)


def rule(kind: Any, **more: Json) -> Any:
    return SlotRule(name=more.pop("name", "storeys"), type=SlotType(kind), **more)


def value(kind: Any, text: Any, locale: Any = "en", **more: Json) -> Any:
    found = extract(rule(kind, **more), text, locale=locale, now=MONDAY)
    return found.value if isinstance(found, Extracted) else found


NOTHING = NothingFound()


@pytest.mark.parametrize(
    ("kind", "locale", "text", "expected"),
    [
        ("integer", "en", "5", 5),
        ("integer", "en", " -3 ", -3),
        ("integer", "en", "it has 5 storeys", 5),
        ("integer", "en", "1,250", 1250),
        ("integer", "de", "1.250", 1250),
        ("integer", "en", "twenty-five floors", 25),
        ("integer", "de", "fünfundzwanzig", 25),
        ("integer", "fr", "vingt-cinq", 25),
        ("integer", "en", "2.5", Refused("whole")),
        ("integer", "en", "none of your business", NOTHING),
        ("integer", "en", "9" * 30, Refused("whole")),
        ("number", "en", "12.5", 12.5),
        ("number", "en", "7", 7.0),
        ("number", "de", "12,5 Meter", 12.5),
        ("number", "de", "1.234,5", 1234.5),
        ("number", "en", "1,234.5", 1234.5),
        ("number", "de", "1,234.5", 1234.5),
        ("number", "en", "-0.5", -0.5),
        ("number", "en", "", NOTHING),
        ("money", "en", "$1,200.50", 1200.5),
        ("money", "de", "1.200,50 €", 1200.5),
        ("money", "en", "about 300 dollars", 300.0),
        ("boolean", "en", "yes", True),
        ("boolean", "en", "Nope!", False),
        ("boolean", "en", "yes, but not on the roof", True),
        ("boolean", "en", "of course", True),
        ("boolean", "de", "ja, gerne", True),
        ("boolean", "de", "nein danke", False),
        ("boolean", "en", "what do you mean?", NOTHING),
        ("date", "en", "2027-03-01", "2027-03-01"),
        ("date", "en", "2027-02-30", NOTHING),
        ("date", "en", "tomorrow", "2026-11-24"),
        ("date", "de", "morgen", "2026-11-24"),
        ("date", "de", "3. März 2027", "2027-03-03"),
        ("date", "en", "on the 3rd of May", "2027-05-03"),
        ("date", "en", "we would like to begin next friday if possible", "2026-11-27"),
        ("date", "en", "5", NOTHING),
        ("date", "en", "I don't know yet", NOTHING),
        ("time", "en", "17:30", "17:30"),
        ("time", "en", "at 5 pm", "17:00"),
        ("time", "en", "12 am", "00:00"),
        ("time", "de", "um 9 Uhr", "09:00"),
        ("time", "en", "tomorrow", NOTHING),
        ("time", "en", "25:00", NOTHING),
        ("datetime", "en", "2027-03-01 14:30", "2027-03-01T14:30:00"),
        ("datetime", "en", "tomorrow at 5pm", "2026-11-24T17:00:00"),
        ("email", "en", "write to Ann.Lee@Example.com.", "Ann.Lee@example.com"),
        ("email", "en", "ann@nowhere", Refused("email")),
        ("email", "en", "no mail", NOTHING),
        ("phone", "en", "call (650) 253-0000", "+16502530000"),
        ("phone", "en", "+49 30 901820", "+4930901820"),
        ("phone", "en", "12345", Refused("phone")),
        ("phone", "en", "no", NOTHING),
        ("url", "en", "see https://example.com/a?b=1.", "https://example.com/a?b=1"),
        ("url", "en", "example.com", "https://example.com"),
        ("url", "en", "ann@example.com", NOTHING),
        ("text", "en", "  Ann Lee ", "Ann Lee"),
        ("text", "en", "   ", NOTHING),
    ],
)
def test_what_people_write(kind: Any, locale: Any, text: Any, expected: Any) -> None:
    assert value(kind, text, locale) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Office", "office"),
        ("Büro", "office"),
        ("it's a villa, really", "house"),
        ("a high school", "high school"),
        ("offcie", "office"),
        ("2", "high school"),
        ("9", NOTHING),
        ("an office or a house", NOTHING),
        ("a castle", NOTHING),
    ],
)
def test_one_of_the_choices(text: Any, expected: Any) -> None:
    assert value("enum", text, choices=KINDS) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (value("integer", "0", minimum=1), Refused("minimum", {"limit": "1"})),
        (value("integer", "101", maximum=100), Refused("maximum", {"limit": "100"})),
        (value("money", "$2", minimum=2.5), Refused("minimum", {"limit": "2.5"})),
        (value("text", "ab", min_length=3), Refused("min_length", {"limit": 3})),
        (value("text", "abcd", max_length=3), Refused("max_length", {"limit": 3})),
        (value("text", "12", pattern="[a-z]+"), Refused("pattern")),
        (value("pattern", "my number is AB-123, thanks", pattern="[A-Z]{2}-[0-9]{3}"), "AB-123"),
        (value("pattern", "AB123", pattern="[A-Z]{2}-[0-9]{3}"), Refused("pattern")),
        (value("pattern", "x", pattern="("), Refused("pattern")),
    ],
)
def test_bounds_and_patterns(found: Any, expected: Any) -> None:
    assert found == expected


def test_a_pattern_cannot_hang_us() -> None:
    assert value("pattern", "a" * 5_000 + "b", pattern="(a+)+$") == Refused("pattern")


@pytest.mark.parametrize(
    ("kind", "name", "text", "expected"),
    [
        ("integer", "storeys", "an office with 5 storeys", 5),
        ("integer", "storeys", "a five-storey office", 5),
        ("number", "floor_area", "floor area: 250.5 m", 250.5),
        ("integer", "storeys", "5", NOTHING),
        ("integer", "storeys", "room 12", NOTHING),
        ("boolean", "sprinklers", "with sprinklers", True),
        ("boolean", "sprinklers", "no sprinklers at all", False),
        ("boolean", "sprinklers", "do I need sprinklers?", NOTHING),
        ("boolean", "sprinklers", "yes", NOTHING),
        ("money", "budget", "we have 500 EUR", 500.0),
        ("email", "mail", "I am ann@example.com", "ann@example.com"),
        ("text", "name", "I am Ann", NOTHING),
        ("date", "start", "from 2027-01-01 on", "2027-01-01"),
        ("date", "start", "tomorrow", NOTHING),
    ],
)
def test_what_can_be_told_without_being_asked(kind: Any, name: Any, text: Any, expected: Any) -> None:
    found = spot(rule(kind, name=name), text, locale="en", now=MONDAY)
    assert (found.value if isinstance(found, Extracted) else found) == expected


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("integer", 5, Extracted(5, "")),
        ("integer", 5.0, Extracted(5, "")),
        ("integer", 5.5, Refused("whole")),
        ("integer", "5", Extracted(5, "5")),
        ("integer", True, NOTHING),
        ("number", 5, Extracted(5.0, "")),
        ("boolean", True, Extracted(True, "")),
        ("boolean", 1, NOTHING),
        ("text", ["x"], NOTHING),
        ("text", None, NOTHING),
        ("integer", float("nan"), NOTHING),
        ("number", float("inf"), NOTHING),
    ],
)
def test_values_that_do_not_come_from_words(kind: Any, given: Any, expected: Any) -> None:
    assert accept(rule(kind), given, locale="en", now=MONDAY) == expected


def test_a_boolean_is_no_number() -> None:
    assert validate(rule("integer", maximum=0), value=True) is None


@pytest.mark.parametrize("kind", list(SlotType))
@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "\ud800", "9" * 5_000, "a" * 20_000, "٣", "½", "1e999", "-", "@", "://", "💥" * 50, "1" + "," * 500, "99999 years ago"]
)
def test_no_text_breaks_an_extractor(kind: Any, text: Any) -> None:
    for locale in ("en", "de-AT", "xx", ""):
        extract(rule(kind, choices=KINDS, pattern="a*"), text, locale=locale, now=MONDAY)
        spot(rule(kind, choices=KINDS, pattern="a*"), text, locale=locale, now=MONDAY)
