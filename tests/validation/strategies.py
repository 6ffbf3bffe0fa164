"""Random expressions over a few facts, and random values for them. Numbers are multiples of 0.25, so that no digit is lost on the way.

Texts have no single letter: `'A'.substring(0, 1)` is an error in CEL's C++ implementation, though not in its specification.
"""

from typing import Any

from hypothesis import strategies as st

NUMBERS = ("e.width", "e.height", "st.load", "b.area")
FLAGS = ("e.exit", "st.open", "b.sprinklered")
TEXTS = ("e.kind", "b.group")
FACTS = (*NUMBERS, *FLAGS, *TEXTS)
PARAMETERS: dict[str, Any] = {
    "min": 1.5,
    "max": 4.0,
    "groups": ["A1", "B-2"],
    "limits": {"A1": 2.0, "B-2": 3.25},
    "rows": {"A1": {"on": 1.0, "off": 2.5}},
}

grid = st.integers(-8, 24).map(lambda quarter: quarter / 4)
texts = st.sampled_from(["A1", "B-2", "C1", ""])
values = {**dict.fromkeys(NUMBERS, grid), **dict.fromkeys(FLAGS, st.booleans()), **dict.fromkeys(TEXTS, texts)}


def literal(value: float) -> str:
    return f"({value!r})" if value < 0 else repr(value)


text_terms = st.sampled_from(TEXTS) | st.sampled_from(["'A1'", "'B-2'", "'C1'"])


def numbers(depth: int) -> st.SearchStrategy[str]:
    plain = st.sampled_from(NUMBERS) | grid.map(literal) | st.sampled_from(["p.min", "p.max"])
    if depth == 0:
        return plain
    deeper = numbers(depth - 1)
    looked_up = text_terms.map(lambda text: f"p.limits[{text}]") | text_terms.map(lambda text: f"p.rows[{text}].off")
    pairs = st.tuples(deeper, st.sampled_from("+-*"), deeper).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})")
    chosen = st.tuples(conditions(depth - 1), deeper, deeper).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})")
    called = deeper.map(lambda number: f"math.ceil({number})") | st.tuples(deeper, deeper).map(lambda pair: f"math.greatest({pair[0]}, {pair[1]})")
    return plain | looked_up | pairs | chosen | called


def conditions(depth: int) -> st.SearchStrategy[str]:
    plain = st.sampled_from(FLAGS) | st.sampled_from(["true", "false"])
    textual = st.one_of(
        text_terms.map(lambda text: f"{text} in p.groups"),
        text_terms.map(lambda text: f"{text} in p.limits"),
        text_terms.map(lambda text: f"{text}.startsWith('B')"),
        text_terms.map(lambda text: f"{text}.substring(0, 1) == 'A'"),
        text_terms.map(lambda text: f"['A1', 'C1'].exists(one, one == {text})"),
        text_terms.map(lambda text: f"p.groups.all(one, one != {text})"),
    )
    if depth == 0:
        return plain | textual
    deeper, terms = conditions(depth - 1), numbers(depth - 1)
    compared = st.tuples(terms, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), terms).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}")
    joined = st.tuples(deeper, st.sampled_from(["&&", "||"]), deeper).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})")
    chosen = st.tuples(deeper, deeper, deeper).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})")
    return plain | textual | compared | joined | chosen | deeper.map(lambda one: f"!({one})")


def completions() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(values)


def split(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Facts with prefix as the maps that CEL sees."""
    found: dict[str, dict[str, Any]] = {"e": {}, "st": {}, "b": {}}
    for name, value in facts.items():
        space, _, bare = name.partition(".")
        found[space][bare] = value
    return found
