"""Where an experiment stands: funnel, exposures, what stopping costs, how many are needed, and the plan before it is validated."""

import json
import random
from datetime import UTC, datetime, timedelta
from statistics import NormalDist
from typing import Any

import jsonpatch
import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import queries, services
from experiments.core import funnel, patches, power, sizing, stopping
from experiments.core.metrics import Shape
from experiments.core.overlay import MERGE, merged
from experiments.core.sizing import Wanted
from experiments.core.sums import Sums
from experiments.errors import NotInThisState, PlanRefused, RampRefused
from experiments.models import Experiment, Exposure, MetricSnapshot
from experiments.services import assigning
from flows import services as flow_services
from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.experiments.scenes import DESK, SHORTER, begun, desk, planned, say, started


def share(n: float, y: float) -> Sums:
    return Sums(n=n, y=y, yy=y, d=n, dd=n, yd=y)


def test_a_funnel_is_corrected_over_all_its_states() -> None:
    arms = [("control", True), ("a", False)]
    held = {
        "start": {"control": share(1000, 1000), "a": share(1000, 1000)},
        "ask": {"control": share(1000, 600), "a": share(1000, 545)},  # alone it would pass 0.05
        **{f"s{n}": {"control": share(1000, 500), "a": share(1000, 501 + n)} for n in range(8)},
    }
    alone = funnel.lifts(["ask"], arms, held, mode="fixed", alpha=0.05, many=False)[0]["arms"][1]
    among = {row["state"]: row["arms"][1] for row in funnel.lifts(held, arms, held, mode="fixed", alpha=0.05, many=False)}
    assert alone["significant"]
    assert alone["p_value"] == among["ask"]["p_value"]
    assert not among["ask"]["significant"]
    assert among["ask"]["adjusted_p_value"] > among["ask"]["p_value"]
    assert among["ask"]["difference"]["value"] == pytest.approx(-0.055)
    assert among["start"]["p_value"] in (None, 1.0), "everybody starts"
    assert among["start"]["share"] == 1.0


def test_states_come_as_conversations_meet_them() -> None:
    onward = {"end": [], "b": ["end", "a"], "lost": ["b"], "a": ["b", "nowhere"], "handler": ["a"]}
    assert funnel.in_order(["a"], onward) == ["a", "b", "end", "lost", "handler"]


@given(st.floats(-3, 3), st.floats(0.05, 2))
@settings(max_examples=25, deadline=None)
def test_the_expected_loss_is_the_mean_of_what_is_lost(difference: float, error: float) -> None:
    normal = NormalDist(difference, error)
    drawn = [max(-normal.inv_cdf((n + 0.5) / 4000), 0.0) for n in range(4000)]
    assert stopping.expected_loss(difference, error) == pytest.approx(sum(drawn) / 4000, abs=3e-3)


def test_stopping_early_costs_power_and_finds_only_large_effects() -> None:
    options: Any = {"ratio": False, "higher_is_better": True, "effect": 0.05, "needed": 2000, "alpha": 0.05, "target": 0.8, "sequential": True}
    early = stopping.stopping(share(200, 100), [("a", share(200, 112))], **options)
    late = stopping.stopping(share(2000, 1000), [("a", share(2000, 1120))], **options)
    assert (early["units_missing"], late["units_missing"]) == (1800, 0)
    assert early["power"] < late["power"]
    assert early["smallest_effect"] > late["smallest_effect"] > 0.03
    found = power.sequential_power((0.25, 0.25), late["smallest_effect"], 2000)
    assert found == pytest.approx(0.8, abs=0.02)
    losses = {one["arm"]: one["loss"] for one in early["choices"]}
    assert 0 < losses["a"] < losses[""], "who is ahead costs less to choose"
    worse = stopping.stopping(share(200, 100), [("a", share(200, 112))], **{**options, "higher_is_better": False})
    assert {one["arm"]: one["loss"] for one in worse["choices"]} == pytest.approx({"a": losses[""], "": losses["a"]})
    assert stopping.stopping(Sums(), [("a", Sums())], **options)["choices"] == []


