"""Assignments and turns with an experiment: `python -m benchmarks.assigning FLOW SECONDS` prints one JSON object."""

import json
import statistics
import sys
import time
from datetime import UTC, datetime

import django

django.setup()

from benchmarks.load import SCRIPT  # noqa: E402  Django first
from benchmarks.service import conversation  # noqa: E402
from experiments import queries  # noqa: E402
from experiments import services as experiments  # noqa: E402
from experiments.core.assign import Arm, Holdout, Plan, decide  # noqa: E402
from experiments.services import assigning  # noqa: E402
from flows import services as flows  # noqa: E402
from flows.core.types import Json  # noqa: E402
from mcp_platform.tenancy import scope, services  # noqa: E402
from mcp_platform.tenancy.models import Tenant  # noqa: E402
from tests.flows.samples import order_flow  # noqa: E402

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 20_000


def main() -> None:
    flow, seconds = sys.argv[1], float(sys.argv[2])
    with scope.platform_scope():
        with_, without = Tenant.objects.get(slug="bench"), services.create_tenant(slug="plain", name="Without an experiment")
        flows.import_flow(without, document=order_flow(), by=None)
        flows.publish(without, flow_id="order", by=None)
        _start(with_, flow)
        found = {"us_per_assignment": round(_decided(), 2), "us_remembered": round(_remembered(with_, flow), 2)}
        found |= _turns(with_, without, flow, seconds)
    print(json.dumps(found))


def _start(tenant: Tenant, flow: str) -> None:
    """Half of the conversations get another description of every state: the arms differ from the first state on."""
    document: dict[str, Json] = order_flow()
    states: Json = document["states"]
    assert isinstance(states, dict)
    first = str(document["initial_state"])
    experiments.save_metric(tenant, fields={"key": "completed", "name": "Completed", "measure": "completion"}, by=None)
    changed = {"states": {first: {"config": {"typing_indicator": False}}}, "variables": {"arm": {"type": "string", "default": "b"}}}
    variants = [{"key": "a", "is_control": True, "percentage": 50.0}, {"key": "b", "percentage": 50.0, "modifications": changed}]
    plan = {"key": "bench", "name": "Bench", "flow": flow, "variants": variants, "metrics": [{"metric": "completed", "role": "primary"}]}
    experiments.create(tenant, fields=plan, by=None)
    experiments.validate(tenant, key="bench", by=None)
    experiments.start(tenant, key="bench", by=None)


def _decided() -> float:
    plan = Plan(
        key="x",
        arms=(Arm(key="a", weight=0.5), Arm(key="b", weight=0.5)),
        seed="tenant:x",
        namespace=("room", 0.0, 0.9),
        holdout=Holdout(seed="h", share=0.05),
        targeting={"channel": "web", "profile.tier": {"$in": ["gold", "silver"]}},
    )
    attributes = {"id": "u", "channel": "web", "profile": {"tier": "gold"}}
    began = time.perf_counter()
    for n in range(ROUNDS):
        decide(plan, f"unit-{n}", attributes, NOW)
    return (time.perf_counter() - began) / ROUNDS * 1e6


def _remembered(tenant: Tenant, flow: str) -> float:
    trial = queries.trial_of(queries.experiment(tenant, "bench"))
    attributes = {"id": "u", "channel": "web", "flow_id": flow}
    assigning.arm_for(tenant.pk, trial, "unit", attributes, NOW)
    began = time.perf_counter()
    for _ in range(ROUNDS):
        assigning.arm_for(tenant.pk, trial, "unit", attributes, NOW)
    return (time.perf_counter() - began) / ROUNDS * 1e6


def _turns(with_: Tenant, without: Tenant, flow: str, seconds: float) -> dict[str, float]:
    """Conversations turn about, so that whatever else the machine does meets both alike."""
    took: dict[str, list[float]] = {"with": [], "without": []}
    for tenant in (with_, without):
        conversation(tenant, flow, [])  # warm
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for name, tenant in (("with", with_), ("without", without)):
            began = time.perf_counter()
            conversation(tenant, flow, [])
            took[name].append((time.perf_counter() - began) / (len(SCRIPT) + 1) * 1000)
    more, less = statistics.median(took["with"]), statistics.median(took["without"])
    return {
        "turn_ms_with": round(more, 3),
        "turn_ms_without": round(less, 3),
        "turn_overhead_pct": round((more / less - 1) * 100, 1),
        "conversations": float(len(took["with"])),
    }


if __name__ == "__main__":
    main()
