"""An experiment before it starts: stored conversations played through its variants, made-up people who talk to them, and what that is worth."""

import contextlib
import gc
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse

from conversations import replays
from conversations import services as talking
from conversations.analytics import evaluations as engine
from conversations.analytics.core.counting import Fact
from conversations.models import Conversation, Replay, ReplayedConversation
from experiments import queries, services, tools
from experiments.errors import EvaluationNotFound, NotInThisState, PlanRefused
from experiments.models import Evaluation, Experiment
from experiments.services import evaluating
from flows.services import publish, save_draft
from mcp_platform.operations import services as operations
from mcp_platform.operations.errors import Cancelled
from mcp_platform.operations.models import Operation
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from mcp_platform.toolkit import Tool
from tests import factories
from tests.platform.bad_input.office import committed
from tests.playbook import ending, flow, to
from tests.tenancy.clients import client_of, logged_in

MANY, EARLY = 120, 6


def question(slot: str, onward: str, text: str) -> Any:
    config = {"required_slots": [slot], "prompts": {slot: text}}
    return {"type": "slot_filling", "config": config, "transitions": [to(onward, "slot_filled")]}


def intake(text: str) -> Any:
    """Two questions; people leave at each."""
    slots = {"storeys": {"type": "integer", "minimum": 1, "maximum": 200}, "owner": {"type": "text"}}
    states = {"ask": question("storeys", "name", text), "name": question("owner", "done", "Whose is it?"), "done": ending("Noted.")}
    return flow("intake", states=states, slots=slots)


BRIEF = {"states": {"ask": {"transitions": [to("done", "slot_filled")]}, "name": None}}
KIND = {"states": {"ask": {"config": {"prompts": {"storeys": "How many storeys, please?"}}}}}
PLAN: Any = {
    "key": "brief",
    "name": "One question less",
    "flow": "intake",
    "variants": [
        {"key": "control", "is_control": True, "percentage": 40.0},
        {"key": "brief", "percentage": 30.0, "modifications": BRIEF},
        {"key": "kind", "percentage": 30.0, "modifications": KIND},
    ],
    "metrics": [{"metric": "completed", "role": "primary"}],
}


class Told:
    """Progress; `stop_after` so many reports it is cancelled."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.seen: list[tuple[int, int]] = []
        self.stop_after = stop_after

    def report(self, done: int, total: int, phase: str = "") -> None:
        self.seen.append((done, total))
        if len(self.seen) >= self.stop_after:
            raise Cancelled


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's: the conversations are held once; what a test writes is rolled back by `office`."""
    with committed(django_db_blocker):
        yield


@pytest.fixture(scope="module")
def settled(db: None) -> Tenant:
    tenant = factories.TenantFactory.create(slug="office")
    services.save_metric(tenant, fields={"key": "completed", "name": "Completed", "measure": "completion"}, by=None)
    factories.published(tenant, intake("How many floors?"))
    for number in range(EARLY):
        converse(tenant, number)
    save_draft(tenant, flow_id="intake", document=intake("How many storeys?"), by=None)
    publish(tenant, flow_id="intake", by=None)
    for number in range(MANY):
        converse(tenant, number)
    services.create(tenant, fields=PLAN, by=None)
    return tenant


def converse(tenant: Tenant, number: int) -> None:
    """A fifth leaves at the first question, a quarter of the rest at the second; some say something else first."""
    begun = talking.start(tenant, flow_id="intake", user_ref=f"u{number}")
    texts = ["many"] * (number % 6 == 1) + ["7"] * (number % 5 != 0) + ["Ada"] * (number % 5 != 0 and number % 4 != 2)
    for text in texts:
        talking.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": text})


@pytest.fixture
def office(settled: Tenant) -> Iterator[Tenant]:
    with transaction.atomic():
        yield settled
        transaction.set_rollback(True)


@pytest.fixture
def plan(office: Tenant) -> Experiment:
    return services.validate(office, key="brief", by=None)


def evaluated(tenant: Tenant, kind: str, **chosen: Any) -> Evaluation:
    if kind == "simulation":
        chosen = {"conversations": 150, "quiet_minutes": 0, **chosen}
    made = services.prepare(tenant, key="brief", kind=kind, by=None, **chosen)
    services.work(tenant, {"evaluation_id": str(made.pk)}, Told())
    return queries.evaluation(tenant, "brief", made.pk)