def test_sizes_follow_what_is_wanted() -> None:
    one = sizing.size(Wanted(baseline=0.5, effect=0.1, daily=100.0, coverage=0.5))
    assert one["possible"]
    assert one["units_per_arm"] > one["units_per_arm_fixed"] == 388  # by the textbook
    assert one["days"] == pytest.approx(one["units"] / 50)
    assert [point["power"] for point in one["curve"]] == sorted(point["power"] for point in one["curve"])
    planned_ = next(point for point in one["curve"] if point["units_per_arm"] == one["units_per_arm"])
    assert planned_["power"] == pytest.approx(0.8, abs=0.001)
    assert planned_["power_fixed"] > planned_["power"], "looking has its price"
    assert sizing.size(Wanted(baseline=0.98, effect=0.05))["possible"], "where there is no room up, a fall is looked for"
    assert not sizing.size(Wanted(baseline=40.0))["possible"]
    assert not sizing.size(Wanted(baseline=0.5, effect=0.0))["possible"]
    mean = sizing.size(Wanted(shape=Shape.MEAN, baseline=5.0, deviation=2.0, effect=1.0, sequential=False))
    assert mean["units_per_arm"] == 63
    assert sizing.size(Wanted(shape=Shape.MEAN, baseline=5.0, deviation=0.0, effect=1.0))["possible"]


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3), max_leaves=8)
DOCUMENT = st.dictionaries(st.text("abc", min_size=1, max_size=2), JSON, max_size=4)


@given(DOCUMENT, DOCUMENT)
@settings(max_examples=150, deadline=None)
def test_modifications_between_two_documents_lead_from_one_to_the_other(base: Any, other: Any) -> None:
    kind, modifications = patches.between(base, other)
    made = merged(base, modifications) if kind == MERGE else jsonpatch.apply_patch(base, modifications)
    assert made == other


@pytest.fixture
def office() -> Tenant:
    assigning.forget_everything()
    tenant = factories.TenantFactory.create()
    desk(tenant)
    return tenant


def talked(office: Tenant, people: int, dice: random.Random) -> None:
    for number in range(people):
        talk = begun(office, f"u{number}")
        say(office, talk, "hi")
        if dice.random() < 0.7:
            say(office, talk, "7")


@pytest.mark.django_db
def test_what_the_live_page_reads(office: Tenant) -> None:
    row = started(office, unit="user", ramp=[{"coverage": 0.9, "min_hours": 2, "min_units": 50}, {"coverage": 1.0}])
    talked(office, 24, random.Random(1))
    services.count(office, key=row.key)
    row = queries.experiment(office, row.key)
    found = services.standing(row)
    assert [one["state"] for one in found["funnel_lift"]] == ["hello", "ask", "done"]
    assert [one["differs"] for one in found["funnel_lift"]] == [False, True, False]
    for arm in found["funnel_lift"][0]["arms"]:
        assert arm["share"] == 1.0
    assert 0 < sum(arm["reached"] for arm in found["funnel_lift"][2]["arms"]) < row.findings["exposed"]
    series = found["exposure"]
    assert series["step"] == "minute"
    assert set(series["points"][0]["arms"].values()) == {0}
    assert sum(series["points"][-1]["arms"].values()) == row.findings["exposed"]
    assert [step["state"] for step in found["ramp"]] == ["now", "next"]
    assert found["ramp"][1]["units_missing"] == 50 - row.findings["exposed"]
    assert found["ramp"][1]["due_at"] > timezone.now() + timedelta(hours=1)
    assert found["progress"]["units_a_day"] is None, "too young for a rate"
    assert found["stopping"]["units_missing"] == found["sizing"]["units_per_arm"] - int(found["stopping"]["units"])
    assert set(found["effect"]["points"][0]["arms"]) == {"short"}


