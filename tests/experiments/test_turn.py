"""Experiments inside turns: who gets which version, and exposure with the turn that first meets a difference."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from conversations import store
from conversations.models import Turn
from experiments import queries, services
from experiments.models import Assignment, Experiment, Exposure
from experiments.services import assigning
from flows.services import publish, save_draft
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.experiments.scenes import DESK, begun, desk, say, started

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _afresh() -> None:
    assigning.forget_everything()
    queries.running.__globals__["_running"].clear()


@pytest.fixture
def office() -> Tenant:
    tenant = factories.TenantFactory.create()
    desk(tenant)
    return tenant


def of(conversation: Any) -> Any:
    return Exposure.objects.filter(conversation_id=conversation.conversation_id)


def test_arms_begin_in_their_versions_and_are_exposed_where_they_differ(office: Tenant) -> None:
    row = started(office)
    assert row.states == ["ask"]
    seen: Counter[str] = Counter()
    for _ in range(30):
        talk = begun(office)
        arm = talk.reply["ab_variant"]
        assert not of(talk).exists(), "the greeting is the same in both arms"
        asked = say(office, talk, "hi")["response"]["text"]
        assert asked == {"shorter:control": "How many storeys?", "shorter:short": "Storeys?"}[arm]
        exposure = of(talk).get()
        assert (exposure.variant.key, exposure.state) == (arm.partition(":")[2], "ask")
        assert exposure.turn_id == Turn.objects.filter(conversation_id=talk.conversation_id).latest("number").pk
        say(office, talk, "nonsense")  # asks again in the same state
        assert of(talk).count() == 1
        seen[arm] += 1
    assert set(seen) == {"shorter:control", "shorter:short"}
    assert Assignment.objects.filter(experiment=row).count() == 30


def test_nobody_takes_part_before_the_start_and_after_the_stop(office: Tenant) -> None:
    assert begun(office).reply["ab_variant"] is None
    row = started(office)
    held = begun(office, "ada")
    assert held.reply["ab_variant"]
    services.stop(office, key=row.key, reason="enough", by=None)
    assert begun(office).reply["ab_variant"] is None
    assert "toreys?" in say(office, held, "hi")["response"]["text"], "who has begun goes on"
    with override_settings(ENABLE_AB_TESTING=False):
        assert begun(office).reply["ab_variant"] is None


def test_a_conversation_that_began_before_is_never_exposed(office: Tenant) -> None:
    early = begun(office, "ada")
    started(office, unit="user")
    while not any(begun(office, f"ada-{n}").reply["ab_variant"] == "shorter:control" for n in range(50)):
        pytest.fail("no control among 50")
    say(office, early, "hi")
    assert not of(early).exists()


def test_a_user_keeps_the_arm_over_conversations_processes_and_weights(office: Tenant) -> None:
    row = started(office, unit="user", allocation="weighted")
    before = {f"u{n}": begun(office, f"u{n}").reply["ab_variant"] for n in range(20)}
    weights = [{"key": "control", "is_control": True, "percentage": 1.0}, {"key": "short", "percentage": 99.0}]
    services.change(office, key=row.key, fields={"variants": weights}, by=None)
    services.ramp(office, key=row.key, coverage=0.01, by=None)
    assigning.forget_everything()  # as another process would
    assert before == {user: begun(office, user).reply["ab_variant"] for user in before}


def test_a_restart_stays_in_the_arm_and_a_new_version_does_not_move_it(office: Tenant) -> None:
    started(office, unit="user")
    talk = begun(office, "ada")
    arm = talk.reply["ab_variant"]
    newer = {**DESK, "states": {**DESK["states"], "hello": {**DESK["states"]["hello"], "config": {"response_templates": {"default": "Hello."}}}}}
    save_draft(office, flow_id="desk", document=newer, by=None)
    publish(office, flow_id="desk", by=None)
    again = begun(office, "ada")
    assert again.reply["ab_variant"] == arm
    assert "Welcome" in again.reply["response"]["text"]
    assert "Hello." in begun(office, "").reply["response"]["text"], "nobody without a name takes part"


def test_targeting_holdout_and_namespace_decide_who(office: Tenant) -> None:
    services.save_holdout(office, fields={"key": "kept", "share": 0.5}, by=None)
    services.save_namespace(office, fields={"key": "room"}, by=None)
    services.save_namespace(office, fields={"key": "hall"}, by=None)
    more = {"unit": "user", "targeting": {"channel": "web", "profile.tier": {"$in": ["gold"]}}, "holdout": "kept"}
    started(office, **more, namespace="room", namespace_start=0.0, namespace_end=0.5)
    gold = {"tier": "gold"}
    assert begun(office, "u1", profile={"tier": "tin"}).reply["ab_variant"] is None
    arms = Counter(bool(begun(office, f"g{n}", profile=gold).reply["ab_variant"]) for n in range(80))
    assert 5 <= arms[True] <= 40, "a quarter"


def test_forced_units_see_it_and_are_not_analysed(office: Tenant) -> None:
    row = started(office, unit="user", coverage=0.0)
    services.force(office, key=row.key, unit="tester", variant="short", by=None)
    talk = begun(office, "tester")
    assert say(office, talk, "hi")["response"]["text"] == "Storeys?"
    assert not of(talk).get().analysed


def test_no_exposure_without_its_turn(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn fails after everything was written: neither is there."""
    started(office)
    talk = begun(office)

    def broken(*args: Any) -> None:
        real(*args)
        raise RuntimeError("killed")

    real = store.save
    with monkeypatch.context() as patched:
        patched.setattr("conversations.store.save", broken)
        if connection.vendor == "postgresql":
            patched.setattr("conversations.store.one_statement", lambda: False)
        with pytest.raises(RuntimeError):
            say(office, talk, "hi")
    assert not of(talk).exists()
    say(office, talk, "hi")
    assert of(talk).count() == 1


