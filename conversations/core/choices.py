"""Yes or no, and one of the choices of an enum slot."""

import re
from functools import lru_cache

from conversations.core.words import folded
from flows.core.types import SlotRule

# fmt: off
YES = frozenset((
    "yes", "y", "yeah", "yep", "yup", "sure", "ok", "okay", "true", "correct", "right", "absolutely", "definitely", "certainly", "of course",
    "yes please", "please do", "affirmative",
    "ja", "j", "jawohl", "klar", "natürlich", "gerne", "genau", "stimmt", "richtig", "doch", "ja bitte", "ja gerne",
    "oui", "bien sûr", "d accord", "si", "sí",
))
NO = frozenset((
    "no", "n", "nope", "nah", "not", "never", "false", "wrong", "negative", "no thanks", "no thank you", "not really", "of course not",
    "nein", "nee", "nö", "nicht", "falsch", "keine", "kein", "nein danke", "auf keinen fall",
    "non", "non merci",
))
_WITHOUT = frozenset(("no", "not", "without", "none", "isn", "aren", "doesn", "don", "kein", "keine", "keinen", "ohne", "nicht", "sans", "pas"))
# fmt: on

FUZZY = 80  # rapidfuzz ratio 0..100 from which a misspelt choice is taken
_KEPT = 2048

Read = tuple[bool, str]


def yes_or_no(text: str) -> Read | None:
    """Both, or neither: no answer. The first words decide: "yes, but not on the roof" is a yes."""
    said = folded(text)
    if said in YES:
        return True, text
    if said in NO:
        return False, text
    for word in said.split()[:3]:
        if word in YES:
            return True, text
        if word in NO:
            return False, text
    return None


def with_or_without(name: str, text: str) -> Read | None:
    """ "with sprinklers", "no sprinklers": the slot's name is said. A question says nothing."""
    if text.rstrip().endswith("?"):
        return None
    match = _named(name).search(text)
    if match is None:
        return None
    before = folded(text[: match.start()]).split()[-3:]
    return not _WITHOUT.intersection(before), match[0]


@lru_cache(maxsize=1024)
def _named(name: str) -> re.Pattern[str]:
    words = [re.escape(word.rstrip("s")) for word in name.lower().removeprefix("has_").removeprefix("is_").split("_") if word]
    return re.compile(r"\b" + r"[\s_-]?".join(f"{word}s?" for word in words) + r"\b", re.IGNORECASE)


# ── choices ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

Choice = tuple[str, str]  # the value and the words it was read from

_tables: dict[int, tuple[SlotRule, dict[str, str]]] = {}


def table(rule: SlotRule) -> dict[str, str]:
    """Folded phrase -> value, for every value, synonym and label. Kept with its rule, so that an id in the cache is never another's."""
    kept = _tables.get(id(rule))
    if kept is not None:
        return kept[1]
    if len(_tables) >= _KEPT:
        _tables.clear()
    phrases: dict[str, str] = {}
    for choice in rule.choices:
        for phrase in (choice.value, *choice.synonyms, *choice.labels.values()):
            phrases.setdefault(folded(phrase), choice.value)
    phrases.pop("", None)
    _tables[id(rule)] = (rule, phrases)
    return phrases


def choose(rule: SlotRule, text: str) -> Choice | None:
    """The choice that was meant: said exactly, by its number, mentioned, or misspelt. Two different ones mentioned: no answer."""
    said = folded(text)
    phrases = table(rule)
    value = phrases.get(said)
    if value is not None:
        return value, text
    if said.isascii() and said.isdigit() and len(said) <= 3 and 1 <= int(said) <= len(rule.choices):
        return rule.choices[int(said) - 1].value, text
    return mentioned(rule, said) or _misspelt(phrases, said, text)


def mentioned(rule: SlotRule, said: str) -> Choice | None:
    """The one choice whose words stand in the folded text; a longer phrase hides the shorter ones in it ("high school" hides "school")."""
    padded = f" {said} "
    found = [(phrase, value) for phrase, value in table(rule).items() if len(phrase) > 2 and f" {phrase} " in padded]
    longest = [pair for pair in found if not any(pair[0] != other and pair[0] in other for other, _ in found)]
    values = {value for _, value in longest}
    return (longest[0][1], longest[0][0]) if len(values) == 1 else None


def _misspelt(phrases: dict[str, str], said: str, text: str) -> Choice | None:
    if not 3 <= len(said) <= 60:
        return None
    from rapidfuzz import fuzz, process

    best = process.extract(said, phrases.keys(), scorer=fuzz.ratio, score_cutoff=FUZZY, limit=2)
    values = {phrases[phrase] for phrase, _, _ in best}
    return (values.pop(), text) if len(values) == 1 else None
