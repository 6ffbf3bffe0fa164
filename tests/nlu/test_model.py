"""Intent models: they understand what they have not seen, turn strangers away, come out the same every time, and run nothing that is stored."""

import io
from typing import Any

import numpy as np
import pytest

from conversations.nlu import minilm, training
from conversations.nlu.model import BAR, OUT_OF_SCOPE, SKETCHED, IntentModel, Unusable, from_bytes, to_bytes
from tests.nlu.samples import ASKED, STRANGERS, examples

ANIMALS = ("ant", "ape", "bat", "bee", "cat", "cow", "dog", "eel", "elk", "emu", "fox", "gnu", "hen", "hog", "jay", "kit", "owl", "pig", "ram", "yak")
QUESTIONS = [(text, name) for name, texts in ASKED.items() for text in texts]


@pytest.fixture(scope="module")
def learned() -> training.Learned:
    return training.learn(examples())


def best(model: IntentModel, text: str) -> tuple[str, float]:
    told = [one for one in model.classify(text) if one[0] != OUT_OF_SCOPE]
    return told[0] if told else ("", 0.0)


def test_it_understands_what_it_has_not_seen(learned: training.Learned) -> None:
    right = [best(learned.model, text)[0] == name for text, name in QUESTIONS]
    assert sum(right) >= len(right) - 1


def test_strangers_stay_below_the_bar_and_questions_pass_it(learned: training.Learned) -> None:
    refused = [best(learned.model, text)[1] < BAR for text in STRANGERS]
    passed = [best(learned.model, text)[1] >= BAR for text, _ in QUESTIONS]
    assert sum(refused) >= len(refused) - 1
    assert sum(passed) >= len(passed) * 0.75


def test_the_report_is_about_every_intent_and_adds_up(learned: training.Learned) -> None:
    report = learned.report
    assert {one.intent for one in report.intents} == set(ASKED)
    assert sum(count for _, _, count in report.confusion) == report.examples == len(examples())
    assert report.accepted_accuracy <= report.accuracy <= 1
    assert report.out_of_scope_recall > 0.8
    wrong = sum(count for wanted, told, count in report.confusion if wanted != told)
    assert len(report.misjudged) == wrong


def test_equal_examples_give_an_equal_model(learned: training.Learned) -> None:
    again = training.learn(list(reversed(examples())))
    assert again.data_sha256 == learned.data_sha256
    one, other = learned.model.classify("refund please"), again.model.classify("refund please")
    assert [name for name, _ in one] == [name for name, _ in other]
    assert one[0][1] == pytest.approx(other[0][1], abs=0.02)
    assert to_bytes(training.learn(examples()).model) == to_bytes(learned.model)


def test_a_stored_model_answers_as_before(learned: training.Learned) -> None:
    stored = from_bytes(to_bytes(learned.model))
    for text, _ in QUESTIONS:
        assert stored.classify(text) == learned.model.classify(text)


@pytest.mark.parametrize("text", ["", "   ", "?!…", "\0", "\ud800"])
def test_no_words_mean_nothing(learned: training.Learned, text: str) -> None:
    if text == "\ud800":
        assert isinstance(learned.model.classify("x \ud800 y"), tuple)
    else:
        assert learned.model.classify(text) == ()


def test_without_the_sentence_model_words_alone_do_much() -> None:
    model = training.learn(examples(), encoder=SKETCHED).model
    asked = [
        ("give me my money back", "refund"),
        ("where is the parcel I ordered", "track"),
        ("open a login", "account"),
        ("the opening hours", "hours"),
    ]
    assert [best(model, text)[0] for text, _ in asked] == [name for _, name in asked]
    assert from_bytes(to_bytes(model)).classify("track my parcel") == model.classify("track my parcel")


def test_an_author_may_give_out_of_scope_examples() -> None:
    model = training.learn([*examples(), *((text, "oos") for text in STRANGERS)], encoder=SKETCHED).model
    assert "oos" not in model.labels
    assert model.intents == tuple(sorted(ASKED))
    assert best(model, STRANGERS[0])[1] < BAR


