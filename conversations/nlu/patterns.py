"""Understanding by the flow's own patterns, keywords and examples: no model, no network, microseconds.

How certain each sign makes an intent (the best one counts):
  1.00  the message is one of the examples, or a pattern matches all of it
  0.90  a pattern matches part of it; all of two or more keywords occur
  0.80  the only keyword occurs
  0.70 .. 0.95  it is nearly one of the examples: 0.95 x rapidfuzz's ratio, from 0.74 of it on
Text is compared folded (case, punctuation, width). Patterns are RE2, searched in the folded text. Intents of equal certainty keep the
order of the definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conversations.core.slots import compiled
from conversations.core.types import Understanding
from conversations.core.words import folded
from flows.core.types import Intent, Program

EXACT, PATTERN, KEYWORDS, KEYWORD, NEARLY = 1.0, 0.9, 0.9, 0.8, 0.95
NEAR = 74.0  # rapidfuzz ratio 0..100
LONGEST_EXAMPLE = 200  # characters of a message that are compared with examples

_KEPT = 256
NOTHING = Understanding()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """One intent, ready to be looked for."""

    name: str
    patterns: tuple[Any, ...]
    keywords: tuple[str, ...]  # with a space on both sides


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signbook:
    program: Program  # held, so that its id stays its own
    signs: tuple[_Signs, ...]
    examples: Mapping[str, str]  # folded example -> intent


_books: dict[int, _Signbook] = {}


def understand(program: Program, text: str, *, locale: str, near: float = NEAR) -> Understanding:
    """The intents of this flow that the text may mean, most certain first. Entities are left to the slots' own extractors. `near`: how like an
    example a text must be (rapidfuzz ratio)."""
    del locale  # the flow's examples and patterns bring their own languages
    said = folded(text)
    if not said:
        return NOTHING
    book = _book(program)
    scores: dict[str, float] = {}
    exact = book.examples.get(said)
    if exact is not None:
        scores[exact] = EXACT
    padded = f" {said} "
    for sign in book.signs:
        score = max(_by_pattern(sign, said), _by_keywords(sign, padded))
        if score > scores.get(sign.name, 0.0):
            scores[sign.name] = score
    if exact is None and book.examples:
        _by_example(book, said, scores, near)
    return Understanding(intents=tuple(sorted(scores.items(), key=lambda pair: -pair[1])))


def _by_pattern(sign: _Signs, said: str) -> float:
    best = 0.0
    for pattern in sign.patterns:
        match = pattern.search(said)
        if match is not None:
            best = max(best, EXACT if len(match[0]) == len(said) else PATTERN)
    return best


def _by_keywords(sign: _Signs, padded: str) -> float:
    if not sign.keywords or not all(word in padded for word in sign.keywords):
        return 0.0
    return KEYWORDS if len(sign.keywords) > 1 else KEYWORD


def _by_example(book: _Signbook, said: str, scores: dict[str, float], near: float) -> None:
    from rapidfuzz import fuzz, process

    for example, ratio, _ in process.extract(said[:LONGEST_EXAMPLE], book.examples.keys(), scorer=fuzz.ratio, score_cutoff=near, limit=5):
        name = book.examples[example]
        scores[name] = max(scores.get(name, 0.0), round(NEARLY * ratio / 100, 4))


def _book(program: Program) -> _Signbook:
    book = _books.get(id(program))
    if book is None:
        if len(_books) >= _KEPT:
            _books.clear()
        book = _books[id(program)] = _written(program)
    return book


def _written(program: Program) -> _Signbook:
    intents = tuple(program.flow.intents.values())
    return _Signbook(
        program=program,
        signs=tuple(_signs(intent) for intent in intents if intent.patterns or intent.keywords),
        examples={folded(example): intent.name for intent in reversed(intents) for example in intent.examples if folded(example)},
    )


def _signs(intent: Intent) -> _Signs:
    patterns = (compiled(f"(?i){pattern}") for pattern in intent.patterns)
    return _Signs(
        name=intent.name,
        patterns=tuple(pattern for pattern in patterns if pattern is not None),
        keywords=tuple(f" {folded(word)} " for word in intent.keywords if folded(word)),
    )