@pytest.mark.django_db
def test_a_user_of_many_conversations_is_exposed_once_over_time(office: Tenant) -> None:
    row = started(office, unit="user")
    for _ in range(3):
        say(office, begun(office, "ada"), "hi")
    begin = timezone.now() - timedelta(hours=30)
    Experiment.objects.filter(pk=row.pk).update(started_at=begin)
    for number, exposure in enumerate(Exposure.objects.filter(experiment=row).order_by("pk")):
        Exposure.objects.filter(pk=exposure.pk).update(at=begin + timedelta(hours=8 * number))
    series = queries.exposure_series(queries.experiment(office, row.key), timezone.now())
    assert series["step"] == "hour"
    assert [sum(one["arms"].values()) for one in series["points"]] == [0, 1, 1]


@pytest.mark.django_db
def test_an_old_phase_is_told_by_its_days(office: Tenant) -> None:
    row = started(office)
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC)
    Experiment.objects.filter(pk=row.pk).update(started_at=begin)
    row = queries.experiment(office, row.key)
    control, short = row.variants.all()
    for day, (a, b), (done_a, done_b) in ((1, (150, 160), (75, 80)), (2, (400, 410), (200, 260))):
        for variant, units, done in ((control, a, done_a), (short, b, done_b)):
            keys: Any = {"tenant": office, "experiment": row, "variant": variant, "phase": 1, "day": (begin + timedelta(days=day)).date()}
            MetricSnapshot.objects.create(**keys, metric="", sums={"n": units})
            MetricSnapshot.objects.create(**keys, metric="completed", sums=share(units, done).to_json())
    series = queries.exposure_series(row, begin + timedelta(days=9))
    assert (series["step"], [one["arms"]["short"] for one in series["points"]]) == ("day", [0, 160, 410, 410])
    effect = services.standing(row)["effect"]
    assert effect is not None
    first, second = (one["arms"]["short"] for one in effect["points"])
    assert first["value"] == pytest.approx(0.0)
    assert second["lower"] > 0, "certain on the second day"
    assert first["upper"] - first["lower"] > second["upper"] - second["lower"], "the interval narrows"


@pytest.mark.django_db
def test_the_next_step_may_be_taken_before_its_time(office: Tenant) -> None:
    row = started(office, ramp=[{"coverage": 0.2, "min_hours": 24}, {"coverage": 0.6}])
    assert services.step(office, key=row.key, by=None).coverage == 0.6
    row = queries.experiment(office, row.key)
    assert (row.coverage, row.ramp_step) == (0.6, 1)
    with pytest.raises(NotInThisState):
        services.step(office, key=row.key, by=None)
    with pytest.raises(PlanRefused):
        services.ramp(office, key=row.key, coverage=1.5, by=None)


@pytest.mark.django_db
def test_no_step_is_taken_while_units_are_shared_out_wrongly(office: Tenant) -> None:
    row = started(office, ramp=[{"coverage": 0.2}, {"coverage": 0.6}])
    Experiment.objects.filter(pk=row.pk).update(findings={"sample_ratio": {"alarm": True, "p_value": 0.0}})
    with pytest.raises(RampRefused):
        services.step(office, key=row.key, by=None)
    assert queries.experiment(office, row.key).ramp_step == 0


@pytest.mark.django_db
def test_a_review_finds_what_a_validation_would_refuse_and_keeps_nothing(office: Tenant) -> None:
    broken = {"states": {"ask": {"transitions": [{"condition": "slot_filled", "target_state": "nowhere"}]}}}
    made = [
        {"key": "control", "is_control": True, "percentage": 40.0},
        {"key": "a", "percentage": 20.0, "modifications": broken},
        {"key": "b", "percentage": 20.0},
        {"key": "c", "percentage": 10.0, "modifications": SHORTER},
        {"key": "d", "percentage": 10.0, "modifications": SHORTER},
    ]
    row = planned(office, variants=made, metrics=[])
    row = queries.experiment(office, row.key)
    versions = row.flow.versions.count() if row.flow else 0
    found = services.review(row, services.sizing(row))
    paths = [one["path"].split(":")[0] for one in found["faults"]]
    assert paths == ["$.metrics", "$.variants[1].modifications", "$.variants[2].modifications", "$.variants[4].modifications"]
    assert [one["code"] for one in found["advice"]] == ["guardrail"]
    assert row.flow is not None
    assert row.flow.versions.count() == versions


