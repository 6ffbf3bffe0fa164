"""Live versions on real rows: dry runs, plans, moves at the next message and by the batch job, drains, force, and the way back."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from conversations import errors, queries, sealed, services, turn, versions
from conversations.models import Conversation, ConversationEvent, Effect, MigrationPlan, Timer, Turn
from flows import services as flow_services
from flows.models import Flow, FlowVersion
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import run as run_operation
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests.conversations.scenes import LandRegister, calling, check_log, land_register, register_of, said
from tests.factories import TenantFactory, published
from tests.playbook import ending, flow, response, to

pytestmark = pytest.mark.django_db


def asking(slot: str, target: str = "done", **more: Any) -> Any:
    return {"type": "slot_filling", "config": {"required_slots": [slot], **more}, "transitions": [to(target, "slot_filled")]}


def permit(first: str = "storeys", second: str = "owner", state: str = "name", **more: Any) -> Any:
    return flow(
        "permit",
        states={"ask": asking(first, state), state: asking(second), "done": ending(f"{{{{ slots.{first} }}}} for {{{{ slots.{second} }}}}.")},
        slots={first: {"type": "integer"}, second: {"type": "text"}, **more},
    )


MAP = {"states": {"name": "holder"}, "slots": {"storeys": {"to": "levels"}}}


class Silent:
    """Progress that nobody watches."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def report(self, done: int, total: int, phase: str = "") -> None:
        self.told.append((done, total))


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    published(tenant, permit())
    return tenant


def say(tenant: Tenant, conversation_id: Any, text: str, **more: Any) -> Any:
    return services.process_message(tenant, conversation_id=conversation_id, content={"type": "text", "text": text}, **more)


def begin(tenant: Tenant, *texts: str, flow_id: str = "permit") -> UUID:
    begun = services.start(tenant, flow_id=flow_id)
    for text in texts:
        say(tenant, begun.conversation_id, text)
    return begun.conversation_id


def publish(tenant: Tenant, document: Any, **more: Any) -> FlowVersion:
    flow_services.import_flow(tenant, document=document, replace=True, by=None)
    return flow_services.publish(tenant, flow_id=document["flow_id"], by=None, **more)


def plan_of(tenant: Tenant, mapping: Any = None, **fields: Any) -> MigrationPlan:
    given = {**fields, **({"mapping": mapping} if mapping is not None else {})}
    return versions.create(tenant, flow_id="permit", source=1, fields=given, by=None)


def work(tenant: Tenant) -> Any:
    """Run the newest operation, as a worker does."""
    row = Operation.objects.latest("created_at")
    run_operation(tenant, operation_id=row.pk, attempt=row.attempts)
    row.refresh_from_db()
    assert row.status == "succeeded", row.error
    return row


def applied(tenant: Tenant, plan: MigrationPlan) -> Any:
    versions.apply(tenant, plan_id=plan.pk, by=None)
    return work(tenant).result


def version_of(conversation_id: UUID) -> int:
    return int(Conversation.objects.select_related("version").get(pk=conversation_id).version.number)


def test_conversations_stay_pinned_unless_somebody_says_otherwise(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    say(office, here, "Ada")
    assert said(here)[-1] == "12 for Ada."
    assert not MigrationPlan.objects.exists()


def test_a_dry_run_tells_and_writes_nothing(office: Tenant) -> None:
    first, second = begin(office), begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, {})
    before = [list(model.objects.values()) for model in (Conversation, Turn, ConversationEvent, Timer)]
    versions.dry_run(office, plan_id=plan.pk, by=None)
    report = work(office).result
    assert [list(model.objects.values()) for model in (Conversation, Turn, ConversationEvent, Timer)] == before
    assert (report["total"], report["movable"], report["refused"]) == (2, 1, 1)
    assert report["reasons"] == [
        {"state": "name", "code": "no_state", "message": 'the state "name" has no counterpart', "count": 1, "examples": [str(second)]}
    ]
    assert {"from": "ask", "to": "ask", "movable": 1} in report["states"]
    plan.refresh_from_db()
    assert plan.report is not None
    assert (plan.report["movable"], plan.report_rev) == (1, plan.rev)
    assert version_of(first) == 1


