"""What a report of conversations says: the numbers of a flow over some days, and those of as many days before."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from conversations.analytics import queries
from conversations.analytics.queries import View
from flows.models import Flow
from mcp_platform.tenancy.models import Tenant
from reports.gathering import reading
from reports.gathering.gathered import Gathered, Subject

Json = Any


def find(tenant: Tenant, wish: Mapping[str, str]) -> Subject:
    """Of {flow, since, until} and perhaps {version, environment, channel}; days are UTC. Raises FlowNotFound, SchemaError."""
    flow, since, until = _named(tenant, wish)
    reading.number_of(wish, "version")
    return Subject(title=_title(flow, since, until), key=f"flow:{flow.flow_id}:{since}:{until}"[:160])


def _named(tenant: Tenant, wish: Mapping[str, str]) -> tuple[Flow, date, date]:
    if not wish.get("flow"):
        raise reading.wrong("flow", wish, "the id of a flow")
    return queries.flow(tenant, wish["flow"]), *reading.days_of(wish)


def _title(flow: Flow, since: date, until: date) -> str:
    return f"{flow.name}, {since} – {until}"


def gather(tenant: Tenant, wish: Mapping[str, str], _locale: str) -> Gathered:
    """Raises what `find` raises."""
    flow, since, until = _named(tenant, wish)
    version = reading.number_of(wish, "version")
    view = View(since=since, until=until, version=version, environment=wish.get("environment", ""), channel=wish.get("channel", ""))
    length = until - since + timedelta(days=1)
    earlier = View(since=since - length, until=until - length, version=version, environment=view.environment, channel=view.channel)
    counted = queries.counted_at(tenant)
    body = {
        "units": "metric",
        "project": {},
        "flow": {"flow_id": flow.flow_id, "name": flow.name},
        "since": since.isoformat(),
        "until": until.isoformat(),
        "version": version,
        "environment": view.environment,
        "channel": view.channel,
        "counted_at": counted.isoformat(timespec="seconds") if counted else "",
        "now": queries.overview(tenant, flow, view),
        "earlier": {"since": earlier.since.isoformat(), "until": earlier.until.isoformat(), **queries.overview(tenant, flow, earlier)},
        "days": [{**row, "day": row["day"].isoformat()} for row in queries.by_day(tenant, flow, view)],
        "funnel": queries.funnel(tenant, flow, view),
        "versions": queries.by_version(tenant, flow, view),
    }
    return Gathered(title=_title(flow, since, until), body=body)
