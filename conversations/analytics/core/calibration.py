"""How good a model of users is, held against conversations that it has not learned from."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from conversations.analytics.core.people import ACTS, Decision, People, Place

BINS: Final = 10
MOST_PLACES: Final = 60


def rates(people: People, held: Sequence[Decision] = ()) -> list[dict[str, Any]]:
    """What is done at each place, the most frequented first: how often it was seen, what the model expects, what the held-out ones did."""
    done: dict[Place, Counter[str]] = defaultdict(Counter)
    for one in held:
        done[one.place][one.act] += 1
    return [_rate(people, place, done.get(place, Counter())) for place, _ in people.places.most_common(MOST_PLACES)]


def _rate(people: People, place: Place, done: Counter[str]) -> dict[str, Any]:
    seen = done.total()
    return {
        "flow": place.flow,
        "state": place.state,
        "slot": place.slot,
        "again": place.again,
        "learned": people.places[place],
        "held_out": seen,
        "model": {act.value: chance for act, chance in people.chances(place).items()},
        "logged": {act.value: done[act] / seen for act in ACTS} if seen else None,
        "intents": intents_at(people, place),
    }


def intents_at(people: People, place: Place) -> dict[str, float]:
    """What answers there were understood as, as shares."""
    found: Counter[str] = Counter()
    for level, act in ((place.levels[-1], act) for act in ACTS):
        for said in people.pools.get((level, act), ()):
            understood = getattr(said, "understanding", None)
            best = understood.intents[0][0] if understood is not None and understood.intents else getattr(said, "intent", "")
            found[best] += 1
    among = found.total()
    return {intent: count / among for intent, count in found.most_common(8) if intent}


def reliability(people: People, held: Iterable[Decision]) -> dict[str, Any]:
    """Every act of every held-out decision, by how likely the model took it for: how often it really happened.

    `error` is the expected calibration error: the mean distance of the two, weighted by the number in the bin. 0 is perfect.
    """
    counts = [[0.0, 0.0, 0.0] for _ in range(BINS)]  # n, sum of chances, how many happened
    chances: dict[Place, Mapping[Any, float]] = {}
    total = 0
    for one in held:
        total += 1
        if one.place not in chances:
            chances[one.place] = people.chances(one.place)
        for act, chance in chances[one.place].items():
            cell = counts[min(int(chance * BINS), BINS - 1)]
            cell[0] += 1
            cell[1] += chance
            cell[2] += act == one.act
    bins = [
        {"from": index / BINS, "to": (index + 1) / BINS, "n": int(n), "predicted": expected / n, "observed": happened / n}
        for index, (n, expected, happened) in enumerate(counts)
        if n
    ]
    among = sum(n for n, _, _ in counts)
    error = sum(abs(expected - happened) for _, expected, happened in counts) / among if among else None
    return {"decisions": total, "bins": bins, "error": error}
