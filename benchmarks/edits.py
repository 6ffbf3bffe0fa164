"""One element edit after another through the service, without a socket: `python -m benchmarks.edits BUILDING COUNT` prints one JSON object.

edit: until the change and the findings of the element are committed. storey: what follows for the surroundings (the wait for quiet left out).
"""

import json
import random
import statistics
import sys
import time
from typing import Any

import django

django.setup()

from mcp_platform.celery import app  # noqa: E402  Django first
from mcp_platform.tenancy import scope  # noqa: E402
from validation.models import Building, Element  # noqa: E402
from validation.services import live, rechecking  # noqa: E402


def main() -> None:
    building_id, count = sys.argv[1], int(sys.argv[2])
    app.loader.import_default_modules()
    with scope.platform_scope():
        building = Building.objects.select_related("tenant").get(pk=building_id)
        doors = list(Element.objects.filter(building=building, ifc_class="IfcDoor", valid_to_seq=None).values_list("global_id", flat=True))
    with scope.tenant_scope(building.tenant):
        print(json.dumps(measure(building, sorted(doors), count)))


def measure(building: Building, doors: list[str], count: int) -> dict[str, Any]:
    dice = random.Random(1)
    edits, storeys = [], []
    for number in range(count + 5):
        op = {"op": "upsert", "global_id": dice.choice(doors), "set": {"properties.Attributes.OverallWidth": 0.55 + dice.random() / 5}}
        began = time.perf_counter()
        live.apply_changes(
            building.tenant, building_id=building.pk, client_id="bench-service", client_seq=number + 1, base_seq=0, ops=[op], by=None,
        )  # fmt: skip
        edited = time.perf_counter()
        rechecking.recheck(building.tenant, building_id=building.pk, patience=0)
        if number >= 5:  # warm
            edits.append((edited - began) * 1000)
            storeys.append((time.perf_counter() - edited) * 1000)
    return {"edits": count, **quantiles(edits, ""), **quantiles(storeys, "storey_")}


def quantiles(times: list[float], name: str) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {f"{name}p50_ms": round(cuts[49], 1), f"{name}p95_ms": round(cuts[94], 1)}


if __name__ == "__main__":
    main()
