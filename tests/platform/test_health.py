"""Health routes, metrics and the headers of every answer."""

import json
import logging

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from mcp_platform import health, observability


def test_alive_needs_no_database(client: Client) -> None:
    answer = client.get("/livez")
    assert (answer.status_code, answer.json()["status"]) == (200, "healthy")


@pytest.mark.django_db
def test_ready_names_the_components(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert set(answer.json()["components"]) == {"database", "migrations"}


@pytest.mark.django_db
def test_health_hides_the_components_and_detailed_shows_them_with_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def sick() -> str:
        raise ConnectionError("password=secret host=db")

    monkeypatch.setitem(health.CHECKS, "database", sick)
    assert client.get("/livez").status_code == 200
    plain = client.get("/health")
    assert (plain.status_code, set(plain.json())) == (503, {"status", "service", "version"})
    detailed = client.get("/health/detailed")
    assert detailed.status_code == 503
    assert detailed.json()["components"]["database"] == {
        "status": "unhealthy",
        "detail": "ConnectionError",
        "ms": detailed.json()["components"]["database"]["ms"],
    }
    assert b"secret" not in detailed.content


@pytest.mark.django_db
def test_the_metrics_of_the_contract_are_there(client: Client) -> None:
    text = client.get("/metrics").content.decode()
    for name in (
        "mcp_state_executions_total",
        "mcp_state_execution_duration_seconds",
        "mcp_flow_completions_total",
        "mcp_integration_calls_total",
        "mcp_integration_duration_seconds",
        "mcp_active_conversations",
        "mcp_context_cache_hits_total",
        "mcp_context_cache_misses_total",
        "mcp_websocket_connections",
        "mcp_cache_hit_ratio",
    ):
        assert f"# TYPE {name.removesuffix('_total')}" in text or f"# TYPE {name}" in text, name


def test_labels_stay_countable() -> None:
    given = [observability.bounded(f"state-{number}", "tests") for number in range(700)]
    assert len(set(given)) == 501
    assert given[-1] == "other"
    assert observability.bounded("state-1", "tests") == "state-1"


def test_every_answer_has_a_correlation_id_and_keeps_a_good_one(client: Client) -> None:
    assert client.get("/livez", headers={"X-Correlation-ID": "order-17"}).headers["X-Correlation-ID"] == "order-17"
    assert client.get("/livez", headers={"X-Correlation-ID": "bad id\n{}"}).headers["X-Correlation-ID"] != "bad id\n{}"


def test_log_lines_are_json_with_the_ids_of_the_request(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    try:
        observability.configure_logs("INFO", "json")
        with observability.correlated("c-1", tenant_id="t-1", conversation_id="v-1"):
            observability.logger("tests").info("turn_done", number=3)
            logging.getLogger("stdlib").warning("plain %s", "text")
    finally:
        root.handlers = before
        root.setLevel(level)
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert {name: ours[name] for name in ("event", "correlation_id", "tenant_id", "conversation_id", "number", "level")} == {
        "event": "turn_done",
        "correlation_id": "c-1",
        "tenant_id": "t-1",
        "conversation_id": "v-1",
        "number": 3,
        "level": "info",
    }
    assert (theirs["event"], theirs["correlation_id"]) == ("plain text", "c-1")


def test_pages_of_named_origins_may_send_and_read_our_headers(client: Client, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    origin = {"Origin": "https://app.example.org"}
    asked = {**origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, if-match, prefer"}
    allowed = client.options("/api/v1/flows/x", headers=asked).headers["Access-Control-Allow-Headers"]
    assert {"authorization", "if-match", "prefer", "idempotency-key"} <= set(allowed.split(", "))
    shown = client.get("/api/v1/nothing", headers=origin).headers["Access-Control-Expose-Headers"]
    assert {"ETag", "Retry-After", "Location"} <= set(shown.split(", "))
    assert "Access-Control-Allow-Origin" not in client.get("/api/v1/nothing", headers={"Origin": "https://evil.example"}).headers


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/metrics"])
def test_probes_come_by_address_and_pages_do_not(client: Client, path: str) -> None:
    assert client.get(path, headers={"Host": "10.1.2.3:8002"}).status_code == 200
    assert client.get("/api/docs/", headers={"Host": "10.1.2.3:8002"}).status_code == 400