def test_a_plan_moves_them_all_and_they_go_on(office: Tenant) -> None:
    first, second = begin(office), begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP)
    result = applied(office, plan)
    assert (result["migrated"], result["remaining"], result["refused"]) == (2, 0, 0)
    plan.refresh_from_db()
    assert plan.status == "finished"
    for one in (first, second):
        assert version_of(one) == 2
        assert [row.kind for row in check_log(one)][-1] == "migration"
    say(office, second, "Ada")
    assert said(second)[-1] == "12 for Ada."
    say(office, first, "7")
    assert queries.snapshot_of(Conversation.objects.get(pk=first)).slots == {"levels": 7}
    assert AuditEntry.objects.filter(action="migration_plan.apply").exists()


def test_nothing_is_moved_twice(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP)
    applied(office, plan)
    plan.refresh_from_db()
    way = turn.way_of(plan)
    assert isinstance(turn.move(office, [here], way)[0], turn.Already)
    assert Turn.objects.filter(kind="migration").count() == 1
    assert versions.run_apply(office, plan.pk, Silent(), run=1)["superseded"], "a job that comes late does nothing"


def test_the_suggested_map_moves_renamed_states(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("storeys", "owner", "name_of_owner"))
    assert applied(office, plan_of(office))["migrated"] == 1
    assert Conversation.objects.get(pk=here).current_state == "name_of_owner"


