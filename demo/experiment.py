"""The demo's experiment: a shorter first question of the permit desk, with some two hundred simulated users who talk to it."""

from typing import Any, Final

from django.conf import settings
from django.core.management import call_command

from experiments import queries, services
from mcp_platform.tenancy.models import Tenant, User

KEY: Final = "shorter-intake"
USERS, SEED = 206, 104  # the fewest of whom each arm gets its hundred, from which on intervals are told
SAYS: Final = ("An office in England, 12 storeys, with sprinklers",)
METRICS: Final = (
    {"key": "facts_complete", "name": "Facts complete", "measure": "reached_state", "of": "summary"},
    {"key": "completed", "name": "Completed", "measure": "completion"},
    {"key": "handed_over", "name": "Handed to a person", "measure": "handoff_rate"},
)
SHORTER: Final = {"en": "Residential, office, school, retail or warehouse?", "de": "Wohnen, Büro, Schule, Geschäft oder Lager?"}
PLAN: Final[dict[str, Any]] = {
    "key": KEY,
    "name": "A shorter first question",
    "hypothesis": "Fewer people leave at the intake when they need to read less.",
    "flow": "permit_desk",
    "unit": "user",
    "baseline": 0.7,
    "minimum_effect": 0.15,
    # Nobody who tries the demo gets a variant: only the simulated users take part.
    "targeting": {"user_id": {"$regex": "^simulated-"}},
    "ramp": [{"coverage": 0.95, "min_hours": 12, "min_units": 500}, {"coverage": 1.0}],
    "variants": [
        {"key": "control", "name": "As it is", "is_control": True, "percentage": 50.0},
        {
            "key": "short",
            "name": "Shorter",
            "percentage": 50.0,
            "modifications": {"states": {"intake": {"config": {"prompts": {"building_type": SHORTER}}}}},
        },
    ],
    "metrics": [
        {"metric": "facts_complete", "role": "primary"},
        {"metric": "completed", "role": "secondary"},
        {"metric": "handed_over", "role": "guardrail", "margin": 0.05},
    ],
}


def prepare(tenant: Tenant, by: User, users: int = USERS) -> None:
    """Plan it, start it, let users talk. What is there already is left alone."""
    if not settings.ENABLE_AB_TESTING or queries.experiments(tenant).filter(key=KEY).exists():
        return
    known = set(queries.metrics(tenant).values_list("key", flat=True))
    for fields in METRICS:
        if fields["key"] not in known:
            services.save_metric(tenant, fields=dict(fields), by=by)
    services.create(tenant, fields=PLAN, by=by)
    services.validate(tenant, key=KEY, by=by)
    services.start(tenant, key=KEY, by=by)
    call_command(
        "simulate_traffic", tenant.slug, "permit_desk", users=users, seed=SEED, say=list(SAYS), leave=0.4, better=["short=0.25"], verbosity=0
    )
    services.count(tenant, key=KEY)