@pytest.mark.django_db(transaction=True)
def test_racing_processes_agree() -> None:
    """Threads with caches of their own, for one unit after the other: all get what the first one wrote, though each throws dice."""
    office = factories.TenantFactory.create()
    desk(office)
    row = started(office, unit="user", allocation="random")
    trial = queries.trial_of(queries.experiment(office, row.key))

    def ask(unit: str) -> str:
        assigning.forget_everything()
        try:
            with scope.tenant_scope(office):
                return assigning.arm_for(office.pk, trial, unit, {}, trial.since)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for n in range(15):
            assert len(set(pool.map(ask, [f"u{n}"] * 4))) == 1
    assert Assignment.objects.filter(experiment=row).count() == 15


def test_who_listens_is_told_of_the_exposure_once(office: Tenant) -> None:
    from mcp_platform.outbox.models import OutboxEvent
    from mcp_platform.outbox.services import create_endpoint

    create_endpoint(office, fields={"name": "crm", "url": "https://crm.example.com/h", "types": ["experiment.*"]}, by=None)
    started(office)
    talk = begun(office)
    say(office, talk, "hi")
    say(office, talk, "what?")
    told = OutboxEvent.objects.filter(type="experiment.exposed")
    assert [one.data["conversation_id"] for one in told] == [str(talk.conversation_id)]
    assert Experiment.objects.get().key == told[0].data["experiment"]


def test_counting_adds_each_outcome_once(office: Tenant) -> None:
    row = started(office)
    talks = [begun(office) for _ in range(12)]
    for n, talk in enumerate(talks):
        say(office, talk, "hi")
        if n % 3:
            say(office, talk, "what?")
            say(office, talk, "7")
    found = services.count(office, key=row.key)
    assert found == {**services.count(office, key=row.key), "as_of": found["as_of"]}
    metric = found["metrics"][0]
    assert sum(arm["units"] for arm in metric["arms"]) == 12 == found["exposed"]
    assert round(sum(arm["units"] * arm["value"] for arm in metric["arms"])) == 8
    say(office, talks[0], "5")
    again = services.count(office, key=row.key)["metrics"][0]
    assert round(sum(arm["units"] * arm["value"] for arm in again["arms"])) == 9


def test_who_joins_late_is_exposed_in_no_arm(office: Tenant) -> None:
    """More coverage, and the end of a pause, meet conversations that are under way: the control's version is the one they run."""
    row = started(office, coverage=0.0)
    early = [begun(office) for _ in range(16)]
    services.ramp(office, key=row.key, coverage=1.0, by=None)
    for talk in early:
        say(office, talk, "hi")
    assert Assignment.objects.filter(experiment=row).count() == 16
    assert not Exposure.objects.exists()


