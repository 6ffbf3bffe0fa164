"""PDFs that are signed: the signature covers the file, holds after counter-signatures, breaks with the smallest change; keys are never shown."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mcp_platform.rest import SchemaError
from mcp_platform.tenancy.models import Role, Tenant
from mcp_platform.tenancy.permissions import of_role
from reports import tasks as _tasks  # noqa: F401  a worker imports it
from reports.models import Report, SigningCertificate
from reports.services import making, passwords, signing
from tests.factories import TenantFactory, bearer
from tests.reports.life import frozen, pkcs12, worked

pytestmark = pytest.mark.django_db
PATH = "/api/v1/reports/certificates"


@pytest.fixture(scope="module")
def key_file() -> bytes:
    return pkcs12()


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


def client_of(tenant: Tenant, role: str = Role.OWNER) -> Client:
    return Client(headers=bearer(tenant, of_role(role)))


def sent(content: bytes, **more: Any) -> dict[str, Any]:
    file = io.BytesIO(content)
    file.name = "key.p12"
    return {"name": "Office key", "file": file, "passphrase": "open", **more}


def content_of(report: Report) -> bytes:
    with report.files.get(format="pdf").file.open("rb") as kept:
        found: bytes = kept.read()
    return found


def judged(content: bytes, password: str = "") -> Any:
    """As a reader that trusts this certificate judges the signature."""
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    reader = PdfFileReader(io.BytesIO(content))
    if password:
        reader.decrypt(password)
    (signature,) = reader.embedded_signatures
    return signature, validate_pdf_signature(signature, ValidationContext(trust_roots=[signature.signer_cert], allow_fetching=False))


def test_a_report_is_signed_and_every_change_shows(office: Tenant, key_file: bytes) -> None:
    signing.add(office, name="Office key", pkcs12=key_file, passphrase="open", by=None)
    report = worked(frozen(office, formats=["pdf"]))
    assert report.state == "ready", report.problem
    content, file = content_of(report), report.files.get()
    assert file.signature["subject"] == "CN=Harbour Office Compliance"
    signature, status = judged(content)
    assert (status.intact, status.valid, status.trusted, status.bottom_line) == (True, True, True, True)
    assert str(signature.sig_object["/SubFilter"]) == "/ETSI.CAdES.detached"
    assert signature.sig_object["/Reason"] == str(report)
    assert (
        Client().post(f"/api/v1/verify/{report.verify_token}", {"sha256": file.sha256}, content_type="application/json").json()["verdict"]
        == "genuine"
    )
    place = content.index(b"stream") + 60
    changed = content[:place] + bytes((content[place] ^ 1,)) + content[place + 1 :]
    assert not judged(changed)[1].intact


def test_an_encrypted_report_is_signed_too(office: Tenant, key_file: bytes) -> None:
    signing.add(office, name="Office key", pkcs12=key_file, passphrase="open", by=None)
    report = frozen(office, formats=["pdf"], sealed_password=passwords.sealed("a long one"))
    worked(report)
    assert report.state == "ready", report.problem
    assert judged(content_of(report), "a long one")[1].bottom_line


def test_without_a_certificate_the_bytes_are_the_same_each_time(office: Tenant) -> None:
    report = worked(frozen(office, formats=["pdf"]))
    before = content_of(report)
    assert report.files.get().signature == {}
    making.render_again(office, report_id=report.pk, by=None)
    report.refresh_from_db()
    assert content_of(worked(report)) == before


def test_a_certificate_that_has_ended_stops_the_report_and_says_so(office: Tenant, key_file: bytes) -> None:
    row = signing.add(office, name="Office key", pkcs12=key_file, passphrase="open", by=None)
    SigningCertificate.objects.filter(pk=row.pk).update(valid_until=timezone.now() - timedelta(days=1))
    report = worked(frozen(office, formats=["pdf"]))
    assert (report.state, report.problem["error_code"]) == ("failed", "CERTIFICATE_NOT_VALID")
    assert not report.files.exists()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"days": -1, "started": -9}, "ended"),
        ({"usage": False}, "not for signing"),
        ({"bits": 1024}, "1024 bits"),
        ({"passphrase": "another"}, "cannot be opened"),
    ],
)
def test_certificates_that_cannot_sign_are_refused(office: Tenant, made: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError) as refused:
        signing.add(office, name="X", pkcs12=pkcs12(**made), passphrase="open", by=None)
    assert message in refused.value.details["errors"][0]["message"]


@pytest.mark.parametrize("content", [b"", b"not a key", b"x" * (signing.LARGEST + 1)])
def test_what_is_no_certificate_is_refused(office: Tenant, content: bytes) -> None:
    answer = client_of(office).post(PATH, sent(content))
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "$.file")


def test_certificates_over_rest(office: Tenant, key_file: bytes) -> None:
    client = client_of(office)
    made = client.post(PATH, sent(key_file))
    assert made.status_code == 201, made.content
    assert set(made.json()) & {"sealed", "passphrase", "file"} == set()
    assert client.post(PATH, sent(key_file)).status_code == 400  # it is here already
    href = made.headers["Location"]
    other = client.post(PATH, sent(pkcs12(name="Second"), name="Second")).headers["Location"]
    assert [client.get(one).json()["is_active"] for one in (href, other)] == [False, True]
    assert client.patch(href, {"is_active": True}, content_type="application/json").json()["is_active"] is True
    assert client.get(other).json()["is_active"] is False
    stranger, viewer = client_of(TenantFactory.create()), client_of(office, Role.VIEWER)
    assert (stranger.get(href).status_code, stranger.delete(href).status_code, Client().get(href).status_code) == (404, 404, 401)
    assert (viewer.get(href).status_code, viewer.delete(href).status_code, viewer.post(PATH, sent(key_file)).status_code) == (200, 403, 403)
    assert client.delete(href).status_code == 204


def test_keys_are_sealed_and_can_be_sealed_anew(office: Tenant, key_file: bytes, settings: Any) -> None:
    from cryptography.fernet import Fernet

    row = signing.add(office, name="Office key", pkcs12=key_file, passphrase="open", by=None)
    before = SigningCertificate.objects.get(pk=row.pk).sealed
    assert "open" not in before
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert signing.reseal_all() == 1
    after = SigningCertificate.objects.get(pk=row.pk).sealed
    assert after != before
    assert worked(frozen(office, formats=["pdf"])).files.get().signature


def test_the_passwords_of_reports_are_sealed_anew_with_everything_else(office: Tenant, settings: Any) -> None:
    from cryptography.fernet import Fernet
    from django.core.management import call_command

    kept = frozen(office, sealed_password=passwords.sealed("a long one"))
    frozen(office)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]
    call_command("reseal", verbosity=0)
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    kept.refresh_from_db()
    assert passwords.of(kept) == "a long one"
