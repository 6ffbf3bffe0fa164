"""What is asked twice when `./run test` asks everything on SQLite and then again on PostgreSQL and Redis, and what once.

Once: what no database has a say in, and what comes in two kinds of which either pass takes one. A run without a `--pass` asks everything.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

TESTS: Final = Path(__file__).parent
# Where tests without a database are tests of pure functions, or start a server of their own.
PURE: Final = (
    *("analytics", "conversations", "dialogues", "e2e", "experiments", "flows", "mcp", "metadata", "nlu", "oauth", "orchestrator"),
    *("rehearsal", "reports", "validation"),
)
SAME: Final = ("dialogues", "nlu")  # what is said and understood; the same turns are taken on PostgreSQL by tests/conversations
OTHERS: Final = ("test_conformance", "test_real_servers")  # what suites and servers of others say does not depend on the database
OWN: Final = ("test_composition", "test_redis_urls")  # processes and servers of their own, in an environment of their own
# Whether a role may do it is decided before rows are read.
ROLES: Final = (
    "test_a_viewer_may_look",
    "test_anonymous_is_asked_who_it_is",
    "test_other_methods_tell_anonymous_nothing",
    "test_pages_ask_anonymous_to_log_in",
)


def left_out(which: str | None, items: Collection[pytest.Item]) -> set[pytest.Item]:
    leave = LEFT_OUT[which] if which else None
    return {item for item in items if leave is not None and leave(item)}


def _by_the_first(item: pytest.Item) -> bool:
    """Sessions, servers that speak WSGI, every other row of random edits; and all that a second pass would only repeat."""
    half = _params(item)
    return bool(half & {"session", "wsgi", "even"}) or _depends_on_no_database(item)


def _by_the_second(item: pytest.Item) -> bool:
    """Keys, servers that speak ASGI, the other rows of random edits."""
    half = _params(item)
    return bool(half & {"key", "asgi", "odd"}) and not _depends_on_no_database(item)


LEFT_OUT: Final[Mapping[str, Callable[[pytest.Item], bool]]] = {"first": _by_the_second, "second": _by_the_first}


def _params(item: pytest.Item) -> set[str]:
    """Which half of its kind this is; nothing for what is no half."""
    params: Mapping[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    found = set()
    if "enter" in params:  # the walk through all doors
        found.add("session" if params["enter"].__name__ == "by_session" else "key")
    if "door" in params and "row" in params:  # refusals
        found.add(params["door"].__name__)
    if item.path.stem == "test_live_oracle" and "seed" in params:
        found.add("odd" if params["seed"] % 2 else "even")
    return found


def _depends_on_no_database(item: pytest.Item) -> bool:
    if "servers" in item.keywords:
        return False
    by_name = _part_of(item) in SAME or item.path.stem in (*OTHERS, *OWN) or getattr(item, "originalname", "") in ROLES
    return by_name or (_part_of(item) in PURE and not _uses_the_database(item))


def _part_of(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def _uses_the_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or bool({"db", "transactional_db"} & set(fixtures))
