"""What an upstream tool has answered, as the values that flows and pages work with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of one call. `content` are content blocks of the protocol, `structured` is the structured content, None without one.

    `is_error`: the tool itself has failed and says why in its content.
    """

    server: str
    tool: str
    content: tuple[Mapping[str, Any], ...] = ()
    structured: Any = None
    is_error: bool = False
    duration_ms: int = 0

    def text(self) -> str:
        """All text blocks, a blank line between them."""
        return "\n\n".join(str(block.get("text", "")) for block in self.content if block.get("type") == "text")

    def plain(self) -> Any:
        """The structured content; else one text as JSON or as it is; else the blocks."""
        if self.structured is not None:
            return self.structured
        if len(self.content) == 1 and self.content[0].get("type") == "text":
            return _read(str(self.content[0].get("text", "")))
        return [dict(block) for block in self.content]


def _read(text: str) -> Any:
    """Objects and lists are read; anything else that happens to be JSON (`12`, `true`) was meant as text."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
