"""The errors of the platform: one base, eight kinds, stable codes.

A class docstring is the default message of its error. Doors map the *kind* to their protocol (HTTP status, gRPC status,
close code, JSON-RPC error) and never look at the class.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    INVALID = "invalid"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    BUSY = "busy"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"


class PlatformError(Exception):
    """Something went wrong."""

    kind: ClassVar[Kind] = Kind.BROKEN
    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(self, message: str = "", /, **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip().split("\n")[0]
        self.details: Mapping[str, Any] = details
        super().__init__(self.message)


class Invalid(PlatformError):
    """The request is not valid."""

    kind = Kind.INVALID
    code = "VALIDATION_ERROR"


class Denied(PlatformError):
    """This is not allowed for you."""

    kind = Kind.DENIED
    code = "PERMISSION_DENIED"


class NotFound(PlatformError):
    """There is no such thing."""

    kind = Kind.NOT_FOUND
    code = "NOT_FOUND"


class Conflict(PlatformError):
    """The thing has changed since you read it."""

    kind = Kind.CONFLICT
    code = "CONFLICT"


class Busy(PlatformError):
    """Somebody else is working on this right now; try again."""

    kind = Kind.BUSY
    code = "CONTEXT_LOCK_ERROR"


class Throttled(PlatformError):
    """Too many requests; slow down."""

    kind = Kind.THROTTLED
    code = "RATE_LIMITED"


class Unavailable(PlatformError):
    """A service that this needs is not available right now; try again."""

    kind = Kind.UNAVAILABLE
    code = "SERVICE_UNAVAILABLE"


class Broken(PlatformError):
    """The platform failed; the fault is on our side."""

    kind = Kind.BROKEN
    code = "INTERNAL_ERROR"
