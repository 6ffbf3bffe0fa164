"""The numbers of a flow, as every door shows them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, Sum

from conversations.analytics.core import measures
from conversations.analytics.core.counting import DECLINED
from conversations.analytics.core.measures import Measure
from conversations.analytics.models import Head, Tally
from flows import queries as flows
from flows.models import Flow, FlowVersion
from mcp_platform.tenancy.models import Tenant

DAYS = 28  # unless somebody asks for others
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which part of the numbers is looked at. Both days are included; "" and None mean all."""

    since: date
    until: date
    version: int | None = None
    environment: str = ""
    channel: str = ""

    def days(self) -> list[date]:
        return [self.since + timedelta(days=number) for number in range((self.until - self.since).days + 1)]


def last_days(today: date, days: int = DAYS) -> View:
    return View(since=today - timedelta(days=days - 1), until=today)


def tallies(tenant: Tenant | UUID, flow: Flow, view: View) -> QuerySet[Tally]:
    rows: QuerySet[Tally] = Tally.objects.for_tenant(tenant).filter(version__flow=flow, day__gte=view.since, day__lte=view.until)
    if view.version is not None:
        rows = rows.filter(version__number=view.version)
    if view.environment:
        rows = rows.filter(environment__name=view.environment)
    return rows.filter(channel=view.channel) if view.channel else rows


def sums(rows: QuerySet[Tally]) -> dict[str, Counter[str]]:
    """measure -> name -> sum"""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for measure, name, value in rows.values_list("measure", "name").annotate(total=Sum("value")).order_by():
        found[measure][name] += value
    return found


def choices(tenant: Tenant | UUID, flow: Flow) -> dict[str, list[Any]]:
    """What there is to filter by."""
    rows = Tally.objects.for_tenant(tenant).filter(version__flow=flow).order_by()
    return {
        "channels": sorted(rows.values_list("channel", flat=True).distinct()),
        "environments": sorted(rows.values_list("environment__name", flat=True).distinct()),
        "versions": sorted(rows.values_list("version__number", flat=True).distinct(), reverse=True),
    }


def overview(tenant: Tenant | UUID, flow: Flow, view: View) -> dict[str, Any]:
    found = sums(tallies(tenant, flow, view))
    starts, completions = total(found, Measure.STARTS), found[Measure.COMPLETIONS]
    return {
        "starts": starts,
        "called_as_sub_flow": total(found, Measure.CALLED),
        "completions": dict(completions.most_common()),
        "completed": measures.succeeded(completions),
        "completion_rate": share(measures.succeeded(completions), starts),
        "handoffs": total(found, Measure.HANDOFFS),
        "handoff_rate": share(total(found, Measure.HANDOFFS), starts),
        "not_ended": total(found, Measure.RESTING),
        "migrated_in": total(found, Measure.MIGRATED_IN),
        "migrated_out": total(found, Measure.MIGRATED_OUT),
        "turns": dict(found[Measure.TURNS].most_common()),
        "failed_turns": total(found, Measure.TURN_FAULTS),
        "faults": dict(found[Measure.FAULTS].most_common()),
        "missed": total(found, Measure.MISSED),
        "escalated": total(found, Measure.ESCALATED),
        "latency_ms": latency(found[Measure.LATENCY]),
        "satisfaction": satisfaction(found[Measure.RATED]),
        "slots": slots(found),
        "intents": [{"intent": name, "count": count} for name, count in found[Measure.INTENTS].most_common(100)],
        "confidence": [{"lower": f"{step / 10:.1f}", "count": found[Measure.CONFIDENCE][f"{step / 10:.1f}"]} for step in range(10)],
        "integrations": integrations(found),
    }