def arms_of(made: Evaluation) -> dict[str, Any]:
    return {arm["key"]: arm for arm in made.results["arms"]}


def test_a_replay_tells_where_stored_conversations_part(office: Tenant, plan: Experiment) -> None:
    made = evaluated(office, "replay")
    answered = sum(number % 5 != 0 for number in range(MANY))
    assert made.results["conversations"] == MANY + EARLY
    assert made.results["drifted"] == EARLY, "who was asked for floors is asked for storeys by the control, too"
    assert "not an estimate" in made.results["label"]
    arms = arms_of(made)
    assert (arms["control"]["same"], arms["control"]["own_words_only"]) == (MANY, EARLY)
    brief = arms["brief"]
    assert (brief["own"], brief["own_words_only"]) == (answered, 0)
    assert brief["points"] == [{"state": "ask", "count": answered}], "all of them with the answer to the first question"
    assert (brief["causes"][0]["cause"], brief["causes"][0]["detail"]) == ("state_missing", "name")
    assert brief["causes"][0]["count"] == answered
    assert {one["turn"] for one in brief["examples"]} == {2, 3}
    kind = arms["kind"]
    assert (kind["own"], kind["own_words_only"], kind["points"][0]["state"]) == (MANY, MANY, "")
    rows = ReplayedConversation.objects.filter(replay_id=brief["replay_id"])
    assert {str(one.conversation_id) for one in rows.filter(verdict="differs")} >= {one["conversation_id"] for one in brief["examples"]}


def test_a_replay_that_was_interrupted_goes_on_with_the_same_conversations(office: Tenant, plan: Experiment) -> None:
    made = services.prepare(office, key="brief", kind="replay", by=None, conversations=40)
    with pytest.raises(Cancelled):
        services.work(office, {"evaluation_id": str(made.pk)}, Told(stop_after=2))
    assert Replay.objects.filter(flow__flow_id="intake").count() == 3
    assert queries.evaluation(office, "brief", made.pk).finished_at is None
    again = Told()
    services.work(office, {"evaluation_id": str(made.pk)}, again)
    assert Replay.objects.filter(flow__flow_id="intake").count() == 3
    assert again.seen[0] == (25, 120), "the first batch is not played again"
    assert again.seen[-1] == (120, 120)
    assert queries.evaluation(office, "brief", made.pk).results["conversations"] == 40


def test_a_simulation_foresees_what_its_people_would_do(office: Tenant, plan: Experiment) -> None:
    stored = Conversation.objects.count()
    made = evaluated(office, "simulation")
    assert Conversation.objects.count() == stored
    results, arms = made.results, arms_of(made)
    assert results["learned_from"] == MANY
    first = {key: arm["metrics"][0] for key, arm in arms.items()}
    assert first["control"]["value"] == pytest.approx(0.6, abs=0.09)
    assert first["brief"]["value"] == pytest.approx(0.8, abs=0.09)
    assert first["brief"]["difference"]["lower"] > 0
    assert first["kind"]["difference"]["value"] == 0.0
    assert [arms[key]["words_only"] for key in ("control", "brief", "kind")] == [False, False, True]
    assert "name" not in arms["brief"]["states"]
    assert arms["control"]["made_up"] == 0.0
    places = {(one["state"], one["slot"], one["again"]): one for one in results["people"]["places"]}
    assert places["ask", "storeys", False]["model"]["gone"] == pytest.approx(0.2, abs=0.09)
    few = {"conversations": 20, "learn_from": 60}
    assert evaluated(office, "simulation", **few).results == evaluated(office, "simulation", **few).results, "the same seed"
    assert evaluated(office, "simulation", **few, seed=2).results != evaluated(office, "simulation", **few).results
    assert "Ada" not in json.dumps(results), "what people said is not kept"


def test_a_model_that_holds_feeds_the_power_calculation(office: Tenant, plan: Experiment) -> None:
    assert services.sizing(plan)["baseline"] == 0.5
    made = evaluated(office, "simulation")
    calibration = made.results["calibration"]
    assert calibration["verdict"] == "holds", calibration
    assert 20 <= calibration["held_out"] <= 60
    assert {row["state"]: row["inside"] for row in calibration["states"]}["ask"]
    assert calibration["reliability"]["error"] < 0.05
    sized = services.sizing(plan)
    assert (sized["basis"]["source"], sized["baseline"]) == ("simulated", made.results["basis"]["mean"])
    assert made.results["power"]["units_per_arm"] == sized["units_per_arm"]
    (brief,) = [one for one in made.results["power"]["expected"] if one["arm"] == "brief"]
    assert 0 < brief["units_per_arm"] < sized["units_per_arm"], "a larger difference than the smallest one worth knowing of"
    services.rebase(office, key="brief", by=None)
    assert services.sizing(queries.experiment(office, "brief"))["basis"] is None, "that was another phase"


