"""What the walk through all doors (tests/platform/test_walk.py) finds of models: a revision, an element with facts, and the calls."""

from typing import Any

from django.db.models import Model

from mcp_platform.tenancy.models import Tenant
from tests import factories
from validation.models import Building, Element, ModelRevision
from validation.services import meshes

BUILDING = "validation/buildings/{building_id}"
FACTS = {"clear_width": 0.9}

MODELS: tuple[tuple[Any, ...], ...] = (
    (f"GET {BUILDING}/revisions",),
    (f"POST {BUILDING}/revisions", 415, {}),  # a file of a multipart form is wanted
    (f"GET {BUILDING}/revisions/{{number}}",),
    (f"GET {BUILDING}/revisions/{{number}}/file", 404),  # this one came without a file
    (f"GET {BUILDING}/revisions/{{number}}/changes",),
    (f"GET {BUILDING}/elements",),
    (f"PATCH {BUILDING}/elements", 200, {"elements": ["ours-way-out"], "facts": FACTS}),
    (f"GET {BUILDING}/elements/{{global_id}}",),
    (f"PATCH {BUILDING}/elements/{{global_id}}", 200, {"facts": FACTS}),
    (f"GET {BUILDING}/model",),
    (f"GET {BUILDING}/space-functions",),
    (f"GET {BUILDING}/meshes", 202),  # they are being made
    (f"GET {BUILDING}/meshes/live",),
)


def models(ours: Tenant, house: Building | None = None) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the row of the admin's page. `house`: where there is one already."""
    building: Building = house or factories.checked_building(ours, name="ours-building")
    seq = max(building.head_seq, 1)
    Building.objects.filter(pk=building.pk).update(head_seq=seq)
    revision = ModelRevision.objects.create(
        tenant=ours, building=building, number=1, source="json", file_name="ours-model.json", state="ready", at_seq=seq, sha256="0" * 64
    )
    meshes.of_revision(ours, revision=revision, actor="system:test")
    Element.objects.create(
        tenant=ours, building=building, global_id="ours-way-out", ifc_class="IfcDoor", name="ours-way-out", valid_from_seq=seq, content_hash="0" * 64
    )
    return {"building_id": building.pk, "global_id": "ours-way-out"}, {ModelRevision: revision}
