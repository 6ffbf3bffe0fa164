"""`manage.py reseal`: after a new key was put in front of ENCRYPTION_KEYS, seal and sign everything anew with it; then the old key can go."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations import resealing
from mcp_platform.errors import PlatformError
from mcp_platform.ml import services as ml
from mcp_platform.outbox import services as outbox
from mcp_platform.tenancy import scope
from mcp_platform.vault import services as vault
from reports.services import passwords
from reports.services import signing as certificates


class Command(BaseCommand):
    help = (
        "Seal every stored secret, the secrets and headers of endpoints and every sensitive value of a conversation with the newest of"
        " ENCRYPTION_KEYS, also what is still in the clear; sign every trained model with it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with scope.platform_scope():
                counts = _renewed()
        except PlatformError as fault:
            raise CommandError(f"{fault.message} Put the key that has sealed it back into ENCRYPTION_KEYS.") from fault
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        self.stdout.write(f"{counts['secrets']} secrets and those of {counts['endpoints']} endpoints are sealed with the newest key.")
        self.stdout.write(f"{counts['certificates']} certificates that sign reports and {counts['report_passwords']} passwords of reports too.")
        self.stdout.write(
            f"{counts['values']} values of conversations too; {counts['cleartext_conversations']} conversations were still in the clear."
        )
        self.stdout.write(f"{counts['models']} models are signed with it; {counts['models_refused']} are signed with no key of this platform.")


def _renewed() -> dict[str, int]:
    """How many of each. Raises SealBroken."""
    counts = {
        "secrets": vault.reseal_all(),
        "endpoints": outbox.reseal_all(),
        "cleartext_conversations": resealing.seal_clear(),
        "values": resealing.reseal_all(),
        "certificates": certificates.reseal_all(),
        "report_passwords": passwords.reseal_all(),
    }
    signed, refused = ml.resign_all()
    return {**counts, "models": signed, "models_refused": refused}