def test_a_model_of_too_few_says_so_and_feeds_nothing(office: Tenant, plan: Experiment) -> None:
    made = evaluated(office, "simulation", learn_from=30, conversations=30)
    assert made.results["calibration"]["verdict"] == "too_little"
    assert made.results["basis"] is None
    assert services.sizing(plan)["basis"] is None


def test_who_may_still_answer_has_not_left(office: Tenant, plan: Experiment) -> None:
    made = evaluated(office, "simulation", quiet_minutes=30)
    assert all(one["model"]["gone"] < 0.05 for one in made.results["people"]["places"])
    calibration = made.results["calibration"]
    assert calibration["unfinished"] > 5, "made-up people all come to an end: these have not, and tell nothing against the model"
    assert calibration["held_out"] > 5
    assert calibration["verdict"] != "off", calibration
    assert all(row["inside"] for row in calibration["states"])


def reworded(text: str) -> list[Any]:
    """The variants of the plan, the last one with another text."""
    control, brief, kind = PLAN["variants"]
    return [control, brief, {**kind, "modifications": {"states": {"ask": {"config": {"prompts": {"storeys": text}}}}}}]


def test_what_was_evaluated_is_of_now_while_the_arms_are_the_same(office: Tenant, plan: Experiment) -> None:
    made = evaluated(office, "replay", conversations=2)
    owner, page = client_of(office), f"/api/v1/experiments/brief/evaluations/{made.pk}"

    def current() -> bool:
        found: bool = owner.get(page).json()["current"]
        assert ("replay" in queries.latest(queries.experiment(office, "brief"))) is found
        return found

    assert current()
    services.change(office, key="brief", fields={"variants": reworded("Storeys, if you please?")}, by=None)
    assert not current(), "a draft is nothing that could have been evaluated"
    services.validate(office, key="brief", by=None)
    assert not current(), "the same base and phase, and another arm"
    services.change(office, key="brief", fields={"variants": PLAN["variants"]}, by=None)
    services.validate(office, key="brief", by=None)
    assert current()


@pytest.mark.parametrize("kind", ["replay", "simulation"])
def test_arms_that_change_before_the_worker_comes_are_not_evaluated(office: Tenant, plan: Experiment, kind: str) -> None:
    made = services.prepare(office, key="brief", kind=kind, by=None, conversations=20)
    services.change(office, key="brief", fields={"variants": reworded("Storeys, if you please?")}, by=None)
    with pytest.raises(NotInThisState):  # no arm has a version now, and the base in its place would differ in nothing
        services.work(office, {"evaluation_id": str(made.pk)}, Told())
    services.validate(office, key="brief", by=None)
    with pytest.raises(NotInThisState):
        services.work(office, {"evaluation_id": str(made.pk)}, Told())
    assert queries.evaluation(office, "brief", made.pk).finished_at is None
    assert not Replay.objects.exists()


def test_no_arm_falls_back_to_the_base_unnoticed(office: Tenant, plan: Experiment) -> None:
    plan.variants.filter(key="brief").update(version=None)
    with pytest.raises(NotInThisState):
        engine.arms_of(queries.experiment(office, "brief"))


def test_what_was_said_is_not_kept_until_the_end(office: Tenant, plan: Experiment) -> None:
    class Weighing(Told):
        most = 0

        def report(self, done: int, total: int, phase: str = "") -> None:
            self.most = max(self.most, sum(type(one) is Fact for one in gc.get_objects()))

    made = services.prepare(office, key="brief", kind="simulation", by=None, conversations=60, learn_from=40, quiet_minutes=0)
    told = Weighing()
    services.work(office, {"evaluation_id": str(made.pk)}, told)
    assert told.most < 60, "of one conversation, however many there are"
    assert sum(queries.evaluation(office, "brief", made.pk).results["arms"][0]["how"].values()) == 60


