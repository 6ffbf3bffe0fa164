"""Prepare a database for the live part: a building of N elements, checked once against a hundred rules, by the real services.

`python -m benchmarks.building_house N` prints the key, the building's id, and how long reading and checking took, as one JSON object.
"""

import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from uuid import uuid4

import django

django.setup()

from django.core.files import File  # noqa: E402  Django first
from django.core.management import call_command  # noqa: E402

from benchmarks import big_building  # noqa: E402
from mcp_platform.celery import app  # noqa: E402
from mcp_platform.operations.services import Progress  # noqa: E402
from mcp_platform.tenancy import scope, services  # noqa: E402
from mcp_platform.tenancy.models import User  # noqa: E402
from mcp_platform.tenancy.permissions import ALL  # noqa: E402
from mcp_platform.tenancy.scope import Principal  # noqa: E402
from tests import factories  # noqa: E402
from validation.models import Building, Jurisdiction, Project, ValidationRun  # noqa: E402
from validation.services import checking, revisions  # noqa: E402


class Quiet(Progress):
    def report(self, done: int, total: int, phase: str = "") -> None:
        pass


def main() -> None:
    count = int(sys.argv[1])
    call_command("migrate", verbosity=0)
    app.loader.import_default_modules()  # jobs can be sent; the server that is started later finds what nobody has done
    with scope.platform_scope():
        tenant = services.create_tenant(slug=f"bench-{count}", name="Benchmark")
        user = User.objects.create_superuser(f"bench-{count}", password=None)
        by = Principal(tenant=tenant, actor=f"user:{user.pk}", permissions=ALL, user=user)
        place = Jurisdiction.objects.create(tenant=tenant, code="BENCH", name="Benchmark", kind="city")
        project = Project.objects.create(tenant=tenant, name="Benchmark", permit_application_date=date(2025, 1, 1), jurisdiction=place)
        project.rule_sets.add(factories.rule_set(tenant, *big_building.rules(), slug="bench").rule_set)
        building = Building.objects.create(tenant=tenant, project=project, name=f"{count} elements", occupancy_groups=[{"group": "B"}])
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            big_building.write_json(path, count)
            with path.open("rb") as content:
                revision, _ = revisions.upload(tenant, building_id=building.pk, name="model.json", content=File(content), by=by)
        revisions.ingest(tenant, {"revision": str(revision.pk), "by": by.actor}, Quiet(uuid4(), 1))
        read = time.perf_counter() - began
        run = ValidationRun.objects.for_tenant(tenant).get(building=building)
        began = time.perf_counter()
        checking.work(tenant, {"run": str(run.pk)}, Quiet(uuid4(), 1))
        checked = time.perf_counter() - began
        run.refresh_from_db()
        _, key = services.create_api_key(tenant, name="bench", scopes=["validation:read", "validation:write"], by=user)
    outcomes = {name: sum(held.get(name, 0) for held in run.counts["rules"].values()) for name in ("pass", "fail", "not_applicable", "not_evaluable")}
    judged = sum(outcomes.values())
    print(
        json.dumps(
            {
                "key": key,
                "building": str(building.pk),
                "elements": count,
                "read_s": round(read, 1),
                "check_s": round(checked, 1),
                "evaluations": judged,
                "evaluations_per_s": round(judged / checked),
                "findings": outcomes["fail"] + outcomes["not_evaluable"],
            }
        )
    )


if __name__ == "__main__":
    main()
