"""Logs and metrics: JSON lines that carry the ids of what they are about, and the Prometheus series of the platform."""

import logging
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

_SAFE_ID = re.compile(r"[A-Za-z0-9._:\-]{1,80}")


def logger(name: str) -> structlog.stdlib.BoundLogger:
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound


def configure_logs(level: str, style: str, service: str = "") -> None:
    """`style` is json (one object a line on stderr) or console."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        lambda _logger, _method, line: {**line, "service": service} if service else line,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer(colors=False)
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("daphne", "celery", "kombu", "httpx", "httpcore", "httpx2", "httpcore2", "mcp", "asyncio", "django.channels.server", "axes"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def bind(**ids: Any) -> None:
    """Add ids (tenant_id, conversation_id, …) to every log line of this request or job."""
    structlog.contextvars.bind_contextvars(**{name: str(value) for name, value in ids.items()})


@contextmanager
def correlated(given: str = "", **ids: Any) -> Iterator[str]:
    """One request, frame or job: gives the correlation id, taken from the caller when it is well formed."""
    chosen = given if given and _SAFE_ID.fullmatch(given) else secrets.token_hex(8)
    before = structlog.contextvars.get_contextvars()
    structlog.contextvars.clear_contextvars()
    bind(correlation_id=chosen, **ids)
    try:
        yield chosen
    finally:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**before)


def correlation_id() -> str:
    found: str = structlog.contextvars.get_contextvars().get("correlation_id", "")
    return found


STATE_EXECUTIONS = Counter("mcp_state_executions_total", "States entered by the engine", ["tenant_id", "flow_id", "state_name", "status"])
STATE_DURATION = Histogram(
    "mcp_state_execution_duration_seconds", "Time of one macrostep, by the state it ended in", ["tenant_id", "flow_id", "state_name"]
)
FLOW_COMPLETIONS = Counter("mcp_flow_completions_total", "Flows that reached an end", ["tenant_id", "flow_id", "completion_type"])
INTEGRATION_CALLS = Counter("mcp_integration_calls_total", "Calls to integrations", ["tenant_id", "integration_id", "status"])
INTEGRATION_DURATION = Histogram("mcp_integration_duration_seconds", "Time of an integration call", ["tenant_id", "integration_id"])
ACTIVE_CONVERSATIONS = Gauge("mcp_active_conversations", "Conversations that have not ended", ["tenant_id"])
CACHE_HITS = Counter("mcp_context_cache_hits_total", "Compiled flows and credentials found in this process", ["cache"])
CACHE_MISSES = Counter("mcp_context_cache_misses_total", "Compiled flows and credentials that had to be loaded", ["cache"])
CACHE_HIT_RATIO = Gauge("mcp_cache_hit_ratio", "Share of look-ups answered by this process's caches")
WEBSOCKET_CONNECTIONS = Gauge("mcp_websocket_connections", "Open WebSocket connections of this process")
OUTBOX_DELIVERIES = Counter("mcp_outbox_deliveries_total", "Attempts to deliver an event", ["tenant_id", "kind", "outcome"])
OUTBOX_OPEN = Gauge("mcp_outbox_events", "Events new, waiting to be delivered, or dead", ["state"])
OUTBOX_LAG = Gauge("mcp_outbox_lag_seconds", "Age of the oldest event that an endpoint has not got yet")
DEAD_TURNS = Gauge("mcp_dead_turns", "Turns that were given up and that no operator has looked at yet", ["tenant_id"])
DEAD_JOBS = Counter("mcp_dead_jobs_total", "Jobs that were dropped because they killed their workers three times", ["task"])
TURNS = Counter("mcp_turns_total", "Turns by how they ended", ["tenant_id", "kind", "status"])
VALIDATION_REQUESTS = Counter("mcp_validation_requests_total", "Checks of buildings asked for", ["building_type", "jurisdiction"])
VALIDATION_DURATION = Histogram("mcp_validation_duration_seconds", "Time of a check of a building", ["validation_type"])
PROTOCOL_REQUESTS = Counter("mcp_protocol_requests_total", "Requests of Model Context Protocol clients", ["method", "status"])
TOOL_CALLS = Counter("mcp_tool_calls_total", "Calls of tools by Model Context Protocol clients", ["tenant_id", "tool", "outcome"])
TOOL_DURATION = Histogram("mcp_tool_call_duration_seconds", "Time of a call of a tool", ["tool"])
PROTOCOL_STREAMS = Gauge("mcp_protocol_streams", "Open streams of Model Context Protocol clients in this process")
PROTOCOL_SESSIONS = Gauge("mcp_protocol_sessions", "Open sessions of clients that speak an older revision, in this process")
VIOLATIONS = Counter("mcp_violations_total", "Violations that were found for the first time", ["severity", "category"])
UPSTREAM_CALLS = Counter("mcp_upstream_calls_total", "Requests to MCP servers of others", ["tenant_id", "server", "outcome"])
UPSTREAM_DURATION = Histogram("mcp_upstream_call_duration_seconds", "Time of a request to an MCP server of others", ["tenant_id", "server"])
UPSTREAM_CONNECTIONS = Gauge("mcp_upstream_connections", "Open connections of this process to MCP servers of others")
UPSTREAM_CACHE = Counter("mcp_upstream_cache_total", "Answers of MCP servers of others, by where they came from", ["outcome"])

_LABELS_KEPT = 500
_seen: dict[str, set[str]] = {}
_seen_lock = threading.Lock()


def bounded(value: str, group: str) -> str:
    """`value` as a label, or "other" once a group (tenants, states, …) has 500 different ones: series stay countable."""
    known = _seen.setdefault(group, set())
    if value in known:
        return value
    with _seen_lock:
        if len(known) >= _LABELS_KEPT:
            return "other"
        known.add(value)
    return value


_ratio = {"hits": 0, "misses": 0}


def count_cache(cache: str, *, hit: bool) -> None:
    (CACHE_HITS if hit else CACHE_MISSES).labels(cache).inc()
    _ratio["hits" if hit else "misses"] += 1
    CACHE_HIT_RATIO.set(_ratio["hits"] / (_ratio["hits"] + _ratio["misses"]))
