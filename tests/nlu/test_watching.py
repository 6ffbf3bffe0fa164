"""Whether users still say what an intent model was trained on: the model itself on the newest messages; and the gates of such models."""

from typing import Any

import pytest

from conversations import services
from conversations.nlu.gates import judge
from conversations.understanding import watching
from mcp_platform.ml import versions
from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.nlu.samples import ASKED, STRANGERS
from tests.nlu.test_training import trained


@pytest.mark.django_db(transaction=True)
def test_what_users_say_is_compared_with_the_training() -> None:
    tenant = TenantFactory.create()
    row = trained(tenant)
    reference = watching.training(row.metrics)
    examples = row.metrics["examples"]
    assert sum(reference["confidence"].values()) == sum(reference["told"].values()) == examples == len(row.metrics["held_out"])
    assert {gate["name"] for gate in row.gates} >= {"latency", "overlap"}
    assert watching.look(row) is None, "nobody has said anything"

    wishes = [text for texts in ASKED.values() for text in texts]
    _said(tenant, wishes * 5)
    assert versions.measure(tenant, model_id=row.pk) is not None
    usual = versions.drift_of(row)
    assert usual.points[-1].count == 5 * len(wishes)
    _said(tenant, [f"{text} number {number}" for number in range(24) for text in STRANGERS])
    versions.measure(tenant, model_id=row.pk)
    strange = versions.drift_of(row)
    assert strange.worst is not None
    assert strange.worst.reading == "drifted"
    told = next(one for one in strange.shifts if one.name == "told")
    assert max(told.bins, key=lambda one: one.after).label == "(none)"
    assert strange.points[-1].indices["told"] > usual.points[-1].indices["told"]


def _said(tenant: Tenant, texts: list[str]) -> None:
    begun = services.start(tenant, flow_id="shop")
    for text in texts:
        services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": text})


def test_words_that_may_be_secret_and_buttons_are_not_looked_at() -> None:
    assert watching._words({"text": "where is my parcel"}) == "where is my parcel"
    for hidden in ({"text": "•••"}, {"text": "it is 7", "sensitive": ["pin"]}, {"text": "", "postback": {"a": 1}}, {"text": "left", "event": "left"}):
        assert watching._words(hidden) == ""


def test_models_of_before_are_compared_by_their_calibration() -> None:
    found = watching.training({"calibration": [{"low": 0.9, "count": 7}], "confusion": [["a", "a", 5], ["b", "(none)", 2]]})
    assert found["confidence"]["0.9–1.0"] == 7
    assert found["told"] == {"a": 5, "(none)": 2}


def report(told: str = "a", **more: Any) -> dict[str, Any]:
    """Of forty examples of two intents; those of `a` were told to be `told`."""
    held = [[f"{number:012}", name, told if name == "a" else name] for number, name in enumerate(["a", "b"] * 20)]
    intents = [{"intent": name, "examples": 20, "precision": 1.0, "recall": 0.9, "f1": 0.9} for name in "ab"]
    return {"intents": intents, "accepted_accuracy": 0.9, "held_out": held, "examples": 40, **more}


def closed(candidate: dict[str, Any], champion: dict[str, Any] | None = None) -> list[str]:
    return [gate.name for gate in judge(candidate, champion) if not gate.passed]


def test_a_model_that_is_surely_worse_on_shared_examples_is_refused() -> None:
    assert closed(report(), report()) == []
    assert closed(report(told="b"), report()) == ["macro_f1"]
    assert closed(report(), report(told="b")) == []


def test_few_shared_examples_judge_nothing() -> None:
    few = report(told="b")
    few["held_out"] = few["held_out"][:10]
    assert "macro_f1" not in [gate.name for gate in judge(few, report())]


@pytest.mark.parametrize(
    ("more", "champion", "gate"),
    [
        ({"calibration_error": 0.3, "calibration": [{"count": 200, "confidence": 0.9, "right": 0.6}]}, None, "calibration"),
        ({"p95_ms": 250.0}, None, "latency"),
        ({"conflicting": 4}, None, "overlap"),
        ({"out_of_scope_recall": 0.5, "strangers": 200}, {"out_of_scope_recall": 0.8}, "out_of_scope"),
    ],
)
def test_each_gate_closes(more: dict[str, Any], champion: dict[str, Any] | None, gate: str) -> None:
    assert closed(report(**more), report(**champion) if champion else None) == [gate]


@pytest.mark.parametrize(
    "more",
    [
        {"calibration_error": 0.3, "calibration": [{"count": 50, "confidence": 0.9, "right": 0.6}]},
        {"calibration_error": 0.05, "calibration": [{"count": 500, "confidence": 0.9, "right": 0.85}]},
        {"p95_ms": 9.0, "conflicting": 0},
        {"out_of_scope_recall": 0.78, "strangers": 200},
    ],
)
def test_gates_are_open_where_nothing_is_wrong(more: dict[str, Any]) -> None:
    assert closed(report(**more), report(out_of_scope_recall=0.8)) == []
