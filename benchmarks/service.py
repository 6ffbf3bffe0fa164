"""process_message() without HTTP, one thread: `python -m benchmarks.service FLOW SECONDS` prints one JSON object."""

import json
import statistics
import sys
import time

import django

django.setup()

from benchmarks.load import SCRIPT  # noqa: E402  Django first
from conversations import services  # noqa: E402
from mcp_platform.tenancy import scope  # noqa: E402
from mcp_platform.tenancy.models import Tenant  # noqa: E402


def main() -> None:
    flow, seconds = sys.argv[1], float(sys.argv[2])
    with scope.platform_scope():
        tenant = Tenant.objects.get(slug="bench")
    times: list[float] = []
    with scope.tenant_scope(tenant):
        conversation(tenant, flow, [])  # warm
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            conversation(tenant, flow, times)
        took = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=100)
    print(json.dumps({"turns_per_s": round(len(times) / took, 1), "p50_ms": round(cuts[49] * 1000, 2), "p95_ms": round(cuts[94] * 1000, 2)}))


def conversation(tenant: Tenant, flow: str, times: list[float]) -> None:
    at = time.perf_counter()
    started = services.start(tenant, flow_id=flow, actor="system")
    times.append(time.perf_counter() - at)
    for number, text in enumerate(SCRIPT):
        at = time.perf_counter()
        services.process_message(
            tenant, conversation_id=started.conversation_id, content={"type": "text", "text": text}, client_message_id=str(number)
        )
        times.append(time.perf_counter() - at)


if __name__ == "__main__":
    main()
