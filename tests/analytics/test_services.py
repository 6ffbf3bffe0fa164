"""Real conversations, counted a little at a time, by several at once, late, and anew: always the same sums."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations import services as talking
from conversations.analytics import queries, services, tasks
from conversations.analytics.models import Head, Mark, Tally
from conversations.analytics.queries import View, last_days
from conversations.models import Conversation
from flows.models import Flow
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import ECHO, PERMIT, at_once
from tests.conversations.test_properties import CONTENTS
from tests.factories import TenantFactory, published


@pytest.fixture
def office(db: None) -> Tenant:
    tenant = TenantFactory.create()
    for document in (ECHO, PERMIT):
        published(tenant, document)
    return tenant


def say(tenant: Tenant, begun: Any, *texts: str) -> None:
    for text in texts:
        talking.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": text})


def table(tenant: Tenant) -> dict[Any, int]:
    rows = Tally.objects.for_tenant(tenant).values_list("version_id", "environment_id", "channel", "day", "measure", "name", "value")
    return {row[:6]: row[6] for row in rows if row[6] and row[4] != "latency"} | {
        ("latency", row[0]): sum(one[6] for one in rows if one[4] == "latency" and one[0] == row[0]) for row in rows if row[4] == "latency"
    }


def today() -> View:
    return last_days(timezone.now().date(), 2)


def permit(tenant: Tenant) -> Flow:
    found: Flow = Flow.objects.for_tenant(tenant).get(flow_id="permit")
    return found


def test_numbers_of_a_flow(office: Tenant) -> None:
    finished = talking.start(office, flow_id="permit", channel="web")
    say(office, finished, "what?", "five", "yes")
    say(office, talking.start(office, flow_id="permit", channel="chat"), "three")
    talking.start(office, flow_id="echo")
    done = services.count_new(office)
    assert (done.conversations, done.more) == (3, False)
    found = queries.overview(office, permit(office), today())
    assert (found["starts"], found["completed"], found["completion_rate"], found["not_ended"]) == (2, 1, 0.5, 1)
    assert found["turns"] == {"start": 2, "message": 4}
    assert {row["slot"]: (row["filled"], row["refused"]) for row in found["slots"]}["storeys"] == (2, 1)
    assert found["latency_ms"]["count"] == 6
    funnel = queries.funnel(office, permit(office), today())
    assert {row["state"]: (row["reached"], row["stopped"], row["ended"]) for row in funnel["states"]} == {"ask": (2, 1, 0), "done": (1, 0, 1)}
    assert funnel["moves"] == [{"from_state": "ask", "to_state": "done", "count": 1}]
    chat = View(since=today().since, until=today().until, channel="chat")
    assert queries.overview(office, permit(office), chat)["starts"] == 1
    assert queries.overview(office, permit(office), View(since=today().since, until=today().until, version=9))["starts"] == 0
    days = queries.by_day(office, permit(office), today())
    assert [(row["starts"], row["completed"]) for row in days] == [(0, 0), (2, 1)]


def test_counting_again_changes_nothing(office: Tenant) -> None:
    say(office, talking.start(office, flow_id="permit"), "five")
    services.count_new(office)
    before = table(office)
    assert services.count_new(office, everywhere=True).events == 0
    assert table(office) == before


@settings(max_examples=15)
@given(
    talks=st.lists(st.tuples(st.sampled_from(["echo", "permit"]), st.lists(CONTENTS, max_size=4)), min_size=1, max_size=4), seed=st.integers(0, 99)
)
def test_a_little_at_a_time_is_the_same_as_anew(talks: list[Any], seed: int, office: Tenant) -> None:
    dice = random.Random(seed)
    open_talks = [(talking.start(office, flow_id=flow_id), list(contents)) for flow_id, contents in talks]
    while any(contents for _, contents in open_talks):
        begun, contents = dice.choice([one for one in open_talks if one[1]])
        talking.process_message(office, conversation_id=begun.conversation_id, content=contents.pop(0))
        if dice.random() < 0.5:
            services.count_new(office)
    services.count_new(office)
    little = table(office)
    services.rebuild(office)
    assert table(office) == little
    assert all(value >= 0 for key, value in little.items())


def test_what_commits_late_or_by_a_wrong_clock_is_counted(office: Tenant) -> None:
    say(office, talking.start(office, flow_id="permit"), "five")
    services.count_new(office)
    late = talking.start(office, flow_id="permit")
    Conversation.objects.filter(pk=late.conversation_id).update(
        updated_at=timezone.now() - timedelta(hours=1)
    )  # written by a node that is an hour off
    services.count_new(office)
    assert queries.overview(office, permit(office), today())["starts"] == 1  # not looked for there …
    assert services.tenants_behind() == []
    assert services.tenants_behind(everywhere=True) == [office.pk]
    tasks.count(tenant_id=str(office.pk), everywhere=True)  # … but every hour everywhere
    assert queries.overview(office, permit(office), today())["starts"] == 2


def test_who_loses_the_race_writes_nothing(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    say(office, talking.start(office, flow_id="permit"), "five")
    real = services._logs

    def overtaken(*args: Any) -> Any:
        found = real(*args)
        monkeypatch.setattr(services, "_logs", real)
        services.count_new(office)  # another counter, faster
        return found

    monkeypatch.setattr(services, "_logs", overtaken)
    assert services.count_new(office).more
    assert queries.overview(office, permit(office), today())["starts"] == 1
    assert Mark.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_several_counters_while_people_talk(transactional_db: None) -> None:
    tenant = TenantFactory.create()
    published(tenant, PERMIT)

    def work(number: int) -> None:
        if number < 3:
            for _ in range(4):
                say(tenant, talking.start(tenant, flow_id="permit"), "five", "yes")
        else:
            for _ in range(6):
                services.count_new(tenant)

    at_once(5, work)
    while services.count_new(tenant, everywhere=True).more:
        pass
    found = queries.overview(tenant, Flow.objects.get(tenant=tenant, flow_id="permit"), today())
    assert (found["starts"], found["completed"], found["latency_ms"]["count"]) == (12, 12, 36)
    before = table(tenant)
    services.rebuild(tenant)
    assert table(tenant) == before


def test_the_command_counts_and_rebuilds(office: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    talking.start(office, flow_id="permit")
    call_command("analytics", "count")
    call_command("analytics", "rebuild", "--tenant", office.slug, "--json")
    assert '"conversations": 1' in capsys.readouterr().out
    assert Head.objects.get(tenant=office).counted_at is not None


def test_a_deleted_conversation_stays_counted(office: Tenant) -> None:
    begun = talking.start(office, flow_id="permit")
    services.count_new(office)
    Conversation.objects.filter(pk=begun.conversation_id).delete()
    services.count_new(office)
    assert queries.overview(office, permit(office), today())["starts"] == 1
