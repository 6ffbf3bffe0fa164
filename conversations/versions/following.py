"""What happens to the conversations of a flow when an environment comes to run another version of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from conversations.errors import PlanRefused
from conversations.models import MigrationPlan
from conversations.versions import counts, planning
from flows.models import Environment, Flow, FlowVersion
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By

POLICIES = ("pin", *MigrationPlan.Policy.values)


def follow(tenant: Tenant, flow: Flow, where: Environment, version: FlowVersion, wanted: Mapping[str, Any], by: By) -> list[MigrationPlan]:
    """Inside the transaction that moves the pointer: one active plan for each other version with live conversations there.

    `wanted`: policy, and for a drain `days` and `at_end`, for force `fallback` (a state; "" is the initial one). A version that another active
    plan leads away from already is left to that plan.
    """
    policy = wanted.get("policy", "pin")
    if policy == "pin":
        return []
    made = []
    for one in counts.live(tenant, flow):
        if one.environment_id != where.pk or one.version_id == version.pk or not one.total:
            continue
        held = planning.create(
            tenant, flow_id=flow.pk, source=one.number, target=version.number, environment=where.name, fields=_fields(policy, wanted), by=by
        )
        if policy == MigrationPlan.Policy.FORCE:
            held.mapping = {**held.mapping, **_fallback(str(wanted.get("fallback") or ""))}
            held = planning.change(tenant, plan_id=held.pk, fields={"mapping": held.mapping}, by=by)
        made.append(held)
        try:
            planning.apply(tenant, plan_id=held.pk, by=by)
        except PlanRefused:
            continue
    return made


def _fields(policy: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"policy": policy, "note": "Made by the publish"}
    if policy == MigrationPlan.Policy.DRAIN:
        fields["ends_at"] = timezone.now() + timedelta(days=int(wanted.get("days") or planning.DRAIN_DAYS))
        fields["at_end"] = wanted.get("at_end") or MigrationPlan.AtEnd.EXPIRE
    return fields


def _fallback(state: str) -> dict[str, str]:
    return {"missing": "state", "fallback": state} if state else {}
