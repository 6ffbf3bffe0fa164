"""The page that other people's programs are written from says what the code does."""

from pathlib import Path

from mcp_platform.outbox.core import filters
from mcp_platform.outbox.core.catalogue import TYPES

PAGE = Path(__file__).resolve().parents[2] / "docs/protocol/events.md"


def test_the_catalogue_of_the_page_is_that_of_the_code() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `") and line.split("`")[1] in TYPES]
    assert rows == [f"| `{one.name}` | {one.says} | {one.key} |" for one in TYPES.values()]


def test_filters_fit_names_and_beginnings() -> None:
    assert filters.wants((), "turn.finished")
    assert filters.wants(("*",), "turn.finished")
    assert filters.wants(("conversation.*",), "conversation.ended")
    assert not filters.wants(("conversation.*",), "conversations.ended")
    assert not filters.wants(("turn.finished",), "turn.finished.late")
    assert filters.is_known("flow.*")
    assert not filters.is_known("flows.*")
