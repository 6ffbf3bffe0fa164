"""The page about the log lists exactly the kinds of events that there are."""

import re
from pathlib import Path

from conversations.core.fold import APPLY

PAGE = Path(__file__).parents[2] / "docs" / "protocol" / "log.md"


def test_every_kind_is_on_the_page_once() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(APPLY)
