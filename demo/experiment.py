"""The demo's experiment: a shorter first question of the permit desk, with some two hundred simulated users who talk to it."""

from typing import Any, Final

from django.conf import settings
from django.core.management import call_command

from conversations.models import Conversation
from experiments import queries, services
from experiments.models import Experiment
from mcp_platform.tenancy.models import Tenant, User

State = Experiment.State
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
    """Plan it, start it, let users talk. What was broken off goes on where it was; what people have made of it since is left alone."""
    if not settings.ENABLE_AB_TESTING:
        return
    row = queries.experiments(tenant).filter(key=KEY).first() or _planned(tenant, by)
    if row.phase > 1:
        return
    if row.state == State.DRAFT:
        row = services.validate(tenant, key=KEY, by=by)
    if row.state == State.VALIDATED:
        row = services.start(tenant, key=KEY, by=by)
    if row.state == State.RUNNING:
        _populate(tenant, row, users)


def _planned(tenant: Tenant, by: User) -> Experiment:
    known = set(queries.metrics(tenant).values_list("key", flat=True))
    for fields in METRICS:
        if fields["key"] not in known:
            services.save_metric(tenant, fields=dict(fields), by=by)
    return services.create(tenant, fields=PLAN, by=by)


def _populate(tenant: Tenant, row: Experiment, users: int) -> None:
    """Those who are missing, under names of their own, and the first count."""
    known = Conversation.objects.for_tenant(tenant).filter(flow_key=row.flow.flow_id if row.flow else "", user_ref__startswith="simulated-")
    held = known.values("user_ref").distinct().count()
    if held < users:
        traffic: dict[str, Any] = {"say": list(SAYS), "leave": 0.4, "better": ["short=0.25"], "verbosity": 0}
        call_command("simulate_traffic", tenant.slug, "permit_desk", users=users - held, seed=SEED + held, **traffic)
    if held < users or row.counted_at is None:
        services.count(tenant, key=KEY)
