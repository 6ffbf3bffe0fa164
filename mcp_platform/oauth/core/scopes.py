"""Scopes: permissions as a program may be given them.

A scope is the name of a permission, so that a token can never mean more than a role does. What administers the tenant itself cannot be asked for:
a program that is let in must not be able to let others in, or to read secrets.
"""

from collections.abc import Iterable, Mapping

WITHHELD = frozenset(
    {
        "tenant:manage",
        "members:manage",
        "keys:manage",
        "clients:manage",
        "secrets:read",
        "secrets:write",
        "audit:read",
        "servers:write",
        "events:manage",
        "waivers:approve",
        "rules:override",
    }
)
# Words of other standards that clients send to everybody; they ask for nothing that there is here.
FOREIGN = frozenset({"openid", "profile", "email", "offline_access"})


def offered(permissions: Mapping[str, str]) -> dict[str, str]:
    """Of {permission: words}, those that a client may ask for."""
    return {name: words for name, words in permissions.items() if name not in WITHHELD}


def basic(permissions: Mapping[str, str]) -> list[str]:
    """What a client that asks for nothing in particular is offered: to look and to try, nothing that changes anything."""
    return [name for name in offered(permissions) if name.startswith("tools:") or name.endswith(":read")]


def parse(text: object) -> list[str]:
    """The scopes of a text with spaces between, each once, in order; none for anything else."""
    return list(dict.fromkeys(text.split())) if isinstance(text, str) else []


def granted(asked: Iterable[str], held: Iterable[str], chosen: Iterable[str]) -> list[str]:
    """What a program gets: no more than it asked for, than the person may do, and than the person has chosen."""
    allowed = set(held) & set(chosen)
    return [name for name in dict.fromkeys(asked) if name in allowed]
