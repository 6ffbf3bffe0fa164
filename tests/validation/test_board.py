"""The findings board: filters, orders, pages by keyset, groups and counts; what people change, one at a time or many; over REST."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mcp_platform.errors import Denied
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.validation import board_rows
from validation.errors import FieldsRefused, FindingNotFound, HasChanged, WrongState
from validation.models import Building, Finding, FindingNote, FindingsDiff
from validation.queries import board as queries
from validation.queries import overview, scene
from validation.queries.board import Filters, read_filters
from validation.services import board

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    made: Tenant = factories.TenantFactory.create()
    return made


@pytest.fixture
def house(tenant: Tenant) -> Building:
    return board_rows.office(tenant)


@pytest.fixture
def editor(tenant: Tenant) -> Principal:
    return tenancy.principal_of_user(factories.member(tenant, Role.EDITOR), tenant)


def left(house: Building, **filters: Any) -> list[str]:
    rows = queries.findings(house.tenant, house.pk, Filters(**filters))
    return sorted(rows.values_list("subject", flat=True))


@pytest.mark.parametrize(
    ("filters", "subjects"),
    [
        ({}, ["door-1", "door-2", "door-3", "room-1"]),
        ({"severity": ("critical", "minor")}, ["door-1", "door-3"]),
        ({"category": ("fire",)}, ["door-3"]),
        ({"outcome": ("not_evaluable",)}, ["room-1"]),
        ({"rule": ("ADA-TURNING", "IBC21-FIRE-DOOR")}, ["door-3", "room-1"]),
        ({"storey": (board_rows.STOREYS[0],)}, ["door-2", "room-1"]),
        ({"ifc_class": ("IfcSpace",)}, ["room-1"]),
        ({"assignee": ("none",)}, ["door-1", "door-2", "door-3", "room-1"]),
        ({"text": "free circle"}, ["room-1"]),
        ({"text": "DOOR-1"}, ["door-1"]),
        ({"text": "100 %"}, []),
        ({"severity": ("critical",), "category": ("fire",)}, []),
        ({"there": "gone"}, []),
    ],
)
def test_filters(filters: dict[str, Any], subjects: list[str], house: Building) -> None:
    assert left(house, **filters) == subjects


def test_due_and_assignee(house: Building, editor: Principal) -> None:
    today = date(2026, 5, 4)
    assert editor.user is not None
    for subject, days in (("door-1", -1), ("door-2", 7), ("door-3", 8)):
        Finding.objects.filter(subject=subject).update(due_on=today + timedelta(days=days))
    Finding.objects.filter(subject="door-1").update(assignee=editor.user)
    chosen = {due: queries.findings(house.tenant, house.pk, Filters(due=due), today=today) for due in ("overdue", "week", "none")}
    assert {due: [row.subject for row in rows] for due, rows in chosen.items()} == {"overdue": ["door-1"], "week": ["door-2"], "none": ["room-1"]}
    mine = read_filters({"assignee": ["me"]}, me=editor.user.pk)
    assert left(house, assignee=mine.assignee) == ["door-1"]
    assert left(house, assignee=read_filters({"assignee": ["me"]}).assignee) == []


def test_every_wrong_filter_is_told() -> None:
    with pytest.raises(FieldsRefused) as refused:
        read_filters({"severity": ["critical,grave"], "assignee": ["somebody"], "there": ["perhaps"], "text": ["x" * 300]})
    assert {fault["path"] for fault in refused.value.details["errors"]} == {"?severity", "?assignee", "?there", "?text"}


@pytest.mark.parametrize("ordering", queries.ORDERS)
def test_pages_give_every_finding_once_in_every_order(ordering: str, tenant: Tenant) -> None:
    house = board_rows.big_office(tenant, size=47)
    rows = queries.findings(tenant, house.pk)
    whole = [row.pk for row in queries.page(rows, ordering=ordering, limit=200).rows]
    seen, cursor = [], ""
    for _ in range(20):
        page = queries.page(rows, ordering=ordering, cursor=cursor, limit=7)
        seen += [row.pk for row in page.rows]
        cursor = page.next
        if not cursor:
            break
    assert seen == whole
    assert len(set(seen)) == 47


def test_the_worst_comes_first(house: Building) -> None:
    rows = queries.page(queries.findings(house.tenant, house.pk)).rows
    assert [row.severity for row in rows] == ["critical", "major", "minor", "info"]


def test_a_finding_that_goes_meanwhile_skips_nothing(tenant: Tenant) -> None:
    house = board_rows.big_office(tenant, size=20)
    rows = queries.findings(tenant, house.pk)
    first = queries.page(rows, limit=5)
    rest = [row.pk for row in queries.page(rows, cursor=first.next, limit=50).rows]
    Finding.objects.filter(pk__in=[row.pk for row in first.rows]).update(resolved_seq=2)
    assert [row.pk for row in queries.page(rows, cursor=first.next, limit=50).rows] == rest


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJzZXZlcml0eSIsMV0", "bnVsbA"])
def test_a_cursor_of_nothing_is_refused(cursor: str, house: Building) -> None:
    with pytest.raises(FieldsRefused):
        queries.page(queries.findings(house.tenant, house.pk), cursor=cursor)


def test_groups_and_counts_agree(tenant: Tenant) -> None:
    house = board_rows.big_office(tenant, size=60)
    counted = queries.counts(tenant, house.pk)
    for name in queries.GROUPS:
        groups = queries.groups(queries.findings(tenant, house.pk), name)
        assert sum(group["count"] for group in groups) == counted.total == 60
        assert all(sum(group["severities"].values()) == group["count"] for group in groups)
    assert sum(counted.matrix.values()) == counted.fail
    assert counted.fail + counted.not_evaluable + counted.waived == counted.total


def test_the_summary_tells_what_the_head_needs(house: Building) -> None:
    told = overview.summary(house.tenant, queries.building(house.tenant, house.pk))
    assert (told["score"], told["coverage"], told["status"]) == (72.5, 0.9, "non-compliant")
    assert told["matrix"] == [
        {"severity": "critical", "category": "egress", "count": 1},
        {"severity": "major", "category": "egress", "count": 1},
        {"severity": "minor", "category": "fire", "count": 1},
    ]
    assert told["unlocks"] == [{"fact": "e.fire_rating", "rules": 12, "subjects": 40, "unlocks": 41}]
    assert [(one["name"], one["count"]) for one in told["facets"]["storey"]] == [("Level 0", 2), ("Level 1", 2)]
    assert [point["score"] for point in told["trend"]] == [72.5]
    assert "not" not in told["formula"]


def test_the_next_step(tenant: Tenant) -> None:
    empty = board_rows.building(tenant, name="Empty")
    empty.elements.all().delete()
    assert overview.summary(tenant, empty)["next_step"] == "upload"
    assert overview.summary(tenant, board_rows.office(tenant))["next_step"] == "rules"


def test_the_cost_of_a_page_does_not_grow_with_the_building(tenant: Tenant) -> None:
    """Counted in statements, not in seconds: what grows with the findings are neither pages nor the summary."""

    def statements(size: int) -> tuple[int, int]:
        house = board_rows.big_office(tenant, size=size)
        with CaptureQueriesContext(
            connection,
        ) as listing:
            queries.page(queries.findings(tenant, house.pk))
        with CaptureQueriesContext(connection) as summing:
            overview.summary(tenant, queries.building(tenant, house.pk))
        return len(listing), len(summing)

    assert statements(5) == statements(50)


def test_what_is_settled_is_not_drawn_in_colour(house: Building) -> None:
    Finding.objects.filter(subject="door-1").update(state="waived")
    Finding.objects.filter(subject="door-2").update(state="false_positive")
    board_rows.finding(house, "door-3", "OTHER", severity="critical", outcome="not_evaluable")
    drawn = scene.scene(house.tenant, house)
    assert set(drawn["findings"]) == {"door-3", "room-1"}
    assert drawn["findings"]["door-3"][:2] == ["minor", 2]  # what fails goes before what could not be judged
    assert {element[0] for element in drawn["elements"]} == {"door-1", "door-2", "door-3", "room-1"}


def one(house: Building, subject: str = "door-1") -> Finding:
    found: Finding = Finding.objects.get(building=house, subject=subject)
    return found


def change(house: Building, by: Principal, subject: str = "door-1", **how: Any) -> Finding:
    comment, rev = how.pop("comment", ""), how.pop("expected_rev", None)
    finding_id = one(house, subject).pk
    return board.change(house.tenant, building_id=house.pk, finding_id=finding_id, fields=how, comment=comment, expected_rev=rev, by=by)


def test_a_change_is_remembered_told_and_audited(house: Building, editor: Principal) -> None:
    assert editor.user is not None
    changed = change(house, editor, state="in_progress", assignee=editor.user.pk, due_on=date(2027, 1, 2), comment="On it.")
    assert (changed.state, changed.assignee, changed.due_on, changed.rev) == ("in_progress", editor.user, date(2027, 1, 2), 2)
    notes = FindingNote.objects.filter(finding=changed).order_by("kind").values_list("kind", "text", "data__to")
    assert list(notes) == [("assignee", "", str(editor.user.pk)), ("due", "", "2027-01-02"), ("state", "On it.", "in_progress")]
    assert AuditEntry.objects.filter(tenant=house.tenant, action="finding.change").count() == 1
    assert [row["rev"] for row in FindingsDiff.objects.get(building=house).updated] == [2]


def test_nothing_changed_is_nothing_written(house: Building, editor: Principal) -> None:
    assert change(house, editor, state="open").rev == 1
    assert not FindingsDiff.objects.exists()


def test_somebody_else_was_faster(house: Building, editor: Principal) -> None:
    change(house, editor, state="acknowledged", expected_rev=1)
    with pytest.raises(HasChanged):
        change(house, editor, state="fixed", expected_rev=1)


@pytest.mark.parametrize(
    "fields", [{"state": "waived"}, {"state": "reopened"}, {"state": "done"}, {"state": "false_positive"}, {}, {"severity": "info"}]
)
def test_what_nobody_sets_by_hand_is_refused(fields: dict[str, Any], house: Building, editor: Principal) -> None:
    with pytest.raises(FieldsRefused):
        change(house, editor, **fields)
    assert one(house).rev == 1


def test_nobody_of_another_tenant_is_assigned(house: Building, editor: Principal) -> None:
    with pytest.raises(FieldsRefused):
        change(house, editor, assignee=factories.member(factories.TenantFactory.create()).pk)


def test_a_waived_finding_follows_its_waiver(house: Building, editor: Principal) -> None:
    Finding.objects.filter(subject="door-1").update(state="waived")
    with pytest.raises(WrongState):
        change(house, editor, state="open")
    done = board.change_many(house.tenant, building_id=house.pk, filters=Filters(), fields={"state": "acknowledged"}, by=editor)
    assert (done.changed, done.skipped, one(house).state) == (3, 1, "waived")


def test_many_are_changed_by_filter_and_by_name(house: Building, editor: Principal) -> None:
    doors = Filters(ifc_class=("IfcDoor",))
    assert board.change_many(house.tenant, building_id=house.pk, filters=doors, fields={"state": "fixed"}, by=editor).changed == 3
    named = [one(house, "room-1").pk]
    board.change_many(house.tenant, building_id=house.pk, finding_ids=named, fields={"due_on": date(2027, 1, 1)}, by=editor)
    assert dict(Finding.objects.values_list("subject", "state"))["room-1"] == "open"
    assert one(house, "room-1").due_on == date(2027, 1, 1)
    with pytest.raises(FieldsRefused):
        board.change_many(house.tenant, building_id=house.pk, filters=Filters(), fields={"state": "false_positive"}, by=editor)


def test_who_may_not_changes_nothing(house: Building) -> None:
    viewer = tenancy.principal_of_user(factories.member(house.tenant, Role.VIEWER), house.tenant)
    for deed in (
        lambda: change(house, viewer, state="fixed"),
        lambda: board.change_many(house.tenant, building_id=house.pk, filters=Filters(), fields={"state": "fixed"}, by=viewer),
        lambda: board.comment(house.tenant, building_id=house.pk, finding_id=one(house).pk, text="Hm.", by=viewer),
    ):
        with pytest.raises(Denied):
            deed()


def test_strangers_find_nothing(house: Building) -> None:
    theirs: Tenant = factories.TenantFactory.create()
    stranger = tenancy.principal_of_user(factories.member(theirs), theirs)
    with pytest.raises(FindingNotFound):
        mine = board_rows.office(theirs)
        board.comment(theirs, building_id=mine.pk, finding_id=one(house).pk, text="Mine?", by=stranger)


def test_the_list_over_rest(house: Building) -> None:
    base, head = f"/api/v1/validation/buildings/{house.pk}", factories.bearer(house.tenant)
    first = Client().get(f"{base}/findings?severity=critical,major,minor&limit=2", headers=head).json()
    assert (first["total"], [row["severity"] for row in first["results"]]) == (3, ["critical", "major"])
    assert first["results"][0]["shown"] == {"actual": "762 mm", "required": "813 mm", "margin": "−51 mm"}
    rest = Client().get(f"{base}/findings", {"severity": "critical,major,minor", "cursor": first["next"]}, headers=head).json()
    assert ([row["subject"] for row in rest["results"]], rest["next"], rest["total"]) == (["door-3"], None, None)
    groups = Client().get(f"{base}/findings/groups?by=rule", headers=head).json()
    assert (groups[0]["key"], groups[0]["count"]) == ("IBC21-DOOR-WIDTH", 2)
    bad = Client().get(f"{base}/findings?ordering=luck&limit=0", headers=head)
    assert (bad.status_code, bad.json()["error_code"]) == (400, "SCHEMA_ERROR")


def test_feet_where_feet_are_used(tenant: Tenant) -> None:
    house = board_rows.building(tenant, units="imperial")
    found = board_rows.finding(house)
    told = Client().get(f"/api/v1/validation/buildings/{house.pk}/findings/{found.pk}", headers=factories.bearer(tenant)).json()
    assert (told["shown"]["required"], told["exact"]["actual"]) == ("32 in", "30 in (762 mm)")


def test_one_finding_over_rest(house: Building) -> None:
    address, head = f"/api/v1/validation/buildings/{house.pk}/findings/{one(house).pk}", factories.bearer(house.tenant)
    read = Client().get(address, headers=head)
    told = read.json()
    assert told["evidence"][0]["assumed"] is True
    assert told["parameters"][0]["origin"] == "amendment 7 (XX-METRIC)"
    assert told["element"]["name"] == "Door 1"

    def patch(**more: str) -> Any:
        return Client().patch(address, {"state": "acknowledged"}, content_type="application/json", headers={**head, **more})

    assert patch().status_code == 428
    assert patch(**{"If-Match": read.headers["ETag"]}).json()["state"] == "acknowledged"
    assert patch(**{"If-Match": read.headers["ETag"]}).status_code == 412
    said = Client().post(f"{address}/notes", {"text": "Seen."}, content_type="application/json", headers=head)
    assert (said.status_code, said.json()["text"]) == (201, "Seen.")
    history = [(note["kind"], note["data"].get("to")) for note in Client().get(f"{address}/notes", headers=head).json()]
    assert history == [("state", "acknowledged"), ("comment", None)]


def test_bulk_over_rest(house: Building) -> None:
    address, head = f"/api/v1/validation/buildings/{house.pk}/findings/bulk", factories.bearer(house.tenant)
    day = (timezone.now().date() + timedelta(days=3)).isoformat()
    body = {"filters": {"severity": ["critical", "major"]}, "due_on": day}
    assert Client().post(address, body, content_type="application/json", headers=head).json() == {"changed": 2, "skipped": 0}
    for wrong in ({"due_on": day}, {"ids": [], "filters": {}, "due_on": day}, {"filters": {"colour": "red"}, "due_on": day}, {"ids": ["x"]}):
        answer = Client().post(address, wrong, content_type="application/json", headers=head)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "SCHEMA_ERROR"), wrong
