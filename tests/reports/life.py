"""What the tests of a report's life share: a report that needs no building, a worker's turn, a certificate, a mail server."""

import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Tenant
from reports.core import document as documents
from reports.models import Report
from reports.services import freezing, making
from tests.reports.documents import composed


def frozen(tenant: Tenant, findings: int = 3, **fields: Any) -> Report:
    """A report that was asked for: its document is there, its files are not."""
    number = fields.pop("number", f"R-2026-{Report.objects.count() + 1:05d}")
    document = composed(findings, number=number, revision=fields.get("revision", 1))
    text = documents.canonical(document)
    about = {"title": document["title"], "formats": ["json"], "requested_by": "system", "created_at": timezone.now(), **fields}
    report: Report = Report.objects.create(
        tenant=tenant, number=number, document=zlib.compress(text.encode(), 6), content_sha256=documents.sha256(document), **about
    )
    making._queue(tenant, report, None)
    return report


def told(report: Report) -> Report:
    """What it says is there, its files are not: as when its worker dies between the two."""
    freezing.freeze(report.tenant, report, operations.Progress(UUID(str(report.operation_id)), 0))
    return report


def worked(report: Report) -> Report:
    """After a worker has had its turn."""
    operation = Operation.objects.get(pk=str(report.operation_id))
    operations.run(report.tenant, operation_id=operation.pk, attempt=operation.attempts)
    report.refresh_from_db()
    return report


def pkcs12(
    *, name: str = "Harbour Office Compliance", days: int = 365, started: int = -1, passphrase: str = "open", usage: bool = True, bits: int = 2048
) -> bytes:
    """A certificate that vouches for itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(tz=timezone.get_default_timezone())
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=started))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.KeyUsage(usage, usage, not usage, False, False, False, False, False, False), critical=True)
        .sign(key, SHA256())
    )
    kept = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return serialize_key_and_certificates(b"signer", key, made, None, kept)


class MailServer:
    """Speaks as much SMTP as it takes to get a letter; `refuses` are the answers to the next senders."""

    def __init__(self) -> None:
        self.letters: list[bytes] = []
        self.refuses: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as talk:
                self._talk(talk)

    def _talk(self, talk: Any) -> None:
        def say(line: bytes) -> None:
            talk.write(line + b"\r\n")
            talk.flush()

        say(b"220 here")
        while line := talk.readline().strip():
            word = line.split(b" ")[0].split(b":")[0].upper()
            if word == b"MAIL" and self.refuses:
                say(self.refuses.pop(0))
            elif word == b"DATA":
                say(b"354 go on")
                self.letters.append(b"".join(iter(talk.readline, b".\r\n")))
                say(b"250 taken")
            elif word == b"QUIT":
                say(b"221 bye")
                return
            else:
                say(b"250 yes")


@contextmanager
def mail_server(settings: Any) -> Iterator[MailServer]:
    server = MailServer()
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", server.port
    try:
        yield server
    finally:
        server.close()
