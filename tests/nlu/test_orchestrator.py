"""A remote model service: asked when it is there, done without when it is not, never believed blindly."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from conversations import effects, services
from conversations.nlu import ear, orchestrator
from flows.core.types import Program
from mcp_platform.ml import queries as models
from mcp_platform.outbound import breaker
from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory, published
from tests.nlu.orchestrator import Service, serving
from tests.nlu.samples import shop
from tests.playbook import ending, flow, program_of


@pytest.fixture
def service(settings: Any) -> Iterator[Service]:
    orchestrator._answers.clear()
    with serving() as running:
        settings.MODEL_ORCHESTRATOR_URL = running.url
        settings.MODEL_ORCHESTRATOR_TIMEOUT_MS = 2_000
        yield running
    orchestrator._answers.clear()


@pytest.fixture(autouse=True)
def _no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "serving", lambda tenant_id: {})


TENANT = uuid4()


def program() -> Program:
    document = flow(
        states={"end": ending()},
        intents={"refund": {"examples": ["I want my money"]}, "track": {"keywords": ["where"]}, "hours": {"patterns": ["open"]}},
        slots={"colour": {"type": "text"}},
    )
    return program_of(document)


def heard(text: str, *, thorough: bool = True) -> Any:
    return ear.understand(program(), text, locale="en", tenant_id=TENANT, thorough=thorough)


def test_the_service_understands_and_the_authors_signs_still_count(service: Service) -> None:
    found = heard("please reimburse me for the blue one")
    assert found.intents == (("refund", 0.93),)
    assert found.entities == {"colour": "blue"}
    assert heard("open the parcel").intents == (("track", 0.85), ("hours", 0.9)) or heard("open the parcel").intents[0] == ("hours", 0.9)
    path, asked, headers = service.asked[0]
    assert path == "/v1/detect"
    assert asked["text"] == "please reimburse me for the blue one"
    assert {intent["name"] for intent in asked["intents"]} == {"refund", "track", "hours"}
    assert asked["tenant_id"] == str(TENANT)
    assert "X-Correlation-ID" in headers or "X-Correlation-Id" in headers


def test_the_token_is_shown_to_it(service: Service, settings: Any) -> None:
    settings.MODEL_ORCHESTRATOR_TOKEN = "secret-token"
    heard("reimburse")
    assert service.asked[0][2]["Authorization"] == "Bearer secret-token"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"intents": []}),
        (200, "no json"),
        (200, {"other": 1}),
        (200, {"intents": [{"name": "refund", "confidence": 7}]}),
        (200, {"intents": [{"name": "refund"}]}),
        (200, []),
    ],
)
def test_without_a_usable_answer_the_embedded_one_counts(service: Service, status: int, body: Any) -> None:
    service.status, service.body = status, body
    assert heard("where is it").intents == (("track", 0.8),)


def test_intents_that_the_flow_has_not_are_left_out(service: Service) -> None:
    service.body = {
        "intents": [{"name": "hack", "confidence": 1.0}, {"name": "refund", "confidence": 0.8}],
        "entities": {"nothing": "x", "colour": 5},
    }
    found = heard("some words")
    assert found.intents == (("refund", 0.8),)
    assert found.entities == {}


def test_a_service_that_is_slow_is_not_waited_for_and_then_left_alone(service: Service, settings: Any) -> None:
    settings.MODEL_ORCHESTRATOR_TIMEOUT_MS = 150
    service.slow = threading.Event()
    for number in range(8):
        assert heard(f"where is number {number}").intents == (("track", 0.8),)
    service.slow.set()
    assert len(service.asked) < 8
    assert breaker.read("model-orchestrator:/v1/detect").state == breaker.OPEN


def test_under_the_lock_only_what_is_known_already_counts(service: Service) -> None:
    assert heard("reimburse me", thorough=False).intents == ()
    assert service.asked == []
    heard("reimburse me")
    assert heard("reimburse me", thorough=False).intents == (("refund", 0.93),)
    assert len(service.asked) == 1


REQUEST = {"kind": "generate", "timeout_ms": 2_000, "request": {"prompt": "Greet Ada", "locale": "de", "channel": "web", "context": {"n": 1}}}


def generated(tenant: Tenant) -> effects.Heard:
    return effects.attempt(tenant, "", REQUEST, idempotency_key="k1")


def test_a_text_is_written(service: Service, db: None) -> None:
    found = generated(TenantFactory.create())
    assert found.outcome.success
    assert found.outcome.data == {"text": "[de] Greet Ada"}
    path, asked, headers = service.asked[0]
    assert (path, asked["idempotency_key"], headers["Idempotency-Key"], asked["context"]) == ("/v1/generate", "k1", "k1", {"n": 1})


def test_no_text_comes_without_a_service_or_from_a_broken_one(service: Service, settings: Any, db: None) -> None:
    tenant = TenantFactory.create()
    service.body = {"text": "  "}
    assert generated(tenant).outcome.code == "MODEL_UNAVAILABLE"
    settings.MODEL_ORCHESTRATOR_URL = ""
    assert generated(tenant).outcome.code == "GENERATION_OFF"


@pytest.mark.django_db(transaction=True)
def test_a_conversation_is_understood_by_the_service(service: Service) -> None:
    tenant = TenantFactory.create()
    published(tenant, shop(most=2))
    begun = services.start(tenant, flow_id="shop")
    said = services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": "reimburse me, friend"})
    assert said.reply["response"]["text"].startswith("This is about refund.") or "This is about refund." in str(said.reply)
    assert [path for path, _, _ in service.asked] == ["/v1/detect"]