def test_they_move_with_their_next_message(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    versions.apply(office, plan_id=plan_of(office, MAP).pk, by=None)
    answer = say(office, here, "Ada")
    assert (answer.status, answer.reply["response"]["text"]) == ("done", "12 for Ada.")
    assert [row.kind for row in check_log(here)] == ["start", "message", "migration", "message"]
    assert version_of(here) == 2


def test_a_retried_message_finds_its_reply_after_the_move(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    versions.apply(office, plan_id=plan_of(office, MAP).pk, by=None)
    first = say(office, here, "Ada", client_message_id="m1")
    again = say(office, here, "Ada", client_message_id="m1")
    assert again.replayed
    assert again.reply == first.reply


def test_a_refused_conversation_goes_on_pinned(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    result = applied(office, plan_of(office, {}))
    assert (result["migrated"], result["remaining"]) == (0, 1)
    assert say(office, here, "Ada").reply["response"]["text"] == "12 for Ada."
    assert version_of(here) == 1


def test_a_stopped_plan_moves_nobody(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP)
    versions.apply(office, plan_id=plan.pk, by=None)
    versions.stop(office, plan_id=plan.pk, by=None)
    say(office, here, "Ada")
    assert version_of(here) == 1
    assert work(office).result["superseded"]


def test_two_plans_for_one_version_are_not_active_together(office: Tenant) -> None:
    begin(office)
    publish(office, permit("levels", "owner", "holder"))
    versions.apply(office, plan_id=plan_of(office, MAP).pk, by=None)
    with pytest.raises(errors.PlanRefused):
        versions.apply(office, plan_id=plan_of(office, MAP).pk, by=None)


def test_a_map_that_does_not_fit_is_refused_with_every_fault(office: Tenant) -> None:
    publish(office, permit("levels", "owner", "holder"))
    with pytest.raises(errors.PlanDoesNotFit) as refused:
        plan_of(office, {"states": {"nowhere": "ask", "name": "done"}, "slots": {"storeys": {"to": "x", "convert": "1 +"}}})
    found = {fault["path"] for fault in refused.value.details["errors"]}
    assert found == {"$.mapping.states.nowhere", "$.mapping.states.name", "$.mapping.slots.storeys.to", "$.mapping.slots.storeys.convert"}


def test_an_active_plan_is_not_edited(office: Tenant) -> None:
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP)
    versions.apply(office, plan_id=plan.pk, by=None)
    with pytest.raises(errors.PlanRefused):
        versions.change(office, plan_id=plan.pk, fields={"note": "x"}, by=None)
    with pytest.raises(errors.PlanRefused):
        versions.delete(office, plan_id=plan.pk, by=None)


def waiting(seconds: int, text: str = "Late.") -> Any:
    wait = {"type": "wait", "config": {"prompt": "Well?", "timeout_ms": seconds * 1000}, "transitions": [to("late", "timeout"), to("done")]}
    return flow("permit", states={"ask": wait, "late": response(text, to("done")), "done": ending()})


def test_timers_are_set_by_the_new_version() -> None:
    tenant = TenantFactory.create()
    published(tenant, waiting(3600))
    here = begin(tenant)
    publish(tenant, waiting(60, "New."))
    applied(tenant, plan_of(tenant))
    cancelled, pending = Timer.objects.order_by("pk")
    assert (cancelled.status, pending.status) == ("cancelled", "pending")
    assert pending.due_at < timezone.now() + timedelta(seconds=61)
    assert services.fire_timer(tenant, conversation_id=here, token=cancelled.token, attempt=0) is None
    services.fire_timer(tenant, conversation_id=here, token=pending.token, attempt=0)
    assert said(here)[-1] == "New."
    check_log(here)


@pytest.fixture
def register(settings: Any) -> Any:
    with land_register(settings) as server:
        yield server


def test_a_call_on_its_way_is_waited_for(register: LandRegister) -> None:
    tenant = TenantFactory.create()
    register_of(tenant, register)
    published(tenant, calling(flow_id="permit"))
    here = begin(tenant, "parcel")
    publish(tenant, calling(flow_id="permit", timeout_ms=1999))
    plan = plan_of(tenant)
    result = applied(tenant, plan)
    assert [reason["code"] for reason in result["reasons"]] == ["awaiting"]
    effect = Effect.objects.get()
    services.perform_effect(tenant, effect_id=effect.pk, attempt=0)
    say(tenant, here, "another")
    assert version_of(here) == 2, "it moved with the next message"
    check_log(here)


def test_force_gives_a_call_up_and_never_makes_it_again(register: LandRegister) -> None:
    tenant = TenantFactory.create()
    register_of(tenant, register)
    published(tenant, calling(flow_id="permit"))
    here = begin(tenant, "parcel")
    queued = say(tenant, here, "and another")
    publish(tenant, calling(flow_id="permit", timeout_ms=1999))
    result = applied(tenant, plan_of(tenant, policy="force"))
    assert result["migrated"] == 1
    effect: Any = Effect.objects.get()
    assert (effect.status, effect.result["code"]) == ("failed", "discarded")
    given_up: Any = Turn.objects.get(conversation_id=here, number=2)
    assert (given_up.status, given_up.error["error_code"]) == ("failed", "CONVERSATION_MIGRATED")
    services.perform_effect(tenant, effect_id=effect.pk, attempt=0)
    assert register.requests == []
    services.run_queued(tenant, conversation_id=here)
    assert Turn.objects.get(pk=queued.turn_id).status == "running", "the queued message is not lost"
    check_log(here)


def test_force_leads_states_without_a_counterpart_to_the_fallback(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    applied(office, plan_of(office, {"missing": "state", "fallback": "holder"}, policy="force"))
    assert Conversation.objects.get(pk=here).current_state == "holder"


def test_sub_flows_on_the_stack_move_too(office: Tenant) -> None:
    outer = flow(
        "outer",
        states={"call": {**response("Back.", to("end")), "entry_actions": [{"type": "trigger_flow", "flow_id": "permit"}]}, "end": ending()},
    )
    published(office, outer)
    here = begin(office, "12", flow_id="outer")
    publish(office, permit("levels", "owner", "holder"))
    flow_row = Flow.objects.get(flow_id="permit")
    old = next(one for one in versions.live(office, flow_row) if one.number == 1)
    assert (old.total, old.inside, dict(old.states)) == (1, 1, {"name": 1})
    assert applied(office, plan_of(office, MAP))["migrated"] == 1
    frames = Conversation.objects.get(pk=here).snapshot["frames"]
    assert [frame["state"] for frame in frames] == ["call", "holder"]
    say(office, here, "Ada")
    assert said(here)[-1] == "Back."
    check_log(here)


def test_a_drain_waits_for_its_end_and_then_ends_what_is_left(office: Tenant) -> None:
    here, other = begin(office, "12"), begin(office)
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP, policy="drain", ends_at=timezone.now() + timedelta(days=1))
    assert versions.apply(office, plan_id=plan.pk, by=None)[1] is None
    say(office, here, "Ada")
    assert (version_of(here), version_of(other)) == (1, 1)
    assert versions.start_due() == 0
    MigrationPlan.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert versions.start_due() == 1
    assert versions.start_due() == 0
    assert work(office).result["expired"] == 1
    held = Conversation.objects.get(pk=other)
    assert held.status == "ended"
    assert ConversationEvent.objects.filter(conversation_id=other, kind="ended").latest("seq").data["completion"] == "expired"
    check_log(other)
    plan.refresh_from_db()
    assert plan.status == "finished"


def test_a_drain_may_end_by_force(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP, policy="drain", at_end="force")
    versions.apply(office, plan_id=plan.pk, by=None)
    MigrationPlan.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    versions.start_due()
    assert work(office).result["migrated"] == 1
    assert version_of(here) == 2
    versions.revert(office, plan_id=plan.pk, by=None)
    assert work(office).result["restored"] == 1
    assert version_of(here) == 1
    check_log(here)


def test_a_drain_that_ends_conversations_has_nothing_to_take_back(office: Tenant) -> None:
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP, policy="drain")
    versions.apply(office, plan_id=plan.pk, by=None)
    with pytest.raises(errors.PlanRefused, match="nothing to take back"):
        versions.revert(office, plan_id=plan.pk, by=None)


def test_a_drain_whose_job_could_not_be_started_is_still_due(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    versions.apply(office, plan_id=plan_of(office, MAP, policy="drain").pk, by=None)
    MigrationPlan.objects.update(ends_at=timezone.now() - timedelta(seconds=1))

    def die(*_: Any, **__: Any) -> None:
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr("mcp_platform.operations.services.start", die)
        with pytest.raises(OperationalError):
            versions.start_due()
    assert versions.start_due() == 1
    assert work(office).result["expired"] == 1


def test_what_has_not_gone_on_goes_back(office: Tenant) -> None:
    still, gone_on = begin(office, "12"), begin(office)
    before = queries.snapshot_of(Conversation.objects.get(pk=still))
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP)
    applied(office, plan)
    say(office, gone_on, "5")
    versions.revert(office, plan_id=plan.pk, by=None)
    result = work(office).result
    assert (result["total"], result["restored"], result["moved_on"]) == (2, 1, 1)
    assert result["reasons"][0]["examples"] == [str(gone_on)]
    after = queries.snapshot_of(Conversation.objects.get(pk=still))
    assert (after.frames, after.slots, after.history) == (before.frames, before.slots, before.history)
    check_log(still)
    assert (version_of(still), version_of(gone_on)) == (1, 2)
    say(office, still, "Ada")
    assert said(still)[-1] == "12 for Ada."


def test_what_has_gone_on_goes_back_by_the_map_read_backwards(office: Tenant) -> None:
    here = begin(office)
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP)
    applied(office, plan)
    say(office, here, "5")
    versions.revert(office, plan_id=plan.pk, inverse=True, by=None)
    result = work(office).result
    assert (result["moved_on"], result["inverse"]["movable"]) == (1, 1)
    held = Conversation.objects.get(pk=here)
    assert (held.current_state, queries.snapshot_of(held).slots, version_of(here)) == ("name", {"storeys": 5}, 1)
    check_log(here)


