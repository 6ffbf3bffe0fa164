"""`manage.py mcp_servers export|import|check`: the MCP servers of a tenant as a YAML file, and how they are."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator import queries, services
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant


class Command(BaseCommand):
    help = "The MCP servers of a tenant: export them as YAML, import a file (whole or not at all), contact each of them now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=("export", "import", "check"))
        parser.add_argument("file", nargs="?", default="-", help="import: the file; - or nothing reads the standard input")
        parser.add_argument("--tenant", required=True, help="Its slug")
        parser.add_argument("--replace", action="store_true", help="import: delete servers that the file does not name")

    def handle(self, *args: Any, **options: Any) -> None:
        with scope.platform_scope():
            tenant = Tenant.objects.filter(slug=options["tenant"]).first()
            if tenant is None:
                raise CommandError(f"There is no tenant {options['tenant']}.")
            try:
                getattr(self, f"_{options['what']}")(tenant, options)
            except PlatformError as fault:
                raise CommandError(_told(fault)) from fault

    def _export(self, tenant: Tenant, options: Any) -> None:
        self.stdout.write(services.as_yaml(services.export(tenant)), ending="")

    def _import(self, tenant: Tenant, options: Any) -> None:
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise CommandError(f"The file cannot be read: {fault}") from fault
        done = services.import_document(tenant, document=services.read_yaml(text), replace=options["replace"], by=None)
        self.stdout.write(json.dumps(asdict(done)))

    def _check(self, tenant: Tenant, options: Any) -> None:
        """Ends with an error when a server fails, for scripts."""
        failed = []
        for slug in queries.servers(tenant).filter(enabled=True).values_list("slug", flat=True):
            row = services.check(tenant, slug=slug)
            well = row.state == row.State.CONNECTED
            self.stdout.write(f"{slug}: {f'connected in {row.latency_ms} ms' if well else row.last_error}")
            failed += [] if well else [slug]
        if failed:
            raise CommandError(f"Failed: {', '.join(failed)}")


def _told(fault: PlatformError) -> str:
    places = [f"{one.get('path')}: {one.get('message')} (expected {one.get('expected')})" for one in fault.details.get("errors") or ()]
    return "\n".join([fault.message, *places])
