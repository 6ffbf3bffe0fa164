"""Products and columns by what people call them: the live metadata, made ready for look-ups. Built once for each version.

A name is found wherever its words stand in a row in a text; a longer one hides the shorter ones in it ("magic wand pro" hides "magic wand"). A name
that several products share is found as all of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_platform.metadata.core.document import Metadata, Product, product_written
from mcp_platform.metadata.core.words import folded

NEAR: Final = 84.0  # rapidfuzz ratio 0..100 from which a misspelt name is taken
NEAR_SHORT: Final = 90.0  # of a name with less than six letters
SHORTEST: Final = 4  # letters of a name that may be misspelt
CLOSE: Final = 3.0  # two names whose ratios are nearer than that are both meant
MOST_WORDS: Final = 40  # of a text in which misspelt names are looked for
MOST_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """`products` by canonical id; `names` are folded names of products to canonical ids; `terms` are folded terms to the terms of `columns`.

    `number` is the version's; 0 where nothing has been published.
    """

    number: int = 0
    version: str = ""
    products: Mapping[str, Product] = field(default_factory=dict, repr=False)
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    terms: Mapping[str, str] = field(default_factory=dict, repr=False)
    longest: int = 0  # words of a name or term
    alike: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)  # how a name begins or ends -> names that may be misspelt


EMPTY: Final = Vocabulary()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """`words` of the folded text, from word `start`. Exactly one of `ids` (products, several when the name is shared) and `term` is filled."""

    start: int
    words: str
    ids: tuple[str, ...] = ()
    term: str = ""
    score: float = 100.0  # below 100 the words were misspelt

    @property
    def end(self) -> int:
        return self.start + self.words.count(" ") + 1


def vocabulary(found: Metadata, *, number: int = 0) -> Vocabulary:
    names: dict[str, dict[str, None]] = {}
    for key, product in found.products.items():
        for name in (product.canonical_id, product.canonical_name, *product.aliases, key):
            names.setdefault(folded(name), {})[product.canonical_id] = None
    names.pop("", None)
    terms = {folded(term): term for term in found.columns}
    alike: dict[str, list[str]] = {}
    for name in names:
        if len(name) >= SHORTEST and not name.isdigit():
            for sign in _signs(name):
                alike.setdefault(sign, []).append(name)
    return Vocabulary(
        number=number,
        version=found.version,
        products={product.canonical_id: product for product in found.products.values()},
        columns={term: column.sql for term, column in found.columns.items()},
        names={name: tuple(ids) for name, ids in names.items()},
        terms=terms,
        longest=max((name.count(" ") + 1 for name in (*names, *terms)), default=0),
        alike={sign: tuple(found) for sign, found in alike.items()},
    )


def _signs(name: str) -> tuple[str, str]:
    """What a misspelt name has in common with the right one: its number of words, and its first two letters or its last two."""
    words = name.count(" ") + 1
    return f"{words}^{name[:2]}", f"{words}{name[-2:]}$"


def within(known: Vocabulary, ids: Iterable[str], categories: Iterable[str]) -> tuple[str, ...]:
    """Those ids whose product is in one of the categories; all of them when none is named."""
    wanted = {folded(category) for category in categories}
    if not wanted:
        return tuple(ids)
    return tuple(one for one in ids if wanted.intersection(map(folded, known.products[one].categories)))


def named(known: Vocabulary, text: str, categories: Iterable[str] = ()) -> tuple[str, ...]:
    """The products that the whole text is a name of."""
    return within(known, known.names.get(folded(text), ()), categories)


def mentions(known: Vocabulary, text: str, categories: Iterable[str] = (), *, columns: bool = False) -> tuple[Mention, ...]:
    """Every name in the text, longest first wins, in the order of the text; with `columns` the terms, too."""
    words = folded(text).split()
    found: list[Mention] = []
    place = 0
    while place < len(words):
        hit = _longest_at(known, words, place, tuple(categories), columns)
        if hit is not None:
            found.append(hit)
        place = hit.end if hit is not None else place + 1
    return tuple(found)


def _longest_at(known: Vocabulary, words: list[str], place: int, categories: tuple[str, ...], columns: bool) -> Mention | None:
    for length in range(min(known.longest, len(words) - place), 0, -1):
        said = " ".join(words[place : place + length])
        if columns and said in known.terms:
            return Mention(start=place, words=said, term=known.terms[said])
        ids = within(known, known.names.get(said, ()), categories)
        if ids:
            return Mention(start=place, words=said, ids=ids)
    return None


def near(known: Vocabulary, text: str, categories: Iterable[str] = ()) -> Mention | None:
    """The best misspelt name in the text: every run of words is compared with the names that begin or end like it.

    Two that are equally near are both meant.
    """
    words = folded(text).split()
    if not words or len(words) > MOST_WORDS:
        return None
    ranked = sorted(_candidates(known, words, tuple(categories)), key=lambda one: -one.score)
    if not ranked:
        return None
    best = ranked[0]
    ids = dict.fromkeys(one for found in ranked if best.score - found.score < CLOSE for one in found.ids)
    return Mention(start=best.start, words=best.words, ids=tuple(ids), score=best.score)


def _candidates(known: Vocabulary, words: list[str], categories: tuple[str, ...]) -> Iterator[Mention]:
    from rapidfuzz import fuzz, process

    for start in range(len(words)):
        for length in range(1, min(known.longest, len(words) - start) + 1):
            part = " ".join(words[start : start + length])
            if len(part) < SHORTEST:
                continue
            least = NEAR if len(part) >= 6 else NEAR_SHORT
            for sign in _signs(part):
                for name, score, _ in process.extract(part, known.alike.get(sign, ()), scorer=fuzz.ratio, score_cutoff=least, limit=4):
                    ids = within(known, known.names[name], categories)
                    if ids:
                        yield Mention(start=start, words=part, ids=ids, score=score)


def shown(known: Vocabulary, canonical_id: str) -> dict[str, Any]:
    """A product as plain JSON; {} when there is none of this id."""
    product = known.products.get(canonical_id)
    return product_written(product) if product is not None else {}


def name_of(known: Vocabulary, canonical_id: str) -> str:
    """What people read for an id; the id itself where the product is gone."""
    product = known.products.get(canonical_id)
    return product.canonical_name if product is not None else canonical_id


def resolved(known: Vocabulary, text: str, categories: Iterable[str] = ()) -> dict[str, Any]:
    """What the names in a text mean, as plain JSON: products and columns in the order of the text. Only when no name is right, the nearest one."""
    found = mentions(known, text, categories, columns=True)
    if not any(one.ids for one in found):
        guess = near(known, text, categories)
        taken = {place for one in found for place in range(one.start, one.end)}
        if guess is not None and taken.isdisjoint(range(guess.start, guess.end)):
            found = tuple(sorted((*found, guess), key=lambda one: one.start))
    return {
        "products": [_product_found(known, one) for one in found if one.ids],
        "columns": [{"words": one.words, "term": one.term, "sql": known.columns[one.term]} for one in found if one.term],
        "version": known.number,
    }


def _product_found(known: Vocabulary, one: Mention) -> dict[str, Any]:
    return {
        "words": one.words,
        "exact": one.score == 100.0,
        "ambiguous": len(one.ids) > 1,
        "candidates": [shown(known, canonical_id) for canonical_id in one.ids[:MOST_SHOWN]],
    }