def test_lopsided_and_doubled_examples_do_no_harm() -> None:
    many = [(f"where is parcel number {n}", "track") for n in range(300)]
    few = [("open an account", "account"), ("OPEN an account!", "account"), ("register me", "account"), ("", "account"), ("lonely", "alone")]
    learned = training.learn([*many, *many, *few], encoder=SKETCHED)
    assert learned.model.intents == ("account", "track")
    assert learned.choices["dropped"] == 300 + 3
    assert best(learned.model, "open an account")[0] == "account"
    assert best(learned.model, "where is my parcel")[0] == "track"


@pytest.mark.parametrize(
    "given",
    [[], [("hello", "greet")], [("hello", "greet"), ("Hello!", "greet"), ("bye", "leave"), ("good bye", "leave")], [("a b", "one"), ("c d", "one")]],
)
def test_too_little_is_said(given: Any) -> None:
    with pytest.raises(training.TooLittle):
        training.learn(given, encoder=SKETCHED)


def test_a_text_of_two_intents_is_reported() -> None:
    learned = training.learn([*examples(), ("where is my parcel", "refund")], encoder=SKETCHED)
    assert (learned.choices["conflicting"], learned.choices["conflicts"]) == (["where is my parcel"], 1)


def test_all_texts_of_two_intents_count_and_the_first_are_named() -> None:
    some = [f"{one} {other}" for one in ("red", "green", "blue") for other in ANIMALS]
    learned = training.learn([*((text, name) for text in some for name in ("buy", "sell"))], encoder=SKETCHED)
    assert (len(learned.choices["conflicting"]), learned.choices["conflicts"]) == (50, len(some))


def arrays_of(model: IntentModel) -> dict[str, Any]:
    with np.load(io.BytesIO(to_bytes(model))) as found:
        return {name: found[name] for name in found.files}


def stored(arrays: dict[str, Any]) -> bytes:
    made = io.BytesIO()
    np.savez(made, **arrays)
    return made.getvalue()


class Bomb:
    def __reduce__(self) -> Any:
        raise AssertionError("something that was stored was run")


@pytest.mark.parametrize(
    "change",
    [
        {"matrix": np.zeros((3, 3), np.float32)},
        {"format": np.array(99)},
        {"encoder": np.array("another model")},
        {"labels": np.array(["only one"])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(learned: training.Learned, change: dict[str, Any]) -> None:
    with pytest.raises(Unusable):
        from_bytes(stored({**arrays_of(learned.model), **change}))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04broken"])
def test_nonsense_is_refused(content: bytes) -> None:
    with pytest.raises(Unusable):
        from_bytes(content)


def test_pickles_are_never_opened(learned: training.Learned) -> None:
    import pickle

    labels = np.empty(1, dtype=object)
    labels[0] = "x"
    with pytest.raises(Unusable):
        from_bytes(stored({**arrays_of(learned.model), "labels": labels}))
    with pytest.raises(Unusable):
        from_bytes(pickle.dumps(["x"]))


def test_the_same_words_give_the_same_vector_alone_or_among_others() -> None:
    minilm.forget("where is my parcel")
    alone = minilm.encode(["where is my parcel"])[0]
    minilm.forget("where is my parcel")
    among = minilm.encode(["a much longer sentence about nothing in particular", "where is my parcel"])[1]
    assert np.array_equal(alone, among)
    assert np.linalg.norm(alone) == pytest.approx(1, abs=1e-5)


def test_another_file_than_the_checked_one_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    minilm._loaded.cache_clear()
    monkeypatch.setattr(minilm, "TOKENIZER", (*minilm.TOKENIZER[:2], "0" * 64))
    assert not minilm.available()
    with pytest.raises(minilm.Unavailable):
        minilm.encode(["something that was never said before"])
    monkeypatch.undo()
    assert minilm.available()
