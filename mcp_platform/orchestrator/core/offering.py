"""Which upstream tools a virtual server offers, and under which names. Names never change silently: two that are equal are refused."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
NAME_RULE: Final = "1 to 64 of: letters, digits, _ and -"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One chosen tool. `given` is the name that an administrator has written, "" for the one that is made of server and tool."""

    server: str
    tool: str
    made: str
    given: str = ""

    @property
    def name(self) -> str:
        return self.given or self.made

    @property
    def place(self) -> str:
        return f"{self.server}/{self.tool}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """`places` are the tools (server/tool) that cannot have this name; `why` is for people."""

    name: str
    places: tuple[str, ...]
    why: str


def clashes(choices: Iterable[Choice], *, taken: Collection[str] = ()) -> list[Clash]:
    """Every reason why these tools cannot stand side by side. `taken`: names that others have at the same address."""
    chosen: Sequence[Choice] = list(choices)
    counted = Counter(one.name for one in chosen)
    found = [_illegal(one) for one in chosen if not NAME.fullmatch(one.name)]
    for name in sorted(counted):
        places = tuple(sorted(one.place for one in chosen if one.name == name))
        if counted[name] > 1:
            found.append(Clash(name=name, places=places, why="is the name of more than one chosen tool"))
        if name in taken:
            found.append(Clash(name=name, places=places, why="is the name of another tool at the same address"))
    return found


def _illegal(choice: Choice) -> Clash:
    return Clash(name=choice.name, places=(choice.place,), why=f"is no name of a tool ({NAME_RULE})")
