"""Experiments on the ranking of findings: a building's board has the order of one model, exposure comes with it, and people's verdicts count."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db.models import F
from django.utils import timezone

from experiments import queries, services
from experiments.models import Assignment, Experiment, Exposure
from experiments.services import assigning
from mcp_platform.ml import queries as models
from mcp_platform.ml import services as ml
from mcp_platform.ml import stages
from mcp_platform.ml.models import ModelVersion, ShadowReading
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import Tenant, User
from tests.factories import TenantFactory, member
from tests.validation import judged
from tests.validation.test_triage import Quiet
from validation.core import ranking
from validation.core.risk import BASELINES, FEATURES
from validation.models import Building, Finding
from validation.services import triage
from validation.tasks import triage as tasks
from validation.triage import champions, forest, shadows

pytestmark = pytest.mark.django_db
METRICS = {
    "dispositions": 500,
    "train": 400,
    "held_out": 100,
    "accuracy": 0.9,
    "model": {"average_precision": 0.9},
    "gains": {name: {"average_precision": 0.2, "low": 0.1, "high": 0.3} for name in BASELINES},
}


def stump(sign: float) -> forest.Forest:
    """One tree with one question: the severity. Severe findings first (1), or last (-1)."""
    width = len(FEATURES)
    whole, none = np.array([0, 0, 0], np.int32), np.full((width, ranking.BINS), np.nan)
    return forest.Forest(
        start=0.0,
        roots=np.array([0], np.int32),
        feature=whole,
        threshold=np.array([1.5, 0.0, 0.0]),
        left=np.array([1, 0, 0], np.int32),
        right=np.array([2, 0, 0], np.int32),
        missing_left=np.array([True, False, False]),
        leaf=np.array([False, True, True]),
        value=np.array([0.0, -sign, sign]),
        usual=np.zeros(width),
        edges=none,
        shares=np.full((width, ranking.BINS + 1), np.nan),
    )


def kept(tenant: Tenant, made: forest.Forest) -> ModelVersion:
    content = forest.to_bytes(made)
    return ml.keep(tenant, kind=champions.KIND, subject=champions.SUBJECT, content=content, metrics=METRICS, card={}, data_sha256="0" * 64, by=None)


@pytest.fixture(autouse=True)
def _afresh() -> None:
    assigning.forget_everything()
    queries.running.__globals__["_running"].clear()
    for held in (champions._forests, champions._histories, champions._refused):
        held.clear()


@pytest.fixture
def tenant() -> Tenant:
    found = TenantFactory.create()
    ml.promote(found, model_id=kept(found, stump(1.0)).pk, by=None)
    models.forget(found.pk, "now")  # the test's transaction never commits
    services.save_metric(found, fields={"key": "first", "name": "First", "measure": "precision_at", "of": "1"}, by=None)
    services.save_metric(found, fields={"key": "fixed", "name": "Fixed", "measure": "findings_fixed"}, by=None)
    return found


@pytest.fixture
def person(tenant: Tenant) -> User:
    return member(tenant)


def houses(tenant: Tenant, count: int) -> list[Building]:
    found = [judged.a_building(tenant, f"House {n}") for n in range(count)]
    for house in found:
        Finding.objects.bulk_create([judged.a_finding(house, severity=name, subject=name) for name in ("critical", "minor")])
    return found


def started(tenant: Tenant, **more: Any) -> Experiment:
    fields = {
        "key": "order",
        "name": "Another order",
        "kind": "risk_model",
        "variants": [
            {"key": "control", "is_control": True, "percentage": 50.0},
            {"key": "other", "percentage": 50.0, "model": kept(tenant, stump(-1.0)).pk},
        ],
        "metrics": [{"metric": "first", "role": "primary"}, {"metric": "fixed", "role": "secondary"}],
        **more,
    }
    services.create(tenant, fields=fields, by=None)
    services.validate(tenant, key="order", by=None)
    return services.start(tenant, key="order", by=None)


def ranked(house: Building) -> list[Finding]:
    return list(Finding.objects.filter(building=house).order_by("-ml_score"))


def arm_of(house: Building) -> str:
    return Assignment.objects.get(unit_id=str(house.pk)).variant.key


def test_each_board_has_the_order_of_its_arms_model_and_is_exposed_once(tenant: Tenant) -> None:
    row = started(tenant)
    assert (row.unit, row.subject) == ("building", "findings")
    some = houses(tenant, 16)
    assert triage.score_new(tenant) == 32
    first = {"control": "critical", "other": "minor"}
    names = {one.key: one.model_id for one in row.variants.all()}
    arms = {house.pk: arm_of(house) for house in some}
    for house in some:
        board = ranked(house)
        assert board[0].subject == first[arms[house.pk]]
        assert {one.ml_model_version for one in board} == {names[arms[house.pk]]}
        exposure = Exposure.objects.get(conversation_id=house.pk)
        assert (exposure.variant.key, exposure.turn_id, exposure.state) == (arms[house.pk], None, "findings")
    assert set(arms.values()) == {"control", "other"}
    judged.a_finding(some[0], subject="later").save()
    triage.score_new(tenant, building_id=some[0].pk)
    assert Exposure.objects.count() == 16
    assert triage.reasons(tenant, finding_id=ranked(some[0])[0].pk)["model"] == str(names[arms[some[0].pk]])


def test_a_board_that_the_champion_had_ranked_is_ranked_as_a_whole(tenant: Tenant) -> None:
    some = houses(tenant, 12)
    triage.score_new(tenant)
    row = started(tenant)
    names = {one.key: one.model_id for one in row.variants.all()}
    for house in some:
        judged.a_finding(house, subject="new", severity="major").save()
        triage.score_new(tenant, building_id=house.pk)
        assert {one.ml_model_version for one in ranked(house)} == {names[arm_of(house)]}, "never the order of two models"


def test_a_stop_gives_the_champions_order_back(tenant: Tenant) -> None:
    row = started(tenant)
    some = houses(tenant, 10)
    triage.score_new(tenant)
    assert triage.rescore_stale() == 0
    assert not Operation.objects.for_tenant(tenant).filter(kind=triage.RESCORE).exists(), "every board has the model that it should"
    champion = models.champion(tenant, kind=champions.KIND, subject=champions.SUBJECT)
    assert champion is not None
    services.stop(tenant, key=row.key, reason="enough", by=None)
    triage.rescore_stale()
    operation = Operation.objects.for_tenant(tenant).get(kind=triage.RESCORE)
    tasks.rescore(tenant, operation.arguments, Quiet())
    assert {one.ml_model_version for house in some for one in ranked(house)} == {champion.pk}
    other = row.variants.get(key="other").model
    assert other is not None
    assert other.status == "candidate"


def test_lists_follow_at_once_when_it_begins_and_ends(tenant: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    houses(tenant, 2)
    triage.score_new(tenant)
    with django_capture_on_commit_callbacks(execute=True):
        started(tenant)
    assert Operation.objects.for_tenant(tenant).filter(kind=triage.RESCORE).count() == 1
    Operation.objects.for_tenant(tenant).update(status=Operation.Status.SUCCEEDED)
    with django_capture_on_commit_callbacks(execute=True):
        services.stop(tenant, key="order", by=None)
    assert Operation.objects.for_tenant(tenant).filter(kind=triage.RESCORE).count() == 2


def test_peoples_verdicts_on_what_was_ranked_count_for_its_arm(tenant: Tenant, person: User) -> None:
    before = houses(tenant, 1)[0]
    judged.judge(ranked(before)[0], "acknowledged", by=person, at=timezone.now())
    row = started(tenant)
    some = houses(tenant, 16)
    triage.score_new(tenant)
    arms: defaultdict[str, int] = defaultdict(int)
    for house in some:
        arms[arm_of(house)] += 1
        for one in ranked(house):
            judged.judge(one, "fixed" if one.subject == "critical" else "false_positive", by=person)
    found = services.count(tenant, key=row.key)
    exposed = {arm["key"]: arm["exposed"] for arm in found["arms"]}
    assert exposed == {**arms, arm_of(before): arms[arm_of(before)] + 1}
    first, fixed = found["metrics"]
    assert {arm["key"]: (arm["units"], arm["value"]) for arm in first["arms"]} == {"control": (arms["control"], 1.0), "other": (arms["other"], 0.0)}
    assert all(0.6 < arm["value"] <= 1.0 for arm in fixed["arms"]), "what was judged before it was ranked counts nowhere"
    assert found == {**services.count(tenant, key=row.key), "as_of": found["as_of"]}


def test_targeting_asks_about_the_building(tenant: Tenant) -> None:
    some = houses(tenant, 4)
    started(tenant, targeting={"project_id": str(some[0].project_id), "jurisdiction": "US-WA"})
    triage.score_new(tenant)
    assert list(Assignment.objects.values_list("unit_id", flat=True)) == [str(some[0].pk)]
    champion = models.champion(tenant, kind=champions.KIND, subject=champions.SUBJECT)
    assert champion is not None
    assert {one.ml_model_version for house in some[1:] for one in ranked(house)} == {champion.pk}


def test_a_ranking_that_cannot_be_used_exposes_nobody(tenant: Tenant) -> None:
    row = started(tenant)
    other = row.variants.get(key="other").model_id
    assert other is not None
    champions._refused[other] = float("inf")
    some = houses(tenant, 10)
    triage.score_new(tenant)
    assert {one.variant.key for one in Exposure.objects.all()} == {"control"}
    assert {ranked(house)[0].subject for house in some} == {"critical"}
    triage.rescore_stale()
    assert not Operation.objects.for_tenant(tenant).filter(kind=triage.RESCORE).exists(), "nothing is stale that cannot be ranked otherwise"


def test_a_shadow_ranks_what_was_ranked_and_nobody_sees_it(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    row = stages.shadow(tenant, model_id=kept(tenant, stump(-1.0)).pk, by=None)
    models.forget(tenant.pk, "shadow")
    asked: list[dict[str, str]] = []
    monkeypatch.setattr("mcp_platform.jobs.enqueue", lambda name, **given: asked.append(given) if name == "validation.shadow_ranking" else None)
    house = houses(tenant, 1)[0]
    Finding.objects.bulk_create([judged.a_finding(house, severity="critical" if n % 2 else "minor", subject=f"s{n}") for n in range(18)])
    triage.score_new(tenant)
    assert [given["building_id"] for given in asked] == [str(house.pk)]
    shadows.compare(tenant, building_id=house.pk)
    found = ShadowReading.objects.get(model=row)
    assert (found.compared, found.agreed, found.served_number, found.runs) == (10, 0, 1, 1)
    assert found.sure == found.served_sure == 10
    assert not Finding.objects.filter(ml_model_version=row.pk).exists()


def values(found: Any) -> dict[str, dict[str, Any]]:
    """Metric -> arm -> (units, value)."""
    return {one["key"]: {arm["key"]: (arm["units"], arm["value"]) for arm in one["arms"]} for one in found["metrics"]}


def gone(one: Finding) -> None:
    Finding.objects.filter(pk=one.pk).update(resolved_seq=2, resolved_at=timezone.now(), rev=F("rev") + 1)


def test_what_was_decided_or_gone_before_the_start_counts_for_no_arm(tenant: Tenant, person: User) -> None:
    some = houses(tenant, 12)
    for house in some:
        judged.a_finding(house, severity="critical", subject="away").save()
    triage.score_new(tenant)
    for house in some:
        judged.judge(Finding.objects.get(building=house, subject="critical"), "acknowledged", by=person)
        gone(Finding.objects.get(building=house, subject="away"))
    row = started(tenant)
    triage.rescore(tenant, {}, Quiet())
    for house in some:
        known, new = (Finding.objects.get(building=house, subject=name) for name in ("critical", "minor"))
        judged.judge(known, "fixed", by=person)
        gone(known)
        judged.judge(new, "false_positive", by=person)
    found = values(services.count(tenant, key=row.key))
    assert {value for _, value in found["first"].values()} == {0.0}, "the champion had the other one at the first place, and nobody else could"
    assert {value for _, value in found["fixed"].values()} == {0.0}
    assert sum(units for units, _ in found["first"].values()) == 12


def test_what_comes_back_is_taken_out_again(tenant: Tenant) -> None:
    row = started(tenant)
    some = houses(tenant, 8)
    triage.score_new(tenant)
    for house in some:
        gone(ranked(house)[0])
    assert {value for _, value in values(services.count(tenant, key=row.key))["fixed"].values()} == {1.0}
    for house in some:
        back = ranked(house)[0]
        judged.judge(back, "reopened", by=None)
        Finding.objects.filter(pk=back.pk).update(resolved_seq=None, resolved_at=None, rev=F("rev") + 1)
    assert {value for _, value in values(services.count(tenant, key=row.key))["fixed"].values()} == {0.0}


def test_after_a_stop_counts_what_was_there_before_lists_were_ranked_again(tenant: Tenant, person: User) -> None:
    row = started(tenant)
    some = houses(tenant, 12)
    triage.score_new(tenant)
    for house in some:
        judged.judge(ranked(house)[1], "acknowledged", by=person)
    services.stop(tenant, key=row.key, reason="enough", by=None)
    for house in some:
        judged.judge(ranked(house)[0], "fixed", by=person)
        judged.a_finding(house, subject="late").save()
    triage.rescore(tenant, {}, Quiet())
    found = services.count(tenant, key=row.key)
    told = values(found)
    assert {units for units, _ in told["first"].values()} == {0}, "nobody had judged the first place of any list"
    assert {value for _, value in told["fixed"].values()} == {0.0}
    assert sum(units for units, _ in told["fixed"].values()) == 12
    for one in Finding.objects.filter(building__in=some, subject="late"):
        judged.judge(one, "fixed", by=person)
    assert found == {**services.count(tenant, key=row.key), "as_of": found["as_of"]}
    ago = timezone.now() - timedelta(days=1)
    Experiment.objects.update(stopped_at=ago, counted_at=ago)
    assert services.experiments_behind() == []
    Experiment.objects.update(counted_at=ago - timedelta(hours=1))
    assert services.experiments_behind() == [(tenant.pk, row.pk)], "the last time is still to come"


def test_a_pause_leaves_lists_as_they_are_and_nobody_joins(tenant: Tenant) -> None:
    row = started(tenant)
    some = houses(tenant, 10)
    triage.score_new(tenant)
    names = {one.key: one.model_id for one in row.variants.all()}
    services.pause(tenant, key=row.key, by=None)
    triage.rescore_stale()
    assert not Operation.objects.for_tenant(tenant).filter(kind=triage.RESCORE).exists()
    more = houses(tenant, 10)
    for house in some:
        judged.a_finding(house, subject="new").save()
    triage.score_new(tenant)
    triage.rescore(tenant, {}, Quiet())
    for house in some:
        assert {one.ml_model_version for one in ranked(house)} == {names[arm_of(house)]}
    assert {ranked(house)[0].subject for house in more} == {"critical"}
    assert (Assignment.objects.count(), Exposure.objects.count()) == (10, 10)
    services.resume(tenant, key=row.key, by=None)
    triage.rescore(tenant, {}, Quiet())
    assert (Assignment.objects.count(), Exposure.objects.count()) == (20, 20)


def test_a_stop_reaches_a_ranking_that_is_under_way(tenant: Tenant) -> None:
    row = started(tenant)
    some = houses(tenant, 10)
    todo = list(triage._undecided(tenant).order_by("building_id").values_list("pk", "building_id"))
    parts, known = triage._in_parts(tenant, todo), champions.history(tenant)
    first, met = next(parts)
    services.stop(tenant, key=row.key, by=None)
    triage._score(tenant, first, known, met)
    for ids, then in parts:
        triage._score(tenant, ids, known, then)
    champion = models.champion(tenant, kind=champions.KIND, subject=champions.SUBJECT)
    assert champion is not None
    rest = Finding.objects.filter(building__in=some).exclude(pk__in=first)
    assert set(rest.values_list("ml_model_version", flat=True)) == {champion.pk}
    assert not Exposure.objects.exists()


def test_of_long_lists_a_shadow_ranks_the_first_places(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    ml.promote(tenant, model_id=kept(tenant, stump(-1.0)).pk, by=None)
    row = stages.shadow(tenant, model_id=kept(tenant, stump(1.0)).pk, by=None)
    models.forget(tenant.pk, "shadow")
    monkeypatch.setattr(shadows, "MOST", 2)
    house = houses(tenant, 1)[0]
    Finding.objects.bulk_create([judged.a_finding(house, severity=name, subject=f"more {name}") for name in ("critical", "minor")])
    triage.score_new(tenant)
    shadows.compare(tenant, building_id=house.pk)
    found = ShadowReading.objects.get(model=row)
    assert (found.compared, found.served_sure, found.sure) == (2, 2, 0), "what serves has the minor ones first"
