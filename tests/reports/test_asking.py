"""Reports of every kind, asked for over REST and in the admin, from real rows: what they say is what the rows say, and only who may sees it."""

import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from conversations import services as talking
from conversations.analytics import services as counting
from experiments import services as experiments
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from reports import tasks  # noqa: F401  a worker imports it
from reports.core.sections import KINDS
from reports.models import Report
from reports.services import looks, making, passwords, reading
from tests.conversations.scenes import PERMIT
from tests.experiments import scenes
from tests.factories import TenantFactory, bearer, member, published
from tests.reports.life import told
from tests.validation.live_scene import FRAME, Plugin, building, door, full, person, space
from validation.models import Building, Finding, ValidationRun, Waiver

pytestmark = pytest.mark.django_db


class House:
    """A building with three doors that are too narrow; then one is made wider, another one is put in, and a third gets narrower still."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.building: Building = building(tenant)
        plugin = Plugin(self.building, person(tenant), "setup")
        plugin.send(
            *FRAME,
            space("s-1", 900.0),
            space("s-2", 30.0, at=200.0),
            door("d-1", 0.7, spaces=("s-1", "")),
            door("d-2", 0.7, spaces=("s-2", "s-1"), at=150.0),
            door("d-3", 0.6, spaces=("s-2", "s-1"), at=160.0),
        )
        self.before: ValidationRun = full(self.building)
        self.long_ago(self.before)
        plugin.send(door("d-1", 1.2, spaces=("s-1", "")), door("d-4", 0.5, spaces=("s-1", "")), door("d-3", 0.55, spaces=("s-2", "s-1"), at=160.0))
        self.after: ValidationRun = full(self.building)

    def long_ago(self, run: ValidationRun) -> None:
        ValidationRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=30))

    def subjects(self, run: ValidationRun) -> set[tuple[str, str]]:
        from validation.services.evaluating import unpacked

        return {(one["rule"], one["subject"]) for one in unpacked(ValidationRun.objects.get(pk=run.pk).results) if one["outcome"] == "fail"}


@pytest.fixture
def house() -> House:
    return House(TenantFactory.create())


def client_of(tenant: Tenant, role: str = Role.OWNER) -> Client:
    return Client(headers=bearer(tenant, of_role(role)))


def ask(tenant: Tenant, **wish: Any) -> Any:
    return client_of(tenant).post("/api/v1/reports", wish, content_type="application/json")


def asked(tenant: Tenant, **wish: Any) -> tuple[Report, dict[str, Any]]:
    answer = ask(tenant, **wish)
    assert answer.status_code == 202, answer.content
    report = told(Report.objects.get(pk=answer.json()["id"]))
    return report, reading.document_of(report)


def rendered(report: Report) -> Report:
    operation = Operation.objects.get(pk=str(report.operation_id))
    operations.run(report.tenant, operation_id=operation.pk, attempt=operation.attempts)
    report.refresh_from_db()
    assert (report.state, report.problem) == ("ready", {})
    return report


def content(report: Report, name: str) -> bytes:
    with report.files.get(format=name).file.open("rb") as file:
        found: bytes = file.read()
        return found


def test_a_comparison_names_what_came_went_and_moved(house: House) -> None:
    report, document = asked(
        house.tenant, kind="comparison", base=str(house.before.pk), run=str(house.after.pk), formats=["pdf", "html", "json", "xlsx", "csv", "bcf"]
    )
    old, new = house.subjects(house.before), house.subjects(house.after)
    assert {(one["rule"], one["subject"]) for one in document["opened"]} == new - old
    assert {(one["rule"], one["subject"]) for one in document["resolved"]} == old - new
    assert {one["subject"] for one in document["changed"]} == {"d-3"}
    assert document["changed"][0]["actual_text_before"] != document["changed"][0]["actual_text"]
    assert document["summary"]["unchanged"] + len(document["changed"]) == len(old & new)
    assert document["rules"] == []
    rendered(report)
    topics = zipfile.ZipFile(io.BytesIO(content(report, "bcf")))
    marks = [topics.read(name).decode() for name in topics.namelist() if name.endswith("markup.bcf")]
    assert len(marks) == len(document["opened"]) + len(document["changed"]) + len(document["resolved"])
    assert sum('TopicStatus="Closed"' in mark for mark in marks) == len(document["resolved"])
    guids = {name.split("/")[0] for name in topics.namelist() if "/" in name}
    assert guids >= {str(one.bcf_topic_guid) for one in Finding.objects.filter(building=house.building, subject="d-4", outcome="fail")}


def test_a_project_counts_its_buildings_and_says_which_were_not_checked(house: House) -> None:
    project = house.building.project
    Building.objects.create(tenant=house.tenant, project=project, name="Annex")
    report, document = asked(house.tenant, kind="project", project=str(project.pk), formats=["pdf", "json"])
    summary = document["summary"]
    assert (report.project_id, report.building_id, summary["unchecked"]) == (project.pk, None, ["Annex"])
    assert summary["findings"] == len(house.subjects(house.after)) == len(document["findings"])
    assert summary["score"] == pytest.approx(house.after.score)
    assert summary["outcomes"]["fail"] == house.after.counts["by_outcome"]["fail"]
    assert document["buildings"][0]["engine"]["result_sha256"] == house.after.result_sha256
    assert content(rendered(report), "pdf").startswith(b"%PDF-")
    listed = client_of(house.tenant).get("/api/v1/reports", {"project": str(project.pk), "kind": "project"}).json()
    assert [one["id"] for one in listed["results"]] == [str(report.pk)]


def test_a_period_tells_what_was_found_and_put_right_in_it(house: House) -> None:
    today = datetime.now(UTC).date()
    wish = {"project": str(house.building.project_id), "since": str(today - timedelta(days=6)), "until": str(today + timedelta(days=1))}
    report, document = asked(house.tenant, kind="period", **wish, formats=["json", "xlsx"])
    old, new = house.subjects(house.before), house.subjects(house.after)
    assert (document["summary"]["opened"], document["summary"]["resolved"]) == (len(new - old), len(old - new))
    assert (document["summary"]["findings_before"], document["summary"]["findings_after"]) == (len(old), len(new))
    assert [run["run"] for run in document["runs"]] == [str(house.after.pk)]
    rendered(report)
    later, nothing = asked(house.tenant, kind="period", **{**wish, "since": "2020-01-01", "until": "2020-01-07"})
    assert (nothing["summary"]["checks"], nothing["summary"]["opened"]) == (0, 0)
    assert later.number != report.number
    assert ask(house.tenant, kind="period", **{**wish, "since": "2020-01-01"}, supersedes=str(report.pk)).status_code == 400


def test_a_waiver_has_the_same_number_in_every_report(house: House) -> None:
    today = datetime.now(UTC).date()
    about = {"tenant": house.tenant, "building": house.building, "rule_key": "X", "kind": "variance", "justification": "It was there."}
    earlier = Waiver.objects.create(**about, requester="ada")
    Waiver.objects.create(**about, requester="bo")
    Waiver.objects.filter(pk=earlier.pk).update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    wish = {"project": str(house.building.project_id), "since": str(today - timedelta(days=6)), "until": str(today + timedelta(days=1))}
    _, document = asked(house.tenant, kind="period", **wish, formats=["json"])
    _, single = asked(house.tenant, run=str(house.after.pk), formats=["json"])
    assert [one["number"] for one in single["waivers"]] == ["W-1", "W-2"]
    assert [one["number"] for one in document["waivers"]] == ["W-2"]


def test_conversations_are_counted_as_the_analytics_count_them(office: Tenant) -> None:
    tenant, flow_id = office, "permit"
    today = timezone.now().date()
    wish = {"flow": flow_id, "since": str(today - timedelta(days=6)), "until": str(today)}
    report, document = asked(tenant, kind="analytics", **wish, formats=["pdf", "html", "json", "xlsx", "csv"])
    numbers = client_of(tenant).get(f"/api/v1/analytics/flows/{flow_id}", {"since": wish["since"], "until": wish["until"]}).json()
    assert document["summary"]["starts"] == numbers["starts"] == 1
    assert sum(day["starts"] for day in document["days"]) == 1
    assert document["funnel"]["states"][0]["reached"] == 1
    rendered(report)
    answer = client_of(tenant, Role.CODE_OFFICIAL).post("/api/v1/reports", {"kind": "analytics", **wish}, content_type="application/json")
    assert answer.status_code == 403  # may write reports, may not see numbers


@pytest.fixture
def office() -> Tenant:
    """With a published flow and one conversation."""
    tenant = TenantFactory.create()
    published(tenant, PERMIT)
    begun = talking.start(tenant, flow_id="permit")
    for text in ("five", "yes"):
        talking.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": text})
    counting.count_new(tenant)
    return tenant


def test_an_experiment_is_told_with_its_numbers_and_its_chain() -> None:
    tenant = TenantFactory.create()
    scenes.desk(tenant)
    row = scenes.started(tenant)
    for number in range(8):
        scenes.say(tenant, scenes.begun(tenant, f"user-{number}"), "three")
    experiments.count(tenant, key=row.key)
    experiments.stop(tenant, key=row.key, reason="Enough.", by=None)
    report, document = asked(tenant, kind="experiment", experiment="shorter", formats=["pdf", "html", "json", "xlsx", "csv"])
    assert document["summary"]["exposed"] == sum(arm["exposed"] for arm in document["numbers"]["arms"]) == 8
    assert {one["key"]: one["control"] for one in document["variants"]} == {"control": True, "short": False}
    assert (document["estimates"][0]["metric"], document["estimates"][0]["arm"]) == ("completed", "short")
    assert (document["chain"], document["decisions"][-1]["reason"]) == ("whole", "Enough.")
    assert sum(arm["units"] for arm in document["days"][-1]["arms"].values()) == 8
    rendered(report)
    denied = client_of(tenant, Role.CODE_OFFICIAL).post(
        "/api/v1/reports", {"kind": "experiment", "experiment": "shorter"}, content_type="application/json"
    )
    assert denied.status_code == (202 if "experiments:read" in of_role(Role.CODE_OFFICIAL) else 403)


def test_the_page_asks_for_what_its_kind_needs(house: House) -> None:
    client = Client()
    client.force_login(member(house.tenant, Role.OWNER))
    page = "/admin/reports/report/new/"
    for kind in KINDS:
        assert client.get(page, {"kind": kind}).status_code == 200
    assert client.get(page, {"kind": "poem"}).status_code == 404
    same = {"base": str(house.before.pk), "run": str(house.after.pk), "formats": ["json"]}
    same |= {"notify": "ada@example.com\nbo@example.com", "password": "a long one"}
    answer = client.post(f"{page}?kind=comparison", same)
    report = Report.objects.get(tenant=house.tenant, kind="comparison")
    assert answer["Location"].endswith(f"/{report.pk}/change/")
    preview, change = (f"/admin/reports/report/{report.pk}/{name}/" for name in ("preview", "change"))
    assert client.get(preview).status_code == 404
    assert "Its rows are being read" in client.get(change).content.decode()
    assert client.get(f"/admin/reports/report/{report.pk}/progress/").json()["open"] is True
    told(report)
    assert "Comparison report" in client.get(preview).content.decode()
    assert preview in client.get(change).content.decode()
    days = {"project": str(house.building.project_id), "since": "2026-02-02", "until": "2026-02-01", "formats": ["json"]}
    refused = client.post(f"{page}?kind=period", days)
    assert (refused.status_code, Report.objects.count()) == (200, 1)
    assert "expected a day up to 2026-02-01" in refused.content.decode()
    assert report.notify == ["ada@example.com", "bo@example.com"]
    assert passwords.of(report) == "a long one"
    assert client.post(f"{page}?kind=comparison", {**same, "password": "short"}).status_code == 200
    assert client.post(f"/admin/reports/report/{report.pk}/revise/").status_code == 302
    assert Report.objects.filter(number=report.number).count() == 2


def test_the_next_revision_is_about_the_same_as_it_is_now(house: House) -> None:
    private = {"notify": ["ada@example.com"], "password": "a long one"}
    first, _ = asked(house.tenant, run=str(house.before.pk), formats=["json"], locale="de", sections=["summary"], **private)
    answer = client_of(house.tenant).post(f"/api/v1/reports/{first.pk}/revisions")
    assert answer.status_code == 202, answer.content
    second = told(Report.objects.get(pk=answer.json()["id"]))
    document = reading.document_of(second)
    assert (second.number, second.revision, second.run_id) == (first.number, 2, house.after.pk)
    assert (document["sections"], document["locale"], second.formats) == (["summary"], "de", ["json"])
    assert (second.notify, passwords.of(second)) == (["ada@example.com"], "a long one")
    project, _ = asked(house.tenant, kind="project", project=str(house.building.project_id))
    assert making.ask_again(house.tenant, report_id=project.pk, by=None).revision == 2


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"kind": "poem"}, "$.kind"),
        ({"kind": "project"}, "$.project"),
        ({"kind": "period", "project": "{project}"}, "$.since"),
        ({"kind": "period", "project": "{project}", "since": "2026-02-30", "until": "2026-03-01"}, "$.since"),
        ({"kind": "period", "project": "{project}", "since": "2026-03-02", "until": "2026-03-01"}, "$.since"),
        ({"kind": "comparison", "run": "{run}"}, "$.base"),
        ({"kind": "comparison", "run": "{run}", "base": "{other}"}, "$.base"),
        ({"kind": "analytics"}, "$.flow"),
        ({"kind": "experiment"}, "$.experiment"),
        ({"kind": "analytics", "flow": "x", "formats": ["bcf"]}, "$.formats[0]"),
        ({"kind": "project", "project": "{project}", "sections": ["plans"]}, "$.sections[0]"),
        ({"kind": "project", "project": "{project}", "template": "{template}"}, "$.template"),
        ({"kind": "project", "project": "{project}", "supersedes": "{report}"}, "$.supersedes"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_its_path(refusing: dict[str, str], wish: dict[str, Any], path: str) -> None:
    body = {name: value.format(**refusing) if isinstance(value, str) else value for name, value in wish.items()}
    answer = ask(Tenant.objects.get(pk=refusing["tenant"]), **body)
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["path"].startswith(path)


@pytest.fixture
def refusing() -> dict[str, str]:
    """Small rows: nothing is gathered before the wish is refused."""
    tenant = TenantFactory.create()
    here = building(tenant)
    there = Building.objects.create(tenant=tenant, project=here.project, name="There")
    runs = [
        ValidationRun.objects.create(tenant=tenant, building=one, at_seq=1, trigger="full", engine_version="1", state="done", requested_by="x")
        for one in (here, there)
    ]
    template = looks.save_template(tenant, fields={"name": "Runs only", "kind": "run", "sections": [], "formats": []}, by=None)
    report = Report.objects.create(
        tenant=tenant,
        number="R-1",
        building=here,
        run=runs[0],
        document=b"",
        requested_by="x",
        created_at=timezone.now(),
    )
    ids = {"run": runs[0].pk, "other": runs[1].pk, "project": here.project_id, "template": template.pk, "report": report.pk, "tenant": tenant.pk}
    return {name: str(value) for name, value in ids.items()}


def test_what_is_not_there_or_a_strangers_is_not_found(refusing: dict[str, str]) -> None:
    stranger = TenantFactory.create()
    for wish in (
        {"kind": "project", "project": refusing["project"]},
        {"kind": "period", "project": refusing["project"], "since": "2026-01-01", "until": "2026-01-02"},
        {"kind": "comparison", "run": refusing["run"], "base": refusing["run"]},
        {"kind": "analytics", "flow": "nothing", "since": "2026-01-01", "until": "2026-01-02"},
        {"kind": "experiment", "experiment": "nothing"},
    ):
        assert ask(stranger, **wish).status_code == 404


def test_a_template_has_the_sections_of_its_kind() -> None:
    from mcp_platform.rest import SchemaError

    tenant = TenantFactory.create()
    made = looks.save_template(tenant, fields={"name": "Weekly", "kind": "period", "sections": ["summary", "opened"], "formats": ["pdf"]}, by=None)
    assert made.kind == "period"
    with pytest.raises(SchemaError) as refused:
        looks.save_template(tenant, fields={"name": "Weekly", "kind": "period", "sections": ["plans"], "formats": ["bcf"]}, by=None)
    assert {fault["path"] for fault in refused.value.details["errors"]} == {"$.sections[0]", "$.formats[0]"}