def test_what_began_in_a_pause_is_exposed_in_no_arm(office: Tenant) -> None:
    row = started(office, unit="user")
    users = [f"u{n}" for n in range(12)]
    assert {begun(office, user).reply["ab_variant"] for user in users} == {"shorter:control", "shorter:short"}
    services.pause(office, key=row.key, by=None)
    held = [begun(office, user) for user in users]
    services.resume(office, key=row.key, by=None)
    for talk in held:
        say(office, talk, "hi")
    assert not Exposure.objects.exists()
    for user in users:
        say(office, begun(office, user), "hi")
    assert Exposure.objects.count() == 12


def test_what_is_over_in_one_step_is_exposed(office: Tenant) -> None:
    """The variant says a word and ends: its frame is gone when the step is."""
    only_replies_have = ("response_type", "personalization", "typing_indicator", "delay_ms", "choices", "attachments", "cards", "quick_replies")
    hello = {"type": "end", "transitions": None, "config": dict.fromkeys(only_replies_have)}
    silent = {"states": {"hello": hello, "ask": None, "done": None}}
    plan = [{"key": "control", "is_control": True, "percentage": 50.0}, {"key": "silent", "percentage": 50.0, "modifications": silent}]
    row = started(office, variants=plan)
    for _ in range(16):
        begun(office)
    assert "hello" in row.states
    assert {one.variant.key for one in Exposure.objects.all()} == {"control", "silent"}
    assert Exposure.objects.count() == 16


@pytest.mark.django_db(transaction=True)
def test_a_turn_that_is_taken_back_leaves_no_arm_behind() -> None:
    office = factories.TenantFactory.create()
    desk(office)
    row = started(office, unit="user")
    trial = queries.trial_of(queries.experiment(office, row.key))
    with pytest.raises(RuntimeError), transaction.atomic():
        assert assigning.arm_for(office.pk, trial, "ada", {}, trial.since)
        raise RuntimeError
    assert not Assignment.objects.exists()
    arm = assigning.arm_for(office.pk, trial, "ada", {}, trial.since)
    assert Assignment.objects.get().variant.key == arm


def test_a_force_takes_out_what_was_counted_and_leaves_nothing_behind(office: Tenant) -> None:
    row = started(office, unit="user")
    talk = begun(office, "ada")
    for text in ("hi", "7"):
        say(office, talk, text)
    say(office, begun(office, "bob"), "hi")
    assert services.count(office, key=row.key)["exposed"] == 2
    services.force(office, key=row.key, unit="ada", variant="short", by=None)
    found = services.count(office, key=row.key)
    assert found["exposed"] == 1
    arms = found["metrics"][0]["arms"]
    assert (sum(arm["units"] for arm in arms), sum(arm["value"] or 0 for arm in arms)) == (1, 0), "bob is left, who has come to no end"
    assert begun(office, "ada").reply["ab_variant"] == "shorter:short"
    services.unforce(office, key=row.key, unit="ada", by=None)
    begun(office, "ada")
    assert Assignment.objects.get(unit_id="ada").reason == "hashed"


def test_other_weights_open_a_phase(office: Tenant) -> None:
    row = started(office, unit="user", allocation="weighted")
    for n in range(6):
        say(office, begun(office, f"u{n}"), "hi")
    weights = [{"key": "control", "is_control": True, "percentage": 10.0}, {"key": "short", "percentage": 90.0}]
    changed = services.change(office, key=row.key, fields={"variants": weights}, by=None)
    assert changed.phase == 2
    for n in range(10):
        say(office, begun(office, f"u{n}"), "hi")
    assert services.count(office, key=row.key)["exposed"] == 4, "those of before keep their arms and count no more"


def test_only_what_has_not_moved_for_long_is_settled(office: Tenant) -> None:
    row = started(office)
    talks = [begun(office) for _ in range(2)]
    for talk in talks:
        say(office, talk, "hi")
    long_ago = timezone.now() - timedelta(days=20)
    Exposure.objects.update(at=long_ago)
    services.count(office, key=row.key)
    Exposure.objects.filter(conversation_id=talks[0].conversation_id).update(moved_at=long_ago)
    Exposure.objects.update(looked_at=long_ago)
    services.count(office, key=row.key)
    assert [of(talk).get().settled for talk in talks] == [True, False]
