"""Tests as rows: saved, run, carried about in files, and asked before a publish."""

from typing import Any

import pytest

from flows import queries, services
from flows.core.types import Json
from flows.errors import DraftHasChanged, FailingTests, FieldsRefused, FlowHasProblems, FlowTestNotFound, NameTaken
from flows.models import FlowTest
from flows.services import testing
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests.factories import TenantFactory, draft, greeting, published

pytestmark = pytest.mark.django_db
STORY = "bot: What is your name?\nuser: Ada\nbot: Hello Ada!\nexpect completion = completed"
WRONG = "bot: What is your name?\nuser: Ada\nbot: Good day, Ada!"


@pytest.fixture
def office() -> Tenant:
    tenant = TenantFactory.create()
    draft(tenant)
    return tenant


def written(tenant: Tenant, name: str = "greets", script: Json = STORY, **more: Any) -> FlowTest:
    return services.save_test(tenant, flow_id="greeting", fields={"name": name, "script": script, **more}, by=None)


def test_a_test_is_saved_as_json_and_run(office: Tenant) -> None:
    row = written(office)
    assert row.script["steps"][1] == {"type": "user", "text": "Ada"}
    report = services.run_tests(office, flow_id="greeting")
    assert (len(report.ran), report.failed, report.unvisited, report.on) == (1, (), (), "draft rev 1")
    row.refresh_from_db()
    assert (row.passed, row.ran_on, (row.result or {})["divergence"]) == (True, "draft rev 1", None)


def test_the_states_that_no_test_comes_to(office: Tenant) -> None:
    written(office, script="user: Ada")
    report = services.run_tests(office, flow_id="greeting")
    assert report.unvisited == ()
    written(office, "short", script="bot: What is your name?")
    only = queries.tests(office, "greeting").get(name="short")
    assert services.run_tests(office, flow_id="greeting", test_ids=[only.pk]).unvisited == ("greet", "done")


def test_a_failing_test_stops_a_publish(office: Tenant) -> None:
    written(office)
    row = written(office, "formal", WRONG)
    with pytest.raises(FailingTests) as refused:
        services.publish(office, flow_id="greeting", by=None)
    [error] = refused.value.details["errors"]
    assert (error["test_id"], error["step"], error["got"]) == (str(row.pk), 2, "Hello Ada!")
    assert error["path"] == '$.tests["formal"].script.steps[2]'
    assert not queries.versions(office, "greeting").exists()
    row.refresh_from_db()
    assert row.passed is False


def test_an_override_needs_a_reason_and_is_audited(office: Tenant) -> None:
    written(office, "formal", WRONG)
    with pytest.raises(FailingTests):
        services.publish(office, flow_id="greeting", override_tests="   ", by=None)
    assert services.publish(office, flow_id="greeting", override_tests="the greeting changes next week", by=None).number == 1
    entry = AuditEntry.objects.get(tenant=office, action="flow.publish")
    assert entry.changes["failing_tests"] == ["formal"]
    assert entry.changes["override_reason"] == "the greeting changes next week"


def test_a_disabled_test_is_not_asked(office: Tenant) -> None:
    written(office, "formal", WRONG, enabled=False)
    assert services.publish(office, flow_id="greeting", by=None).number == 1
    assert len(services.run_tests(office, flow_id="greeting").failed) == 1


def test_a_draft_that_cannot_run_is_refused_for_that(office: Tenant) -> None:
    written(office)
    states = {**greeting()["states"], "greet": {**greeting()["states"]["greet"], "transitions": []}}
    services.save_draft(office, flow_id="greeting", document={**greeting(), "states": states}, by=None)
    with pytest.raises(FlowHasProblems):
        services.publish(office, flow_id="greeting", by=None)
    with pytest.raises(FlowHasProblems):
        services.run_tests(office, flow_id="greeting")


def test_a_draft_that_is_saved_while_its_tests_run(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    written(office)
    ask = testing.judge_draft

    def slowly(tenant: Tenant, *, flow_id: Any, keep: bool = True) -> testing.Judged:
        judged = ask(tenant, flow_id=flow_id)
        services.update_flow(tenant, flow_id=flow_id, fields={"name": "Other"}, by=None)
        return judged

    monkeypatch.setattr(testing, "judge_draft", slowly)
    with pytest.raises(DraftHasChanged):
        services.publish(office, flow_id="greeting", by=None)


def test_tests_run_on_an_older_version_too(office: Tenant) -> None:
    published(office, greeting("other"))
    services.publish(office, flow_id="greeting", by=None)
    written(office, "formal", WRONG)
    document = greeting()
    document["states"]["greet"]["config"]["response_templates"]["default"] = "Good day, {{ slots.name }}!"
    services.save_draft(office, flow_id="greeting", document=document, by=None)
    assert services.run_tests(office, flow_id="greeting").failed == ()
    report = services.run_tests(office, flow_id="greeting", number=1)
    assert (report.on, len(report.failed)) == ("version 1", 1)


def test_every_fault_of_a_test_at_once(office: Tenant) -> None:
    with pytest.raises(FieldsRefused) as refused:
        services.save_test(office, flow_id="greeting", fields={"name": " ", "enabled": 1, "script": "usr: x", "colour": "red"}, by=None)
    found = [(fault["path"], fault["message"]) for fault in refused.value.details["errors"]]
    assert [path for path, _ in found] == ["$.colour", "$.name", "$.enabled", "$.script"]
    assert found[-1][1].startswith("line 1: ")
    with pytest.raises(FieldsRefused) as refused:
        services.save_test(office, flow_id="greeting", fields={"name": "x", "script": {"steps": [{"type": "user"}]}}, by=None)
    assert [fault["path"] for fault in refused.value.details["errors"]] == ["$.script.steps[0].text"]


def test_names_are_given_once(office: Tenant) -> None:
    written(office)
    with pytest.raises(NameTaken):
        written(office)


def test_a_stale_save_is_refused(office: Tenant) -> None:
    row = written(office)
    services.save_test(office, flow_id="greeting", test_id=row.pk, fields={"description": "new"}, expected_rev=1, by=None)
    with pytest.raises(DraftHasChanged):
        services.save_test(office, flow_id="greeting", test_id=row.pk, fields={"description": "newer"}, expected_rev=1, by=None)


def test_exported_tests_come_back(office: Tenant) -> None:
    written(office, description="says hello")
    written(office, "formal", WRONG, enabled=False)
    document = services.export_tests(office, flow_id="greeting")
    other = TenantFactory.create()
    draft(other)
    services.import_tests(other, flow_id="greeting", document=document, by=None)
    assert services.export_tests(other, flow_id="greeting") == document
    with pytest.raises(NameTaken):
        services.import_tests(other, flow_id="greeting", document=document, by=None)
    services.import_tests(other, flow_id="greeting", document=document, replace=True, by=None)
    assert queries.tests(other, "greeting").count() == 2


def test_a_stranger_finds_no_test(office: Tenant) -> None:
    row = written(office)
    stranger = TenantFactory.create()
    draft(stranger)
    with pytest.raises(FlowTestNotFound):
        services.save_test(stranger, flow_id="greeting", test_id=row.pk, fields={"name": "mine"}, by=None)
    with pytest.raises(FlowTestNotFound):
        services.run_tests(stranger, flow_id="greeting", test_ids=[row.pk])
