"""A poison job ends after three tries, and the queue flows (promise 16); a poison flow is bounded (promise 7)."""

import time

from tests.faults.calls import Caller, text_content
from tests.faults.plant import Plant, until


def test_what_kills_its_workers_is_given_up_after_three_tries(scaled: Plant) -> None:
    web = scaled.web()
    worker = scaled.worker(concurrency=1, include="tests.faults.poison")  # one child: nothing flows while it dies
    web.wait_until_ready()
    worker.wait_until_ready()
    office = scaled.ask("office")
    scaled.ask("enqueue_poison")
    with Caller([web.address], office["key"]) as caller:
        conversation, other = caller.start("echo"), caller.start("echo")
        reminder = caller.start("reminder", user_profile={"name": "poison"})
        for text, message_id in (("poison", "m-1"), ("fine", "m-2")):
            path = f"/api/v1/conversations/{conversation}/messages"
            status, _ = caller.send("POST", path, {"content": text_content(text), "client_message_id": message_id}, {"Prefer": "respond-async"})
            assert status == 202
        caller.say(conversation, "fine", "m-2", seconds=60)  # it waited behind the poison
        caller.say(other, "hello")
        until(lambda: caller.get("/api/v1/dead-turns?resolved=false")[1]["count"] == 2, seconds=60, what="the poison to be given up")
        dead = caller.get("/api/v1/dead-turns")[1]["results"]
        assert {one["kind"] for one in dead} == {"message", "timer"}
        assert {one["conversation_id"] for one in dead} == {conversation, reminder}
        assert [one["attempts"] for one in dead if one["kind"] == "message"] == [4]  # the fourth only looks and gives up
        buried = [caller.post(f"/api/v1/dead-turns/{one['id']}/bury", {"note": "seen"})[0] for one in dead]
        assert buried == [200, 200]
    turns = {(turn["conversation"], turn["id"]): turn for turn in scaled.ask("turns", tenant=office["tenant"])}
    assert (turns[conversation, "m-1"]["status"], turns[conversation, "m-2"]["status"]) == ("dead", "done")
    until(lambda: "job_dropped" in worker.text(), seconds=40, what="the poison job to be dropped")
    deaths = worker.text().count("WorkerLostError")
    print(f"{deaths} deaths of children")  # noqa: T201
    time.sleep(2)
    assert worker.text().count("WorkerLostError") == deaths  # nothing is tried for ever
    assert worker.running


def test_a_poison_flow_costs_less_than_a_second(embedded: Plant) -> None:
    """A loop that says nothing, behind the back of the check at publishing."""
    office = embedded.ask("office")
    embedded.ask("poison_flow", tenant=office["tenant"])
    node = embedded.web().wait_until_ready()
    with Caller([node.address], office["key"]) as caller:
        conversation = caller.start("loop")
        began = time.monotonic()
        found = caller.say(conversation, "go")
        assert time.monotonic() - began < 1
        assert found["turn"]["status"] == "failed"
        assert found["response"]["text"].startswith("Sorry")
        assert caller.say(conversation, "go")["turn"]["number"] == 3  # and it goes on
    embedded.ask("turns", tenant=office["tenant"])
