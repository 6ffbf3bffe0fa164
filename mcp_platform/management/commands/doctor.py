"""`manage.py doctor`: what is configured, what works, what to do next."""

import json
import sys
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand, CommandParser

from conversations import replays
from mcp_platform import health
from mcp_platform.tenancy import rls, scope, services
from mcp_platform.tenancy.models import Tenant
from validation.ingest import child, confinement
from validation.services import reading

NOT_CONFINED = "NOT confined: this system does not let them be kept from the network and from other programs"


class Command(BaseCommand):
    help = "Check the configuration, every component and the audit chains. Exits 1 when something is wrong."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        report = examine()
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=2))
        else:
            self._print(report)
        if report["faults"]:
            sys.exit(1)

    def _print(self, report: dict[str, Any]) -> None:
        for name, value in report["configuration"].items():
            self.stdout.write(f"{name:<22} {value}")
        for name, part in report["components"].items():
            self.stdout.write(f"{name:<22} {part['status']}: {part['detail']} ({part['ms']} ms)")
        for line in report["faults"]:
            self.stdout.write(f"FAULT  {line}")
        self.stdout.write("All well." if not report["faults"] else f"{len(report['faults'])} faults.")


def examine() -> dict[str, Any]:
    components = health.run_checks([name for name in health.CHECKS if name != "workers" or not settings.EMBEDDED])
    faults = [f"{name}: {part['detail']}" for name, part in components.items() if part["status"] != "healthy"]
    faults += [f"{found.id}: {found.msg}" for found in checks.run_checks() if found.level >= checks.WARNING]
    if components["database"]["status"] == components["migrations"]["status"] == "healthy":
        faults += [f"row-level security: {fault}" for fault in rls.faults()]
        faults += _audit_faults()
        faults += _log_faults()
    confined = child.is_confined()
    faults += [confinement.MISSING] if reading.caged() and not confined else []
    return {
        "configuration": {**_configuration(), "model readers": "confined" if confined else NOT_CONFINED},
        "components": components,
        "faults": faults,
    }


def _configuration() -> dict[str, str]:
    return {
        "python": sys.version.split()[0],
        "version": settings.VERSION,
        "environment": settings.ENVIRONMENT,
        "mode": "embedded (one process)" if settings.EMBEDDED else "scaled out",
        "database": settings.DATABASES["default"]["ENGINE"].rsplit(".", 1)[-1],
        "state directory": str(settings.STATE_DIR),
        "files": f"S3, bucket {settings.FILES_S3_BUCKET}" if settings.FILES_S3_BUCKET else str(settings.MEDIA_ROOT),
        "mail": settings.EMAIL_HOST if settings.EMAIL_URL else f"written to {settings.EMAIL_FILE_PATH}",
        "secret key": "generated" if settings.SECRET_KEY_IS_GENERATED else "given",
    }


def _audit_faults() -> list[str]:
    with scope.platform_scope():
        return [f"audit chain of {tenant.slug}: {fault}" for tenant in Tenant.objects.all() for fault in services.verify_chain(tenant)]


LOGS_CHECKED = 200  # of the newest conversations of each tenant; `manage.py flow replay --rebuild` looks at more


def _log_faults() -> list[str]:
    with scope.platform_scope():
        found = ((tenant, *one) for tenant in Tenant.objects.all() for one in replays.verify(tenant, limit=LOGS_CHECKED))
        return [f"conversation {key} of {tenant.slug}: {'; '.join(faults)}" for tenant, key, faults in found]
