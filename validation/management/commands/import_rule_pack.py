"""`manage.py import_rule_pack [--tenant SLUG] [FILE]`: the starter pack, or a pack of one's own, for one tenant or all of them."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mcp_platform.errors import PlatformError
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from validation.services import packs


class Command(BaseCommand):
    help = "Import a rule pack: jurisdictions, editions, rule sets, amendments. Importing it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", help="a pack in YAML; the starter pack that comes with the product when it is left out")
        parser.add_argument("--tenant", default="", help="slug; every active tenant when it is left out")

    def handle(self, *args: Any, **options: Any) -> None:
        with scope.platform_scope():
            try:
                document = packs.read_pack(Path(options["file"]).read_text(encoding="utf-8")) if options["file"] else packs.starter_pack()
                for tenant in self._tenants(options["tenant"]):
                    self._tell(tenant, packs.import_pack(tenant, document=document, publish=True, by=None))
            except OSError as missing:
                raise CommandError(f"{options['file']}: {missing.strerror}") from missing
            except PlatformError as refused:
                faults = [f"  {one.get('path')}: {one.get('message')}" for one in refused.details.get("errors", ())]
                raise CommandError("\n".join([refused.message, *faults])) from refused

    def _tenants(self, slug: str) -> list[Tenant]:
        found = list(Tenant.objects.filter(is_active=True, **({"slug": slug} if slug else {})))
        if not found:
            raise CommandError(f"There is no active tenant {slug}." if slug else "There is no active tenant.")
        return found

    def _tell(self, tenant: Tenant, done: packs.Imported) -> None:
        counts = f"{done.jurisdictions} jurisdictions, {done.editions} editions, {done.adoptions} adoptions, {done.amendments} amendments"
        self.stdout.write(f"{tenant.slug}: {counts if done.changed else 'nothing new'}")
        for title, names in (("published", done.published), ("drafts to confirm", done.drafts), ("unchanged", done.unchanged), ("note", done.notes)):
            for name in names:
                self.stdout.write(f"  {title}: {name}")
