"""Conversations of made-up users, to try an experiment out: each says the given words in turn, and some of them leave."""

import random
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations import services
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant


class Command(BaseCommand):
    help = "Let made-up users talk to a flow. `--better short=0.1`: in that variant they leave that much more rarely."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant")
        parser.add_argument("flow")
        parser.add_argument("--users", type=int, default=200)
        parser.add_argument("--say", action="append", required=True, help="What every user says, in this order")
        parser.add_argument("--leave", type=float, default=0.2, help="The chance that somebody leaves before a message")
        parser.add_argument("--better", action="append", default=[], help="VARIANT=DIFFERENCE of that chance")
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            better = {name: float(value) for name, _, value in (one.partition("=") for one in options["better"])}
        except ValueError:
            raise CommandError("--better takes VARIANT=NUMBER, such as short=0.1") from None
        with scope.platform_scope():
            tenant = Tenant.objects.filter(slug=options["tenant"]).first()
            if tenant is None:
                raise CommandError(f"There is no tenant {options['tenant']}.")
            dice = random.Random(options["seed"])  # noqa: S311  plays people, keeps no secret
            seen: Counter[str] = Counter()
            for number in range(options["users"]):
                arm = self._talk(tenant, options, f"simulated-{options['seed']}-{number}", better, dice)
                seen[arm or "none"] += 1
        self.stdout.write(", ".join(f"{arm}: {count}" for arm, count in sorted(seen.items())))

    def _talk(self, tenant: Tenant, options: Any, user: str, better: dict[str, float], dice: random.Random) -> str:
        begun = services.start(tenant, flow_id=options["flow"], user_ref=user, actor="simulation")
        arm: str = begun.reply.get("ab_variant") or ""
        leaves = options["leave"] - better.get(arm.partition(":")[2], 0.0)
        for text in options["say"]:
            if dice.random() < leaves:
                break
            services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": text})
        return arm
