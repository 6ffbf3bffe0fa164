"""A model of people: what it learns from what was logged, how it talks, and how it is held against what it has not seen."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import numpy
import pytest

from conversations.analytics.core import calibration
from conversations.analytics.core.outcomes import outcome
from conversations.analytics.core.people import ACTS, STRENGTH, Act, Decision, Opening, People, Place, under_way
from conversations.analytics.core.simulation import Simulated, chance, made_up, simulate
from conversations.core.machine import advance
from conversations.core.replay import Moment, Record
from conversations.core.types import Book, Said, Snapshot, Started
from experiments.core import prediction
from experiments.core.metrics import Metric, Outcome
from experiments.core.prediction import Forecast
from flows.core.types import Choice, Json, SlotRule, SlotType
from tests.playbook import MONDAY, ending, flow, program_of, response, to

STOREYS, OWNER = ({"type": "integer", "minimum": 1, "maximum": 200}, {"type": "text"})


def desk(*questions: str, timeout: bool = False) -> Json:
    """A flow that asks these questions, one after the other; `timeout`: who is silent at the first is handed to the end."""
    onward = [*questions[1:], "done"]
    states: dict[str, Any] = {
        slot: {
            "type": "slot_filling",
            "config": {"required_slots": [slot], "prompts": {slot: f"Your {slot}?"}},
            "transitions": [to(following, "slot_filled")],
        }
        for slot, following in zip(questions, onward, strict=True)
    }
    if timeout:
        states[questions[0]]["transitions"].append(to("late", "timeout", "PT1H"))
        states["late"] = ending("Too late.", completion_type="expired")
    return flow("desk", states={**states, "done": ending("Noted.")}, slots={"storeys": STOREYS, "owner": OWNER})


def place(slot: str, *, state: str = "", again: bool = False) -> Place:
    return Place(flow="desk", state=state or slot, type="slot_filling", slot=slot, again=again)


def crowd(leave: float = 0.25) -> People:
    """A hundred of them at each question: as many as said leave, the others answer."""
    people = People(openings=[Opening(inputs={}, locale="en", channel="web", profile={}, at=MONDAY)])
    gone = round(leave * 100)
    for slot, text in (("storeys", "7"), ("owner", "Ada")):
        people.learn(Decision(place=place(slot), act=Act.GONE) for _ in range(gone))
        people.learn(Decision(place=place(slot), act=Act.ANSWER, input=Said(text=text)) for _ in range(100 - gone))
    return people


def played(document: Json, people: People, *, number: int = 400, seed: int = 1) -> list[Simulated]:
    program = program_of(document)
    book = Book(programs={program.key: program}, current={"desk": program.key})
    return [simulate(book, people, "desk", seed=seed, number=each) for each in range(number)]


def completed(found: Sequence[Simulated]) -> float:
    return sum(outcome(one.facts).completion == "completed" for one in found) / len(found)


def test_a_place_is_smoothed_by_the_more_general_one() -> None:
    people = People()
    people.learn([Decision(place=place("storeys"), act=Act.ANSWER, input=Said(text="7"))] * 3)
    people.learn([Decision(place=place("owner"), act=Act.GONE)])
    anywhere = {act: (count + 1) / (4 + len(ACTS)) for act, count in zip(ACTS, (3, 0, 0, 0, 0, 1), strict=True)}
    kind = {act: (count + STRENGTH * anywhere[act]) / (4 + STRENGTH) for act, count in zip(ACTS, (3, 0, 0, 0, 0, 1), strict=True)}
    exact = kind
    for _ in range(3):  # the slot, the question, the first time: three answers each
        exact = {act: ((3 if act is Act.ANSWER else 0) + STRENGTH * exact[act]) / (3 + STRENGTH) for act in ACTS}
    assert people.chances(place("storeys")) == pytest.approx(exact)
    unknown = Place(flow="desk", state="new", type="slot_filling", slot="colour")
    assert people.chances(unknown) == pytest.approx(kind), "a question that nobody was asked is answered as its kind of state is"
    for one in (place("storeys"), place("owner", again=True), unknown, Place(flow="", state="", type="")):
        assert sum(people.chances(one).values()) == pytest.approx(1)


def test_the_same_seed_gives_the_same_conversations() -> None:
    one, other = (played(desk("storeys", "owner"), crowd(), number=50) for _ in range(2))
    assert one == other
    assert played(desk("storeys", "owner"), crowd(), number=50, seed=2) != one


def test_a_shorter_way_loses_fewer_and_the_same_people_fall_the_same_way() -> None:
    people = crowd(0.25)
    long, short = (played(desk(*questions), people) for questions in (("storeys", "owner"), ("storeys",)))
    stay = people.chances(place("storeys"))[Act.ANSWER]
    assert completed(short) == pytest.approx(stay, abs=0.07)
    assert completed(long) == pytest.approx(stay**2, abs=0.07)
    for one, other in zip(long, short, strict=True):
        assert not (one.how == "ended" and other.how == "gone"), "who answers in the long one answers the same question in the short one"


def test_who_is_silent_leaves_unless_the_bot_has_a_timer() -> None:
    people = crowd(0.5)
    without, with_one = played(desk("storeys"), people), played(desk("storeys", timeout=True), people)
    assert {one.how for one in without} == {"ended", "gone"}
    assert {one.how for one in with_one} == {"ended"}
    late = sum(outcome(one.facts).completion == "expired" for one in with_one)
    assert late == sum(one.how == "gone" for one in without)


def test_a_question_that_nobody_was_asked_gets_an_answer_that_fits() -> None:
    people = crowd(0.0)
    found = played(desk("storeys", "owner"), people, number=20)
    assert not any(one.made_up for one in found)
    del people.pools[("slot", "owner"), Act.ANSWER]
    for level in [level for level, _ in people.pools if level[:1] == ("question",)]:
        people.pools.pop((level, Act.ANSWER), None)
    asked = [one for one in played(desk("storeys", "owner"), people, number=20) if one.how == "ended"]
    assert asked
    assert all(one.made_up for one in asked)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (SlotRule(name="x", choices=(Choice(value="red"), Choice(value="blue"))), "blue"),
        (SlotRule(name="x", type=SlotType.INTEGER, minimum=10, maximum=20), "17"),
        (SlotRule(name="x", type=SlotType.DATE), "2026-11-30"),
        (SlotRule(name="x", min_length=12), "somethingxxx"),
    ],
)
def test_made_up_answers(rule: SlotRule, expected: str) -> None:
    assert made_up(rule, 0.75, MONDAY) == expected


def test_nobody_talks_for_ever() -> None:
    again = flow(
        "desk",
        states={
            "hello": response("Hi.", to("ask")),
            "ask": {"type": "wait", "config": {"prompt": "More?"}, "transitions": [to("ask")]},
            "done": ending(),
        },
    )
    people = People(openings=[Opening(inputs={}, locale="en", channel="web", profile={}, at=MONDAY)])
    people.learn([Decision(place=Place(flow="desk", state="ask", type="wait"), act=Act.ANSWER, input=Said(text="yes"))] * 10_000)
    assert {one.how for one in played(again, people, number=3)} == {"endless"}


def test_chances_are_even() -> None:
    drawn = numpy.array([chance(3, number, "what", step) for number, step in product(range(400), range(5))])
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert numpy.histogram(drawn, bins=10, range=(0, 1))[0] == pytest.approx([200] * 10, abs=60)


def test_a_model_of_the_people_themselves_is_reliable_and_another_is_not() -> None:
    people, others = crowd(0.25), crowd(0.75)
    held = [Decision(place=place(slot), act=act) for slot in ("storeys", "owner") for act in [Act.GONE] * 25 + [Act.ANSWER] * 75]
    right, wrong = (calibration.reliability(one, held) for one in (people, others))
    assert right["decisions"] == 200
    assert sum(one["n"] for one in right["bins"]) == 200 * len(ACTS)
    assert right["error"] < 0.02 < 0.1 < wrong["error"]
    (first, *_) = calibration.rates(people, held)
    assert first["logged"]["gone"] == 0.25
    assert (first["learned"], first["held_out"]) == (100, 100)


def talk(*, done: bool, turns: int = 2, low: int = 0) -> Outcome:
    return Outcome(seq=1, ended=done, completion="completed" if done else "", turns=turns, low_confidence=low, states=frozenset({"ask"}))


COMPLETED, MISSED = Metric(key="completed", measure="completion"), Metric(key="missed", measure="low_confidence_rate")


def test_differences_are_taken_person_by_person() -> None:
    dice = numpy.random.default_rng(5)
    before, more = dice.random(500) < 0.5, dice.random(500) < 0.1
    turns = dice.integers(1, 6, 500)
    control = [talk(done=bool(one), turns=int(n), low=int(n > 3)) for one, n in zip(before, turns, strict=True)]
    treated = [talk(done=bool(one or two), turns=int(n), low=int(n > 4)) for one, two, n in zip(before, more, turns, strict=True)]
    found = prediction.paired(COMPLETED, control, treated)
    assert found is not None
    moved = (before | more).astype(float) - before
    reach = 1.959964 * moved.std(ddof=1) / 500**0.5
    assert (found["value"], found["upper"] - found["value"]) == pytest.approx((moved.mean(), reach), rel=1e-4)
    ratio = prediction.paired(MISSED, control, treated)
    assert ratio is not None
    assert ratio["value"] == pytest.approx(((turns > 4).sum() - (turns > 3).sum()) / turns.sum())
    assert ratio["upper"] < 0


def forecast(logged: list[Outcome], rehearsed: list[Outcome], *, conversations: int = 200, error: float = 0.0) -> Any:
    found = Forecast(arms={}, logged=logged, rehearsed=rehearsed, conversations=conversations, reliability={"error": error})
    return prediction.calibrated([(COMPLETED, "Completed")], found)


def test_what_the_calibration_says() -> None:
    half = [talk(done=number % 2 == 0) for number in range(100)]
    most = [Outcome(states=frozenset({"ask", "more"})) for _ in range(100)]
    assert forecast(half, half)["verdict"] == "holds"
    assert forecast(half, half, conversations=99)["verdict"] == "too_little"
    assert forecast(half[:10], half)["verdict"] == "too_little"
    assert forecast(half, half, error=0.06)["verdict"] == "off"
    assert forecast(half, most)["verdict"] == "off", "nobody was ever seen in one of the states"
    (row,) = forecast(half, half)["metrics"]
    assert (row["logged"], row["simulated"], row["difference"]["value"]) == (0.5, 0.5, 0.0)
    assert forecast([], half)["verdict"] == "too_little"


def test_only_a_metric_that_came_out_as_logged_feeds_the_plan() -> None:
    half = [talk(done=number % 2 == 0) for number in range(100)]
    more = [talk(done=number % 10 < 8) for number in range(100)]
    near = [talk(done=number % 100 < 54) for number in range(100)] * 100
    off = forecast(half, more)
    assert off["verdict"] == "holds", "the states are met as often"
    assert prediction.may_plan(forecast(half, half), "completed")
    assert not prediction.may_plan(off, "completed")
    assert not prediction.may_plan(forecast(half, half, error=0.06), "completed")
    assert not prediction.may_plan(forecast(half, half), "another")
    assert prediction.may_plan(forecast(half * 100, near), "completed"), "surely another share, and near enough"


def test_a_model_that_is_right_is_rarely_told_off_and_a_wrong_one_is() -> None:
    dice = numpy.random.default_rng(11)
    truth = dice.uniform(0.05, 0.95, 8)

    def drawn(chances: Any, number: int) -> list[Outcome]:
        return [Outcome(states=frozenset(f"s{index}" for index in numpy.flatnonzero(row))) for row in dice.random((number, 8)) < chances]

    verdicts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for _ in range(60):
        learned = dice.binomial(140, truth) / 140
        wrong = numpy.where(numpy.arange(8) == 3, 1 - learned, learned)
        logged = drawn(truth, 60)
        for right, model in ((True, learned), (False, wrong)):
            verdicts[right][forecast(logged, drawn(model, 200))["verdict"]] += 1
    assert verdicts[True]["off"] <= 2
    assert verdicts[False]["off"] == 60, "the fourth state is met by 92 % instead of 8 %"


def test_who_was_just_heard_of_or_has_a_timer_is_under_way() -> None:
    for timeout, later in ((False, False), (True, True)):
        program, start = program_of(desk("storeys", timeout=timeout)), Started(flow_id="desk")
        book = Book(programs={program.key: program}, current={"desk": program.key})
        step = advance(book, Snapshot(), start, MONDAY, conversation_id="c")
        record = Record(conversation_id="c", moments=(Moment(turn=1, kind="start", input=start, now=MONDAY, events=step.events),), calls=())
        assert under_way(record, MONDAY - timedelta(minutes=1))
        assert under_way(record, MONDAY + timedelta(days=1)) is later


def test_unfinished_conversations_are_none_that_were_learned_from() -> None:
    half = [talk(done=number % 2 == 0) for number in range(100)]
    found = Forecast(arms={}, logged=half, rehearsed=half, conversations=200, unfinished=40, reliability={"error": 0.0})
    calibration = prediction.calibrated([(COMPLETED, "Completed")], found)
    assert (calibration["held_out"], calibration["unfinished"]) == (100, 40)
    assert calibration["states"] == prediction.reached(half, half, learned=60)


def test_what_cannot_be_simulated_is_not_foreseen() -> None:
    arms = {"control": [talk(done=True)] * 3}
    (row,) = prediction.predicted([(Metric(key="slow", measure="turn_latency"), "Latency")], arms, "control")["control"]
    assert row["value"] is None
    assert row["why_not"]


def test_openings_are_drawn_from_those_there_were() -> None:
    people = crowd(0.0)
    people.openings = [Opening(inputs={}, locale=locale, channel="web", profile={}, at=datetime(2026, 1, 1, tzinfo=UTC)) for locale in ("en", "de")]
    started = Counter(one.facts[0].data["locale"] for one in played(desk("storeys"), people, number=200))
    assert started.keys() == {"en", "de"}
    assert min(started.values()) > 60
    assert all(one.facts[0].at - datetime(2026, 1, 1, tzinfo=UTC) >= timedelta(0) for one in played(desk("storeys"), people, number=3))
