"""Revisions: a file becomes the head, what changed is known, a crash leaves nothing half done, and only who may see them does."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.test import Client

from mcp_platform import errors
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.queries import principal_of_user
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.factories import TenantFactory
from tests.tenancy.clients import client_of
from tests.validation.models import demo_file, zipped
from validation import tasks
from validation.ingest import demo, neutral
from validation.models import Building, ChangeBatch, Element, ModelRevision, ValidationRun
from validation.queries import elements
from validation.services import live, meshes, replacing, revisions, spaces, stated

REGISTERED = tasks.revisions  # the operations
API = "/api/v1/validation/buildings"


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create(slug="permits")


@pytest.fixture
def by(tenant: Tenant) -> Principal:
    return principal_of_user(factories.member(tenant), tenant)


@pytest.fixture
def building(tenant: Tenant) -> Building:
    return factories.BuildingFactory.create(tenant=tenant, name="House")


def upload(building: Building, content: bytes, by: Principal, name: str = "house.ifc") -> ModelRevision:
    return revisions.upload(building.tenant, building_id=building.pk, name=name, content=ContentFile(content, name), by=by)[0]


def run(revision: ModelRevision) -> Operation:
    """What the worker does."""
    assert revision.operation_id
    row = Operation.objects.get(pk=revision.operation_id)
    operations.run(revision.tenant, operation_id=row.pk, attempt=row.attempts)
    row.refresh_from_db()
    revision.refresh_from_db()
    return row


def ingested(building: Building, content: bytes, by: Principal, name: str = "house.ifc") -> ModelRevision:
    revision = upload(building, content, by, name)
    row = run(revision)
    assert row.status == Operation.Status.SUCCEEDED, row.error
    building.refresh_from_db()
    return revision


def current(building: Building) -> dict[str, Element]:
    return {row.global_id: row for row in elements.at(building.tenant, building)}


def named(building: Building, name: str) -> Element:
    return next(row for row in current(building).values() if row.name == name)


def test_a_file_becomes_the_head_of_the_model(building: Building, by: Principal) -> None:
    revision = ingested(building, demo_file(), by)
    assert (revision.state, revision.number, revision.schema, revision.at_seq) == ("ready", 1, "IFC4", 1)
    assert (building.head_seq, revision.changes["added"]) == (1, sum(revision.counts.values()))
    assert revision.counts["IfcDoor"] == Element.objects.filter(building=building, ifc_class="IfcDoor").count() == 37
    batch = ChangeBatch.objects.get(building=building)
    assert (batch.seq, batch.client_id, batch.revision_id) == (1, live.REVISION, revision.pk)
    assert ValidationRun.objects.filter(building=building).count() == 1


def test_facts_are_derived_once_with_their_sources(building: Building, by: Principal) -> None:
    ingested(building, demo_file(), by)
    width = named(building, "Door 0.S3").facts["clear_width"]
    assert width["value"] == pytest.approx(0.65, abs=0.03)
    assert width["assumed"] is True
    assert named(building, "Stair B").facts["riser_height"]["value"] == pytest.approx(0.2)


def test_the_same_file_again_is_the_same_revision(building: Building, by: Principal) -> None:
    first = ingested(building, demo_file(), by)
    again, is_new = revisions.upload(building.tenant, building_id=building.pk, name="copy.ifc", content=ContentFile(demo_file()), by=by)
    assert (again.pk, is_new) == (first.pk, False)
    assert ModelRevision.objects.filter(building=building).count() == 1


def test_the_next_revision_writes_only_what_changed(building: Building, by: Principal) -> None:
    ingested(building, demo_file(), by)
    before = current(building)
    second = ingested(building, demo_file("narrow_door", "low_guard"), by)
    assert {name: second.changes[name] for name in ("added", "changed", "removed")} == {"added": 0, "changed": 2, "removed": 0}
    assert second.changes["by_class"] == {"IfcDoor": {"changed": 1}, "IfcRailing": {"changed": 1}}
    after = current(building)
    assert {key for key, row in after.items() if row.pk != before[key].pk} == set(second.changes["named"]["changed"])
    assert Element.objects.filter(building=building).count() == len(before) + 2


def test_what_is_gone_and_new_is_counted(building: Building, by: Principal) -> None:
    ingested(building, demo_file(), by)
    other = ingested(building, demo_file(seed=2), by)
    assert other.changes["added"] == other.changes["removed"] == len(current(building))


def test_facts_that_people_stated_outlive_the_next_file(building: Building, by: Principal) -> None:
    ingested(building, demo_file(), by)
    door = named(building, "Door 0.S3")
    stated.state_facts(building.tenant, building_id=building.pk, global_ids=[door.global_id], facts={"clear_width": 0.9}, by=by)
    ingested(building, demo_file("low_guard"), by)
    assert named(building, "Door 0.S3").facts["clear_width"] == {"value": 0.9, "source": "user"}


def test_an_older_file_after_a_live_change_is_a_new_revision(building: Building, by: Principal) -> None:
    ingested(building, demo_file(), by)
    door = named(building, "Door 0.S3")
    op = {"op": "upsert", "global_id": door.global_id, "set": {"name": "Door renamed"}}
    live.apply_changes(building.tenant, building_id=building.pk, client_id="cad", client_seq=1, base_seq=1, ops=[op], by=by)
    second = ingested(building, demo_file(), by)
    assert (second.number, second.changes["changed"], named(building, "Door 0.S3").global_id) == (2, 1, door.global_id)


def test_a_live_change_while_a_file_is_staged_is_taken_in(building: Building, by: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested(building, demo_file(), by)
    door = named(building, "Door 0.S3")
    staged = replacing._staged
    calls: list[int] = []

    def interrupted(*given: Any) -> Any:
        made = staged(*given)
        if not calls:
            calls.append(1)
            op = {"op": "upsert", "global_id": door.global_id, "set": {"tag": "moved meanwhile"}}
            live.apply_changes(building.tenant, building_id=building.pk, client_id="cad", client_seq=1, base_seq=1, ops=[op], by=by)
        return made

    monkeypatch.setattr(replacing, "_staged", interrupted)
    second = ingested(building, demo_file("low_guard"), by)
    assert (second.at_seq, second.changes["changed"]) == (3, 2)  # the guard, and the door as it is in the file again
    assert named(building, "Door 0.S3").tag == door.tag
    assert len({row.global_id for row in elements.at(building.tenant, building)}) == elements.at(building.tenant, building).count()


class Killed(BaseException):
    """The worker is gone: nothing of ours may catch it."""


def test_a_worker_that_dies_while_staging_leaves_the_old_model_and_the_next_one_finishes(
    building: Building, by: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(building, demo_file(), by)
    before = {key: row.pk for key, row in current(building).items()}
    second = upload(building, demo_file("narrow_door"), by)

    def die(*given: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(replacing, "_turn_on", die)
        with pytest.raises(Killed):
            revisions.ingest(building.tenant, {"revision": str(second.pk), "by": by.actor}, _progress(second))
    assert {key: row.pk for key, row in current(building).items()} == before
    assert elements.at(building.tenant, building, 1).count() == len(before)
    row = run(second)
    assert (row.status, second.state, second.changes["changed"]) == ("succeeded", "ready", 1)
    assert not Element.objects.filter(building=building, valid_to_seq=0).exists()


def _progress(revision: ModelRevision) -> Progress:
    assert revision.operation_id
    Operation.objects.filter(pk=revision.operation_id).update(status=Operation.Status.RUNNING, attempts=1)
    return Progress(revision.operation_id, 1)


def test_an_ingest_that_runs_twice_does_it_once(building: Building, by: Principal) -> None:
    revision = ingested(building, demo_file(), by)
    result = revisions.ingest(building.tenant, {"revision": str(revision.pk), "by": by.actor}, _progress(revision))
    building.refresh_from_db()
    assert (result["state"], building.head_seq, ValidationRun.objects.count()) == ("ready", 1, 1)


def test_a_rejected_file_says_why_and_changes_nothing(building: Building, by: Principal) -> None:
    revision = upload(building, b"ISO-10303-21;\nnothing of use", by)
    row = run(revision)
    assert row.status == "failed"
    assert row.error
    assert (row.error["error_code"], row.error["reason"]) == ("MODEL_REJECTED", "SCHEMA_NOT_SUPPORTED")
    building.refresh_from_db()
    assert (revision.state, revision.problem["reason"], building.head_seq) == ("rejected", "SCHEMA_NOT_SUPPORTED", 0)


def test_a_file_cut_in_half_is_partial_with_the_numbers(building: Building, by: Principal) -> None:
    whole = demo_file()
    revision = ingested(building, whole[: len(whole) // 2], by)
    assert revision.state == "partial"
    assert {one["code"] for one in revision.integrity["problems"]} >= {"TRUNCATED", "PARSER_COMPLAINED"}
    assert revision.integrity["trailer"] is False


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("house.dwg", b"ISO-10303-21;", "EXTENSION"),
        ("house.ifc", b"", "EMPTY"),
        ("house.ifc", b"\x7fELF and more", "NOT_A_MODEL"),
        ("house.ifczip", b"ISO-10303-21;", "NOT_A_MODEL"),
        ("house.json", b"[1]", "NOT_A_MODEL"),
    ],
)
def test_what_is_no_model_is_refused_at_the_door(building: Building, by: Principal, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        upload(building, content, by, name)
    assert caught.value.details["reason"] == reason
    assert not ModelRevision.objects.exists()


def test_stated_facts_can_be_taken_back(building: Building, by: Principal) -> None:
    ingested(building, demo_file(), by)
    door = named(building, "Door 0.S3")
    was = door.facts["clear_width"]
    for value in (1.2, None):
        stated.state_facts(building.tenant, building_id=building.pk, global_ids=[door.global_id], facts={"clear_width": value}, by=by)
    assert named(building, "Door 0.S3").facts["clear_width"] == was


def test_every_fault_of_stated_facts_is_named(building: Building, by: Principal) -> None:
    ingested(building, demo_file(), by)
    with pytest.raises(errors.Invalid) as caught:
        stated.state_facts(
            building.tenant,
            building_id=building.pk,
            global_ids=[named(building, "Door 0.S3").global_id, "nobody"],
            facts={"clear_width": "wide", "no_such_fact": 1},
            by=by,
        )
    assert {one["path"] for one in caught.value.details["errors"]} == {"$.elements[1]", "$.facts.clear_width", "$.facts.no_such_fact"}


def test_mapping_the_name_of_spaces_gives_them_a_function(building: Building, by: Principal) -> None:
    ingested(building, demo_file(), by)
    names = {one["name"]: one for one in spaces.names(building.tenant, building.pk)}
    assert names["Training room"]["spaces"] == 1
    changed = spaces.map_functions(
        building.tenant, building_id=building.pk, function_map={"Archive": "storage_mechanical", "Training*": "classroom"}, by=by
    )
    assert changed >= 1
    assert named(building, "0.S4").facts["function"]["value"] == "classroom"


def test_upload_over_rest(building: Building, tenant: Tenant) -> None:
    client = client_of(tenant, Role.OWNER)
    path = f"{API}/{building.pk}/revisions"
    packed = zipped(demo_file())
    posted = client.post(path, {"file": ContentFile(packed, "../../etc/house.ifczip")})
    assert posted.status_code == 202, posted.content
    assert posted["Location"] == f"{path}/1"
    revision = ModelRevision.objects.get()
    assert (revision.file_name, posted.json()["state"], posted.json()["operation"]) == ("house.ifczip", "uploaded", str(revision.operation_id))
    assert ".." not in str(revision.file.name)
    assert run(revision).status == "succeeded"
    assert client.get(f"{path}/1").json()["state"] == "ready"
    assert client.get(path).json()["count"] == 1
    file = client.get(f"{path}/1/file")
    assert file.getvalue() == packed
    assert file["Content-Disposition"].startswith("attachment")


def test_changes_between_revisions_over_rest(building: Building, tenant: Tenant, by: Principal) -> None:
    ingested(building, demo_file(), by)
    ingested(building, demo_file("narrow_door"), by)
    found = client_of(tenant, Role.VIEWER).get(f"{API}/{building.pk}/revisions/2/changes").json()
    assert (found["added"], found["changed"], found["removed"]) == (0, 1, 0)
    (change,) = found["changes"]
    assert change["name"] == "Door 0.S3"
    assert change["fields"]["properties.Attributes.OverallWidth"] == {"before": 0.75, "after": 1.0}


def test_elements_with_facts_and_sources_over_rest(building: Building, tenant: Tenant, by: Principal) -> None:
    ingested(building, demo_file(), by)
    client = client_of(tenant, Role.OWNER)
    path = f"{API}/{building.pk}/elements"
    listed = client.get(path, {"ifc_class": "IfcDoor", "text": "0.S3", "has": "clear_width"}).json()
    assert [row["name"] for row in listed["results"]] == ["Door 0.S3"]
    key = listed["results"][0]["global_id"]
    assert client.get(f"{path}/{key}").json()["facts"]["clear_width"]["source"].startswith(("derived:", "attribute:"))
    stated_one = client.patch(f"{path}/{key}", json.dumps({"facts": {"clear_width": 0.95}}), content_type="application/json")
    assert stated_one.json()["facts"]["clear_width"] == {"value": 0.95, "source": "user"}
    every = client.patch(path, json.dumps({"ifc_class": "IfcDoor", "facts": {"clear_width": 0.91}}), content_type="application/json")
    assert every.json()["elements"] == 37
    assert {row.facts["clear_width"]["value"] for row in elements.at(tenant, building).filter(ifc_class="IfcDoor")} == {0.91}
    wrong = client.patch(path, json.dumps({"facts": {"clear_width": 1}}), content_type="application/json")
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "SCHEMA_ERROR")
    assert client.get(f"{path}/nobody").json()["error_code"] == "ELEMENT_NOT_FOUND"


def test_the_model_is_exported_as_neutral_json_that_can_be_uploaded(building: Building, tenant: Tenant, by: Principal) -> None:
    ingested(building, demo_file(), by)
    answer = client_of(tenant, Role.VIEWER).get(f"{API}/{building.pk}/model")
    content = answer.getvalue()
    assert neutral.read(content)[1] == []
    other = factories.BuildingFactory.create(tenant=tenant, name="Copy")
    copy = ingested(other, content, by, "house.json")
    assert (copy.source, copy.state, copy.counts["IfcDoor"]) == ("json", "ready", 37)
    assert {row.content_hash for row in current(other).values()} == {row.content_hash for row in current(building).values()}


def test_meshes_are_made_once_and_then_known_by_their_tag(building: Building, tenant: Tenant, by: Principal) -> None:
    ingested(building, demo_file(), by)
    client, path = client_of(tenant, Role.VIEWER), f"{API}/{building.pk}/meshes"
    waiting = client.get(path)
    assert (waiting.status_code, waiting["Retry-After"]) == (202, "2")
    assert client.get(path).json()["operation"] == waiting.json()["operation"]
    row = Operation.objects.get(pk=waiting.json()["operation"])
    operations.run(tenant, operation_id=row.pk, attempt=0)
    ready = client.get(path)
    assert ready.status_code == 200
    assert ready.getvalue()[:4] == b"glTF"
    assert client.get(path, headers={"If-None-Match": ready["ETag"]}).status_code == 304


def test_live_changes_are_drawn_as_boxes(building: Building, tenant: Tenant, by: Principal) -> None:
    ingested(building, demo_file(), by)
    door, desk = named(building, "Door 0.S3"), named(building, "Desk 0.S3-1")
    ops = [
        {"op": "upsert", "global_id": door.global_id, "set": {"box": [1, 1, 0, 2, 1.1, 2]}},
        {"op": "delete", "global_id": desk.global_id},
        {"op": "upsert", "global_id": named(building, "Exit 0.S1").global_id, "set": {"name": "renamed"}},
    ]
    live.apply_changes(tenant, building_id=building.pk, client_id="cad", client_seq=1, base_seq=1, ops=ops, by=by)
    found = client_of(tenant, Role.VIEWER).get(f"{API}/{building.pk}/meshes/live").json()
    assert [one["global_id"] for one in found["boxes"]] == [door.global_id]
    assert (found["gone"], found["at_seq"]) == ([desk.global_id], 2)


def test_a_model_without_a_file_is_drawn_as_boxes(building: Building, by: Principal) -> None:
    document = {"format": neutral.FORMAT, "elements": [{"global_id": "w", "ifc_class": "IfcWall", "box": [0, 0, 0, 3, 0.2, 2.5]}]}
    revision = ingested(building, json.dumps(document).encode(), by, "plugin.json")
    made = meshes.of_revision(building.tenant, revision=revision, actor=by.actor)
    assert isinstance(made, Operation)
    operations.run(building.tenant, operation_id=made.pk, attempt=0)
    revision.refresh_from_db()
    with revision.meshes.open() as content:
        assert content.read(4) == b"glTF"


GETS = (
    "revisions",
    "revisions/1",
    "revisions/1/file",
    "revisions/1/changes",
    "elements",
    "elements/{key}",
    "model",
    "space-functions",
    "meshes/live",
)


@pytest.mark.parametrize("path", GETS)
def test_only_members_read(building: Building, tenant: Tenant, by: Principal, path: str) -> None:
    ingested(building, demo_file(), by)
    address = f"{API}/{building.pk}/{path.format(key=named(building, 'Door 0.S3').global_id)}"
    answer = client_of(tenant, Role.VIEWER).get(address)
    assert (answer.status_code, bool(answer.getvalue())) == (200, True)
    assert client_of(TenantFactory.create(slug="strangers"), Role.OWNER).get(address).status_code == 404
    assert Client().get(address).status_code == 401


def test_only_who_may_write_uploads_and_states_facts(building: Building, tenant: Tenant) -> None:
    viewer, stranger = client_of(tenant, Role.VIEWER), client_of(TenantFactory.create(slug="strangers"), Role.OWNER)
    path = f"{API}/{building.pk}/revisions"
    for client, status in ((viewer, 403), (stranger, 404), (Client(), 401)):
        assert client.post(path, {"file": ContentFile(demo_file(), "a.ifc")}).status_code == status
        body = json.dumps({"ifc_class": "IfcDoor", "facts": {"clear_width": 1}})
        assert client.patch(f"{API}/{building.pk}/elements", body, content_type="application/json").status_code == status
    assert not ModelRevision.objects.exists()


# Rules of the starter pack that stay drafts until a person has confirmed them, and rules of places where the demo building does not stand.
NOT_IN_FORCE = ("IBC21-1010.1.1-DOOR-HEIGHT", "IBC21-1020.3", "IBC21-1006.2.1", "IBC21-1020.2", "IBC21-1023.2", "NFPA101", "UK-", "DE-")


@pytest.mark.django_db
def test_every_planted_violation_is_found(tmp_path: Path) -> None:
    path, out = tmp_path / "demo.ifc", StringIO()
    path.write_bytes(demo_file())
    with pytest.raises(SystemExit):
        call_command("validate_building", str(path), "--json", "--permit-date", "2025-05-05", "--occupancy", "B", "--sprinklers", "none", stdout=out)
    failed = {(one["rule"], one["subject"]) for one in json.loads(out.getvalue())["findings"] if one["outcome"] == "fail"}
    planted = {(rule, one.global_id) for one in demo.violations() for rule in one.violation.rules if not rule.startswith(NOT_IN_FORCE)}
    assert len(planted) >= 13
    assert planted <= failed


def test_the_page_of_a_revision_tells_whether_it_is_whole(building: Building, tenant: Tenant, by: Principal, client: Client) -> None:
    ingested(building, demo_file(), by)
    second = ingested(building, demo_file("narrow_door").replace(b"END-ISO-10303-21;", b""), by)
    client.force_login(factories.member(tenant), backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(f"/admin/validation/modelrevision/{second.pk}/change/").content.decode()
    assert "TRUNCATED" in page
    assert "against r1: 0 added, 1 changed, 0 removed" in page
    compared = client.get(f"/admin/validation/modelrevision/{second.pk}/compare/").content.decode()
    assert "properties.Attributes.OverallWidth" in compared
    assert client.get("/admin/validation/modelrevision/").status_code == 200


def test_a_model_is_uploaded_in_the_admin(building: Building, tenant: Tenant, client: Client) -> None:
    client.force_login(factories.member(tenant), backend="django.contrib.auth.backends.ModelBackend")
    wrong = client.post("/admin/validation/modelrevision/add/", {"building": building.pk, "file": ContentFile(b"no model", "a.ifc")})
    assert "does not begin as" in wrong.content.decode()
    answer = client.post("/admin/validation/modelrevision/add/", {"building": building.pk, "file": ContentFile(demo_file(), "a.ifc")})
    made = ModelRevision.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/validation/modelrevision/{made.pk}/change/")


def test_functions_are_mapped_in_the_admin(building: Building, tenant: Tenant, by: Principal, client: Client) -> None:
    ingested(building, demo_file(), by)
    client.force_login(factories.member(tenant), backend="django.contrib.auth.backends.ModelBackend")
    path = f"/admin/validation/modelrevision/spaces/{building.pk}/"
    assert "Training room" in client.get(path).content.decode()
    assert client.post(path, {"name-1": "Archive", "function-1": "business"}).status_code == 302
    building.refresh_from_db()
    assert building.function_map == {"Archive": "business"}
