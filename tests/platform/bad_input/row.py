"""What a row of the tables says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import isfunction
from typing import Any, TypeAlias

from tests.platform.bad_input.office import Office

Names: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bad:
    """A request, and the status, the error_code and (where a part of the request is at fault) the path that it must be refused with.

    `call` is a method and an address below /api/v1/ with {names} of the office. `body` is JSON, bytes that are sent as they are, or a
    function of the names.
    """

    name: str
    call: str
    body: Any
    status: int
    code: str
    at: str = ""
    by: str = field(default="owner", kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    content_type: str = field(default="application/json", kw_only=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.call[:60]}"

    def request(self, office: Office) -> dict[str, Any]:
        """Arguments of a door."""
        method, address = self.call.format(**office.names).split(" ", 1)
        headers = {"Authorization": office.credentials[self.by], "Content-Type": self.content_type, **self.headers}
        return {
            "method": method,
            "path": f"/api/v1/{address}",
            "body": self._bytes(office.names),
            "headers": {name: value for name, value in headers.items() if value},
        }

    def _bytes(self, names: Names) -> bytes:
        body = self.body(names) if isfunction(self.body) else self.body
        return body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
