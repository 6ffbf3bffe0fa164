"""Templates: placeholders, filters, columns, caps."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.core import templates

SCOPE = {
    "slots.n": "int",
    "slots.area": "double",
    "slots.name": "string",
    "slots.day": "string",
    "variables.items": "list",
    "variables.any": "dyn",
    "now": "timestamp",
    "conversation.locale": "string",
}
VALUES: dict[str, Any] = {
    "slots.n": 3,
    "slots.area": 12345.678,
    "slots.name": "ada lovelace",
    "slots.day": "2026-03-04",
    "variables.items": ["a", 2, 2.0],
    "variables.any": {"ü": None},
    "now": datetime(2026, 3, 4, 15, 6, tzinfo=UTC),
    "conversation.locale": "de-AT",
}


def render(source: str, values: dict[str, Any] | None = None) -> str:
    template, faults = templates.compile(source, SCOPE)
    assert faults == []
    assert template is not None
    return template.render(VALUES if values is None else values)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("No placeholder } { at all", "No placeholder } { at all"),
        ("", ""),
        ("{{slots.n}} of {{ slots.n + 1 }}", "3 of 4"),
        ("{{ slots.n > 2 }}", "true"),
        ("{{ slots.area }} {{ 3.0 }} {{ null }}", "12345.678 3 "),
        ("{{ variables.items }}", "a, 2, 2"),
        ("{{ variables.any }}", '{"ü": null}'),
        ("{{ now }}", "2026-03-04T15:06:00+00:00"),
        ("{{ '}}' + \"{{\" }}", "}}{{"),
        ("{{ slots.n > 2 || slots.n < 1 | choose('many', 'few') }}", "many"),
        ("{{ {'a': 1} | json }}", '{"a": 1}'),
        ("{{ slots.name | upper }} {{ slots.name | title }} {{ slots.name | capitalize }}", "ADA LOVELACE Ada Lovelace Ada lovelace"),
        ("{{ slots.name | truncate(5) }} {{ slots.name | length }}", "ada… 12"),
        ("{{ slots.name | replace('ada', 'b') | urlencode }}", "b%20lovelace"),
        ("{{ slots.area | number(2) }} {{ slots.n | number }}", "12.345,68 3"),
        ("{{ slots.day | date('%d.%m.%y') }} {{ now | date('%H:%M %I%p %Q %%') }}", "04.03.26 15:06 03PM %Q %"),
        ("{{ variables.items | join('; ', ' and ') }}", "a; 2 and 2"),
        ("{{ slots.n | plural('storey', 'storeys') }}", "storeys"),
        ("{{ '' | default('it\\'s | }} empty') }}", "it's | }} empty"),
    ],
)
def test_rendering(source: str, expected: str) -> None:
    assert render(source) == expected


def test_numbers_are_written_for_the_locale() -> None:
    source = "{{ slots.area | number(1) }}"
    assert [render(source, VALUES | {"conversation.locale": locale}) for locale in ("en", "de", "fr-FR")] == ["12,345.7", "12.345,7", "12\u202f345,7"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [("Hi {{ slots.name }}!", "Hi !"), ("Hi {{ slots.name | upper | default('you') }}!", "Hi you!"), ("{{ 1 / 0 }}", ""), ("{{ 'x' | number }}", "")],
)
def test_a_placeholder_without_value_is_empty_or_its_default(source: str, expected: str) -> None:
    assert render(source, {}) == expected


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("ab {{ slots.nn }}", [(12, '"slots.nn" is not known here')]),
        ("{{ slots.n", [(1, '"{{" without "}}"')]),
        ("a }} b", [(3, '"}}" without "{{"')]),
        ("{{ a {{ b }} }}", [(1, '"{{" without "}}"')]),
        ("{{ }}", [(4, "there is no expression between the brackets")]),
        ("{{ slots.n | number('x') }}", [(13, 'the filter "number" takes [a whole number]')]),
        ("{{ slots.n | plural('x') }}", [(13, 'the filter "plural" takes a text, a text')]),
    ],
)
def test_faults_have_columns(source: str, faults: list[tuple[int, str]]) -> None:
    assert templates.compile(source, SCOPE) == (None, faults)


def test_unknown_filters_are_told_with_the_known_ones() -> None:
    (column, message), second = templates.compile("{{ slots.n | shout }} {{ slots.n | exec('rm') }}", SCOPE)[1]
    assert column == 13
    assert message.startswith('"shout" is no filter; there are upper, lower,')
    assert second[0] == 35


def test_reads_and_needs() -> None:
    template, _ = templates.compile("{{ slots.n }} {{ slots.name | default('x') }} {{ slots.n > 1 ? slots.area : 0.0 }}", SCOPE)
    assert template is not None
    assert template.reads == {"slots.n", "slots.name", "slots.area"}
    assert template.needs == {"slots.n", "slots.area"}


def test_output_is_capped_at_16_kb() -> None:
    assert len(render("{{ slots.name }}" * 100, {"slots.name": "x" * 10_000})) == 16_384
    assert len(render("{{ slots.name | replace('x', 'yyyyyyyyyy') }}", {"slots.name": "x" * 10_000})) <= 16_384


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("x" * 16_385, id="long"),
        pytest.param("{{1}}" * 201, id="placeholders"),
        pytest.param("{{ 1 " + "| upper " * 11 + "}}", id="filters"),
        pytest.param("{{" * 8000, id="open"),
        pytest.param("{{ '" + "\\'" * 8000, id="quotes"),
        pytest.param("{{ 1 |" + " " * 16_000 + "}}", id="spaces"),
        pytest.param("{{ 1 | join(" + "'a'," * 4000, id="arguments"),
        pytest.param("{{ 1 | join(" + "'a'," * 4000 + ") }}", id="many arguments"),
    ],
)
def test_hostile_templates_are_refused_quickly(source: str) -> None:
    began = time.thread_time()
    template, faults = templates.compile(source, SCOPE)
    assert template is None
    assert faults
    assert time.thread_time() - began < 1


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text("{}|'\"\\ slot.n()1,upe", max_size=60))
def test_any_text_compiles_or_has_faults(source: str) -> None:
    template, faults = templates.compile(source, SCOPE)
    assert (template is None) == bool(faults)
    if template is not None:
        assert len(template.render(VALUES)) <= 16_384
        template.render({})
        if "{{" not in source:
            assert template.render({}) == source
