"""Experiments on intent models: arms understand with their own model, exposure where it did, challengers come and go, shadows are never heard."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from conversations import hearing, shadows
from conversations import services as talking
from conversations.models import ConversationEvent, Turn
from conversations.nlu import champions, training
from conversations.nlu.model import BAR, IntentModel, to_bytes
from experiments import queries, services
from experiments.errors import BaseHasMoved, Overlaps, PlanRefused
from experiments.models import Assignment, Experiment, Exposure
from experiments.services import assigning
from mcp_platform.ml import queries as models
from mcp_platform.ml import services as ml
from mcp_platform.ml import stages
from mcp_platform.ml.errors import IsChallenger
from mcp_platform.ml.models import ModelArtifact, ModelVersion, ShadowReading
from mcp_platform.tenancy.models import Role, Tenant
from tests import factories
from tests.nlu import samples
from tests.tenancy.clients import client_of, logged_in

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True)
class World:
    """A model, one that takes refunds for parcels, and a sentence that is no example: only models understand it."""

    right: IntentModel
    wrong: IntentModel
    metrics: dict[str, Any]
    said: str
    means: str
    taken_for: str


@pytest.fixture(scope="module")
def world() -> World:
    learned = training.learn(samples.examples(), encoder="")
    model = learned.model
    text, means = next((text, name) for name, some in samples.ASKED.items() for text in some if sure(model, text) == name)
    taken_for = next(name for name in samples.ASKED if name != means)
    places = list(range(len(model.labels)))
    one, other = model.labels.index(means), model.labels.index(taken_for)
    places[one], places[other] = other, one
    return World(model, replace(model, matrix=model.matrix[:, places]), learned.report.as_json(), text, means, taken_for)


def sure(model: IntentModel, text: str) -> str:
    (name, confidence), *_ = model.classify(text) or (("", 0.0),)
    return name if confidence >= BAR else ""


@pytest.fixture(autouse=True)
def _afresh() -> None:
    assigning.forget_everything()
    queries.running.__globals__["_running"].clear()
    _forget_models()


def _forget_models() -> None:
    champions._models.clear()
    champions._refused.clear()
    hearing._listening.clear()


@pytest.fixture
def office(world: World) -> Tenant:
    tenant = factories.TenantFactory.create()
    factories.published(tenant, samples.shop())
    row = kept(tenant, world, world.right)
    ml.promote(tenant, model_id=row.pk, by=None)
    models.forget(tenant.pk, "now")  # the test's transaction never commits
    for key, measure in (("confident", "intent_confidence"), ("missed", "low_confidence_rate")):
        services.save_metric(tenant, fields={"key": key, "name": key, "measure": measure}, by=None)
    return tenant


def kept(tenant: Tenant, world: World, model: IntentModel, subject: str = "flow:shop", **more: Any) -> ModelVersion:
    given = {"kind": "intent", "subject": subject, "metrics": world.metrics, "card": {}, "data_sha256": "0" * 64, **more}
    return ml.keep(tenant, content=to_bytes(model), by=None, **given)


def planned(tenant: Tenant, model: UUID | None, key: str = "better", **more: Any) -> Experiment:
    fields = {
        "key": key,
        "name": "A better ear",
        "kind": "intent_model",
        "flow": "shop",
        "variants": [{"key": "control", "is_control": True, "percentage": 50.0}, {"key": "other", "percentage": 50.0, "model": model}],
        "metrics": [{"metric": "confident", "role": "primary"}, {"metric": "missed", "role": "secondary"}],
        **more,
    }
    return services.create(tenant, fields=fields, by=None)


def started(tenant: Tenant, world: World, **more: Any) -> Experiment:
    row = planned(tenant, kept(tenant, world, world.wrong).pk, **more)
    services.validate(tenant, key=row.key, by=None)
    return services.start(tenant, key=row.key, by=None)


def begun(tenant: Tenant, user: str = "") -> Any:
    return talking.start(tenant, flow_id="shop", user_ref=user)


def say(tenant: Tenant, talk: Any, text: str) -> dict[str, Any]:
    reply: dict[str, Any] = talking.process_message(tenant, conversation_id=talk.conversation_id, content={"type": "text", "text": text}).reply
    return reply


def heard(talk: Any) -> list[dict[str, Any]]:
    rows = ConversationEvent.objects.filter(conversation_id=talk.conversation_id, kind="message").order_by("seq")
    return list(rows.values_list("data", flat=True))


def status(row: Experiment, arm: str = "other") -> str:
    model = row.variants.get(key=arm).model
    assert model is not None
    return ModelVersion.objects.get(pk=model.pk).status


def test_arms_understand_with_their_own_models_and_are_exposed_once(office: Tenant, world: World) -> None:
    row = started(office, world)
    names = {one.key: str(one.model_id) for one in row.variants.all()}
    arms: Counter[str] = Counter()
    for _ in range(16):
        talk = begun(office)
        arm = talk.reply["ab_variant"].partition(":")[2]
        assert not Exposure.objects.filter(conversation_id=talk.conversation_id).exists(), "nothing was understood yet"
        said = say(office, talk, world.said)
        assert said["ab_variant"] == f"better:{arm}"
        assert {"control": f"This is about {world.means}.", "other": f"This is about {world.taken_for}."}[arm] in str(said)
        (event,) = heard(talk)
        assert event["models"] == {"shop": names[arm]}
        turn = Turn.objects.filter(conversation_id=talk.conversation_id).latest("number")
        assert turn.request["input"]["models"] == {"shop": names[arm]}, "what a replay reads"
        exposure = Exposure.objects.get(conversation_id=talk.conversation_id)
        assert (exposure.variant.key, exposure.turn_id, exposure.state, exposure.analysed) == (arm, turn.pk, "menu", True)
        say(office, talk, world.said)
        assert Exposure.objects.filter(conversation_id=talk.conversation_id).count() == 1
        arms[arm] += 1
    assert set(arms) == {"control", "other"}
    assert Assignment.objects.filter(experiment=row).count() == 16
    assert row.variants.get(key="control").model == models.champion(office, kind="intent", subject="flow:shop")
    assert set(row.states) == {f"do_{name}" for name in samples.ASKED}, "the funnel counts where intents lead"
    found = services.count(office, key=row.key)
    assert found["exposed"] == 16
    assert {arm["key"]: arm["units"] for arm in found["metrics"][0]["arms"]} == dict(arms)
    assert all(arm["value"] > BAR for arm in found["metrics"][0]["arms"])


def test_a_user_is_understood_by_the_same_model_everywhere(office: Tenant, world: World) -> None:
    started(office, world, unit="user")
    arms = {user: begun(office, user).reply["ab_variant"] for user in (f"u{n}" for n in range(8))}
    assert set(arms.values()) == {"better:control", "better:other"}
    assigning.forget_everything()  # as another process would
    for user, arm in arms.items():
        talk = begun(office, user)
        hearing._listening.clear()
        assert say(office, talk, world.said)["ab_variant"] == arm
        assert Exposure.objects.get(conversation_id=talk.conversation_id).variant.key == arm.partition(":")[2]


def test_a_stop_gives_the_champion_back_at_once(office: Tenant, world: World) -> None:
    row = started(office, world)
    assert status(row) == "challenger"
    talk = next(talk for talk in (begun(office) for _ in range(40)) if talk.reply["ab_variant"] == "better:other")
    assert world.taken_for in str(say(office, talk, world.said))
    services.stop(office, key=row.key, reason="it takes refunds for parcels", by=None)
    after = say(office, talk, world.said)
    assert f"This is about {world.means}." in str(after)
    assert after["ab_variant"] is None
    assert status(row) == "candidate"
    assert begun(office).reply["ab_variant"] is None


def test_what_began_before_is_understood_by_the_champion_and_counts_nowhere(office: Tenant, world: World) -> None:
    early = [begun(office) for _ in range(6)]
    row = started(office, world, coverage=0.0)
    late = [begun(office) for _ in range(6)]
    services.ramp(office, key=row.key, coverage=1.0, by=None)
    for talk in (*early, *late):
        said = say(office, talk, world.said)
        assert f"This is about {world.means}." in str(said)
        assert said["ab_variant"] is None
    assert not Exposure.objects.exists()


def test_a_model_that_cannot_be_used_exposes_nobody(office: Tenant, world: World) -> None:
    row = started(office, world)
    ModelArtifact.objects.filter(model=row.variants.get(key="other").model).update(content=b"evil")
    talks = [begun(office) for _ in range(10)]
    for talk in talks:
        assert f"This is about {world.means}." in str(say(office, talk, world.said))
    assert {one.variant.key for one in Exposure.objects.all()} == {"control"}


def test_forced_units_hear_it_and_are_not_analysed(office: Tenant, world: World) -> None:
    row = started(office, world, unit="user", coverage=0.0)
    services.force(office, key=row.key, unit="tester", variant="other", by=None)
    talk = begun(office, "tester")
    assert f"This is about {world.taken_for}." in str(say(office, talk, world.said))
    assert not Exposure.objects.get(conversation_id=talk.conversation_id).analysed


def test_a_plan_says_everything_that_is_wrong_with_its_models(office: Tenant, world: World) -> None:
    champion = models.champion(office, kind="intent", subject="flow:shop")
    assert champion is not None
    rejected = kept(office, world, replace(world.wrong, bar=0.1))
    ml.reject(office, model_id=rejected.pk, by=None)
    bad = kept(office, world, replace(world.wrong, bar=0.2), metrics={**world.metrics, "accepted_accuracy": 0.1})
    torn = kept(office, world, replace(world.wrong, bar=0.3))
    ModelArtifact.objects.filter(model=torn).update(content=b"evil")
    wrong = {
        "kind": kept(office, world, world.wrong, subject="flow:other").pk,
        "rejected": rejected.pk,
        "gate_closed": bad.pk,
        "artifact": torn.pk,
        "same": kept(office, world, world.right).pk,
        "missing": None,
    }
    for number, (code, model) in enumerate(wrong.items()):
        row = planned(office, model, key=f"plan-{number}")
        with pytest.raises(PlanRefused) as refused:
            services.validate(office, key=row.key, by=None)
        assert [(one["path"], one["code"]) for one in refused.value.details["errors"]] == [("$.variants[1].model", code)], code
    good = kept(office, world, world.wrong).pk
    services.save_metric(office, fields={"key": "first", "name": "first", "measure": "precision_at"}, by=None)
    for path, code, more in (
        ("$.unit", "kind", {"unit": "building"}),
        ("$.metrics[0]", "kind", {"metrics": [{"metric": "first", "role": "primary"}]}),
        ("$.subject", "missing", {"flow": None}),
        ("$.subject", "other_flow", {"subject": "flow:other"}),
    ):
        row = planned(office, good, key=f"plan{path[2:6]}-{code}".replace("_", "-"), **more)
        with pytest.raises(PlanRefused) as refused:
            services.validate(office, key=row.key, by=None)
        assert (path, code) in [(one["path"], one["code"]) for one in refused.value.details["errors"]]


def test_without_a_model_that_serves_there_is_nothing_to_compare_with(world: World) -> None:
    tenant = factories.TenantFactory.create()
    factories.published(tenant, samples.shop())
    services.save_metric(tenant, fields={"key": "confident", "name": "c", "measure": "intent_confidence"}, by=None)
    row = planned(tenant, kept(tenant, world, world.wrong).pk, metrics=[{"metric": "confident", "role": "primary"}])
    with pytest.raises(PlanRefused) as refused:
        services.validate(tenant, key=row.key, by=None)
    assert [one["code"] for one in refused.value.details["errors"]] == ["no_champion"]


def test_another_champion_moves_the_base_and_a_rebase_takes_it(office: Tenant, world: World) -> None:
    row = planned(office, kept(office, world, world.wrong).pk)
    services.validate(office, key=row.key, by=None)
    other = kept(office, world, replace(world.right, slope=world.right.slope * 1.01))
    ml.promote(office, model_id=other.pk, by=None)
    with pytest.raises(BaseHasMoved):
        services.start(office, key=row.key, by=None)
    again = services.rebase(office, key=row.key, by=None)
    assert again.variants.get(key="control").model == other
    assert services.start(office, key=row.key, by=None).state == "running"


def test_a_winner_is_promoted_and_a_loser_returns_to_the_shadow(office: Tenant, world: World) -> None:
    loser = kept(office, world, replace(world.wrong, bar=world.wrong.bar + 0.1))
    stages.shadow(office, model_id=loser.pk, by=None)
    row = planned(
        office,
        None,
        variants=[
            {"key": "control", "is_control": True, "percentage": 40.0},
            {"key": "winner", "percentage": 30.0, "model": kept(office, world, world.wrong).pk},
            {"key": "loser", "percentage": 30.0, "model": loser.pk},
        ],
    )
    services.validate(office, key=row.key, by=None)
    services.start(office, key=row.key, by=None)
    assert [status(row, arm) for arm in ("winner", "loser")] == ["challenger", "challenger"]
    made = services.promote(office, key=row.key, variant="winner", reason="surer", by=None)
    assert (made.verdict, made.variant) == ("promote", "winner")
    assert [status(row, arm) for arm in ("control", "winner", "loser")] == ["archived", "champion", "shadow"]
    champion = models.champion(office, kind="intent", subject="flow:shop")
    assert champion == row.variants.get(key="winner").model


def test_a_model_is_a_challenger_until_its_last_experiment_ends(office: Tenant, world: World) -> None:
    services.save_namespace(office, fields={"key": "room"}, by=None)
    model = kept(office, world, world.wrong).pk
    rows = []
    for number, key in enumerate(("one", "two")):
        planned(office, model, key=key, namespace="room", namespace_start=number / 2, namespace_end=(number + 1) / 2)
        services.validate(office, key=key, by=None)
        rows.append(services.start(office, key=key, by=None))
    third = planned(office, model, key="three")
    services.validate(office, key="three", by=None)
    with pytest.raises(Overlaps):
        services.start(office, key=third.key, by=None)
    services.stop(office, key="one", by=None)
    assert status(rows[1]) == "challenger"
    services.decide(office, key="two", verdict="keep", reason="no difference", by=None)
    assert status(rows[1]) == "candidate"


def test_flows_and_models_are_tried_at_the_same_time(office: Tenant, world: World) -> None:
    """Two experiments with seeds of their own on one flow: each shares out on its own, and both are exposed in the same turn."""
    started(office, world)
    prompt = {"states": {"do_" + world.means: {"config": {"response_templates": {"en": "About that:"}}}}}
    services.save_metric(office, fields={"key": "completed", "name": "c", "measure": "completion"}, by=None)
    plan = {
        "key": "words",
        "name": "Other words",
        "flow": "shop",
        "variants": [
            {"key": "control", "is_control": True, "percentage": 50.0},
            {"key": "short", "percentage": 50.0, "modifications": prompt},
        ],
        "metrics": [{"metric": "completed", "role": "primary"}],
    }
    services.create(office, fields=plan, by=None)
    services.validate(office, key="words", by=None)
    services.start(office, key="words", by=None)
    for _ in range(12):
        say(office, begun(office), world.said)
    arms = Counter(Exposure.objects.values_list("experiment__key", "variant__key"))
    assert sum(count for (key, _), count in arms.items() if key == "better") == 12
    exposed = Exposure.objects.filter(experiment__key="words").values_list("conversation_id", flat=True)
    by_model = dict(Exposure.objects.filter(experiment__key="better").values_list("conversation_id", "variant__key"))
    assert {by_model[one] for one in exposed} == {"control"}, "only who is understood comes to where the words differ"


def shadowed(tenant: Tenant, world: World, model: IntentModel) -> ModelVersion:
    row = stages.shadow(tenant, model_id=kept(tenant, world, model).pk, by=None)
    models.forget(tenant.pk, "shadow")
    return row


def test_a_shadow_is_compared_and_never_heard(office: Tenant, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = shadowed(office, world, world.wrong)
    asked: list[dict[str, str]] = []
    monkeypatch.setattr("mcp_platform.jobs.enqueue", lambda name, **given: asked.append(given) if name == "conversations.shadow_turn" else None)
    talk = begun(office)
    for text in (world.said, world.said, "how many moons does jupiter have"):
        assert "ab_variant" in say(office, talk, text)
    assert f"This is about {world.means}." in str(Turn.objects.filter(conversation_id=talk.conversation_id).order_by("number")[1].reply)
    assert len(asked) == 3
    for given in [*asked, asked[0]]:  # the broker hands one over twice
        shadows.compare(office, turn_id=UUID(given["turn_id"]))
    found = ShadowReading.objects.get(model=row)
    assert (found.day, found.compared, found.runs, found.served_number) == (timezone.now().date(), 3, 3, 1)
    assert (found.agreed, found.sure, found.served_sure) == (1, 2, 2), "both make nothing of the moons"
    assert found.differences == [[world.means, world.taken_for, 2]]
    told = stages.agreement(row)
    assert told["total"]["agreement"] == pytest.approx(1 / 3, abs=1e-3)
    assert "no effect is claimed" in told["claim"]
    assert not Exposure.objects.exists()


def test_the_shadow_of_an_arm_is_compared_with_the_arms_model(office: Tenant, world: World) -> None:
    running = started(office, world)
    row = shadowed(office, world, replace(world.right, slope=world.right.slope * 1.01))
    talks = [begun(office) for _ in range(8)]
    for talk in talks:
        say(office, talk, world.said)
        shadows.compare(office, turn_id=Turn.objects.filter(conversation_id=talk.conversation_id).latest("number").pk)
    numbers = {one.served_number for one in ShadowReading.objects.filter(model=row)}
    assert numbers == {one.model.number for one in running.variants.select_related("model") if one.model is not None}


def test_nothing_is_asked_when_nothing_is_in_the_shadow(office: Tenant, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("mcp_platform.jobs.enqueue", lambda name, **_: asked.append(name))
    say(office, begun(office), world.said)
    assert "conversations.shadow_turn" not in asked


def test_owner_member_stranger_and_nobody_at_the_shadow(office: Tenant, world: World) -> None:
    row = kept(office, world, world.wrong)
    address = f"/api/v1/models/{row.pk}/shadow"
    owner, viewer, agent = client_of(office), client_of(office, Role.VIEWER), client_of(office, Role.AGENT)
    assert owner.post(address).json()["status"] == "shadow"
    again = owner.post(address)
    assert (again.status_code, again.json()["error_code"]) == (409, "MODEL_STATE")
    read = viewer.get(address).json()
    assert (read["status"], read["total"]["compared"], read["total"]["agreement"], read["days"]) == ("shadow", 0, None, [])
    assert viewer.post(address).status_code == 403
    assert agent.delete(address).status_code == 403
    stranger = client_of(factories.TenantFactory.create())
    assert {stranger.get(address).status_code, stranger.post(address).status_code, stranger.delete(address).status_code} == {404}
    assert client_of(None).get(address).status_code == 401
    assert owner.delete(address).json()["status"] == "candidate"


def test_a_model_experiment_goes_through_the_doors(office: Tenant, world: World) -> None:
    owner = client_of(office)
    model = kept(office, world, world.wrong)
    body = {
        "key": "ears",
        "name": "Ears",
        "kind": "intent_model",
        "subject": "flow:shop",
        "variants": [{"key": "control", "is_control": True, "percentage": 50}, {"key": "other", "percentage": 50, "model": str(model.pk)}],
        "metrics": [{"metric": "confident", "role": "primary"}],
    }
    made = owner.post("/api/v1/experiments", body, format="json").json()
    assert (made["kind"], made["unit"], made["variants"][1]["model"]) == ("intent_model", "conversation", str(model.pk))
    valid = owner.post("/api/v1/experiments/ears/validate").json()
    assert (valid["state"], valid["flow"], valid["base_version"]) == ("validated", "shop", None)
    assert owner.post("/api/v1/experiments/ears/start").json()["enabled"]
    assert owner.get(f"/api/v1/models/{model.pk}").json()["status"] == "challenger"
    refused = owner.post(f"/api/v1/models/{model.pk}/reject", {}, format="json")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "MODEL_IS_CHALLENGER")
    stopped = owner.post("/api/v1/experiments/ears/stop", {"reason": "enough"}, format="json")
    assert stopped.json()["state"] == "stopped"
    assert owner.get(f"/api/v1/models/{model.pk}").json()["status"] == "candidate"


class Quiet:
    """Progress that nobody reads."""

    def report(self, done: int, total: int, phase: str = "") -> None: ...


def test_before_the_start_stored_words_are_understood_by_every_model(office: Tenant, world: World) -> None:
    for _ in range(6):
        say(office, begun(office), world.said)
    row = planned(office, kept(office, world, world.wrong).pk)
    services.validate(office, key=row.key, by=None)
    found = {}
    for kind, chosen in (("replay", {}), ("simulation", {"conversations": 20, "quiet_minutes": 0})):
        made = services.prepare(office, key=row.key, kind=kind, by=None, **chosen)
        services.work(office, {"evaluation_id": str(made.pk)}, Quiet())
        found[kind] = {arm["key"]: arm for arm in queries.evaluation(office, row.key, made.pk).results["arms"]}
    replayed, simulated = found["replay"]["other"], found["simulation"]
    assert (found["replay"]["control"]["same"], replayed["own"]) == (6, 6)
    assert {one["cause"] for one in replayed["causes"]} == {"intent"}
    assert replayed["causes"][0]["detail"] == f"{world.means} → {world.taken_for}"
    assert simulated["control"]["states"] != simulated["other"]["states"]
    assert simulated["other"]["model"] == str(row.variants.get(key="other").model_id)


def test_what_was_trained_since_is_no_variants_doing(office: Tenant, world: World) -> None:
    for _ in range(6):
        say(office, begun(office), world.said)
    more = [text for text, name in samples.examples() if name == "hours"]
    variants = [
        {"key": "control", "is_control": True, "percentage": 50.0},
        {"key": "other", "percentage": 50.0, "modifications": {"intents": {"hours": {"examples": [*more, "when may I come"]}}}},
    ]
    row = planned(office, None, kind="flow", variants=variants)
    services.validate(office, key=row.key, by=None)
    ModelVersion.objects.filter(tenant=office, status="champion").update(status="archived")
    ml.promote(office, model_id=kept(office, world, world.wrong).pk, by=None)
    models.forget(office.pk, "now")
    _forget_models()
    found = {}
    for kind, chosen in (("replay", {}), ("simulation", {"conversations": 20, "quiet_minutes": 0})):
        made = services.prepare(office, key=row.key, kind=kind, by=None, **chosen)
        services.work(office, {"evaluation_id": str(made.pk)}, Quiet())
        found[kind] = queries.evaluation(office, row.key, made.pk).results
    arms = {arm["key"]: arm for arm in found["replay"]["arms"]}
    assert (found["replay"]["drifted"], arms["control"]["own"], arms["other"]["own"]) == (6, 6, 0), "all are understood as they would be now"
    control, other = found["simulation"]["arms"]
    assert control["states"] == other["states"]
    assert f"do_{world.taken_for}" in control["states"]


def test_the_wizard_plans_an_experiment_on_models(office: Tenant, world: World) -> None:
    model = kept(office, world, world.wrong)
    browser = logged_in(factories.member(office))
    question = {"name": "Ears", "kind": "intent_model", "flow": "shop", "environment": "production", "arms": "1"}
    made = browser.post("/admin/experiments/experiment/add/", question)
    assert made.status_code == 302, made.content
    row = Experiment.objects.get()
    page = browser.get(made.headers["Location"]).content.decode()
    assert f'<option value="{model.pk}"' in page
    assert "when the plan is validated." in page, "the control is the champion"
    told = {"rev": row.rev, "key_0": "control", "percentage_0": "50", "key_1": "other", "percentage_1": "50", "model_1": str(model.pk), "do": "save"}
    saved = browser.post(made.headers["Location"], told)
    assert saved.status_code == 302, saved.content
    assert row.variants.get(key="other").model == model
    assert '<option value="building"' not in browser.get(saved.headers["Location"]).content.decode()
    size = browser.get(f"/admin/experiments/experiment/{row.pk}/plan/size/").content.decode()
    assert "Confidence of intents" in size
    assert "Right among the first" not in size, "conversations do not say that"
    used = [{"metric": "confident", "role": "primary"}]
    services.change(office, key=row.key, fields={"metrics": used}, by=None)
    review = browser.get(f"/admin/experiments/experiment/{row.pk}/plan/review/").content.decode()
    assert "Nothing stands in the way." in review
    assert str(model) in review


def test_a_model_that_was_tampered_with_stands_in_no_stops_way(office: Tenant, world: World) -> None:
    model = kept(office, world, world.wrong)
    stages.shadow(office, model_id=model.pk, by=None)
    row = planned(office, model.pk)
    services.validate(office, key=row.key, by=None)
    services.start(office, key=row.key, by=None)
    ModelArtifact.objects.filter(model=model).update(content=b"evil")
    assert services.stop(office, key=row.key, by=None).state == "stopped"
    assert status(row) == "candidate"


def test_the_model_of_a_control_is_not_rejected_while_it_answers(office: Tenant, world: World) -> None:
    row = started(office, world)
    control = row.variants.get(key="control").model_id
    assert control is not None
    ml.promote(office, model_id=kept(office, world, replace(world.right, slope=world.right.slope * 1.01)).pk, by=None)
    assert status(row, "control") == "archived"
    with pytest.raises(IsChallenger):
        ml.reject(office, model_id=control, by=None)
    services.stop(office, key=row.key, by=None)
    assert ml.reject(office, model_id=control, by=None).status == "rejected"


def test_who_decides_experiments_may_not_promote_models_with_that(office: Tenant, world: World) -> None:
    row = started(office, world)
    address, body = f"/api/v1/experiments/{row.key}/decisions", {"verdict": "promote", "variant": "other", "reason": "better"}
    refused = client_of(office, Role.OPERATOR).post(address, body, format="json")
    assert (refused.status_code, refused.json()["permission"]) == (403, "models:write")
    row.refresh_from_db()
    assert (row.state, status(row)) == ("running", "challenger")
    assert client_of(office, Role.EDITOR).post(address, body, format="json").status_code == 201
    assert status(row) == "champion"
