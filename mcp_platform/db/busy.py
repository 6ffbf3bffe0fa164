"""Whether a fault of the database only says that somebody else was writing: what was tried may be tried again."""

from typing import Final

_SQLSTATES: Final = ("55P03", "40P01", "40001")  # lock not available, deadlock, serialization failure


def is_busy(fault: BaseException) -> bool:
    """Of an OperationalError of either engine."""
    text = str(fault)
    return getattr(fault.__cause__, "sqlstate", None) in _SQLSTATES or "database is locked" in text or "database table is locked" in text
