"""What the walk through all doors (tests/platform/test_walk.py) finds of checks and live sessions: two runs, a session, and the calls."""

from typing import Any

from django.db.models import Model
from django.utils import timezone

from validation.models import Building, LiveSession, ValidationRun
from validation.services import evaluating

BUILDING = "validation/buildings/{building_id}"
CHANGES = {"client_id": "walker", "client_seq": 1, "base_seq": 0, "ops": [{"op": "upsert", "global_id": "new", "ifc_class": "IfcDoor"}]}

RUNS: tuple[tuple[Any, ...], ...] = (
    (f"GET {BUILDING}/runs",),
    (f"POST {BUILDING}/runs", 202),
    (f"GET {BUILDING}/runs/{{run_id}}",),
    (f"GET {BUILDING}/runs/{{run_id}}/results",),
    (f"GET {BUILDING}/runs/{{run_id}}/passes",),
    (f"GET {BUILDING}/runs/{{run_id}}/compare?with={{run_id}}",),
    (f"POST {BUILDING}/what-if", 202, {"on": "2024-01-01"}),
    (f"GET {BUILDING}/trend",),
    (f"GET {BUILDING}/changes",),
    (f"POST {BUILDING}/changes", 200, CHANGES),
    (f"GET {BUILDING}/sessions",),
)


def runs(house: Building) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the rows of the admin's pages."""
    now = timezone.now()
    run = ValidationRun.objects.create(
        tenant=house.tenant, building=house, at_seq=1, trigger="full", engine_version="1", state="done", requested_by="ours-somebody", started_at=now,
        finished_at=now, score=50.0, coverage=1.0, results=evaluating.packed([]), passes=evaluating.packed({}),
    )  # fmt: skip
    session = LiveSession.objects.create(
        tenant=house.tenant, building=house, actor="ours-actor", client_id="ours-client", client="ours-plugin", protocol="mcp-validation.v1"
    )
    return {"run_id": run.pk}, {ValidationRun: run, LiveSession: session}
