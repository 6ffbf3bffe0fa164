"""From a published flow to conversations that its own model understands, and back from what was not understood to examples and tests."""

from typing import Any

import pytest

from conversations import errors, hearing, services, understanding
from conversations.models import Turn
from conversations.nlu import champions, minilm
from flows import services as flow_services
from flows.models import FlowTest, FlowVersion
from mcp_platform.errors import NotFound
from mcp_platform.ml import queries as models
from mcp_platform.ml import services as ml
from mcp_platform.ml.models import ModelArtifact, ModelVersion
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Role, Tenant
from tests.factories import TenantFactory, member, published
from tests.nlu.samples import shop
from tests.tenancy.clients import client_of, logged_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory.create()


def again(tenant: Tenant, **more: Any) -> FlowVersion:
    """The next version of the shop."""
    flow_services.import_flow(tenant, document=shop(**more), replace=True, by=None)
    return flow_services.publish(tenant, flow_id="shop", by=None)


def trained(tenant: Tenant, **more: Any) -> ModelVersion:
    version = again(tenant, **more)
    started = understanding.follow_publish(tenant, version_id=version.pk)
    assert started is not None
    operations.run(tenant, operation_id=started.pk, attempt=0)
    started.refresh_from_db()
    assert started.status == Operation.Status.SUCCEEDED, started.error
    return models.model(tenant, (started.result or {})["model"])


def say(tenant: Tenant, conversation: Any, text: str) -> str:
    services.process_message(tenant, conversation_id=conversation, content={"type": "text", "text": text})
    return str(Turn.objects.filter(conversation_id=conversation).order_by("-number")[0].reply)


def test_a_publish_makes_a_model_that_understands_the_next_message(tenant: Tenant) -> None:
    published(tenant, shop())
    begun = services.start(tenant, flow_id="shop")
    assert "This is about" not in say(tenant, begun.conversation_id, "the kettle is broken and I want the money")
    row = trained(tenant, name="Shop again")
    assert row.status == "champion"
    assert row.metrics["accuracy"] > 0.8
    assert row.card["flow_version"] == 2
    assert "This is about refund." in say(tenant, begun.conversation_id, "the kettle is broken and I want all the money")


def test_a_process_that_has_never_seen_the_conversation_understands_before_the_lock(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tenant)
    begun = services.start(tenant, flow_id="shop")
    hearing._listening.clear()
    locked: list[bool] = []
    real = minilm._encoder()

    def watched() -> Any:
        from django.db import connection

        locked.append(connection.in_atomic_block)
        return real

    monkeypatch.setattr(minilm, "_encoder", watched)
    assert "This is about track." in say(tenant, begun.conversation_id, "has my parcel been sent to me")
    assert locked == [False]


def test_a_stored_understanding_is_what_replay_reads(tenant: Tenant) -> None:
    trained(tenant)
    begun = services.start(tenant, flow_id="shop")
    say(tenant, begun.conversation_id, "when does the shop open")
    turn = Turn.objects.filter(conversation_id=begun.conversation_id).order_by("-number")[0]
    assert "hours" in str(turn.request["input"])


def test_the_same_examples_make_no_second_model(tenant: Tenant) -> None:
    row = trained(tenant)
    assert understanding.follow_publish(tenant, version_id=again(tenant, name="Another name").pk) is None
    started = understanding.start_training(tenant, flow_id="shop", by="system")
    operations.run(tenant, operation_id=started.pk, attempt=0)
    started.refresh_from_db()
    assert started.result is not None
    assert (started.result["model"], started.result["was_there"]) == (str(row.pk), True)
    assert models.models(tenant).count() == 1


def test_too_few_examples_start_nothing(tenant: Tenant) -> None:
    version = published(tenant, shop(most=1))
    assert understanding.follow_publish(tenant, version_id=version.pk) is None
    with pytest.raises(errors.TooFewExamples):
        understanding.start_training(tenant, flow_id="shop", by="system")


def test_a_publish_whose_job_was_lost_is_found(tenant: Tenant) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from flows.models import Pointer

    published(tenant, shop())
    understanding.train_forgotten()
    assert not Operation.objects.filter(kind=understanding.KIND).exists()
    Pointer.objects.update(moved_at=timezone.now() - timedelta(minutes=5))
    understanding.train_forgotten()
    understanding.train_forgotten()
    assert Operation.objects.filter(kind=understanding.KIND).count() == 1


def test_an_artifact_that_was_tampered_with_answers_nobody(tenant: Tenant) -> None:
    row = trained(tenant)
    champions._models.clear()
    ModelArtifact.objects.filter(model=row).update(content=b"evil")
    assert champions.model_of(tenant.pk, "shop") is None
    begun = services.start(tenant, flow_id="shop")
    assert "This is about refund." in say(tenant, begun.conversation_id, "I want my money back")  # an example of the flow: patterns know it


def test_a_roll_back_is_heard_at_once(tenant: Tenant) -> None:
    one = trained(tenant, most=4)
    two = trained(tenant)
    if two.status != "champion":
        ml.promote(tenant, model_id=two.pk, override="for the test", by=None)
    assert models.serving(tenant.pk)["intent", "flow:shop"] == two.pk
    ml.roll_back(tenant, model_id=two.pk, by=None)
    assert models.serving(tenant.pk)["intent", "flow:shop"] == one.pk


def test_models_of_another_tenant_do_not_answer(tenant: Tenant) -> None:
    trained(tenant)
    stranger = TenantFactory.create()
    assert champions.model_of(stranger.pk, "shop") is None


