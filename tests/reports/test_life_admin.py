"""Schedules, certificates and the policy in the admin, as the owner of a tenant uses them."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from mcp_platform.tenancy.models import Role, Tenant
from reports.models import Occasion, ReportPolicy, ReportSchedule, SigningCertificate
from tests.factories import TenantFactory, member
from tests.reports.life import pkcs12
from tests.validation.live_scene import building
from validation.models import Building

pytestmark = pytest.mark.django_db
SCHEDULES, CERTIFICATES, POLICIES = (f"/admin/reports/{name}/" for name in ("reportschedule", "signingcertificate", "reportpolicy"))


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def house(office: Tenant) -> Building:
    return building(office)


@pytest.fixture
def owner(office: Tenant) -> Client:
    client = Client()
    client.force_login(member(office, Role.OWNER), backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_a_schedule_is_made_changed_and_run(office: Tenant, house: Building, owner: Client) -> None:
    assert f"project:{house.project_id}" in page(owner, f"{SCHEDULES}add/")
    form: dict[str, Any] = {
        "name": "Monday",
        "kind": "run",
        "about": f"project:{house.project_id}",
        "cadence": "weekly",
        "weekday": 0,
        "day": 1,
        "at": "08:00",
        "time_zone": "Europe/Berlin",
        "formats": ["pdf"],
        "recipients": "a@example.com\nb@example.com\n",
        "enabled": "on",
    }
    refused = owner.post(f"{SCHEDULES}add/", {**form, "time_zone": "Mars"})
    assert (refused.status_code, "a name such as Europe/Berlin" in refused.content.decode()) == (200, True)
    assert owner.post(f"{SCHEDULES}add/", form).status_code == 302
    row = ReportSchedule.objects.get()
    assert (row.about, row.recipients, row.formats) == ({"project": str(house.project_id)}, ["a@example.com", "b@example.com"], ["pdf"])
    change = f"{SCHEDULES}{row.pk}/change/"
    assert "a@example.com" in page(owner, change)
    assert owner.post(change, {**form, "name": "Tuesday", "weekday": 1}).status_code == 302
    assert owner.post(f"{SCHEDULES}{row.pk}/run/").status_code == 302
    assert Occasion.objects.get().schedule == row
    assert "queued" in page(owner, change).lower()
    assert "Tuesdays" in page(owner, SCHEDULES)
    assert owner.post(f"{SCHEDULES}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ReportSchedule.objects.exists()


def test_a_certificate_is_uploaded_switched_off_and_deleted(office: Tenant, owner: Client) -> None:
    page(owner, f"{CERTIFICATES}add/")
    bad = owner.post(f"{CERTIFICATES}add/", {"name": "Key", "file": SimpleUploadedFile("k.p12", b"nothing"), "passphrase": "open", "activate": "on"})
    assert "cannot be opened" in bad.content.decode()
    content = pkcs12(days=12)
    given = {"name": "Key", "file": SimpleUploadedFile("k.p12", content), "passphrase": "open", "activate": "on"}
    assert owner.post(f"{CERTIFICATES}add/", given).status_code == 302
    row = SigningCertificate.objects.get()
    assert row.is_active
    assert "signs, ends in 11 days" in page(owner, CERTIFICATES)
    shown = page(owner, f"{CERTIFICATES}{row.pk}/change/")
    assert row.fingerprint_sha256 in shown
    assert row.sealed not in shown
    assert owner.post(f"{CERTIFICATES}{row.pk}/use/", {"active": "0"}).status_code == 302
    assert not SigningCertificate.objects.get().is_active
    assert owner.post(f"{CERTIFICATES}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not SigningCertificate.objects.exists()


def test_a_tenant_has_one_policy(office: Tenant, owner: Client) -> None:
    page(owner, f"{POLICIES}add/")
    assert owner.post(f"{POLICIES}add/", {"keep_days": 365, "link_days": 9}).status_code == 200
    assert owner.post(f"{POLICIES}add/", {"keep_days": 365, "link_days": 3, "attach_files": "on"}).status_code == 302
    row = ReportPolicy.objects.get()
    assert (row.keep_days, row.link_days, row.attach_files) == (365, 3, True)
    assert owner.get(f"{POLICIES}add/").status_code == 403
    assert owner.post(f"{POLICIES}{row.pk}/change/", {"keep_days": "", "link_days": 7}).status_code == 302
    assert ReportPolicy.objects.get().keep_days is None
    assert "kept for ever" in page(owner, POLICIES)
