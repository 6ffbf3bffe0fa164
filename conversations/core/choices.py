"""Yes or no, one of the choices of an enum slot, several of them, and options by number or place."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from conversations.core.words import folded
from flows.core.types import Choice as Option
from flows.core.types import Json, SlotRule

# fmt: off
YES = frozenset((
    "yes", "y", "yeah", "yep", "yup", "sure", "ok", "okay", "true", "correct", "right", "absolutely", "definitely", "certainly", "of course",
    "yes please", "please do", "affirmative",
    "ja", "j", "jawohl", "klar", "natürlich", "gerne", "genau", "stimmt", "richtig", "doch", "ja bitte", "ja gerne",
    "oui", "ouais", "bien sûr", "d accord", "exact", "tout à fait", "volontiers", "oui merci",
    "si", "sí", "claro", "vale", "por supuesto", "correcto", "de acuerdo", "sí por favor",
))
NO = frozenset((
    "no", "n", "nope", "nah", "not", "never", "false", "wrong", "negative", "no thanks", "no thank you", "not really", "of course not",
    "nein", "nee", "nö", "nicht", "falsch", "keine", "kein", "nein danke", "auf keinen fall",
    "non", "non merci", "pas du tout", "jamais", "faux",
    "no gracias", "nunca", "para nada", "incorrecto", "falso",
))
DECLINES = frozenset((
    "skip", "skip it", "skip this", "no thanks", "no thank you", "rather not", "i d rather not", "not now", "later", "no", "none", "pass",
    "überspringen", "weiter", "nein danke", "nein", "lieber nicht", "später", "jetzt nicht",
    "passer", "non merci", "non", "plus tard", "pas maintenant",
    "saltar", "omitir", "no gracias", "más tarde", "ahora no",
))
ALL = frozenset(("all", "all of them", "everything", "both", "alle", "alles", "beide", "tous", "toutes", "tout", "todos", "todas", "todo"))
_ORDINALS = {
    word: place
    for place, words in {
        1: ("first", "1st", "one", "erste", "ersten", "erster", "erstes", "premier", "première", "premiere", "primero", "primera", "primer"),
        2: ("second", "2nd", "two", "zweite", "zweiten", "zweiter", "zweites", "deuxième", "second", "seconde", "segundo", "segunda"),
        3: ("third", "3rd", "three", "dritte", "dritten", "dritter", "drittes", "troisième", "tercero", "tercera", "tercer"),
        4: ("fourth", "4th", "four", "vierte", "vierten", "quatrième", "cuarto", "cuarta"),
        5: ("fifth", "5th", "five", "fünfte", "fünften", "cinquième", "quinto", "quinta"),
        -1: ("last", "letzte", "letzten", "letzter", "letztes", "dernier", "dernière", "último", "última", "ultimo", "ultima"),
    }.items()
    for word in words
}
_AROUND = frozenset((
    "the", "one", "option", "number", "no", "choice", "please", "take", "i", "want", "would", "like", "ll", "d",
    "der", "die", "das", "den", "nummer", "bitte", "nehme", "ich", "le", "la", "numéro", "el", "número", "por", "favor", "opción", "svp",
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


def from_items(items: Any) -> tuple[Option, ...]:
    """Choices from a list that an expression gave: texts, numbers, or {value, label, synonyms}; what is none of these is left out."""
    found: dict[str, Option] = {}
    for item in items[:500] if isinstance(items, list) else ():
        value = item.get("value", item.get("label")) if isinstance(item, Mapping) else item
        if isinstance(value, bool) or not isinstance(value, str | int | float) or str(value) == "":
            continue
        more = item if isinstance(item, Mapping) else {}
        synonyms = tuple(str(word) for word in more.get("synonyms") or () if isinstance(word, str))[:50]
        text = f"{value:g}" if isinstance(value, float) else str(value)
        found.setdefault(text, Option(value=text, synonyms=synonyms, labels={"default": str(more["label"])} if more.get("label") else {}))
    return tuple(found.values())


def place_of(text: str, count: int) -> int | None:
    """The place from 0 that "2", "the second one" or "the last" names among `count` options; None when it names none of them."""
    said = folded(text)
    if said.isascii() and said.isdigit() and len(said) <= 3:
        return int(said) - 1 if 1 <= int(said) <= count else None
    words = said.split()
    if not words or len(words) > 5:
        return None
    rest = [word for word in words if word not in _AROUND or (word == "one" and len(words) == 1)]
    if len(rest) != 1:
        return None
    number = int(rest[0]) if rest[0].isascii() and rest[0].isdigit() and len(rest[0]) <= 3 else _ORDINALS.get(rest[0], 0)
    place = count if number == -1 else number
    return place - 1 if 1 <= place <= count else None


def picked(offers: Iterable[Mapping[str, Json]], text: str, *, numbers: bool) -> Mapping[str, Json] | None:
    """The option with this label, or (`numbers`) at this place."""
    found = list(offers)
    said = folded(text)
    if not said:
        return None
    for one in found:
        if folded(str(one.get("label", ""))) == said:
            return one
    place = place_of(text, len(found)) if numbers else None
    return found[place] if place is not None else None


def declines(text: str) -> bool:
    """ "skip", "no thanks": the user does not want to answer what nobody has to."""
    return folded(text) in DECLINES


def choose_many(rule: SlotRule, text: str) -> tuple[list[str], str] | None:
    """Every choice that is named, by its words, its number or its place, in the order of the rule; "all" of them; None when none is."""
    said = folded(text)
    if said in ALL:
        return [choice.value for choice in rule.choices], text
    parts = [part for part in re.split(r"[,;/+&\n]|\s(?:and|und|et|y|e|plus|sowie|as well as)\s", f" {text} ") if part.strip()]
    named: set[str] = set()
    for part in parts[:100]:
        found = choose(rule, part.strip())
        if found is not None:
            named.add(found[0])
    named |= {value for phrase, value in table(rule).items() if len(phrase) > 2 and f" {phrase} " in f" {said} " and not _inside(rule, phrase, said)}
    numbers = said.split()
    if not named and numbers and all(place_of(number, len(rule.choices)) is not None for number in numbers):
        named = {rule.choices[place].value for number in numbers if (place := place_of(number, len(rule.choices))) is not None}
    return ([choice.value for choice in rule.choices if choice.value in named], text) if named else None


def _inside(rule: SlotRule, phrase: str, said: str) -> bool:
    """Whether a longer phrase that was said hides this one: "high school" is no school."""
    return any(phrase != other and phrase in other and f" {other} " in f" {said} " for other in table(rule))


def choose(rule: SlotRule, text: str) -> Choice | None:
    """The choice that was meant: said exactly, by its number or place, mentioned, or misspelt. Two different ones mentioned: no answer."""
    said = folded(text)
    phrases = table(rule)
    value = phrases.get(said)
    if value is not None:
        return value, text
    place = place_of(text, len(rule.choices))
    if place is not None:
        return rule.choices[place].value, text
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
