"""`manage.py reseal`: after a new key was put in front of ENCRYPTION_KEYS, seal every secret anew with it; then the old key can go."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations import resealing
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy import scope
from mcp_platform.vault import services


class Command(BaseCommand):
    help = "Seal every stored secret and every sensitive value of a conversation with the newest of ENCRYPTION_KEYS; also what is still in the clear."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with scope.platform_scope():
                counts = {"secrets": services.reseal_all(), "cleartext_conversations": resealing.seal_clear(), "values": resealing.reseal_all()}
        except PlatformError as fault:
            raise CommandError(f"{fault.message} Put the key that has sealed it back into ENCRYPTION_KEYS.") from fault
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        self.stdout.write(f"{counts['secrets']} secrets are sealed with the newest key.")
        self.stdout.write(
            f"{counts['values']} values of conversations too; {counts['cleartext_conversations']} conversations were still in the clear."
        )
