"""How tools of others are called here: `server_tool`, in at most 64 characters that every client takes."""

import hashlib
import re
from typing import Final

LONGEST: Final = 64
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_MARK: Final = 8  # hexadecimal digits of the hash behind a name that had to be changed


def offered_name(server: str, tool: str) -> str:
    """`server_tool`. Where characters had to be replaced or cut off, a hash of the full names follows, so that no two become one by that.

    The same two names give the same answer on every machine and for ever: clients and flows keep it.
    """
    plain = f"{server}_{tool}"
    legal = _ILLEGAL.sub("_", plain)
    if legal == plain and len(plain) <= LONGEST:
        return plain
    mark = hashlib.sha256(f"{server}\x00{tool}".encode()).hexdigest()[:_MARK]
    return f"{legal[: LONGEST - _MARK - 1]}_{mark}"
