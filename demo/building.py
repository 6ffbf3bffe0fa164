"""The demo building: the law, a project, a building, and its IFC model sent through the real server, read and checked there."""

import json
import time
import urllib.request
import uuid
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.scope import Principal
from validation.ingest import demo
from validation.models import Building, Jurisdiction, Project
from validation.services import packs, projects

NAME: Final = "Demo office"
PERMIT: Final = date(2025, 3, 3)
PLACE: Final = "US-WA-SEA"
LONGEST: Final = 60.0  # seconds for reading and checking
SHOWN: Final = 8
Say = Callable[[str], None]


def prepare(tenant: Tenant, by: Principal, say: Say) -> Building:
    """Import the starter pack, make the project and the building; what is there already is left alone."""
    done = packs.import_pack(tenant, document=packs.starter_pack(), publish=True, by=None)
    if done.changed:
        say(f"   {done.jurisdictions} jurisdictions, rule sets {', '.join(done.published)}; from memory only, so drafts: {', '.join(done.drafts)}")
    there: Building | None = Building.objects.for_tenant(tenant).filter(name=NAME, archived_at=None).first()
    return there or _made(tenant, by)


def _made(tenant: Tenant, by: Principal) -> Building:
    project = projects.save_project(
        tenant,
        fields={
            "name": "Harbour Street 12",
            "permit_number": "3041125-CN",
            "permit_application_date": PERMIT,
            "jurisdiction": Jurisdiction.objects.for_tenant(tenant).get(code=PLACE),
            "address": "12 Harbour Street, Seattle",
            "construction_type": "V-B",
            "sprinkler": Project.Sprinkler.NONE,
            "parties": [{"role": "architect", "name": "Demo architects"}],
        },
        by=by,
    )
    fields = {"project": project, "name": NAME, "occupancy_groups": [{"group": "B", "area_m2": 900}], "storeys_above": 2, "height_m": 7.4}
    return projects.save_building(tenant, fields=fields, by=by)


def official_of(tenant: Tenant, password: str, add_member: Callable[..., Any]) -> User:
    """The second person: a code official, who may approve what somebody else has asked for."""
    official, created = User.objects.get_or_create(username="official", defaults={"is_staff": True, "first_name": "Olga", "last_name": "Official"})
    if created:
        official.set_password(password)
        official.save()
        add_member(tenant, user=official, role="code_official", by=None)
    return official


class Office:
    """The demo's own program: it uploads the model and watches what becomes of it, over REST."""

    def __init__(self, base: str, key: str, building_id: str, say: Say) -> None:
        self._base, self._key, self._id, self._say = base, key, building_id, say

    def check(self) -> None:
        """Upload, follow the reading and the check, print what was found."""
        content = demo.write()
        began = time.monotonic()
        revision = self._upload("demo_office.ifc", content)
        self._say(f"   demo_office.ifc, {len(content):,} bytes: revision {revision['number']}")
        run = self._followed()
        self._say(f"   read and checked in {time.monotonic() - began:.1f} s: score {_number(run['score'])}, {run['status']}")
        found = self._get(f"validation/buildings/{self._id}/findings?outcome=fail&limit={SHOWN}")
        for one in found["results"]:
            self._say(f"     {one['severity']:<8} {one['message']}")

    def _followed(self) -> dict[str, Any]:
        """The newest check that has ended; each step of the work is told once."""
        told: set[str] = set()
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            found = self._get(f"operations?subject={self._id}&kind=validation.run")["results"]
            reading = self._get(f"operations?subject=building:{self._id}&kind=validation.ingest")["results"]
            for one in [*reading[:1], *found[:1]]:
                line = f"{one['title']}: {one['phase'] or one['status']}"
                if line not in told:
                    told.add(line)
                    self._say(f"     {line}")
            if any(one["status"] == "failed" for one in [*reading[:1], *found[:1]]):
                raise RuntimeError("The demo building could not be checked.")
            if found and found[0]["status"] == "succeeded":
                return dict(found[0]["result"])
            time.sleep(0.2)
        raise RuntimeError("The demo building was not checked in time.")

    def _upload(self, name: str, content: bytes) -> dict[str, Any]:
        border = uuid.uuid4().hex
        head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
        return self._call(f"validation/buildings/{self._id}/revisions", body, f"multipart/form-data; boundary={border}")

    def _get(self, path: str) -> dict[str, Any]:
        return self._call(path, None, "application/json")

    def _call(self, path: str, body: bytes | None, content_type: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": content_type}
        request = urllib.request.Request(f"{self._base}/api/v1/{path}", data=body, headers=headers)  # noqa: S310  our own server
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  as above
            found: dict[str, Any] = json.load(answer)
            return found


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
