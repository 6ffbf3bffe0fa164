"""Drafts and releases, told from the author's side."""

import copy
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from demo.permit_desk import PERMIT_DESK
from flows import errors, queries, services
from flows.core import definition
from flows.models import Environment, Flow, FlowVersion, Pointer, State, Transition
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import AuditEntry, Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import update_tenant, verify_chain
from tests import factories
from tests.factories import greeting

GREETING = greeting()


def actions(tenant: Tenant) -> list[str]:
    return list(AuditEntry.objects.for_tenant(tenant).order_by("number").values_list("action", flat=True))


def last_entry(tenant: Tenant) -> AuditEntry:
    return AuditEntry.objects.for_tenant(tenant).order_by("number").reverse()[0]


def paths(refused: PlatformError) -> list[str]:
    return [fault["path"] for fault in refused.details["errors"]]


def test_a_flow_grows_piece_by_piece_until_it_can_be_published(tenant: Tenant, author: User) -> None:
    flow = services.create_flow(tenant, flow_id="hello", name="Hello", by=author)
    assert (flow.rev, flow.problem_count > 0) == (1, True)
    with pytest.raises(errors.FlowHasProblems) as refused:
        services.publish(tenant, flow_id="hello", by=author)
    assert {"$.initial_state", "$.states"} <= set(paths(refused.value))

    greet = services.save_state(
        tenant, flow_id="hello", fields={"name": "greet", "type": "response", "config": {"response_templates": {"default": "Hello!"}}}, by=author
    )
    services.save_transition(tenant, state_id=greet.pk, fields={"condition": "expression", "expression": "true", "target_state": "bye"}, by=author)
    services.save_state(tenant, flow_id="hello", fields={"name": "bye", "type": "end"}, by=author)
    flow = services.update_flow(tenant, flow_id="hello", fields={"initial_state": "greet"}, expected_rev=4, by=author)

    assert (flow.rev, flow.problem_count, flow.problems) == (5, 0, ())
    assert services.publish(tenant, flow_id="hello", by=author).number == 1
    assert actions(tenant) == ["flow.create", "state.create", "transition.create", "state.create", "flow.update", "flow.publish"]
    assert verify_chain(tenant) == []


def test_a_draft_comes_back_as_its_author_wrote_it(tenant: Tenant, author: User, codes: None) -> None:
    services.import_flow(tenant, document=PERMIT_DESK, by=author)
    flow = queries.flow(tenant, "permit_desk")
    stored = services.draft_document(flow)
    assert stored["tenant_id"] == "permits"
    assert definition.parse(stored) == definition.parse({**PERMIT_DESK, "tenant_id": "permits"})
    assert list(stored["states"]) == list(PERMIT_DESK["states"])
    assert flow.problem_count == 0


def test_saving_a_document_keeps_the_rows_of_states_that_keep_their_name(tenant: Tenant, author: User) -> None:
    flow = factories.draft(tenant)
    rows = dict(State.objects.filter(flow=flow).values_list("name", "id"))
    moves = dict(Transition.objects.filter(state__flow=flow).values_list("target_state", "id"))
    document = greeting()
    document["states"]["greet"]["config"]["response_templates"] = {"default": "Hi!"}
    document["states"]["greet"]["transitions"].insert(0, {"condition": "any_input", "target_state": "ask"})
    document["states"]["wait"] = document["states"].pop("done") | {"name": "wait"}
    document["states"]["greet"]["transitions"][1]["target_state"] = "wait"

    saved = services.save_draft(tenant, flow_id="greeting", document=document, expected_rev=1, by=author)

    now = dict(State.objects.filter(flow=flow).values_list("name", "id"))
    assert (now["ask"], now["greet"]) == (rows["ask"], rows["greet"])
    assert set(now) == {"ask", "greet", "wait"}
    assert Transition.objects.get(state__flow=flow, target_state="greet").pk == moves["greet"]
    assert saved.rev == 2
    entry = last_entry(tenant)
    assert entry.changes == {"rev": 2, "states_added": ["wait"], "states_removed": ["done"], "states_changed": ["greet"]}


