"""Decisions of the orchestrator, without servers: names, drift, freshness, the breaker, the order in which servers are asked."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_platform.orchestrator.core import breaker, drift, freshness, names, retries, routing
from mcp_platform.orchestrator.core.offering import NAME
from mcp_platform.orchestrator.core.types import Upstream

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SLUGS = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)
TOOLS = st.text(min_size=1, max_size=200)


@given(SLUGS, TOOLS)
def test_names_are_legal_for_every_client_and_stay_the_same(server: str, tool: str) -> None:
    name = names.offered_name(server, tool)
    assert NAME.fullmatch(name)
    assert name == names.offered_name(server, tool)


@given(SLUGS, TOOLS, TOOLS)
def test_two_tools_of_one_server_have_two_names(server: str, one: str, other: str) -> None:
    assert (names.offered_name(server, one) == names.offered_name(server, other)) == (one == other)


@pytest.mark.parametrize(
    ("server", "tool", "name"),
    [
        ("clock", "get_current_time", "clock_get_current_time"),
        ("clock", "get.time", "clock_get_time_ffdea7ba"),
        ("a" * 32, "b" * 40, "a" * 32 + "_" + "b" * 22 + "_12e40150"),
    ],
)
def test_names_are_what_flows_and_clients_have_written_down(server: str, tool: str, name: str) -> None:
    assert names.offered_name(server, tool) == name


def test_a_definition_is_the_same_in_any_order_and_icons_do_not_count() -> None:
    one = drift.definition({"name": "x", "description": "d", "inputSchema": {"type": "object", "title": "t"}, "icons": [1], "annotations": {}})
    other = drift.definition({"inputSchema": {"title": "t", "type": "object"}, "description": "d", "_meta": {"a": 1}})
    assert drift.digest(one) == drift.digest(other)


def test_every_change_of_a_definition_is_told_with_its_path() -> None:
    before = {"description": "Reads", "inputSchema": {"properties": {"a": {"type": "string"}}}}
    after = {"description": "Reads and sends", "inputSchema": {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}}
    assert drift.digest(before) != drift.digest(after)
    assert drift.changes(before, after) == [
        {"path": "$.description", "before": "Reads", "after": "Reads and sends"},
        {"path": "$.inputSchema.properties.b", "before": None, "after": {"type": "string"}},
    ]


@pytest.mark.parametrize(
    ("annotations", "repeatable"),
    [
        ({"readOnlyHint": True}, True),
        ({"idempotentHint": True}, True),
        ({"destructiveHint": False}, False),
        ({"readOnlyHint": "yes"}, False),
        ({}, False),
    ],
)
def test_only_what_says_that_it_is_harmless_is_repeated(annotations: dict[str, object], repeatable: bool) -> None:
    assert drift.may_repeat({"annotations": annotations}) is repeatable


@pytest.mark.parametrize(
    ("hint", "audience", "fresh"),
    [
        (freshness.Hint(), "", timedelta(seconds=300)),  # servers of 2025 say nothing
        (freshness.Hint(ttl_ms=5000, scope="public"), "", timedelta(seconds=5)),
        (freshness.Hint(ttl_ms=5000, scope="private"), "key:a", timedelta(seconds=5)),
        (freshness.Hint(ttl_ms=0, scope="private"), "key:a", timedelta(0)),
        (freshness.Hint(ttl_ms=10**15, scope="public"), "", freshness.LONGEST),
    ],
)
def test_how_long_and_for_whom_an_answer_is_kept(hint: freshness.Hint, audience: str, fresh: timedelta) -> None:
    keeping = freshness.keeping(hint, actor="key:a", default_ttl=300, now=NOW)
    assert (keeping.audience, keeping.fresh_until) == (audience, NOW + fresh)
    assert keeping.stale_until == keeping.fresh_until + freshness.STALE


def test_the_breaker_opens_tries_once_and_closes() -> None:
    state = breaker.CLOSED
    for _ in range(breaker.FAILURES):
        assert breaker.admit(state, 0.0)[0]
        state = breaker.after(state, healthy=False, now=0.0)
    assert state.state(1.0) == "open"
    assert not breaker.admit(state, 1.0)[0]
    later = breaker.FIRST_PAUSE
    admitted, state = breaker.admit(state, later)
    assert admitted
    assert not breaker.admit(state, later)[0]  # one probe at a time
    failed = breaker.after(state, healthy=False, now=later)
    assert failed.until == later + 2 * breaker.FIRST_PAUSE
    assert breaker.after(state, healthy=True, now=later) == breaker.CLOSED
    assert breaker.admit(breaker.forget_probe(state), later)[0]


@given(st.lists(st.booleans(), max_size=60))
def test_a_server_that_is_well_half_of_the_time_is_not_left_alone(answers: list[bool]) -> None:
    state = breaker.CLOSED
    for number, healthy in enumerate(answers):
        state = breaker.after(state, healthy=healthy or number % 2 == 0, now=0.0)
    assert state.state(0.0) == "closed"


@given(st.integers(1, 50), st.floats(0, 1))
def test_pauses_grow_and_end(attempt: int, dice: float) -> None:
    assert retries.FIRST / 2 <= retries.pause(attempt, dice) <= retries.LONGEST


def _upstream(slug: str, priority: int, *domains: str, enabled: bool = True) -> Upstream:
    return Upstream(
        id=uuid4(),
        tenant_id=uuid4(),
        slug=slug,
        name=slug,
        transport="sse",
        url="",
        priority=priority,
        timeout=1,
        rev=1,
        domains=domains,
        enabled=enabled,
    )


def test_servers_of_a_domain_in_the_order_of_their_priority() -> None:
    servers = [
        _upstream("c", 5, "x"),
        _upstream("b", 5, "x", "y"),
        _upstream("a", 9, "x"),
        _upstream("d", 1, "y"),
        _upstream("e", 1, "x", enabled=False),
    ]
    assert [one.slug for one in routing.for_domain(servers, "x")] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("name", "allowed", "denied", "through"),
    [
        ("read", [], [], True),
        ("read", ["re*"], [], True),
        ("read", ["write"], [], False),
        ("read", ["re*"], ["*ad"], False),
        ("Read", ["read"], [], False),
    ],
)
def test_rules_for_tools(name: str, allowed: list[str], denied: list[str], through: bool) -> None:
    assert routing.lets_through(name, allowed=allowed, denied=denied) is through
