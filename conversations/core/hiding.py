"""Where the values of sensitive slots hide in a piece of JSON: taken out before it is stored, put back when it is loaded.

What is taken out leaves a mask in its place, so that whoever reads the row without opening it sees masks and no value.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final, TypeAlias

from flows.core.types import Json

MASK: Final = "•••"
Path: TypeAlias = list[str | int]
Taken: TypeAlias = list[tuple[Path, Json]]

SHORTEST: Final = 3  # characters of a value that is looked for in other texts: "7" is everywhere
LONGEST_WORD: Final = 500
FREE_STANDING: Final = 6  # a shorter value counts only as a word of its own
# Members that map names of slots to values. `_correction` is a correction that waits for a yes.
HOLDERS: Final = frozenset({"slots", "postback", "inputs", "entities", "attributes", "_correction", "seen"})
# Numbers of the engine's own: one that happens to equal a secret is none.
_COUNTED: Final = frozenset(
    {"seq", "visit", "number", "n", "steps", "effects", "misses", "error_count", "run", "last_seq", "delay_ms", "depth", "level"}
    | {"processing_time_ms", "execution_time_ms", "timeout_ms", "status_code", "retries", "confidence", "transition", "index"}
)


def words_of(values: Iterable[Json]) -> frozenset[str]:
    """How these values, and those that are in them, look inside a text."""
    found = set()
    for value in _leaves(values):
        if isinstance(value, float) and value.is_integer():
            found.add(str(int(value)))
        found.add(str(value).strip())
    return frozenset(word for word in found if SHORTEST <= len(word) <= LONGEST_WORD)


def _leaves(value: Any) -> Iterator[str | int | float]:
    if isinstance(value, str | int | float):
        if not isinstance(value, bool):
            yield value
    elif isinstance(value, Mapping):
        yield from _leaves(value.values())
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _leaves(inner)


def values_in(data: Mapping[str, Json], names: Collection[str]) -> Iterator[Json]:
    """The values of these slots in an event's or snapshot's own holders."""
    for part in ("slots", "postback"):
        held = data.get(part)
        if isinstance(held, Mapping):
            yield from (held[name] for name in names if name in held)


def take_out(data: Mapping[str, Json], names: Collection[str], words: Collection[str], whole: Iterable[Path] = ()) -> tuple[dict[str, Json], Taken]:
    """The data with masks, and what was there: the slots `names`, every text or number that shows one of `words`, and what is at `whole`."""
    pattern = _pattern(words)
    taken: Taken = []
    masked = _Walk(frozenset(names), pattern, frozenset(words), {tuple(path) for path in whole}, taken).member(dict(data), [], holds=False, key="")
    return masked, taken


def put_back(data: Mapping[str, Json], taken: Iterable[tuple[Path, Json]]) -> dict[str, Json]:
    """A copy of the data with everything in its place. A place that is not there any more is left out."""
    found = deepcopy(dict(data))
    for path, value in taken:
        here: Json = found
        for part in path[:-1]:
            here = _member(here, part)
        last: Json = path[-1]
        if isinstance(here, dict) or (isinstance(here, list) and isinstance(last, int) and last < len(here)):
            here[last] = value
    return found


def shown_in(taken: Iterable[tuple[Path, Json]], words: Iterable[str]) -> frozenset[str]:
    """Those of the words that something of what was taken out shows."""
    texts = "\n".join(str(leaf) for leaf in _leaves(value for _, value in taken))
    return frozenset(word for word in words if word in texts)


def masked_text(text: str, words: Collection[str]) -> str:
    pattern = _pattern(words)
    return pattern.sub(MASK, text) if pattern is not None else text


def _member(here: Json, part: str | int) -> Json:
    if isinstance(here, dict):
        return here.get(part)
    return here[part] if isinstance(here, list) and isinstance(part, int) and part < len(here) else None


def _pattern(words: Collection[str]) -> re.Pattern[str] | None:
    if not words:
        return None
    parts = [re.escape(word) if len(word) >= FREE_STANDING else rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(words, key=len, reverse=True)]
    return re.compile("|".join(parts))


class _Walk:
    """One pass over a piece of JSON."""

    def __init__(
        self, names: frozenset[str], pattern: re.Pattern[str] | None, words: frozenset[str], whole: set[tuple[str | int, ...]], taken: Taken
    ) -> None:
        self.names, self.pattern, self.words, self.whole, self.taken = names, pattern, words, whole, taken

    def member(self, value: Json, path: Path, *, holds: bool, key: str) -> Json:
        """`holds`: this is a member of a holder, so its name may be that of a slot."""
        if value is not None and ((holds and key.removeprefix("slots.") in self.names) or (path and tuple(path) in self.whole)):
            return self._take(path, value, MASK)
        if isinstance(value, dict):
            return {name: self.member(inner, [*path, name], holds=key in HOLDERS, key=name) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.member(inner, [*path, index], holds=False, key="") for index, inner in enumerate(value)]
        return self._leaf(value, path, key)

    def _leaf(self, value: Json, path: Path, key: str) -> Json:
        if self.pattern is None or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            shown = self.pattern.sub(MASK, value)
            return value if shown == value else self._take(path, value, shown)
        secret = key not in _COUNTED and str(value) in self.words
        return self._take(path, value, MASK) if secret else value

    def _take(self, path: Path, value: Json, shown: Json) -> Json:
        self.taken.append((path, value))
        return shown