def test_a_plan_that_was_taken_back_can_be_applied_again(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, MAP)
    applied(office, plan)
    versions.revert(office, plan_id=plan.pk, by=None)
    work(office)
    assert applied(office, plan)["migrated"] == 1
    assert version_of(here) == 2
    assert [row.kind for row in check_log(here)].count("migration") == 3


def test_a_value_that_was_converted_comes_back_as_it_was(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan = plan_of(office, {"states": {"name": "holder"}, "slots": {"storeys": {"to": "levels", "convert": "value * 2"}}})
    applied(office, plan)
    assert queries.snapshot_of(Conversation.objects.get(pk=here)).slots == {"levels": 24}
    versions.revert(office, plan_id=plan.pk, by=None)
    work(office)
    assert queries.snapshot_of(Conversation.objects.get(pk=here)).slots == {"storeys": 12}


@pytest.mark.parametrize(("policy", "state"), [("migrate_at_wait", "active"), ("force", "active"), ("drain", "active")])
def test_a_publish_says_what_becomes_of_running_conversations(office: Tenant, policy: str, state: str) -> None:
    begin(office)
    publish(office, permit("levels", "owner", "holder"), live={"policy": policy, "days": 3})
    plan = MigrationPlan.objects.get()
    assert (plan.policy, plan.status, plan.source.number, plan.target.number) == (policy, state, 1, 2)
    assert Operation.objects.count() == (0 if policy == "drain" else 1)


def test_a_roll_back_may_lead_them_too(office: Tenant) -> None:
    publish(office, permit("levels", "owner", "holder"))
    here = begin(office, "12")
    flow_services.roll_back(office, flow_id="permit", number=1, live={"policy": "force"}, by=None)
    work(office)
    assert version_of(here) == 1


def test_a_move_keeps_secrets_sealed() -> None:
    tenant = TenantFactory.create()
    published(tenant, permit(storeys={"type": "integer", "sensitive": True}))
    here = begin(tenant, "471108154711")
    publish(tenant, permit("levels", "owner", "holder"))
    plan = plan_of(tenant, MAP)
    applied(tenant, plan)
    for model in (Conversation, Turn, ConversationEvent):
        assert "471108154711" not in str([{name: value for name, value in row.items() if "id" not in name} for row in model.objects.values()])
    assert queries.snapshot_of(Conversation.objects.get(pk=here)).slots == {"levels": 471108154711}
    request = sealed.opened(Turn.objects.get(kind="migration").request)
    assert request["before"]["slots"] == {"storeys": 471108154711}
    versions.revert(tenant, plan_id=plan.pk, by=None)
    work(tenant)
    assert queries.snapshot_of(Conversation.objects.get(pk=here)).slots == {"storeys": 471108154711}
    check_log(here)


def command(*words: str) -> Any:
    out = StringIO()
    call_command("migrate_conversations", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_one_command_tries_moves_and_takes_back(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan = str(plan_of(office, MAP).pk)
    assert (command("--plan", plan, "--dry-run")["movable"], version_of(here)) == (1, 1)
    assert (command("--plan", plan)["migrated"], version_of(here)) == (1, 2)
    assert (command("--plan", plan, "--revert")["restored"], version_of(here)) == (1, 1)


def test_one_command_makes_its_own_plan(office: Tenant) -> None:
    here = begin(office, "12")
    publish(office, permit("storeys", "owner", "owner_name"))
    assert command("--flow", "permit", "--from", "1", "--tenant", office.slug)["migrated"] == 1
    assert version_of(here) == 2


def test_the_command_says_when_some_were_refused(office: Tenant, capsys: Any) -> None:
    begin(office, "12")
    publish(office, permit("levels", "owner", "holder"))
    plan, out = str(plan_of(office, {}).pk), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("migrate_conversations", "--plan", plan, stdout=out)
    assert ended.value.code == 3
    assert 'the state "name" has no counterpart' in out.getvalue()
    assert "1 of 1" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--plan", "00000000-0000-4000-8000-000000000000"), ("--flow", "permit"), ("--flow", "nothing", "--from", "1")])
def test_the_command_explains_what_is_wrong(office: Tenant, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("migrate_conversations", *words)
