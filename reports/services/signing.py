"""Certificates that PDFs are signed with: uploaded as PKCS #12, sealed, and opened only to sign."""

import base64
import json
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from mcp_platform import rest, sealing
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit
from mcp_platform.tenancy.services.trail import user_of
from reports import queries
from reports.errors import CertificateNotValid
from reports.models import SigningCertificate

PURPOSE: Final = "reports.certificate"  # of what is sealed here
LARGEST: Final = 64 * 1024  # bytes of an upload
SHORTEST_RSA: Final = 2048  # bits
SOON: Final = timedelta(days=30)  # before its end a certificate is shown as ending


def add(tenant: Tenant, *, name: str, pkcs12: bytes, passphrase: str, activate: bool = True, by: By) -> SigningCertificate:
    """Keep a key and its certificate; with `activate`, PDFs are signed with it from now on. Raises SchemaError with every fault."""
    found = _opened(pkcs12, passphrase)
    faults = [] if name.strip() else [{"path": "$.name", "message": "is empty", "expected": "what people call it"}]
    if len(name) > 200:
        faults.append({"path": "$.name", "message": f"has {len(name)} characters", "expected": "at most 200"})
    about = _read(found)
    if SigningCertificate.objects.for_tenant(tenant).filter(fingerprint_sha256=about["fingerprint_sha256"]).exists():
        faults.append({"path": "$.file", "message": "is here already", "expected": "another certificate"})
    _refuse(faults)
    sealed = sealing.seal(json.dumps([base64.b64encode(pkcs12).decode(), passphrase]), purpose=PURPOSE)
    with transaction.atomic():
        row = SigningCertificate(tenant=tenant, name=name.strip(), sealed=sealed, created_by=user_of(by), **about)
        row.save()
        changes = {"name": row.name, "subject": row.subject, "fingerprint_sha256": row.fingerprint_sha256, "valid_until": row.valid_until.isoformat()}
        audit(tenant, actor=actor_of(by), action="certificate.add", target=row, changes=changes)
        return use(tenant, pk=row.pk, active=True, by=by) if activate else row


def use(tenant: Tenant, *, pk: UUID, active: bool, by: By) -> SigningCertificate:
    """Sign with this one in place of the others; or not any more. Raises CertificateNotFound, CertificateNotValid."""
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)
        row = queries.certificate(tenant, pk)
        if active and row.valid_until < timezone.now():
            raise CertificateNotValid(certificate=str(pk), valid_until=row.valid_until.isoformat())
        if active:
            SigningCertificate.objects.for_tenant(tenant).exclude(pk=pk).update(is_active=False)
        SigningCertificate.objects.for_tenant(tenant).filter(pk=pk).update(is_active=active)
        row.is_active = active
        audit(tenant, actor=actor_of(by), action="certificate.use", target=row, changes={"name": row.name, "is_active": active})
    return row


def delete(tenant: Tenant, *, pk: UUID, by: By) -> None:
    """What was signed with it stays signed. Raises CertificateNotFound."""
    row = queries.certificate(tenant, pk)
    with transaction.atomic():
        changes = {"name": row.name, "subject": row.subject, "fingerprint_sha256": row.fingerprint_sha256}
        audit(tenant, actor=actor_of(by), action="certificate.delete", target=row, changes=changes)
        row.delete()


def sign(tenant: Tenant, pdf: bytes, *, about: str, password: str = "") -> tuple[bytes, dict[str, Any]]:
    """The signed file and what is to be known of its signature; the same file and {} where nothing signs.

    Raises CertificateNotValid: a report is never quietly left unsigned. Raises SealBroken.
    """
    row = SigningCertificate.objects.for_tenant(tenant).filter(is_active=True).first()
    if row is None:
        return pdf, {}
    now = timezone.now()
    if not row.valid_from <= now <= row.valid_until:
        raise CertificateNotValid(certificate=str(row.pk), valid_from=row.valid_from.isoformat(), valid_until=row.valid_until.isoformat())
    from reports.render.pdf import signature

    packed, passphrase = json.loads(sealing.unseal(row.sealed, purpose=PURPOSE))
    content = signature.signed(pdf, pkcs12=base64.b64decode(packed), passphrase=passphrase, reason=about, password=password)
    told = {"certificate": row.name, "subject": row.subject, "issuer": row.issuer, "serial": row.serial}
    return content, {**told, "fingerprint_sha256": row.fingerprint_sha256, "signed_at": now.isoformat(timespec="seconds")}


def reseal_all() -> int:
    """Every certificate under the newest key. How many. Raises SealBroken."""
    count = 0
    for row in SigningCertificate.objects.only("pk", "sealed").iterator():
        count += SigningCertificate.objects.filter(pk=row.pk, sealed=row.sealed).update(sealed=sealing.reseal(row.sealed, purpose=PURPOSE))
    return count


def _opened(pkcs12: bytes, passphrase: str) -> Any:
    """The X.509 certificate of a file that has its key too."""
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    if len(pkcs12) > LARGEST:
        _refuse([{"path": "$.file", "message": f"has {len(pkcs12)} bytes", "expected": f"at most {LARGEST}"}])
    try:
        key, certificate, _ = load_key_and_certificates(pkcs12, passphrase.encode() or None)
    except ValueError:  # it does not say which of the two it is
        _refuse([{"path": "$.file", "message": "cannot be opened", "expected": "a PKCS #12 file (.p12, .pfx) and its passphrase"}])
    if key is None or certificate is None:
        _refuse([{"path": "$.file", "message": "lacks the key or the certificate", "expected": "both in one PKCS #12 file"}])
    _refuse(_faults(key, certificate))
    return certificate


def _faults(key: Any, certificate: Any) -> list[dict[str, str]]:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    faults = []
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        faults.append({"path": "$.file", "message": f"has an RSA key of {key.key_size} bits", "expected": f"at least {SHORTEST_RSA}"})
    elif not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        faults.append({"path": "$.file", "message": "has a key of another kind", "expected": "RSA or elliptic curve"})
    if certificate.not_valid_after_utc < timezone.now():
        faults.append(
            {"path": "$.file", "message": f"ended on {certificate.not_valid_after_utc:%Y-%m-%d}", "expected": "a certificate that is valid"}
        )
    if not _may_sign(certificate):
        faults.append({"path": "$.file", "message": "is not for signing", "expected": "the key usage digital signature or non-repudiation"})
    return faults


def _may_sign(certificate: Any) -> bool:
    from cryptography import x509

    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return bool(usage.digital_signature or usage.content_commitment)


def _read(certificate: Any) -> dict[str, Any]:
    from cryptography.hazmat.primitives.hashes import SHA256

    return {
        "subject": certificate.subject.rfc4514_string()[:500],
        "issuer": certificate.issuer.rfc4514_string()[:500],
        "serial": f"{certificate.serial_number:x}"[:64],
        "fingerprint_sha256": certificate.fingerprint(SHA256()).hex(),
        "valid_from": certificate.not_valid_before_utc,
        "valid_until": certificate.not_valid_after_utc,
    }


def _refuse(faults: list[dict[str, str]]) -> None:
    if faults:
        raise rest.SchemaError(errors=faults)