def missed(tenant: Tenant) -> None:
    for text in ("do you sell gift cards", "can I buy a gift card", "gift cards?", "my garden is full of snails"):
        begun = services.start(tenant, flow_id="shop")
        say(tenant, begun.conversation_id, text)
        say(tenant, begun.conversation_id, "I want my money back")


def test_what_was_not_understood_comes_in_groups_and_becomes_an_example_and_a_test(tenant: Tenant) -> None:
    published(tenant, shop())
    missed(tenant)
    groups = understanding.unhandled(tenant, flow_id="shop")
    assert [group.count for group in groups] == [3, 1]
    assert {one.text for one in groups[0].utterances} == {"do you sell gift cards", "can I buy a gift card", "gift cards?"}
    saved, test = understanding.learn_from(tenant, flow_id="shop", intent="account", texts=["gift cards?", "gift cards?"], by=None)
    assert saved.intents["account"]["examples"][-1] == "gift cards?"
    assert test is not None
    assert test.script["steps"][-1] == {"type": "expect", "path": "intent", "value": "account"} or test.script["steps"][-1]["value"] == "account"
    assert [group.count for group in understanding.unhandled(tenant, flow_id="shop")] == [2, 1]
    with pytest.raises(errors.NothingToLearn):
        understanding.learn_from(tenant, flow_id="shop", intent="account", texts=["Gift cards!"], by=None)
    with pytest.raises(errors.IntentUnknown):
        understanding.learn_from(tenant, flow_id="shop", intent="nonsense", texts=["x"], by=None)
    assert flow_services.publish(tenant, flow_id="shop", by=None).number == 2  # the new test passes


def test_sensitive_words_are_not_shown(tenant: Tenant) -> None:
    document = shop()
    document["slots"] = {"pin": {"type": "pattern", "pattern": "[0-9]{4}", "sensitive": True}}
    document["states"]["menu"]["config"]["prompt"] = {"en": "Well?"}
    document["states"]["do_refund"] = {
        "name": "do_refund",
        "type": "slot_filling",
        "config": {"required_slots": ["pin"], "prompts": {"pin": "Your PIN?"}},
        "transitions": [{"condition": "slot_filled", "target_state": "menu"}],
    }
    published(tenant, document)
    begun = services.start(tenant, flow_id="shop")
    say(tenant, begun.conversation_id, "I want my money back")
    say(tenant, begun.conversation_id, "it is nineteen eighty four I think")
    assert all("nineteen" not in one.text for group in understanding.unhandled(tenant, flow_id="shop") for one in group.utterances)


def test_the_doors(tenant: Tenant) -> None:
    published(tenant, shop())
    missed(tenant)
    owner, viewer, stranger = client_of(tenant), client_of(tenant, Role.VIEWER), client_of(TenantFactory.create())
    started = owner.post("/api/v1/flows/shop/intents/train", {}, format="json")
    assert (started.status_code, started.json()["kind"]) == (202, "conversations.train_intents")
    assert viewer.post("/api/v1/flows/shop/intents/train", {}, format="json").status_code == 403
    assert stranger.post("/api/v1/flows/shop/intents/train", {}, format="json").status_code == 404
    found = owner.get("/api/v1/flows/shop/unhandled").json()
    assert found["groups"][0]["count"] == 3
    assert viewer.get("/api/v1/flows/shop/unhandled").status_code == 403
    assert stranger.get("/api/v1/flows/shop/unhandled").status_code == 404
    learnt = owner.post("/api/v1/flows/shop/unhandled/learn", {"intent": "account", "texts": ["gift cards?"]}, format="json")
    assert learnt.status_code == 201
    assert learnt.json()["test"] == FlowTest.objects.get().name
    assert viewer.post("/api/v1/flows/shop/unhandled/learn", {"intent": "account", "texts": ["x"]}, format="json").status_code == 403


def test_the_pages(tenant: Tenant) -> None:
    row = trained(tenant)
    missed(tenant)
    flow_pk = flow_services.update_flow(tenant, flow_id="shop", fields={}, by=None).pk
    staff = logged_in(member(tenant))
    listed = staff.get("/admin/conversations/understoodflow/")
    assert b"Shop" in listed.content
    assert b"v1" in listed.content
    page = staff.get(f"/admin/conversations/understoodflow/{flow_pk}/change/")
    assert b"answers since" in page.content
    model = staff.get(f"/admin/ml/modelversion/{row.pk}/change/")
    assert b"mcp-heat" in model.content
    assert b"Calibration" in model.content
    unhandled = staff.get(f"/admin/conversations/understoodflow/{flow_pk}/unhandled/")
    assert b"gift card" in unhandled.content
    pressed = staff.post(f"/admin/conversations/understoodflow/{flow_pk}/learn/", {"text": ["gift cards?"], "intent": "account", "test": "on"})
    assert pressed.status_code == 302
    assert FlowTest.objects.count() == 1
    viewer = logged_in(member(tenant, Role.VIEWER))
    assert viewer.post(f"/admin/conversations/understoodflow/{flow_pk}/train/").status_code == 403
    assert viewer.get(f"/admin/conversations/understoodflow/{flow_pk}/unhandled/").status_code == 403
    stranger = logged_in(member(TenantFactory.create()))
    assert stranger.get(f"/admin/ml/modelversion/{row.pk}/change/").status_code == 404
    assert stranger.get(f"/admin/conversations/understoodflow/{flow_pk}/change/").status_code == 404


def test_who_is_nobodys_flow_is_not_found(tenant: Tenant) -> None:
    with pytest.raises(NotFound):
        understanding.unhandled(tenant, flow_id="nothing")
