"""Values of choices (enum slots, product aliases) inside a message, also misspelt: "a boilng kettle in stainles steel".

Exact mentions are found by the slots themselves; here are the near ones. Every run of words as long as a phrase is compared with it; when the
best two of a slot mean different values, none is taken.
"""

from collections.abc import Mapping
from typing import Final

from conversations.core.choices import mentioned, table
from conversations.core.words import folded
from flows.core.types import Flow, SlotRule, SlotType

NEAR: Final = 82.0  # rapidfuzz ratio 0..100
NEAR_SHORT: Final = 88.0  # of a phrase with less than six letters
SHORTEST: Final = 4  # letters of a phrase that may be misspelt: of shorter ones every second word is a near miss
MOST_WORDS: Final = 15
MOST_PHRASES: Final = 2_000


_Phrases = dict[int, dict[str, str]]  # number of words -> phrase -> value

_KEPT = 512
_tables: dict[int, tuple[Flow, list[tuple[SlotRule, _Phrases]]]] = {}


def near_choices(flow: Flow, text: str) -> dict[str, str]:
    """Slot -> the value that some words of the message nearly name; slots that are named exactly, or not at all, are not there."""
    known = _tables.get(id(flow))
    if known is None:
        known = _tabled(flow)
    if not known[1]:
        return {}
    said = folded(text)
    words = said.split()
    if not 2 <= len(words) <= MOST_WORDS:  # a single word is an answer, and the slot that is asked for reads it
        return {}
    return {rule.name: value for rule, phrases in known[1] if mentioned(rule, said) is None and (value := _nearest(phrases, words))}


def _tabled(flow: Flow) -> tuple[Flow, list[tuple[SlotRule, _Phrases]]]:
    """Kept with its flow, so that an id in the cache is never another's."""
    if len(_tables) >= _KEPT:
        _tables.clear()
    rules = [rule for rule in flow.slots.values() if rule.type is SlotType.ENUM and rule.choices and not rule.multiple]
    found = _tables[id(flow)] = (flow, [(rule, _by_length(table(rule))) for rule in rules])
    return found


def _nearest(by_length: _Phrases, words: list[str]) -> str:
    from rapidfuzz import fuzz, process

    best: dict[str, float] = {}
    for length, phrases in by_length.items():
        for start in range(len(words) - length + 1):
            part = " ".join(words[start : start + length])
            if len(part) < SHORTEST:
                continue
            least = NEAR if len(part) >= 6 else NEAR_SHORT
            for phrase, ratio, _ in process.extract(part, phrases.keys(), scorer=fuzz.ratio, score_cutoff=least, limit=2):
                value = phrases[phrase]
                best[value] = max(best.get(value, 0.0), ratio)
    ranked = sorted(best.items(), key=lambda pair: -pair[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] - ranked[1][1] < 3):
        return ""
    return ranked[0][0]


def _by_length(phrases: Mapping[str, str]) -> _Phrases:
    """Phrases by their number of words, without those too short to be misspelt."""
    found: _Phrases = {}
    for phrase, value in list(phrases.items())[:MOST_PHRASES]:
        if len(phrase) >= SHORTEST and not phrase.isdigit():
            found.setdefault(phrase.count(" ") + 1, {})[phrase] = value
    return found
