"""What the platform serves to GrowthBook's SDKs, evaluated by theirs: for every unit the arm that the platform itself decides on."""

import json
import random
from typing import Any

import pytest
from django.utils import timezone
from growthbook import core as oracle
from growthbook.common_types import EvaluationContext, Feature, GlobalContext, Options, StackContext, UserContext

from experiments import queries, services
from experiments.core.assign import decide
from experiments.models import Experiment
from flows.errors import EnvironmentNotFound
from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.experiments.scenes import SHORTER, desk, planned

EXPERIMENTS, UNITS = 24, 120
TARGETS: tuple[dict[str, Any], ...] = (
    {},
    {"channel": "web"},
    {"channel": {"$in": ["web", "mail"]}, "profile.tier": {"$ne": "tin"}},
    {"$or": [{"locale": {"$regex": "^de"}}, {"profile.age": {"$gte": 40}}]},
    {"$not": {"profile.tags": {"$elemMatch": {"$eq": "staff"}}}},
    {"profile.version": {"$vgt": "1.9.0"}},
)


@pytest.fixture
def office(db: None) -> Tenant:
    tenant = factories.TenantFactory.create()
    desk(tenant)
    services.save_namespace(tenant, fields={"key": "room"}, by=None)
    services.save_holdout(tenant, fields={"key": "kept", "share": 0.3}, by=None)
    return tenant


def any_plan(office: Tenant, dice: random.Random, number: int) -> Experiment:
    """Of every kind of sharing out; it runs without having been started, because they all run on one flow."""
    first = dice.choice([50.0, 10.0, 90.0, 33.3])
    arms = [{"key": "control", "is_control": True, "percentage": first}, {"key": "short", "percentage": 100 - first, "modifications": SHORTER}]
    more: dict[str, Any] = {"coverage": dice.choice([0.0, 0.25, 0.9, 1.0]), "targeting": dice.choice(TARGETS)}
    if dice.random() < 0.4:
        start = dice.choice([0.0, 0.2])
        more |= {"namespace": "room", "namespace_start": start, "namespace_end": start + dice.choice([0.3, 0.7])}
    if dice.random() < 0.4:
        more["holdout"] = "kept"
    if dice.random() < 0.5:
        more["seed"] = dice.choice(["s", "größe", "😀", "a:b"])
    return planned(office, key=f"trial-{number}", unit="user", variants=arms, **more)


def anybody(dice: random.Random, number: int) -> dict[str, Any]:
    profile = {
        "tier": dice.choice(["gold", "tin", None]),
        "age": dice.choice([17, 40, 41.5, "40"]),
        "tags": dice.choice([["staff"], ["a", "b"], []]),
        "version": dice.choice(["1.9.0", "1.10.0", "2.0.0-rc.1", "x"]),
    }
    unit = dice.choice([f"user-{number}", f"ünïcode-{number}", f"{number}", f"😀{number}", "x" * number])
    return {"id": unit, "channel": dice.choice(["web", "mail", "phone"]), "locale": dice.choice(["de", "de-AT", "en"]), "profile": profile}


@pytest.mark.parametrize("seed", [1, 2])
def test_their_sdk_computes_our_arms(office: Tenant, seed: int) -> None:
    dice = random.Random(seed)
    rows = [any_plan(office, dice, number) for number in range(EXPERIMENTS)]
    Experiment.objects.filter(pk__in=[row.pk for row in rows]).update(state=Experiment.State.RUNNING, started_at=timezone.now())
    served = json.loads(json.dumps(services.features(office)))["features"]
    assert len(served) == EXPERIMENTS
    document = {key: Feature(**feature) for key, feature in served.items()}
    plans = {row.key: queries.trial_of(queries.experiment(office, row.key)).plan for row in rows}
    seen = set()
    for number in range(1, UNITS):
        attributes = anybody(dice, number)
        context = EvaluationContext(
            user=UserContext(attributes=attributes),
            global_ctx=GlobalContext(options=Options(), features=document),
            stack=StackContext(evaluated_features=set()),
        )
        for key, plan in plans.items():
            ours = decide(plan, attributes["id"], attributes, timezone.now())
            theirs = oracle.eval_feature(key, context).value
            assert (ours.arm or None) == theirs, (key, attributes, served[key])
            seen.add((bool(ours.arm), ours.reason))
    assert {reason.value for _, reason in seen} >= {"hashed", "holdout", "namespace", "targeting", "not_included"}, "every way out was met"


def test_features_of_no_environment_are_not_there(office: Tenant) -> None:
    with pytest.raises(EnvironmentNotFound):
        services.features(office, environment="moon")