def total(found: Mapping[str, Counter[str]], measure: Measure) -> int:
    return sum(found[measure].values()) if measure in found else 0


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def latency(counts: Counts) -> dict[str, Any]:
    shares = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
    found: dict[str, Any] = {name: _rounded(measures.percentile(counts, one)) for name, one in shares.items()}
    buckets = [{"up_to": bound, "count": counts[str(bound)]} for bound in measures.MASSES if counts.get(str(bound))]
    beyond = counts.get(measures.BEYOND, 0)
    return {"count": sum(counts.values()), **found, "buckets": [*buckets, *([{"up_to": None, "count": beyond}] if beyond else [])]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def satisfaction(counts: Counts) -> dict[str, Any]:
    """`mean` as people gave it, while all scales are the same; `mean_share` 0..1 from the least to the best score of its scale."""
    given = sorted((_score(name), count) for name, count in counts.items() if name != DECLINED)
    answers = sum(count for _, count in given)
    scales = {scale for (_, scale), _ in given}
    shares = sum(count * (score - 1) / max(scale - 1, 1) for (score, scale), count in given)
    return {
        "answers": answers,
        "declined": counts.get(DECLINED, 0),
        "mean": round(sum(score * count for (score, _), count in given) / answers, 2) if len(scales) == 1 else None,
        "mean_share": round(shares / answers, 4) if answers else None,
        "scores": [{"score": score, "scale": scale, "count": count} for (score, scale), count in given],
    }


def _score(name: str) -> tuple[float, int]:
    score, _, scale = name.partition("/")
    return float(score), int(scale or 5)


def slots(found: Mapping[str, Counter[str]]) -> list[dict[str, Any]]:
    filled, refused, corrected = (
        found[one] if one in found else Counter() for one in (Measure.SLOT_FILLED, Measure.SLOT_REFUSED, Measure.SLOT_CORRECTED)
    )
    rows = [
        {
            "slot": name,
            "filled": filled[name],
            "refused": refused[name],
            "corrected": corrected[name],
            "refusals_per_answer": share(refused[name], filled[name]),
        }
        for name in {*filled, *refused}
    ]
    return sorted(rows, key=lambda row: (-row["refused"], row["slot"]))


def integrations(found: Mapping[str, Counter[str]]) -> list[dict[str, Any]]:
    calls, spent = found.get(Measure.CALLS, Counter()), found.get(Measure.CALL_MS, Counter())
    faults: dict[str, dict[str, int]] = defaultdict(dict)
    for name, count in found.get(Measure.CALL_FAULTS, Counter()).items():
        integration, _, code = name.partition("|")
        faults[integration][code] = count
    rows = []
    for name, count in calls.most_common():
        failed = sum(faults[name].values())
        rows.append(
            {
                "integration_id": name,
                "calls": count,
                "failed": failed,
                "failure_rate": share(failed, count),
                "faults": faults[name],
                "mean_ms": round(spent[name] / count, 1) if count else None,
            }
        )
    return rows


def by_day(tenant: Tenant | UUID, flow: Flow, view: View) -> list[dict[str, Any]]:
    """One row a day, also for days on which nothing happened."""
    wanted = (Measure.STARTS, Measure.COMPLETIONS, Measure.HANDOFFS, Measure.TURNS, Measure.FAULTS, Measure.MISSED, Measure.LATENCY, Measure.RATED)
    rows = tallies(tenant, flow, view).filter(measure__in=wanted)
    days: dict[date, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for day, measure, name, value in rows.values_list("day", "measure", "name").annotate(total=Sum("value")).order_by():
        days[day][measure][name] += value
    return [_day(day, days[day]) for day in view.days()]


def _day(day: date, found: Mapping[str, Counter[str]]) -> dict[str, Any]:
    starts, completed = total(found, Measure.STARTS), measures.succeeded(found.get(Measure.COMPLETIONS, {}))
    return {
        "day": day,
        "starts": starts,
        "completed": completed,
        "completion_rate": share(completed, starts),
        "handoffs": total(found, Measure.HANDOFFS),
        "turns": total(found, Measure.TURNS),
        "faults": total(found, Measure.FAULTS),
        "missed": total(found, Measure.MISSED),
        "p50_ms": _rounded(measures.percentile(found.get(Measure.LATENCY, Counter()), 0.5)),
        "p95_ms": _rounded(measures.percentile(found.get(Measure.LATENCY, Counter()), 0.95)),
        "satisfaction": satisfaction(found.get(Measure.RATED, Counter()))["mean_share"],
    }


def funnel(tenant: Tenant | UUID, flow: Flow, view: View) -> dict[str, Any]:
    """How many sessions reached each state, went on, ended, or stopped there; in the order in which states are usually reached."""
    found = sums(tallies(tenant, flow, view))
    begun = total(found, Measure.STARTS) + total(found, Measure.CALLED) + total(found, Measure.MIGRATED_IN)
    reached = found[Measure.REACHED]
    states = [
        {
            "state": state,
            "reached": count,
            "reached_share": share(count, begun),
            "visits": found[Measure.VISITS][state],
            "stopped": max(found[Measure.RESTING][state], 0),
            "stopped_share": share(max(found[Measure.RESTING][state], 0), count),
            "ended": found[Measure.ENDED_AT][state],
            "handoffs": found[Measure.HANDOFFS][state],
            "missed": found[Measure.MISSED][state],
            "escalated": found[Measure.ESCALATED][state],
        }
        for state, count in reached.most_common()
    ]
    moves = [
        {"from_state": source, "to_state": target, "count": count}
        for name, count in found[Measure.MOVED].most_common()
        for source, _, target in [name.partition("→")]
    ]
    return {"sessions": begun, "states": states, "moves": moves}


def by_version(tenant: Tenant | UUID, flow: Flow, view: View) -> list[dict[str, Any]]:
    """The versions side by side, the newest first."""
    rows = tallies(tenant, flow, view)
    numbers = rows.order_by("-version__number").values_list("version__number", flat=True).distinct()
    found = []
    for number in numbers:
        one = sums(rows.filter(version__number=number))
        starts, completed = total(one, Measure.STARTS), measures.succeeded(one[Measure.COMPLETIONS])
        spent = latency(one[Measure.LATENCY])
        found.append(
            {
                "version": number,
                "starts": starts,
                "completed": completed,
                "completion_rate": share(completed, starts),
                "handoff_rate": share(total(one, Measure.HANDOFFS), starts),
                "missed": total(one, Measure.MISSED),
                "p95_ms": spent["p95"],
                "satisfaction": satisfaction(one[Measure.RATED])["mean_share"],
            }
        )
    return found


def flow_totals(tenants: Iterable[UUID], flow_ids: Iterable[UUID], view: View) -> dict[UUID, dict[str, Any]]:
    """Of several flows: starts, completions and handoffs."""
    wanted = (Measure.STARTS, Measure.COMPLETIONS, Measure.HANDOFFS)
    rows = Tally.objects.filter(tenant_id__in=list(tenants), version__flow_id__in=list(flow_ids), measure__in=wanted)
    rows = rows.filter(day__gte=view.since, day__lte=view.until)
    found: dict[UUID, Counter[str]] = defaultdict(Counter)
    rows = rows.exclude(measure=Measure.COMPLETIONS, name__in=measures.GIVEN_UP)
    for flow_id, measure, value in rows.values_list("version__flow_id", "measure").annotate(total=Sum("value")).order_by():
        found[flow_id][measure] += value
    return {
        flow_id: {
            "starts": one[Measure.STARTS],
            "completed": one[Measure.COMPLETIONS],
            "completion_rate": share(one[Measure.COMPLETIONS], one[Measure.STARTS]),
            "handoffs": one[Measure.HANDOFFS],
        }
        for flow_id, one in found.items()
    }


def counted_at(tenant: Tenant | UUID) -> Any:
    """When the numbers were last brought up to date; None when never."""
    return Head.objects.filter(tenant=tenant).values_list("counted_at", flat=True).first()


def drawn_version(flow: Flow, view: View) -> FlowVersion | None:
    """The version whose picture the funnel is drawn on: the one that is looked at, else the newest."""
    rows = flow.versions.order_by("-number")
    found: FlowVersion | None = rows.filter(number=view.version).first() if view.version is not None else rows.first()
    return found


def definition_of(version: FlowVersion) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(version.definition)
    return found


def flow(tenant: Tenant, flow_id: str) -> Flow:
    """Raises FlowNotFound."""
    return flows.flow(tenant, flow_id)
