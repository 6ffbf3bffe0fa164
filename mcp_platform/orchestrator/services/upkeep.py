"""All servers together: connect, gather, status, close, what is kept; and the checks that run by themselves."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from mcp_platform import observability
from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator import queries, runtime, store
from mcp_platform.orchestrator.core.conformity import Conformity
from mcp_platform.orchestrator.models import RemoteServer, ServerCall
from mcp_platform.orchestrator.runtime import Asked
from mcp_platform.orchestrator.services import offers
from mcp_platform.orchestrator.services.servers import settings_as_dict
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import By, actor_of, audit

log = observability.logger(__name__)
CHECKED_AT_ONCE: Final = 50
LOOKED_AT: Final = 1000  # calls for the figures of the status page


def check(tenant: Tenant, *, slug: str) -> RemoteServer:
    """Contact one server now and compare its tools with what was approved; the row says how it went. Raises ServerNotFound, ServerDisabled."""
    runtime.wait(runtime.check(tenant.pk, server=slug, insist=True))
    offers.forget(tenant)
    return queries.server(tenant, slug)


def conformity(tenant: Tenant, *, slug: str, by: Principal) -> Conformity:
    """Ask one server now whether it keeps to the protocol; on record as one call. None of its tools is called.

    Raises ServerNotFound, ServerDisabled, and what connecting raises.
    """
    return runtime.wait(runtime.probe(tenant.pk, server=slug, asked=Asked(actor=by.actor, via="conformity")))


def initialize(tenant: Tenant) -> dict[str, Any]:
    """Connect every server that is switched on, at the same time: slug -> how it went. Raises ConnectionFailed when the tenant fails fast."""
    checked = runtime.wait(runtime.initialize(tenant.pk))
    offers.forget(tenant)
    return {"servers": {slug: asdict(one) for slug, one in checked.items()}}


def gather(tenant: Tenant, *, actor: str) -> dict[str, Any]:
    """Resources of every server, and why some gave none. Raises ResourceFetchFailed when the tenant fails fast."""
    found, failed = runtime.wait(runtime.gather_all_resources(tenant.pk, asked=Asked(actor=actor)))
    return {"servers": {slug: asdict(one) for slug, one in found.items()}, "failed": failed}


def resources_for_domain(tenant: Tenant, *, domain: str, actor: str) -> dict[str, Any]:
    """Of the first server that answers; `server` says which, `failed` who did not. Raises DomainUnknown, NoServerAvailable."""
    return asdict(runtime.wait(runtime.resources_for_domain(tenant.pk, domain=domain, asked=Asked(actor=actor))))


def status(tenant: Tenant) -> dict[str, Any]:
    """Contacts nobody."""
    told = runtime.status(tenant.pk)
    cache = told.pop("cache")
    return {
        **told,
        "cache_stats": {**cache, "hit_rate": f"{cache['hit_rate']:.2%}"},
        "settings": settings_as_dict(queries.settings_of(tenant)),
        "totals": _totals(tenant, told["servers"]),
        "calls": _calls(tenant),
    }


def _totals(tenant: Tenant, servers: list[dict[str, Any]]) -> dict[str, int]:
    enabled = [one for one in servers if one["enabled"]]
    tools = queries.tools(tenant).filter(missing_since=None, server__enabled=True)
    return {
        "servers": len(servers),
        "enabled": len(enabled),
        **{state: sum(one["state"] == state for one in enabled) for state in ("connected", "failed", "unknown")},
        "tools": tools.count(),
        "waiting": tools.filter(status__in=queries.WAITING).count(),
    }


def _calls(tenant: Tenant) -> dict[str, Any]:
    """Of the last hour, at most the newest ones."""
    since = timezone.now() - timedelta(hours=1)
    rows = list(queries.calls(tenant).filter(at__gte=since).order_by("-at").values_list("outcome", "duration_ms")[:LOOKED_AT])
    well = (ServerCall.Outcome.OK, ServerCall.Outcome.TOOL_ERROR)
    times = sorted(took for outcome, took in rows if outcome in well)
    failed = sum(outcome not in well for outcome, _ in rows)
    return {"count": len(rows), "failed": failed, "p50_ms": times[len(times) // 2] if times else None}


def close(tenant: Tenant) -> int:
    """Close the connections of this process; how many. The next use opens them again."""
    return runtime.wait(runtime.close(tenant.pk))


def invalidate(tenant: Tenant, *, server: str = "", by: By) -> int:
    """Forget what is kept, of all servers or of one; how many answers. Raises ServerNotFound."""
    row = queries.server(tenant, server) if server else None
    with transaction.atomic():
        count = runtime.invalidate(tenant.pk, server_id=row.pk if row else None)
        if count:
            audit(tenant, actor=actor_of(by), action="mcp_cache.invalidate", target=row or tenant, changes={"server": server, "count": count})
    return count


def check_due() -> int:
    """Begin the check of every server that was not looked at for MCP_CHECK_SECONDS; how many. Of all workers one takes each. Platform scope.

    Nobody waits for them here: a server that does not answer must not hold up the sweeps.
    """
    if not settings.MCP_CHECK_SECONDS:
        return 0
    now = timezone.now()
    late = Q(checked_at=None) | Q(checked_at__lt=now - timedelta(seconds=settings.MCP_CHECK_SECONDS))
    due: QuerySet[RemoteServer] = RemoteServer.objects.filter(late, enabled=True, tenant__is_active=True)
    due = due.order_by(F("checked_at").asc(nulls_first=True))[:CHECKED_AT_ONCE]
    taken = [row for row in due if RemoteServer.objects.filter(pk=row.pk, checked_at=row.checked_at).update(checked_at=now)]
    for row in taken:
        runtime.begin(_checked(row))
    return len(taken)


async def _checked(row: RemoteServer) -> None:
    try:
        await runtime.check(row.tenant_id, server=row.slug)
    except PlatformError as fault:  # switched off or deleted meanwhile
        log.info("upstream_not_checked", server=row.slug, fault=fault.message)


def forget_old() -> int:
    """Erase answers that nobody would use any more, and calls from before MCP_CALLS_KEPT_DAYS; how many. Platform scope."""
    before = timezone.now() - timedelta(days=settings.MCP_CALLS_KEPT_DAYS)
    return store.forget_old() + runtime.forget_before(before)