def test_saving_the_same_document_again_changes_nothing(tenant: Tenant, author: User) -> None:
    factories.draft(tenant, PERMIT_DESK)
    before = actions(tenant)
    assert services.save_draft(tenant, flow_id="permit_desk", document=PERMIT_DESK, by=author).rev == 1
    assert actions(tenant) == before


def test_a_document_of_the_wrong_shape_is_refused_with_every_fault_and_nothing_is_written(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    document = greeting(variables=["no", "object"])
    document["states"]["ask"]["type"] = "telepathy"
    document["states"]["greet"]["transitions"][0].pop("expression")
    with pytest.raises(errors.DefinitionRefused) as refused:
        services.save_draft(tenant, flow_id="greeting", document=document, by=author)
    assert {"$.variables", "$.states.ask.type", "$.states.greet.transitions[0].expression"} <= set(paths(refused.value))
    flow = queries.flow(tenant, "greeting")
    assert (flow.rev, services.draft_document(flow)["states"]["ask"]["type"]) == (1, "slot_filling")


@pytest.mark.parametrize("garbage", [None, 7, [], "text", {}, {"flow_id": "greeting"}, {"flow_id": 7, "states": []}])
def test_garbage_is_refused_by_save_and_import(tenant: Tenant, author: User, garbage: Any) -> None:
    factories.draft(tenant)
    with pytest.raises(errors.DefinitionRefused):
        services.save_draft(tenant, flow_id="greeting", document=garbage, by=author)
    with pytest.raises(errors.DefinitionRefused):
        services.import_flow(tenant, document=garbage, by=author)


def test_a_document_of_another_flow_is_refused(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    with pytest.raises(errors.DefinitionRefused) as refused:
        services.save_draft(tenant, flow_id="greeting", document=greeting("other"), by=author)
    assert paths(refused.value) == ["$.flow_id"]


def test_lint_problems_are_saved_and_shown(tenant: Tenant, author: User) -> None:
    document = greeting()
    document["states"]["ask"]["transitions"][0]["target_state"] = "gret"
    flow = factories.draft(tenant, document)
    assert flow.problem_count >= 1
    assert "$.states.ask.transitions[0].target_state" in [problem.path for problem in flow.problems]
    assert services.validate_draft(tenant, flow_id="greeting") == list(flow.problems)
    assert not [problem for problem in services.validate_draft(tenant, flow_id="greeting", document=greeting()) if problem.severity == "error"]


def test_the_second_of_two_savers_is_told(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    services.save_draft(tenant, flow_id="greeting", document=greeting(name="First"), expected_rev=1, by=author)
    with pytest.raises(errors.DraftHasChanged) as stale:
        services.save_draft(tenant, flow_id="greeting", document=greeting(name="Second"), expected_rev=1, by=author)
    assert stale.value.code == "STALE_ETAG"
    assert queries.flow(tenant, "greeting").name == "First"


@pytest.mark.django_db(transaction=True)
def test_of_many_savers_at_once_exactly_one_wins() -> None:
    tenant = factories.TenantFactory.create()
    factories.draft(tenant)
    start, outcomes = threading.Barrier(6), []

    def save(name: str) -> None:
        with scope.tenant_scope(tenant):
            start.wait()
            try:
                services.save_draft(tenant, flow_id="greeting", document=greeting(name=name), expected_rev=1, by=None)
                outcomes.append("saved")
            except errors.DraftHasChanged:
                outcomes.append("told")
            finally:
                connection.close()

    threads = [threading.Thread(target=save, args=(f"Saver {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["saved", *["told"] * 5]
    assert queries.flow(tenant, "greeting").rev == 2
    assert verify_chain(tenant) == []


def test_a_renamed_state_takes_the_transitions_that_point_at_it_along(tenant: Tenant, author: User) -> None:
    flow = factories.draft(tenant)
    ask = State.objects.get(flow=flow, name="ask")
    greet = State.objects.get(flow=flow, name="greet")
    services.save_state(tenant, flow_id="greeting", state_id=greet.pk, fields={"name": "welcome"}, by=author)
    saved = services.save_state(tenant, flow_id="greeting", state_id=ask.pk, fields={"name": "ask_name"}, by=author)
    document = services.draft_document(queries.flow(tenant, "greeting"))
    assert saved.pk == ask.pk
    assert list(document["states"]) == ["ask_name", "welcome", "done"]
    assert document["initial_state"] == "ask_name"
    assert document["states"]["ask_name"]["transitions"][0]["target_state"] == "welcome"


def test_a_fault_inside_the_edited_state_is_refused_with_a_path_that_starts_there(tenant: Tenant, author: User) -> None:
    flow = factories.draft(tenant)
    ask = State.objects.get(flow=flow, name="ask")
    with pytest.raises(errors.DefinitionRefused) as refused:
        services.save_state(tenant, flow_id="greeting", state_id=ask.pk, fields={"config": {"required_slots": ["name"], "max_retries": 9}}, by=author)
    assert paths(refused.value) == ["$.config.max_retries"]
    with pytest.raises(errors.DefinitionRefused) as refused:
        services.save_transition(tenant, state_id=ask.pk, fields={"condition": "expression", "target_state": "done"}, by=author)
    assert paths(refused.value) == ["$.expression"]


@pytest.mark.parametrize("name", ["", "9lives", "two words", "x" * 64, None, 5, ["a"]])
def test_a_state_needs_a_name(tenant: Tenant, author: User, name: Any) -> None:
    factories.draft(tenant)
    with pytest.raises(errors.DefinitionRefused) as refused:
        services.save_state(tenant, flow_id="greeting", fields={"name": name, "type": "end"}, by=author)
    assert paths(refused.value) == ["$.name"]


def test_two_states_cannot_have_one_name(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    with pytest.raises(errors.NameTaken):
        services.save_state(tenant, flow_id="greeting", fields={"name": "done", "type": "end"}, by=author)


def test_transitions_keep_their_rows_when_they_are_moved(tenant: Tenant, author: User) -> None:
    flow = factories.draft(tenant)
    greet = State.objects.get(flow=flow, name="greet")
    first = greet.transitions.get()
    second = services.save_transition(tenant, state_id=greet.pk, fields={"condition": "any_input", "target_state": "ask"}, by=author)
    moved = services.save_transition(tenant, transition_id=second.pk, fields={"position": 0, "priority": 5}, by=author)
    assert (moved.pk, moved.position, moved.priority) == (second.pk, 0, 5)
    assert list(greet.transitions.values_list("pk", flat=True)) == [second.pk, first.pk]
    services.delete_transition(tenant, transition_id=first.pk, by=author)
    assert list(greet.transitions.values_list("pk", "position")) == [(second.pk, 0)]


def test_equal_transitions_are_told_apart_by_their_place(tenant: Tenant, author: User) -> None:
    flow = factories.draft(tenant)
    ask = State.objects.get(flow=flow, name="ask")
    one = services.save_transition(tenant, state_id=ask.pk, fields={"condition": "any_input", "target_state": "done"}, by=author)
    two = services.save_transition(tenant, state_id=ask.pk, fields={"condition": "any_input", "target_state": "done"}, by=author)
    services.save_transition(tenant, transition_id=one.pk, fields={"priority": 1}, by=author)
    assert dict(ask.transitions.values_list("pk", "priority"))[one.pk] == 1
    assert dict(ask.transitions.values_list("pk", "priority"))[two.pk] == 100


def test_deleting_a_state_leaves_problems_where_it_was_used(tenant: Tenant, author: User) -> None:
    flow = factories.draft(tenant)
    flow = services.delete_state(tenant, state_id=State.objects.get(flow=flow, name="greet").pk, by=author)
    assert "$.states.ask.transitions[0].target_state" in [problem.path for problem in flow.problems]
    with pytest.raises(errors.FlowHasProblems):
        services.publish(tenant, flow_id="greeting", by=author)


def test_unknown_fields_are_refused(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    with pytest.raises(errors.FieldsRefused) as refused:
        services.update_flow(tenant, flow_id="greeting", fields={"nmae": "typo"}, by=author)
    assert paths(refused.value) == ["$.nmae"]


@pytest.mark.parametrize("document", [GREETING, PERMIT_DESK], ids=["greeting", "permit desk"])
def test_export_and_import_give_the_same_bytes_again(tenant: Tenant, author: User, codes: None, document: dict[str, Any]) -> None:
    flow_id = document["flow_id"]
    services.import_flow(tenant, document=document, by=author)
    once = services.export_flow(tenant, flow_id=flow_id)
    services.import_flow(tenant, document=json.loads(once), replace=True, by=author)
    assert services.export_flow(tenant, flow_id=flow_id) == once
    version = services.publish(tenant, flow_id=flow_id, by=author)
    assert services.export_flow(tenant, flow_id=flow_id, number=1) == once == version.definition
    assert definition.digest(once) == version.sha256


def test_a_flow_can_be_taken_to_another_tenant(tenant: Tenant, stranger: Tenant, author: User) -> None:
    factories.draft(tenant, PERMIT_DESK)
    taken = json.loads(services.export_flow(tenant, flow_id="permit_desk"))
    flow = services.import_flow(stranger, document=taken, by=None)
    assert flow.tenant == stranger
    assert json.loads(services.export_flow(stranger, flow_id="permit_desk")) == {**taken, "tenant_id": "elsewhere"}


def test_import_does_not_overwrite_unless_told(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    with pytest.raises(errors.NameTaken):
        services.import_flow(tenant, document=greeting(name="Other"), by=author)
    services.import_flow(tenant, document=greeting(name="Other"), replace=True, by=author)
    assert queries.flow(tenant, "greeting").name == "Other"


def test_a_word_of_the_api_is_no_flow_id(tenant: Tenant, author: User) -> None:
    with pytest.raises(errors.NameTaken):
        services.import_flow(tenant, document=greeting("import"), by=author)


def test_publish_freezes_the_draft_and_points_production_at_it(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    version = services.publish(tenant, flow_id="greeting", note="First", by=author)
    where = queries.environment(tenant)
    assert (version.number, version.is_new, version.published_by, version.note) == (1, True, author, "First")
    assert (where.name, where.is_default) == ("production", True)
    assert queries.current_versions(tenant, where) == {"greeting": version.pk}
    assert queries.program_for(version.pk).flow.initial_state == "ask"
    entry = last_entry(tenant)
    assert (entry.action, entry.actor) == ("flow.publish", f"user:{author.pk}")
    assert entry.changes["version"] == [None, 1]
    assert entry.changes["sha256"] == version.sha256


def test_the_same_content_is_the_same_version(tenant: Tenant, author: User) -> None:
    first = factories.published(tenant)
    again = services.publish(tenant, flow_id="greeting", by=author)
    assert (again.pk, again.is_new) == (first.pk, False)
    services.save_draft(tenant, flow_id="greeting", document=greeting(name="Other"), by=author)
    second = services.publish(tenant, flow_id="greeting", by=author)
    assert (second.number, second.is_new) == (2, True)
    services.save_draft(tenant, flow_id="greeting", document=greeting(), by=author)
    back = services.publish(tenant, flow_id="greeting", by=author)
    assert (back.pk, back.is_new) == (first.pk, False)
    assert queries.current_versions(tenant, queries.environment(tenant)) == {"greeting": first.pk}
    assert FlowVersion.objects.for_tenant(tenant).count() == 2


def test_publish_refuses_a_draft_with_problems_and_names_them_all(tenant: Tenant, author: User) -> None:
    document = greeting()
    document["states"]["ask"]["transitions"][0]["target_state"] = "nowhere"
    document["states"]["greet"]["config"]["response_templates"]["default"] = "Hello {{ slots.nmae }}!"
    factories.draft(tenant, document)
    before = actions(tenant)
    with pytest.raises(errors.FlowHasProblems) as refused:
        services.publish(tenant, flow_id="greeting", by=author)
    assert refused.value.code == "FLOW_INVALID"
    assert {"$.states.ask.transitions[0].target_state", "$.states.greet.config.response_templates"} <= set(paths(refused.value))
    assert not FlowVersion.objects.for_tenant(tenant).exists()
    assert actions(tenant) == before


def test_environments_run_different_versions(tenant: Tenant, author: User) -> None:
    first = factories.published(tenant)
    services.create_environment(tenant, name="staging", by=author)
    services.save_draft(tenant, flow_id="greeting", document=greeting(name="New"), by=author)
    second = services.publish(tenant, flow_id="greeting", environment="staging", by=author)
    production, staging = queries.environment(tenant), queries.environment(tenant, "staging")
    assert queries.current_versions(tenant, production) == {"greeting": first.pk}
    assert queries.current_versions(tenant, staging) == {"greeting": second.pk}
    with pytest.raises(errors.EnvironmentNotFound):
        services.publish(tenant, flow_id="greeting", environment="nowhere", by=author)


def test_roll_back_moves_the_pointer_and_is_audited(tenant: Tenant, author: User) -> None:
    first = factories.published(tenant)
    services.save_draft(tenant, flow_id="greeting", document=greeting(name="New"), by=author)
    services.publish(tenant, flow_id="greeting", by=author)
    services.roll_back(tenant, flow_id="greeting", number=1, by=author)
    assert queries.current_versions(tenant, queries.environment(tenant)) == {"greeting": first.pk}
    assert last_entry(tenant).changes["version"] == [2, 1]
    before = actions(tenant)
    services.roll_back(tenant, flow_id="greeting", number=1, by=author)
    assert actions(tenant) == before
    with pytest.raises(errors.VersionNotFound):
        services.roll_back(tenant, flow_id="greeting", number=9, by=author)


def test_roll_back_is_refused_without_versioning(tenant: Tenant, author: User, settings: Any) -> None:
    factories.published(tenant)
    settings.ENABLE_FLOW_VERSIONING = False
    with pytest.raises(errors.VersioningIsOff):
        services.roll_back(tenant, flow_id="greeting", number=1, by=author)


def test_a_program_publishes_under_its_own_name(tenant: Tenant) -> None:
    factories.draft(tenant)
    by = Principal(tenant=tenant, actor="key:abc", permissions=frozenset())
    assert services.publish(tenant, flow_id="greeting", by=by).published_by is None
    assert last_entry(tenant).actor == "key:abc"


def test_an_archived_flow_runs_nowhere_until_it_is_taken_back(tenant: Tenant, author: User) -> None:
    version = factories.published(tenant)
    services.archive(tenant, flow_id="greeting", by=author)
    where = queries.environment(tenant)
    assert queries.current_versions(tenant, where) == {}
    for change in (
        lambda: services.save_draft(tenant, flow_id="greeting", document=greeting(), by=author),
        lambda: services.publish(tenant, flow_id="greeting", by=author),
        lambda: services.roll_back(tenant, flow_id="greeting", number=1, by=author),
    ):
        with pytest.raises(errors.FlowIsArchived):
            change()
    services.unarchive(tenant, flow_id="greeting", by=author)
    assert queries.current_versions(tenant, where) == {"greeting": version.pk}


def calling(flow_id: str, target: str) -> dict[str, Any]:
    document = greeting(flow_id)
    document["states"]["greet"]["entry_actions"] = [{"type": "trigger_flow", "flow_id": target}]
    return document


def test_what_other_flows_start_cannot_be_archived(tenant: Tenant, author: User) -> None:
    factories.published(tenant)
    factories.published(tenant, calling("caller", "greeting"))
    with pytest.raises(errors.FlowIsNeeded) as refused:
        services.archive(tenant, flow_id="greeting", by=author)
    assert refused.value.details["used_by"] == ["caller"]
    services.archive(tenant, flow_id="caller", by=author)
    services.archive(tenant, flow_id="greeting", by=author)


def test_the_default_flow_cannot_be_archived(tenant: Tenant, author: User) -> None:
    factories.published(tenant)
    update_tenant(tenant, settings={"default_flow": "greeting"}, by=None)
    with pytest.raises(errors.FlowIsNeeded):
        services.archive(tenant, flow_id="greeting", by=author)


def test_only_a_flow_that_was_never_published_can_be_deleted(tenant: Tenant, author: User) -> None:
    factories.published(tenant)
    factories.draft(tenant, greeting("sketch"))
    with pytest.raises(errors.FlowIsPublished):
        services.delete_flow(tenant, flow_id="greeting", by=author)
    services.delete_flow(tenant, flow_id="sketch", by=author)
    assert list(Flow.objects.for_tenant(tenant).values_list("flow_id", flat=True)) == ["greeting"]


def test_diff_says_what_changed(tenant: Tenant, author: User) -> None:
    factories.published(tenant)
    document = greeting()
    document["states"]["ask"]["config"]["prompts"]["name"] = "Who are you?"
    services.save_draft(tenant, flow_id="greeting", document=document, by=author)
    (change,) = services.diff(tenant, flow_id="greeting", before=1)
    assert change.path.startswith("$.states.ask.config.prompts.name")
    assert services.diff(tenant, flow_id="greeting", before=1, after=1) == ()


def test_one_environment_is_the_default(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    services.create_environment(tenant, name="staging", by=author)
    services.update_environment(tenant, name="staging", is_default=True, by=author)
    assert queries.environment(tenant).name == "staging"
    with pytest.raises(errors.EnvironmentIsNeeded):
        services.update_environment(tenant, name="staging", is_default=False, by=author)
    with pytest.raises(errors.EnvironmentIsNeeded):
        services.delete_environment(tenant, name="staging", by=author)
    services.delete_environment(tenant, name="production", by=author)
    assert list(Environment.objects.for_tenant(tenant).values_list("name", flat=True)) == ["staging"]


def test_an_environment_that_runs_flows_takes_its_pointers_along(tenant: Tenant, author: User) -> None:
    factories.draft(tenant)
    services.create_environment(tenant, name="staging", by=author)
    services.publish(tenant, flow_id="greeting", environment="staging", by=author)
    services.delete_environment(tenant, name="staging", by=author)
    assert not Pointer.objects.for_tenant(tenant).exists()


def test_an_environment_has_a_name_of_its_own(tenant: Tenant, author: User) -> None:
    services.create_environment(tenant, name="staging", by=author)
    with pytest.raises(errors.NameTaken):
        services.create_environment(tenant, name="staging", by=author)
    with pytest.raises(errors.FieldsRefused):
        services.create_environment(tenant, name="two words", by=author)


FOREIGN: dict[str, Callable[[Tenant, State, Transition], object]] = {
    "save": lambda tenant, *_: services.save_draft(tenant, flow_id="greeting", document=greeting(), by=None),
    "publish": lambda tenant, *_: services.publish(tenant, flow_id="greeting", by=None),
    "archive": lambda tenant, *_: services.archive(tenant, flow_id="greeting", by=None),
    "delete": lambda tenant, *_: services.delete_flow(tenant, flow_id="greeting", by=None),
    "export": lambda tenant, *_: services.export_flow(tenant, flow_id="greeting", number=1),
    "state": lambda tenant, state, _: services.delete_state(tenant, state_id=state.pk, by=None),
    "transition": lambda tenant, _, transition: services.save_transition(tenant, transition_id=transition.pk, fields={"priority": 1}, by=None),
    "by id": lambda tenant, state, _: services.update_flow(tenant, flow_id=state.flow_id, fields={"name": "Mine"}, by=None),
}


@pytest.mark.parametrize("act", FOREIGN.values(), ids=FOREIGN)
def test_a_stranger_finds_nothing(tenant: Tenant, stranger: Tenant, act: Callable[..., object]) -> None:
    version = factories.published(tenant)
    state = State.objects.get(flow=version.flow, name="ask")
    with pytest.raises((errors.FlowNotFound, errors.StateNotFound, errors.TransitionNotFound)):
        act(stranger, state, state.transitions.first())
    assert services.export_flow(tenant, flow_id="greeting") == version.definition


def test_every_tenant_has_its_own_flow_of_a_name(tenant: Tenant, stranger: Tenant) -> None:
    factories.published(tenant)
    theirs = factories.published(stranger, greeting(name="Theirs"))
    assert (theirs.number, queries.flow(stranger, "greeting").name) == (1, "Theirs")
    assert queries.flow(tenant, "greeting").name == "Greeting"


def test_documents_given_are_not_changed(tenant: Tenant, author: User) -> None:
    document = greeting()
    before = copy.deepcopy(document)
    services.import_flow(tenant, document=document, by=author)
    services.save_draft(tenant, flow_id="greeting", document=document, by=author)
    assert document == before