@pytest.mark.django_db
def test_advice_before_the_start(office: Tenant) -> None:
    started(office, key="first")
    row = planned(office)
    services.validate(office, key=row.key, by=None)
    row = queries.experiment(office, row.key)
    found = services.review(row, {**services.sizing(row), "days": 400.0})
    assert [one["code"] for one in found["advice"]] == ["long", "guardrail", "overlaps"]
    assert found["faults"] == []


@pytest.mark.django_db
def test_what_conversations_do_now_fills_in_the_plan(office: Tenant) -> None:
    row = queries.experiment(office, planned(office).key)
    assert services.logged(row) is None, "nobody has talked yet"
    talked(office, 30, random.Random(2))
    basis = services.logged(row)
    assert basis is not None
    assert (basis.units, basis.daily) == (30, 30.0)
    assert 0.5 < basis.mean < 0.9
    assert services.sizing(row, basis=basis)["baseline"] == basis.mean


@pytest.mark.django_db
def test_the_same_over_rest(office: Tenant, client: Any) -> None:
    row = started(office)
    say(office, begun(office), "hi")
    services.count(office, key=row.key)
    headers = factories.bearer(office, ["experiments:read", "experiments:run"])
    found = client.get(f"/api/v1/experiments/{row.key}/findings", headers=headers).json()
    assert found["exposure"]["points"][0]["arms"] == {"control": 0, "short": 0}
    assert found["funnel_lift"][1]["state"] == "ask"
    assert found["stopping"]["units_needed"] == found["sizing"]["units_per_arm"]
    review = client.get(f"/api/v1/experiments/{row.key}/review", headers=headers).json()
    assert review["variants"][1]["changes"] == [
        {"path": "$.states.ask.config.prompts.storeys", "kind": "changed", "before": "How many storeys?", "after": "Storeys?"}
    ]
    wanted = {"measure": "csat", "baseline": 4.0, "deviation": 1.0, "effect": 0.2, "sequential": False}
    sized = client.post("/api/v1/experiment-sizing", json.dumps(wanted), content_type="application/json", headers=headers)
    assert (sized.status_code, sized.json()["units_per_arm"]) == (200, 393)
    wrong = client.post("/api/v1/experiment-sizing", '{"baseline": "x", "effect": 0}', content_type="application/json", headers=headers)
    assert (wrong.status_code, sorted(one["path"] for one in wrong.json()["errors"])) == (400, ["$.baseline", "$.effect"])
    refused = client.post(f"/api/v1/experiments/{row.key}/step", headers=headers)
    assert (refused.status_code, refused.json()["error_code"]) == (409, "EXPERIMENT_STATE")


@pytest.mark.django_db
def test_the_draft_becomes_a_variant(office: Tenant) -> None:
    from experiments.services import drafting

    row = queries.experiment(office, planned(office).key)
    with pytest.raises(PlanRefused):
        drafting.of_draft(row)
    longer = {**DESK["states"]["ask"], "config": {**DESK["states"]["ask"]["config"], "prompts": {"storeys": "How many storeys, please?"}}}
    flow_services.save_draft(office, flow_id="desk", document={**DESK, "states": {**DESK["states"], "ask": longer}}, by=None)
    kind, modifications = drafting.of_draft(row)
    assert (kind, list(modifications["states"])) == ("merge", ["ask"])
    short = next(one for one in row.variants.all() if not one.is_control)
    again = drafting.with_state(row, short, "ask", drafting.states_of(row, short)["ask"])
    assert again[1]["states"]["ask"]["config"]["prompts"] == {"storeys": drafting.states_of(row, short)["ask"]["config"]["prompts"]["storeys"]}
