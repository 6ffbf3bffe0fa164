"""Waivers: one person asks, a code official who is another person decides; they end, and they lapse when what they stand on changes."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from mcp_platform.errors import Denied
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy import services as tenancy_services
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Role, Tenant
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.validation import board_rows
from validation.core import lifecycle
from validation.errors import (
    AttachmentTooLarge,
    FieldsRefused,
    FindingNotFound,
    HasChanged,
    SecondPersonNeeded,
    WaiverExists,
    WaiverNotFound,
    WrongState,
)
from validation.models import Building, Element, Finding, FindingNote, FindingsDiff, Jurisdiction, Waiver
from validation.queries import waivers as queries
from validation.services import standing, waivers

pytestmark = pytest.mark.django_db
ASKED = {"kind": "existing_condition", "justification": "The wall is listed and must not be opened."}


@pytest.fixture
def tenant() -> Tenant:
    made: Tenant = factories.TenantFactory.create()
    return made


@pytest.fixture
def house(tenant: Tenant) -> Building:
    return board_rows.office(tenant)


def principal(tenant: Tenant, role: str) -> Principal:
    return tenancy.principal_of_user(factories.member(tenant, role), tenant)


@pytest.fixture
def architect(tenant: Tenant) -> Principal:
    return principal(tenant, Role.EDITOR)


@pytest.fixture
def official(tenant: Tenant) -> Principal:
    return principal(tenant, Role.CODE_OFFICIAL)


def narrow_door(house: Building) -> Finding:
    found: Finding = Finding.objects.get(building=house, subject="door-1")
    return found


def ask(house: Building, by: Principal, **fields: Any) -> Waiver:
    return waivers.request(house.tenant, building_id=house.pk, finding_id=narrow_door(house).pk, fields={**ASKED, **fields}, by=by)


def state_of(house: Building) -> str:
    return narrow_door(house).state


def test_one_asks_and_another_approves(house: Building, architect: Principal, official: Principal) -> None:
    asked = ask(house, architect, authority_reference="Permit 17/2025")
    assert (asked.state, state_of(house)) == ("requested", "open")
    agreed = waivers.approve(house.tenant, waiver_id=asked.pk, note="Seen on site.", conditions="Keep the door open.", by=official)
    assert (agreed.state, agreed.approved_by, agreed.rule_version) == ("approved", official.user, "ibc-2021@1.0.0")
    assert agreed.model_hash == Element.objects.get(building=house, global_id="door-1").content_hash
    assert state_of(house) == "waived"
    told = list(FindingNote.objects.filter(finding=narrow_door(house)).values_list("kind", "data__state"))
    assert told == [("waiver", "requested"), ("waiver", "approved")]
    actions = AuditEntry.objects.filter(tenant=house.tenant, target_id=str(asked.pk)).order_by("number").values_list("action", flat=True)
    assert list(actions) == ["waiver.request", "waiver.approve"]
    assert tenancy_services.verify_chain(house.tenant) == []
    assert [row["state"] for row in FindingsDiff.objects.filter(building=house).order_by("-number")[0].updated] == ["waived"]


def test_nobody_approves_their_own(house: Building, official: Principal) -> None:
    asked = ask(house, official)
    for decide in (waivers.approve, waivers.reject):
        with pytest.raises(SecondPersonNeeded):
            decide(house.tenant, waiver_id=asked.pk, note="I agree with myself.", by=official)
    assert (queries.waiver(house.tenant, asked.pk).state, state_of(house)) == ("requested", "open")


def test_a_superuser_does_not_approve_their_own_either(house: Building) -> None:
    root = factories.UserFactory.create(is_superuser=True)
    by = tenancy.principal_of_user(root, house.tenant)
    with pytest.raises(SecondPersonNeeded):
        waivers.approve(house.tenant, waiver_id=ask(house, by).pk, by=by)


def test_a_program_decides_nothing(house: Building, architect: Principal, official: Principal) -> None:
    program = Principal(tenant=house.tenant, actor="key:robot", permissions=official.permissions)
    with pytest.raises(SecondPersonNeeded):
        waivers.approve(house.tenant, waiver_id=ask(house, architect).pk, by=program)


@pytest.mark.parametrize("role", [Role.EDITOR, Role.OPERATOR, Role.ANALYST, Role.VIEWER])
def test_it_takes_a_code_official(role: str, house: Building, architect: Principal) -> None:
    asked = ask(house, architect)
    with pytest.raises(Denied):
        waivers.approve(house.tenant, waiver_id=asked.pk, by=principal(house.tenant, role))
    assert state_of(house) == "open"


def test_a_rejection_says_why(house: Building, architect: Principal, official: Principal) -> None:
    asked = ask(house, architect)
    with pytest.raises(FieldsRefused):
        waivers.reject(house.tenant, waiver_id=asked.pk, note=" ", by=official)
    refused = waivers.reject(house.tenant, waiver_id=asked.pk, note="A wider door fits.", by=official)
    assert (refused.state, refused.decision_note, state_of(house)) == ("rejected", "A wider door fits.", "open")
    with pytest.raises(WrongState):
        waivers.approve(house.tenant, waiver_id=asked.pk, by=official)


def test_what_was_withdrawn_counts_again(house: Building, architect: Principal, official: Principal) -> None:
    asked = ask(house, architect)
    waivers.approve(house.tenant, waiver_id=asked.pk, by=official)
    with pytest.raises(Denied):
        waivers.withdraw(house.tenant, waiver_id=asked.pk, by=principal(house.tenant, Role.EDITOR))
    waivers.withdraw(house.tenant, waiver_id=asked.pk, by=architect)
    assert state_of(house) == "reopened"


def key_of(tenant: Tenant, maker: Principal | None, permissions: frozenset[str]) -> Principal:
    row = ApiKey.objects.create(tenant=tenant, name="CI", prefix=uuid4().hex[:12], secret_sha256="x", created_by=maker.user if maker else None)
    return Principal(tenant=tenant, actor=f"key:{row.prefix}", permissions=permissions, key_id=row.pk)


def test_a_key_of_ones_own_is_nobody_else(house: Building, official: Principal) -> None:
    asked = ask(house, key_of(house.tenant, official, official.permissions))
    for decide in (waivers.approve, waivers.reject):
        with pytest.raises(SecondPersonNeeded):
            decide(house.tenant, waiver_id=asked.pk, note="I agree with my program.", by=official)
    agreed = waivers.approve(house.tenant, waiver_id=asked.pk, by=principal(house.tenant, Role.CODE_OFFICIAL))
    assert agreed.state == "approved"


def test_a_key_of_nobody_is_not_known_to_be_somebody_else(house: Building, official: Principal) -> None:
    asked = ask(house, key_of(house.tenant, None, official.permissions))
    with pytest.raises(SecondPersonNeeded):
        waivers.approve(house.tenant, waiver_id=asked.pk, by=official)


def test_it_is_agreed_to_as_it_was_read_and_for_no_longer(house: Building, architect: Principal, official: Principal) -> None:
    last = timezone.now().date() + timedelta(days=30)
    asked = ask(house, architect, expires_on=last)
    waivers.change(house.tenant, waiver_id=asked.pk, fields={"conditions": "None."}, by=architect)
    with pytest.raises(HasChanged):
        waivers.approve(house.tenant, waiver_id=asked.pk, expected_rev=asked.rev, by=official)
    with pytest.raises(FieldsRefused):
        waivers.approve(house.tenant, waiver_id=asked.pk, expires_on=last + timedelta(days=1), by=official)
    agreed = waivers.approve(house.tenant, waiver_id=asked.pk, expires_on=last - timedelta(days=1), expected_rev=asked.rev + 1, by=official)
    assert agreed.expires_on == last - timedelta(days=1)


def test_a_waiver_of_a_rule_stands_on_the_rule_as_it_is_now(house: Building, architect: Principal, official: Principal) -> None:
    rows = Finding.objects.filter(building=house, rule_key="IBC21-DOOR-WIDTH")
    rows.filter(subject="door-1").update(rule_version="ibc-2021@0.9.0", resolved_seq=1)
    rows.filter(subject="door-2").update(rule_version="ibc-2021@1.1.0", last_seen_seq=2)
    for number in range(4, 9):
        board_rows.finding(house, f"door-{number}", rule_version="ibc-2021@1.0.0")
    asked = waivers.request(house.tenant, building_id=house.pk, rule_key="IBC21-DOOR-WIDTH", fields=ASKED, by=architect)
    assert waivers.approve(house.tenant, waiver_id=asked.pk, by=official).rule_version == "ibc-2021@1.1.0"


def test_there_is_one_at_a_time(house: Building, architect: Principal, official: Principal) -> None:
    asked = ask(house, architect)
    with pytest.raises(WaiverExists):
        ask(house, official)
    waivers.withdraw(house.tenant, waiver_id=asked.pk, by=architect)
    assert ask(house, official).state == "requested"


def test_every_fault_is_told(house: Building, architect: Principal) -> None:
    with pytest.raises(FieldsRefused) as refused:
        ask(house, architect, kind="favour", justification="", expires_on=timezone.now().date(), authority_reference="x" * 301)
    assert [fault["path"] for fault in refused.value.details["errors"]] == ["$.kind", "$.justification", "$.authority_reference", "$.expires_on"]
    assert not Waiver.objects.exists()


def test_strangers_find_nothing(house: Building, architect: Principal) -> None:
    asked = ask(house, architect)
    theirs: Tenant = factories.TenantFactory.create()
    stranger = principal(theirs, Role.CODE_OFFICIAL)
    with pytest.raises(WaiverNotFound):
        waivers.approve(theirs, waiver_id=asked.pk, by=stranger)
    with pytest.raises(FindingNotFound):
        other = board_rows.office(theirs)
        waivers.request(theirs, building_id=other.pk, finding_id=narrow_door(house).pk, fields=ASKED, by=stranger)


def test_a_rule_is_waived_in_the_whole_building(house: Building, architect: Principal, official: Principal) -> None:
    asked = waivers.request(house.tenant, building_id=house.pk, rule_key="IBC21-DOOR-WIDTH", fields=ASKED, by=architect)
    waivers.approve(house.tenant, waiver_id=asked.pk, by=official)
    states = dict(Finding.objects.filter(building=house).values_list("subject", "state"))
    assert states == {"door-1": "waived", "door-2": "waived", "door-3": "open", "room-1": "open"}
    assert queries.covered(house.tenant, house.pk).covers("IBC21-DOOR-WIDTH", "of a finding to come")


def test_what_two_waivers_cover_stays_waived_when_one_ends(house: Building, architect: Principal, official: Principal) -> None:
    single = ask(house, architect)
    whole = waivers.request(house.tenant, building_id=house.pk, rule_key="IBC21-DOOR-WIDTH", fields=ASKED, by=architect)
    for one in (single, whole):
        waivers.approve(house.tenant, waiver_id=one.pk, by=official)
    waivers.withdraw(house.tenant, waiver_id=whole.pk, by=architect)
    states = dict(Finding.objects.filter(building=house, rule_key="IBC21-DOOR-WIDTH").values_list("subject", "state"))
    assert states == {"door-1": "waived", "door-2": "reopened"}


def test_an_unknown_rule_is_refused(house: Building, architect: Principal) -> None:
    with pytest.raises(FieldsRefused):
        waivers.request(house.tenant, building_id=house.pk, rule_key="NO-SUCH", fields=ASKED, by=architect)


def approved(house: Building, architect: Principal, official: Principal, **fields: Any) -> Waiver:
    return waivers.approve(house.tenant, waiver_id=ask(house, architect, **fields).pk, by=official)


def test_it_ends_after_its_last_day(house: Building, architect: Principal, official: Principal) -> None:
    last = timezone.now().date() + timedelta(days=30)
    found = approved(house, architect, official, expires_on=last)
    Jurisdiction.objects.filter(pk=house.project.jurisdiction_id).update(timezone="America/Los_Angeles")
    midnight = datetime.combine(last + timedelta(days=1), time(), tzinfo=ZoneInfo("America/Los_Angeles"))
    assert waivers.expire_due(now=midnight - timedelta(minutes=1)) == 0  # UTC has the day after since hours
    assert state_of(house) == "waived"
    assert waivers.expire_due(now=midnight) == 1
    assert (queries.waiver(house.tenant, found.pk).state, state_of(house)) == ("expired", "reopened")
    assert waivers.expire_due(now=midnight) == 0


def overdue(found: Waiver) -> None:
    Waiver.objects.filter(pk=found.pk).update(expires_on=timezone.now().date() - timedelta(days=3))


def test_one_that_cannot_be_ended_stops_no_other(house: Building, architect: Principal, official: Principal, monkeypatch: Any) -> None:
    poisoned, other = board_rows.office(house.tenant), house
    marks = []
    for one in (poisoned, other):
        made = waivers.request(one.tenant, building_id=one.pk, rule_key="IBC21-DOOR-WIDTH", fields=ASKED, by=architect)
        marks.append(waivers.approve(one.tenant, waiver_id=made.pk, by=official).pk)
        overdue(made)
    Waiver.objects.filter(pk=marks[0]).update(expires_on=timezone.now().date() - timedelta(days=9))  # the first that the sweep meets
    real = standing.settled

    def settled(building: Building) -> None:
        if building.pk == poisoned.pk:
            raise ValueError("the basis of its last run cannot be read")
        real(building)

    monkeypatch.setattr(standing, "settled", settled)
    assert waivers.expire_due() == 1
    assert [queries.waiver(house.tenant, pk).state for pk in marks] == ["approved", "expired"]


def test_one_that_is_overdue_covers_nothing(house: Building, architect: Principal, official: Principal) -> None:
    asked = waivers.request(house.tenant, building_id=house.pk, rule_key="IBC21-DOOR-WIDTH", fields=ASKED, by=architect)
    waivers.approve(house.tenant, waiver_id=asked.pk, by=official)
    Waiver.objects.filter(pk=asked.pk).update(expires_on=timezone.now().date() + timedelta(days=9))
    assert queries.covered(house.tenant, house.pk).rules == {"IBC21-DOOR-WIDTH"}
    overdue(asked)
    assert not queries.covered(house.tenant, house.pk).rules


def test_what_was_waived_does_not_come_back_waived(house: Building, architect: Principal, official: Principal) -> None:
    """Waived, the rule holds, the waiver ends, the rule fails again."""
    found = approved(house, architect, official)
    Finding.objects.filter(pk=narrow_door(house).pk).update(resolved_seq=2, resolved_at=timezone.now())
    waivers.withdraw(house.tenant, waiver_id=found.pk, by=architect)
    assert state_of(house) == "fixed"
    assert lifecycle.when_failing("fixed", covered=False) == "reopened"


@pytest.mark.parametrize(
    ("state", "covered", "moved", "after"),
    [
        ("waived", False, False, "reopened"),
        ("waived", True, True, "waived"),
        ("false_positive", False, False, "false_positive"),
        ("false_positive", False, True, "reopened"),
        ("false_positive", True, True, "waived"),
        ("fixed", True, False, "waived"),
        ("in_progress", False, True, "in_progress"),
    ],
)
def test_what_becomes_of_a_finding_that_fails_again(state: str, covered: bool, moved: bool, after: str) -> None:
    assert lifecycle.when_failing(state, covered=covered, moved=moved) == after


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "element": lambda: {"hashes": {"door-1": "another"}},
    "rule": lambda: {"rule_versions": {"IBC21-DOOR-WIDTH": "ibc-2021@1.1.0"}},
}


@pytest.mark.parametrize("what", CHANGES)
def test_it_lapses_when_its_ground_moves(what: str, house: Building, architect: Principal, official: Principal) -> None:
    found = approved(house, architect, official)
    lapsed = waivers.lapse_for(house.tenant, house, **CHANGES[what]())
    now = queries.waiver(house.tenant, found.pk)
    assert [one.pk for one in lapsed] == [found.pk]
    assert (now.state, state_of(house)) == ("needs_reconfirmation", "reopened")
    assert what in now.lapsed_because.lower()
    again = waivers.approve(house.tenant, waiver_id=found.pk, by=official)
    assert (again.state, again.lapsed_because, state_of(house)) == ("approved", "", "waived")


def test_it_stands_when_something_else_changes(house: Building, architect: Principal, official: Principal) -> None:
    found = approved(house, architect, official)
    same = {"door-1": found.model_hash, "door-2": "another"}
    assert waivers.lapse_for(house.tenant, house, hashes=same, rule_versions={"IBC21-DOOR-WIDTH": "ibc-2021@1.0.0", "OTHER": "x@9"}) == []
    assert state_of(house) == "waived"


def upload(name: str = "letter.pdf", content: bytes = b"%PDF-1.7 dear applicant") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_a_document_is_kept_and_downloaded_with_permission(house: Building, architect: Principal, settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    asked = ask(house, architect)
    made = waivers.attach(house.tenant, waiver_id=asked.pk, name="../../etc/letter.pdf", content=upload(), by=architect)
    assert (made.name, made.size) == ("letter.pdf", 23)
    address = f"/api/v1/validation/buildings/{house.pk}/waivers/{asked.pk}/attachments/{made.pk}"
    answer = Client().get(address, headers=factories.bearer(house.tenant, ["validation:read"]))
    assert b"".join(answer.streaming_content) == b"%PDF-1.7 dear applicant"  # type: ignore[attr-defined]  # a FileResponse
    assert answer.headers["Content-Disposition"] == 'attachment; filename="letter.pdf"'
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert Client().get(address, headers=factories.bearer(house.tenant, ["flows:read"])).status_code == 403
    assert Client().get(address, headers=factories.bearer(factories.TenantFactory.create())).status_code == 404
    assert Client().get(address).status_code == 401
    assert Client().get(f"/files/{made.file.name}").status_code == 404


def test_what_was_decided_on_gets_no_more_documents(house: Building, architect: Principal, official: Principal, settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    found = approved(house, architect, official)
    for by in (architect, official):
        with pytest.raises((WrongState, Denied)):
            waivers.attach(house.tenant, waiver_id=found.pk, name="late.pdf", content=upload(), by=by)
    assert not found.attachments.exists()


def test_what_is_no_document_is_refused(house: Building, architect: Principal, settings: Any, tmp_path: Any, monkeypatch: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    asked = ask(house, architect)
    for name, content in (("run.exe", b"MZ"), ("empty.pdf", b""), ("page.html", b"<script>")):
        with pytest.raises(FieldsRefused):
            waivers.attach(house.tenant, waiver_id=asked.pk, name=name, content=upload(name, content), by=architect)
    monkeypatch.setattr(waivers, "MAX_ATTACHMENT", 10)
    with pytest.raises(AttachmentTooLarge):
        waivers.attach(house.tenant, waiver_id=asked.pk, name="big.pdf", content=upload(), by=architect)
    assert not list(tmp_path.rglob("*.*"))


def client(by: Principal) -> Client:
    found = Client()
    assert by.user is not None
    found.force_login(by.user, backend="django.contrib.auth.backends.ModelBackend")
    return found


def test_the_whole_story_over_rest(house: Building, architect: Principal, official: Principal) -> None:
    base = f"/api/v1/validation/buildings/{house.pk}/waivers"
    body = {**ASKED, "finding": str(narrow_door(house).pk)}
    made = client(architect).post(base, body, content_type="application/json")
    assert made.status_code == 201, made.content
    one = made.json()
    changed = client(architect).patch(
        made.headers["Location"], {"conditions": "None."}, content_type="application/json", headers={"If-Match": made.headers["ETag"]}
    )
    assert (changed.status_code, changed.json()["conditions"]) == (200, "None.")
    stale = client(architect).patch(
        made.headers["Location"], {"conditions": "x"}, content_type="application/json", headers={"If-Match": made.headers["ETag"]}
    )
    assert (stale.status_code, stale.json()["error_code"]) == (412, "STALE_ETAG")
    own = client(architect).post(f"{base}/{one['id']}/approve", {}, content_type="application/json")
    assert (own.status_code, own.json()["error_code"]) == (403, "PERMISSION_DENIED")
    for tag, status in ((None, 428), (made.headers["ETag"], 412)):  # it has changed since it was asked for
        unread = client(official).post(
            f"{base}/{one['id']}/approve", {"note": "Fine."}, content_type="application/json", headers={"If-Match": tag} if tag else {}
        )
        assert unread.status_code == status
    agreed = client(official).post(
        f"{base}/{one['id']}/approve", {"note": "Fine."}, content_type="application/json", headers={"If-Match": changed.headers["ETag"]}
    )
    assert (agreed.status_code, agreed.json()["state"]) == (200, "approved")
    listed = client(official).get(base, {"state": "approved"}).json()
    assert [row["id"] for row in listed] == [one["id"]]
    bad = client(architect).post(base, {"kind": "favour"}, content_type="application/json")
    assert bad.status_code == 400
    assert {"path", "message"} <= set(bad.json()["errors"][0])
