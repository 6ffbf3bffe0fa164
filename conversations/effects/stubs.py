"""Stubs in place of the outside: tests and dry runs ask these, and nothing leaves the platform."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from conversations.core import codec
from conversations.core.types import Call, Outcome
from flows.models import Stub
from mcp_platform.tenancy.models import Tenant

Stubbed = Callable[[Call], Outcome | None]


def stubbed(tenant: Tenant) -> Stubbed:
    """A function that gives a call the outcome of the stub that fits it best; None when none does. The rows are read once, here."""
    kept: dict[str, list[Stub]] = {}
    for stub in Stub.objects.for_tenant(tenant).select_related("integration").order_by("name", "pk"):
        kept.setdefault(stub.integration.integration_id, []).append(stub)

    def answer(call: Call) -> Outcome | None:
        found = best(kept.get(call.integration_id, ()), endpoint=call.endpoint, method=call.method, request=call.request)
        return codec.outcome_from_json(found.outcome) if found is not None else None

    return answer


def best(stubs: Iterable[Stub], *, endpoint: str, method: str, request: Mapping[str, Any]) -> Stub | None:
    """Of those that fit, the one that says most about the call; of equals the first by name."""
    fitting = [stub for stub in stubs if fits(stub, endpoint=endpoint, method=method, request=request)]
    return max(fitting, key=lambda stub: (len(stub.request), bool(stub.endpoint), bool(stub.method)), default=None)


def fits(stub: Stub, *, endpoint: str, method: str, request: Mapping[str, Any]) -> bool:
    return (
        stub.endpoint in ("", endpoint)
        and stub.method.upper() in ("", method.upper())
        and all(name in request and request[name] == value for name, value in stub.request.items())
    )
