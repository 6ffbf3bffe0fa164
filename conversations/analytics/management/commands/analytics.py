"""`manage.py analytics count|rebuild`: bring the numbers up to date, or count every log anew."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.analytics import services
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant

WAYS = {"count": lambda tenant: services.count_new(tenant, everywhere=True, seconds=float("inf")), "rebuild": services.rebuild}


class Command(BaseCommand):
    help = "Count what is new in the logs of conversations, or forget the sums and count everything again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("way", choices=sorted(WAYS))
        parser.add_argument("--tenant", default="", help="slug; all tenants unless given")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        with scope.platform_scope():
            chosen = Tenant.objects.filter(slug=options["tenant"]) if options["tenant"] else Tenant.objects.all()
            if options["tenant"] and not chosen.exists():
                raise CommandError(f"there is no tenant {options['tenant']}")
            done = [self._one(tenant, options["way"]) for tenant in chosen.order_by("slug")]
        if options["json"]:
            self.stdout.write(json.dumps(done, indent=2))
            return
        for one in done:
            self.stdout.write(f"{one['tenant']:<30} {one['conversations']:>8} conversations {one['events']:>10} events")

    def _one(self, tenant: Tenant, way: str) -> dict[str, Any]:
        counted = WAYS[way](tenant)
        while counted.more:  # somebody else counted in between
            counted = services.count_new(tenant, everywhere=True, seconds=float("inf"))
        return {"tenant": tenant.slug, "conversations": counted.conversations, "events": counted.events}
