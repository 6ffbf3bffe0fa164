"""Counting in many steps gives what counting at once gives, and follows the engine's own fold frame by frame."""

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.analytics.core.counting import Carry, Fact, TurnFact, carry_from_json, count
from conversations.analytics.core.measures import MASSES, Measure, confidence_bucket, latency_bucket, percentile
from conversations.core.fold import apply
from conversations.core.machine import advance
from conversations.core.types import Event, Returned, Snapshot, Started
from tests.conversations.test_fold import BOOKS, MOMENTS, concrete
from tests.playbook import MONDAY, Play, ending, flow, response, to


def dialogue(book: Any, moments: Any) -> list[list[Fact]]:
    """The log of a random dialogue, by the turns that wrote it. A turn that waits for an effect is finished by the step that brings it."""
    at, found = Snapshot(locale="de"), []
    turn, begun = 0, False
    for number, moment in enumerate([Started(flow_id="one"), *moments]):
        event = concrete(moment, at, [])
        step = advance(book, at, event, MONDAY, conversation_id="c1")
        if not (begun and isinstance(event, Returned)):
            turn += 1
        begun = bool(step.snapshot.awaiting)
        fact = TurnFact(id=str(turn), kind="message", status="done", milliseconds=None if begun else 10.0 * number)
        facts = [Fact(seq=one.seq, kind=one.kind, data=one.data, at=MONDAY + timedelta(hours=7 * number), turn=fact) for one in step.events]
        if facts:
            found.append(facts)
        at = step.snapshot
    return found


def sums(turns: list[list[Fact]], cuts: set[int]) -> Counter[Any]:
    """Counted in batches that end after the turns `cuts`; what is carried on goes through JSON."""
    found: Counter[Any] = Counter()
    carry, batch = Carry(), list[Fact]()
    for number, facts in enumerate(turns):
        batch += facts
        if number in cuts or number == len(turns) - 1:
            now = {fact.turn.id: fact.turn for fact in batch}  # every event is read with its turn as it stands
            rows = [Fact(seq=one.seq, kind=one.kind, data=one.data, at=one.at, turn=now[one.turn.id]) for one in batch]
            found.update(count(carry, rows))
            carry, batch = carry_from_json(carry.seq, carry.to_json()), []
    return Counter({key: value for key, value in found.items() if value})


@settings(max_examples=25)
@given(book=BOOKS, moments=st.lists(MOMENTS, min_size=1, max_size=12), cuts=st.sets(st.integers(0, 12)))
def test_counting_in_steps_is_counting_at_once(book: Any, moments: Any, cuts: set[int]) -> None:
    turns = dialogue(book, moments)
    assert sums(turns, cuts) == sums(turns, set())


@settings(max_examples=25)
@given(book=BOOKS, moments=st.lists(MOMENTS, min_size=1, max_size=12))
def test_the_frames_that_are_counted_are_those_of_the_engine(book: Any, moments: Any) -> None:
    carry, at = Carry(), Snapshot(locale="de")
    resting: Counter[Any] = Counter()
    for facts in dialogue(book, moments):
        for fact in facts:
            for (version, _, measure, name), value in count(carry, [fact]).items():
                if measure is Measure.RESTING:
                    resting[version, name] += value
            at = apply(at, Event(seq=fact.seq, kind=fact.kind, data=fact.data))
            assert carry.frames == [(frame.program, frame.state) for frame in at.frames], fact
    assert all(value >= 0 for value in resting.values())


SHOP = flow(
    "shop",
    states={
        "hello": response("Hello", to("name")),
        "name": {
            "type": "slot_filling",
            "config": {"required_slots": ["size"], "prompts": {"size": "What size?"}},
            "transitions": [to("bye", "slot_filled")],
        },
        "bye": ending("Bye."),
    },
    slots={"size": {"type": "integer", "minimum": 1, "maximum": 9}},
)


def counted(play: Play) -> dict[str, dict[str, int]]:
    turn = TurnFact(id="t", kind="message", status="done", milliseconds=12)
    facts = [Fact(seq=one.seq, kind=one.kind, data=one.data, at=MONDAY, turn=turn) for one in play.events]
    found: dict[str, dict[str, int]] = {}
    for (_, _, measure, name), value in count(Carry(), facts).items():
        found.setdefault(measure.value, {})[name] = value
    return found


def test_a_session_that_ends(play: type[Play]) -> None:
    found = counted(play(SHOP).user("hi").user("4").ends())
    assert found["starts"] == {"": 1}
    assert found["reached"] == {"hello": 1, "name": 1, "bye": 1}
    assert found["moved"] == {"hello→name": 1, "name→bye": 1}
    assert found["completions"] == {"completed": 1}
    assert found["ended_at"] == {"bye": 1}
    assert "resting" not in found
    assert found["slot_filled"] == {"size": 1}
    assert found["latency"] == {"15": 1}


def test_a_session_that_stops_on_the_way(play: type[Play]) -> None:
    found = counted(play(SHOP).user("hi").user("400").user("many"))
    assert found["resting"] == {"name": 1}
    assert found["slot_refused"] == {"size": 2}
    assert "completions" not in found


def test_a_session_that_is_begun_again_has_stopped_where_it_was(play: type[Play]) -> None:
    found = counted(play(SHOP).user("hi").command("restart"))
    assert found["starts"] == {"": 2}
    assert found["resting"] == {"name": 1, "hello": 1}


def test_a_person_takes_over(play: type[Play]) -> None:
    assert counted(play(SHOP).user("hi").command("human"))["handoffs"] == {"name": 1}


def test_percentiles_come_from_their_buckets() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({"10": 100}, 0.5) == 8.5  # between 7 and 10
    assert percentile({"10": 50, "1000": 50}, 0.99) == 994.0
    assert percentile({"more": 3}, 0.5) == MASSES[-1]
    assert [latency_bucket(value) for value in (0, 1, 1.1, 60_000, 60_001)] == ["1", "1", "2", "60000", "more"]
    assert [confidence_bucket(value) for value in (0, 0.29, 0.3, 0.7, 0.99, 1.0)] == ["0.0", "0.2", "0.3", "0.7", "0.9", "0.9"]


@given(values=st.lists(st.floats(0.1, 50_000), min_size=1, max_size=60), share=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_percentile_is_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    counts = Counter(map(latency_bucket, values))
    found = percentile(counts, share)
    true = sorted(values)[max(0, -(-len(values) * share // 1).__int__() - 1)]
    place = MASSES.index(int(latency_bucket(true)))
    assert found is not None
    assert (MASSES[place - 1] if place else 0) <= found <= MASSES[place]


def test_ratings_are_kept_with_their_scale() -> None:
    turn = TurnFact(id="t", kind="message", status="done", milliseconds=1)
    rated = [{"score": 4, "scale": 5}, {"score": 9, "scale": 10}, {"declined": True, "scale": 5}, {"scale": 5}]
    start = {"program": "v", "state": "ask"}
    facts = [Fact(seq=1, kind="started", data=start, at=MONDAY, turn=turn)]
    facts += [Fact(seq=number, kind="rated", data=data, at=MONDAY, turn=turn) for number, data in enumerate(rated, start=2)]
    found = {name: value for (_, _, measure, name), value in count(Carry(), facts).items() if measure is Measure.RATED}
    assert found == {"4/5": 1, "9/10": 1, "declined": 1}