def test_replays_of_evaluations_take_no_place_of_those_that_people_asked_for(
    office: Tenant, plan: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "KEPT", 2)
    monkeypatch.setattr(engine, "REPLAYED", 1)
    asked = {replays.prepare(office, flow_id="intake", count=1, by=None).pk for _ in range(2)}
    waiting = services.evaluate(office, key="brief", kind="replay", by=None, conversations=30)
    with pytest.raises(Cancelled):
        services.work(office, {"evaluation_id": str(waiting.pk)}, Told(stop_after=2))
    for _ in range(2):
        last = evaluated(office, "replay", conversations=2)
    held = Counter(one.chosen.get("evaluation") for one in Replay.objects.all())
    assert held == {None: 2, str(waiting.pk): 3, str(last.pk): 3}, "an older one that is done is gone, one that is under way is not"
    assert set(Replay.objects.values_list("pk", flat=True)) >= asked
    services.work(office, {"evaluation_id": str(waiting.pk)}, Told())
    assert queries.evaluation(office, "brief", waiting.pk).results["conversations"] == 30


def test_what_cannot_be_evaluated(office: Tenant) -> None:
    with pytest.raises(NotInThisState):
        services.prepare(office, key="brief", kind="replay", by=None)
    services.validate(office, key="brief", by=None)
    faults: list[tuple[str, Any]] = [
        ("replay", {"conversations": 0}),
        ("replay", {"seed": 1}),
        ("simulation", {"ran_on": "x"}),
        ("guess", {}),
        ("replay", {"conversations": True}),
    ]
    for kind, chosen in faults:
        with pytest.raises(PlanRefused):
            services.prepare(office, key="brief", kind=kind, by=None, **chosen)
    with pytest.raises(EvaluationNotFound):
        services.work(office, {"evaluation_id": "00000000-0000-0000-0000-000000000000"}, Told())
    Experiment.objects.filter(key="brief").update(kind="risk_model")
    with pytest.raises(NotInThisState):
        services.prepare(office, key="brief", kind="replay", by=None)


def test_nothing_to_learn_from_fails_the_operation_and_says_why(office: Tenant, plan: Experiment) -> None:
    Conversation.objects.all().delete()
    made = services.evaluate(office, key="brief", kind="simulation", by=None)
    operations.run(office, operation_id=Operation.objects.get().pk, attempt=0)
    operation = Operation.objects.get()
    assert operation.error is not None
    assert (operation.status, operation.error["error_code"]) == ("failed", "NOTHING_TO_REPLAY")
    text = logged_in(factories.member(office)).get(reverse("admin:experiments_evaluation_change", args=(made.pk,))).content.decode()
    assert "It was not finished (failed)" in text


def test_the_oldest_go_and_every_one_is_in_the_audit(office: Tenant, plan: Experiment) -> None:
    for _ in range(evaluating.KEPT + 2):
        last = services.prepare(office, key="brief", kind="replay", by=None)
    assert Evaluation.objects.count() == evaluating.KEPT
    assert AuditEntry.objects.filter(action="experiment.replay").count() == evaluating.KEPT + 2
    services.drop_evaluation(office, key="brief", evaluation_id=last.pk, by=None)
    assert not Evaluation.objects.filter(pk=last.pk).exists()


def test_over_rest(office: Tenant, plan: Experiment) -> None:
    owner = client_of(office)
    base = "/api/v1/experiments/brief/evaluations"
    begun = owner.post(base, {"kind": "simulation", "conversations": 30, "quiet_minutes": 0}, format="json")
    assert begun.status_code == 202, begun.content
    assert begun.json()["chosen"] == {"conversations": 30, "learn_from": 2000, "ran_on": "base", "seed": 1, "quiet_minutes": 0}
    assert owner.get(begun.headers["Location"]).json()["results"] == {}
    operations.run(office, operation_id=begun.json()["operation_id"], attempt=0)
    operation = owner.get(f"/api/v1/operations/{begun.json()['operation_id']}").json()
    assert (operation["status"], operation["result"]["kind"]) == ("succeeded", "simulation")
    found = owner.get(begun.headers["Location"]).json()
    assert found["current"] is True
    assert {arm["key"] for arm in found["results"]["arms"]} == {"control", "brief", "kind"}
    (listed,) = owner.get(base, {"kind": "simulation"}).json()["results"]
    assert "results" not in listed
    assert owner.get(base, {"kind": "replay"}).json()["results"] == []
    refused = owner.post(base, {"kind": "replay", "learn_from": 5}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "$.learn_from")
    assert client_of(office, Role.VIEWER).post(base, {"kind": "replay"}, format="json").status_code == 403
    assert owner.delete(begun.headers["Location"]).status_code == 204
    assert owner.get(begun.headers["Location"]).status_code == 404


