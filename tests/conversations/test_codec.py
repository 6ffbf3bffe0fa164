"""Snapshots in JSON: small, complete, and readable when fields are missing."""

import json
from typing import Any

from conversations.core import codec
from conversations.core.types import Attended, Call, Frame, Outcome, Returned, Snapshot, Status
from tests.playbook import Play, ending, flow, response, to


def test_an_empty_snapshot_is_small_and_comes_back() -> None:
    assert codec.snapshot_from_json({}) == Snapshot()
    assert codec.snapshot_from_json(codec.snapshot_to_json(Snapshot())) == Snapshot()
    assert len(json.dumps(codec.snapshot_to_json(Snapshot()))) < 100


LEFT: Any = {"trail": ("r#1",), "undo": ({"program": "p", "state": "r", "place": "undo", "seen": {}},), "on_cancel": "cancel"}


def test_every_field_comes_back() -> None:
    full = Snapshot(
        frames=(Frame(program="p", flow_id="f", state="s", returns={"a": "b"}, variables={"x": [1, None]}, visit=3, agenda=(["ask"],), **LEFT),),
        status=Status.WAITING,
        slots={"n": 5},
        profile={"name": "Ann"},
        locale="de-AT",
        channel="sms",
        history=("a", "b"),
        intents=("x",),
        results={"crm": {"ok": True}},
        retries={"n": 2},
        misses=1,
        error_count=2,
        awaiting="e1",
        agenda=(["result", "s"],),
        stable=(Frame(program="p", flow_id="f", state="r"),),
        steps=7,
        timers={"t": "s#0"},
        effects=4,
        seq=12,
        offered=({"label": "A", "say": "a"},),
        question={"kind": "clarify", "intents": ["a", "b"]},
        sent=9,
        sensitive=("n",),
    )
    default = Snapshot()
    assert all(getattr(full, name) != getattr(default, name) for name in Snapshot.__dataclass_fields__), "a new field: add it here and to the codec"
    assert codec.snapshot_from_json(json.loads(json.dumps(codec.snapshot_to_json(full)))) == full


def test_an_outcome_of_an_older_writer_has_defaults() -> None:
    event = codec.input_from_json({"type": "returned", "effect_id": "e1", "outcome": {"success": True}})
    assert event == Returned(effect_id="e1", outcome=Outcome(success=True))


def test_what_an_agent_does_comes_back() -> None:
    for deed in (Attended(deed="said", agent="user:1", name="Ada", text="Hello"), Attended(deed="resumed", state="ask", slots={"n": 3}, reason="x")):
        written = json.loads(json.dumps(codec.input_to_json(deed)))
        assert written["type"] == "attended"
        assert codec.input_from_json(written) == deed


def test_a_call_comes_back() -> None:
    call = Call(
        effect_id="e1", step_key="1:s", integration_id="crm", endpoint="/x", method="POST", request={"n": 1}, timeout_ms=100, retry={"max": 2}
    )
    assert codec.effect_from_json(json.loads(json.dumps(codec.effect_to_json(call)))) == call


def test_the_snapshot_of_a_short_conversation_stays_small(play: type[Play]) -> None:
    document = flow(states={"a": response("A", to("b")), "b": response("B", to("c")), "c": ending("C")})
    playing = play(document).user("x").user("y").ends()
    assert len(json.dumps(codec.snapshot_to_json(playing.at))) < 300
