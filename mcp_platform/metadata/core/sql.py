"""Whether a text may be one SQL expression. It is never run here; it is pasted into statements by whoever reads the mappings, so that what
would end a statement, hide the rest of it or leave a bracket open is refused. No SQL parser: every database has expressions of its own.
"""

import re
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 4_000
EXPECTED: Final = "one SQL expression, without ; and without comments"
_TOKEN: Final = re.compile(
    r"""(?P<escape>\\['"`])|'(?:[^'\\]|''|\\(?!'))*'|"(?:[^"\\]|""|\\(?!"))*"|`[^`]*`|(?P<comment>--|/\*|\*/|\#)|(?P<quote>['"`])|(?P<end>;)|"""
    r"""(?P<bracket>[()\[\]{}])|.""",
    re.DOTALL,
)
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}
_BLANK: Final = re.compile(r"\{\s*([A-Za-z_]\w{0,62})\s*\}")
_STATEMENT: Final = re.compile(r"\s*(select|insert|update|delete|drop|alter|create|grant|revoke|truncate|merge|call|exec|execute|with)\b", re.I)


def faults(text: str) -> Iterator[str]:
    if "\0" in text or not text.strip():
        yield "This is no text."
        return
    if _STATEMENT.match(text):
        yield "This is a statement; put a subquery into brackets."
    open_: list[str] = []
    for match in _TOKEN.finditer(text):
        found = match.lastgroup
        if found == "end":
            yield "A ; ends a statement."
        elif found == "comment" and not (match[0] == "#" and _is_operator(text, match.start())):
            yield f"{match[0]} begins or ends a comment."
        elif found == "escape":
            yield f"{match[0]} is a quote in some databases and none in others: double the quote instead."
            return
        elif found == "quote":
            yield f"The quote {match[0]} at {match.start() + 1} is not closed."
            return
        elif found == "bracket" and not _fits(open_, match[0]):
            yield f"The bracket {match[0]} at {match.start() + 1} closes nothing."
            return
    if open_:
        yield f"The bracket {open_[-1]} is not closed."


def _is_operator(text: str, place: int) -> bool:
    """PostgreSQL's JSON operators #> and #>>, and #- are no comments."""
    return text[place + 1 : place + 2] in (">", "-")


def _fits(open_: list[str], bracket: str) -> bool:
    if bracket not in _PAIRS:
        open_.append(bracket)
        return True
    if not open_ or open_[-1] != _PAIRS[bracket]:
        return False
    open_.pop()
    return True


def blanks(text: str) -> tuple[str, ...]:
    """The names between braces, in their order, each once."""
    return tuple(dict.fromkeys(match[1] for match in _BLANK.finditer(text)))