def test_the_pages(office: Tenant, plan: Experiment) -> None:
    owner = logged_in(factories.member(office))
    start = reverse("admin:experiments_evaluation_start", args=(plan.pk,))
    assert "not an estimate of an effect" in owner.get(start).content.decode()
    refused = owner.post(start, {"kind": "replay", "conversations": "0"}).content.decode()
    assert "out of range" in refused
    begun = owner.post(start, {"kind": "replay", "conversations": "20", "ran_on": "any", "understanding": "auto"})
    made = Evaluation.objects.get()
    assert begun.headers["Location"] == reverse("admin:operations_operation_change", args=(made.operation_id,))
    page = reverse("admin:experiments_evaluation_change", args=(made.pk,))
    assert "It is under way" in owner.get(page).content.decode()
    operations.run(office, operation_id=Operation.objects.get().pk, attempt=0)
    text = owner.get(page).content.decode()
    assert "does not estimate an effect" in text
    assert reverse("admin:conversations_replay_change", args=(arms_of(queries.evaluation(office, "brief", made.pk))["brief"]["replay_id"],)) in text
    other = evaluated(office, "simulation", conversations=60)
    text = owner.get(reverse("admin:experiments_evaluation_change", args=(other.pk,))).content.decode()
    for expected in ("does what people did", 'id="reliability"', "differs in words only", "asks for storeys"):
        assert expected in text
    listed = owner.get(reverse("admin:experiments_evaluation_changelist"), {"experiment__id__exact": str(plan.pk)}).content.decode()
    assert "brief: " in listed
    services.rebase(office, key="brief", by=None)
    assert "tells of an earlier one" in owner.get(page).content.decode()
    viewer, stranger = logged_in(factories.member(office, Role.VIEWER)), logged_in(factories.member(factories.TenantFactory.create()))
    assert viewer.get(page).status_code == 200
    assert viewer.post(start, {"kind": "replay"}).status_code == 403
    assert stranger.get(page).status_code == stranger.get(start).status_code == 404


def command(*arguments: str) -> tuple[Any, int]:
    out, code = io.StringIO(), 0
    try:
        call_command("experiment", *arguments, "--tenant", "office", "--json", stdout=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return json.loads(out.getvalue()), code


def test_from_the_command_line(office: Tenant, plan: Experiment, capsys: Any) -> None:
    answer, code = command("replay", "brief", "--last", "20")
    assert (answer["conversations"], code) == (20, 0)
    answer, code = command("simulate", "brief", "--conversations", "120", "--quiet-minutes", "0")
    assert (answer["calibration"]["verdict"], code) == ("holds", 0)
    answer, code = command("simulate", "brief", "--conversations", "10", "--learn-from", "10")
    assert (answer["calibration"]["verdict"], code) == ("too_little", 1)
    answer, code = command("replay", "nobody")
    assert (answer["error_code"], code) == ("EXPERIMENT_NOT_FOUND", 2)
    answer, code = command("replay", "brief", "--last", "0")
    assert (answer["error_code"], code) == ("EXPERIMENT_INVALID", 1)
    for verb, more in (("replay", ["--last", "20"]), ("simulate", ["--learn-from", "20", "--conversations", "10"])):
        out = io.StringIO()
        with contextlib.suppress(SystemExit):
            call_command("experiment", verb, "brief", "--tenant", "office", *more, stdout=out)
        assert "brief" in out.getvalue()


def test_machines_read_the_newest_of_each_kind(office: Tenant, plan: Experiment) -> None:
    tool = next(one for one in tools.TOOLS if isinstance(one, Tool) and one.name == "experiments.evaluations")
    assert tool.call(office, {"experiment": "brief"}, "key:abc") == {"evaluations": []}
    evaluated(office, "replay", conversations=5)
    newest = evaluated(office, "replay", conversations=4)
    (found,) = tool.call(office, {"experiment": "brief"}, "key:abc")["evaluations"]
    assert (found["kind"], found["results"]) == ("replay", newest.results)
    assert "not an estimate" in found["label"]
