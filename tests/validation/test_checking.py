"""Full checks: what a run keeps, findings over several runs, what-if, comparing, scheduled ones; over REST too."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from mcp_platform.operations.errors import Cancelled
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from tests import factories
from tests.factories import TenantFactory, bearer
from tests.validation.live_scene import FRAME, RULES, Plugin, building, delete, diffs, door, full, person, settle, space, there, width, work
from validation.core import incremental
from validation.models import Building, Element, Finding, FindingNote, ValidationRun
from validation.queries import elements, facts, situation
from validation.services import checking, evaluating, rulebook
from validation.services.checking import NothingToCheck, Question

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def house(office: Tenant) -> Building:
    made = building(office)
    Plugin(made, person(office), "setup").send(
        *FRAME,
        space("s-1", 900.0),
        space("s-2", 30.0, at=200.0),
        door("d-1", 0.7, spaces=("s-1", "")),
        door("d-2", 1.2, spaces=("s-2", "s-1"), at=150.0),
    )
    return made


def test_a_run_says_what_it_judged_and_how_good_it_is(house: Building) -> None:
    run = full(house)
    assert (run.state, run.at_seq) == ("done", 1)
    found = evaluating.unpacked(run.results)
    assert {(one["rule"], one["subject"]): one["outcome"] for one in found} == there(house)
    assert run.counts["by_outcome"]["fail"] == sum(one["outcome"] == "fail" for one in found)
    assert "d-2" in evaluating.unpacked(run.passes)["TEST-DOOR-WIDTH"]
    assert run.status == "non-compliant"
    house.refresh_from_db()
    assert (house.score, house.coverage, house.status, house.dirty_storeys) == (run.score, run.coverage, run.status, [])
    assert any(one["fact"] == "e.fire_rating" for one in run.missing_facts)
    assert [version.rule_set.slug for version in run.rule_set_versions.all()] == ["test-rules"]


def test_the_same_input_gives_the_same_hash_and_another_one_another(house: Building, office: Tenant) -> None:
    first, second = full(house), full(house)
    assert (first.input_sha256, first.result_sha256) == (second.input_sha256, second.result_sha256)
    Plugin(house, person(office), "p").send(width("d-1", 0.75), base=1)
    third = full(house)
    assert third.input_sha256 != first.input_sha256
    assert third.result_sha256 != first.result_sha256


def test_a_run_has_the_hash_and_the_near_misses_of_the_core(house: Building) -> None:
    run = full(house)
    found = incremental.full(
        rulebook.rulebook_of(house),
        [elements.core_element(row) for row in elements.at(house.tenant, house)],
        definitions=facts.definitions(house),
        situation=situation.of(house),
    ).results()
    assert run.result_sha256 == found.sha256()
    assert run.score_breakdown["near_misses"] == [evaluating.shown(one) for one in found.near_misses()]


def named(value: float) -> dict[str, Any]:
    return {"facts.clear_width": value, "name": "Tür № 1\u2028"}


def test_the_hash_is_the_same_on_every_database(office: Tenant) -> None:
    """This test runs on SQLite and on PostgreSQL; the literal is what both give."""
    made = building(office, factories.DOOR_WIDTH)
    widths = [0.1 + 0.2, 0.8, 1e-7, 1234567.891, 0.79999999999, -0.0, 2]
    doors = [door(f"d-{number}", 1.0, **named(value)) for number, value in enumerate(widths)]
    Plugin(made, person(office), "setup").send(*doors)
    assert (connection.vendor, full(made).result_sha256) == (connection.vendor, EXPECTED)


EXPECTED = "9f4c0e0c4450b89a07e6069d306d9b63d679273369a1f6c6b6e59759f29510d2"


def test_findings_keep_their_rows_and_what_people_said(house: Building, office: Tenant) -> None:
    full(house)
    plugin = Plugin(house, person(office), "p")
    row = Finding.objects.get(rule_key="TEST-DOOR-WIDTH", subject="d-1")
    plugin.send(width("d-1", 1.0), base=1)
    row.refresh_from_db()
    assert (row.state, row.resolved_seq) == ("fixed", 2)
    plugin.send(width("d-1", 0.7))
    row.refresh_from_db()
    assert (row.state, row.resolved_seq) == ("reopened", None)
    Finding.objects.filter(pk=row.pk).update(state="false_positive")
    plugin.send(width("d-1", 1.0))
    plugin.send(width("d-1", 0.6))
    settle(house)
    full(house)
    again = Finding.objects.get(rule_key="TEST-DOOR-WIDTH", subject="d-1")
    assert (again.pk, again.state, again.fingerprint) == (row.pk, "false_positive", row.fingerprint)
    moves = [(note.data["from"], note.data["to"]) for note in FindingNote.objects.filter(finding=row).order_by("at")]
    assert moves == [("open", "fixed"), ("fixed", "reopened")]


def test_what_somebody_called_fixed_and_is_not_is_reopened(house: Building) -> None:
    full(house)
    Finding.objects.filter(subject="d-1", rule_key="TEST-DOOR-WIDTH").update(state="fixed")
    full(house)
    assert Finding.objects.get(subject="d-1", rule_key="TEST-DOOR-WIDTH").state == "reopened"


def test_a_check_that_finds_nothing_new_tells_an_empty_diff(house: Building) -> None:
    full(house)
    full(house)
    last = diffs(house)[-1]
    assert (last.added, last.updated, last.resolved) == ([], [], [])


def test_what_changes_during_a_check_is_judged_as_it_is_at_the_end(house: Building, office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin(house, person(office), "p")
    evaluate = evaluating.evaluate

    def meanwhile(*args: Any, **more: Any) -> Any:
        found = evaluate(*args, **more)
        if plugin.client_seq == 0:
            plugin.send(width("d-1", 1.3), delete("s-2"), door("d-3", 0.5, at=400.0), base=1)
        return found

    monkeypatch.setattr(evaluating, "evaluate", meanwhile)
    full(house)
    settle(house)
    house.refresh_from_db()
    monkeypatch.undo()
    expected = evaluating.evaluate(house, rulebook.rulebook_of(house), seq=house.head_seq)
    assert there(house) == {(one.rule, one.subject): one.outcome.value for one in expected.findings}
    assert house.counts["TEST-DOOR-WIDTH"] == expected.counts["TEST-DOOR-WIDTH"]


def test_a_cancelled_check_leaves_everything_as_it_was(house: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    def cancelled(*args: Any, **more: Any) -> Any:
        raise Cancelled

    monkeypatch.setattr(evaluating, "evaluate", cancelled)
    before = there(house)
    assert full(house).state == "cancelled"
    assert there(house) == before


def test_a_building_without_a_model_is_not_checked(office: Tenant) -> None:
    with pytest.raises(NothingToCheck):
        checking.start(office, building_id=building(office).pk, by="system:test")


def test_what_if_counts_the_difference_and_touches_nothing(house: Building, office: Tenant) -> None:
    full(house)
    other = factories.JurisdictionFactory.create(tenant=office, code="XX-STRICT")
    rows = list(Finding.objects.filter(building=house).order_by("pk").values())
    factories.rule_set(office, {**factories.DOOR_WIDTH, "key": "STRICT"}, slug="strict", edition=_adopted(office, other))
    run = work(checking.start(office, building_id=house.pk, by="system:test", question=Question(jurisdiction="XX-STRICT")))
    assert run.state == "done", run.problem
    found = run.score_breakdown["comparison"]
    assert [(one["rule"], one["added"]) for one in found["rules"]] == [("STRICT", ["d-1"])]
    assert run.score_breakdown["sentence"] == "XX-STRICT: 1 more finding, 0 fewer."
    assert list(Finding.objects.filter(building=house).order_by("pk").values()) == rows


def _adopted(office: Tenant, place: Any) -> Any:
    from validation.models import Adoption

    edition = factories.CodeEditionFactory.create(tenant=office, title="Strict Code", edition="2024")
    Adoption.objects.create(tenant=office, jurisdiction=place, code_edition=edition, effective_from="2020-01-01")
    return edition


def test_scheduled_checks_begin_when_the_last_is_old(house: Building) -> None:
    assert checking.start_due() == 0
    Building.objects.filter(pk=house.pk).update(check_every_hours=24)
    assert checking.start_due() == 1
    assert checking.start_due() == 0
    ValidationRun.objects.filter(building=house).update(state="done", created_at=timezone.now() - timedelta(hours=25))
    assert checking.start_due() == 1
    assert ValidationRun.objects.filter(building=house).order_by("-created_at")[0].trigger == "scheduled"


def test_a_hundred_doors_are_written_in_few_statements(office: Tenant, django_assert_max_num_queries: Any) -> None:
    made = building(office, *RULES)
    Plugin(made, person(office), "setup").send(*FRAME, *[door(f"d-{number}", 0.5, at=number * 3.0) for number in range(300)])
    run = checking.start(office, building_id=made.pk, by="system:test")
    with django_assert_max_num_queries(140):
        work(run)
    assert Element.objects.filter(building=made, valid_to_seq=None).count() == 303


def test_runs_over_rest(house: Building, office: Tenant, client: Client) -> None:
    at = f"/api/v1/validation/buildings/{house.pk}"
    owner = bearer(office)
    begun = client.post(f"{at}/runs", headers=owner)
    assert (begun.status_code, begun.json()["state"]) == (202, "queued")
    first = work(ValidationRun.objects.get(pk=begun.json()["id"]))
    Plugin(house, person(office), "p").send(width("d-1", 1.0), base=1)
    second = full(house)
    assert client.get(f"{at}/runs", headers=owner).json()["count"] == 2
    one = client.get(f"{at}/runs/{first.pk}", headers=owner).json()
    assert (one["state"], one["score"], one["result_sha256"]) == ("done", first.score, first.result_sha256)
    results = client.get(f"{at}/runs/{first.pk}/results?rule=TEST-DOOR-WIDTH", headers=owner).json()
    assert [row["subject"] for row in results["results"]] == ["d-1"]
    assert "d-2" in client.get(f"{at}/runs/{first.pk}/passes", headers=owner).json()["rules"]["TEST-DOOR-WIDTH"]
    compared = client.get(f"{at}/runs/{first.pk}/compare?with={second.pk}", headers=owner).json()
    assert {one["rule"] for one in compared["rules"] if one["resolved"]} >= {"TEST-DOOR-WIDTH"}
    assert [point["run"] for point in client.get(f"{at}/trend", headers=owner).json()] == [str(first.pk), str(second.pk)]
    asked = client.post(f"{at}/what-if", {"on": "2024-01-01"}, content_type="application/json", headers=owner)
    assert (asked.status_code, asked.json()["is_what_if"]) == (202, True)


def test_changes_over_rest(house: Building, office: Tenant, client: Client) -> None:
    at, owner = f"/api/v1/validation/buildings/{house.pk}", bearer(office)
    body = {"client_id": "rest", "client_seq": 1, "base_seq": 1, "ops": [width("d-1", 0.5)]}
    first, again = (client.post(f"{at}/changes", body, content_type="application/json", headers=owner).json() for _ in range(2))
    assert (first["seq"], again["seq"], again["replayed"]) == (2, 2, True)
    refused = client.post(f"{at}/changes", {**body, "client_seq": 2, "ops": [{"op": "x"}]}, content_type="application/json", headers=owner)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "$.ops[0].op")
    assert [row["seq"] for row in client.get(f"{at}/changes?after=1", headers=owner).json()["results"]] == [2]
    assert client.get(f"{at}/sessions", headers=owner).json()["count"] == 0


@pytest.mark.parametrize("method_path", ["post runs", "post what-if", "post changes", "get runs", "get trend", "get sessions", "get changes"])
def test_who_may_not(house: Building, office: Tenant, client: Client, method_path: str) -> None:
    method, _, path = method_path.partition(" ")
    viewer, stranger = bearer(office, of_role(Role.VIEWER)), bearer(TenantFactory.create())
    call = getattr(client, method)
    url = f"/api/v1/validation/buildings/{house.pk}/{path}"
    body = {"client_id": "a", "client_seq": 1, "base_seq": 0, "ops": [width("d-1", 1.0)]} if path == "changes" else {}
    more = {"data": body, "content_type": "application/json"} if method == "post" else {}
    assert call(url, headers=stranger, **more).status_code == 404
    assert call(url, **more).status_code == 401
    assert call(url, headers=viewer, **more).status_code == (403 if method == "post" else 200)


def test_the_asyncapi_document_is_served(client: Client) -> None:
    import yaml

    answer = client.get("/api/asyncapi/validation.yaml")
    document = yaml.safe_load(answer.content)
    assert (answer.status_code, document["asyncapi"]) == (200, "3.0.0")
    assert set(document["channels"]["building"]["messages"]) <= set(document["components"]["messages"])
