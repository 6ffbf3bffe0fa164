"""The demo: its law and building are made once, and the permit desk asks the tools what it should."""

import pytest

from demo import building
from demo.permit_desk import CODES, INTEGRATION, PERMIT_DESK
from flows import services as flows
from flows.models import Integration
from mcp_platform.tenancy import permissions, queries, services
from mcp_platform.tenancy.models import Membership, Tenant
from tests.factories import TenantFactory, member
from tests.playbook import Play
from validation import tools
from validation.models import Building, Project, RuleSetVersion
from validation.services import rulebook


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create(slug="demo")


def test_the_law_and_the_building_are_made_once(tenant: Tenant) -> None:
    by, told = queries.principal_of_user(member(tenant), tenant), list[str]()
    first = building.prepare(tenant, by, told.append)
    assert "ibc-2021@1.0.0" in told[0]
    assert building.prepare(tenant, by, told.append) == first
    assert (Project.objects.count(), Building.objects.count(), len(told)) == (1, 1, 1)
    assert RuleSetVersion.objects.for_tenant(tenant).filter(state="published").exists()
    book = rulebook.rulebook_of(first)
    assert {"IBC21-1010.1.1-DOOR-WIDTH", "ADA10-405.2-RAMP-SLOPE"} <= set(book.by_key)


def test_the_second_person_is_a_code_official_and_nobody_else_may_approve(tenant: Tenant) -> None:
    official = building.official_of(tenant, "pass word", services.add_member)
    assert building.official_of(tenant, "other", services.add_member) == official
    role = Membership.objects.for_tenant(tenant).get(user=official).role
    assert "waivers:approve" in permissions.of_role(role)
    assert official.check_password("pass word")


def test_the_permit_desk_can_be_published(tenant: Tenant) -> None:
    by = member(tenant)
    flows.save_integration(tenant, integration_id=CODES, fields=INTEGRATION, create=True, by=by)
    flows.import_flow(tenant, document=PERMIT_DESK, by=by)
    flows.publish(tenant, flow_id="permit_desk", by=by)
    assert set(Integration.objects.get(tenant=tenant).options["tools"]) == {one.name for one in tools.TOOLS}


@pytest.mark.parametrize(
    ("said", "locale"), [("Please check my building", "en"), ("Is my model to code?", "en"), ("Prüfen Sie bitte mein Gebäude", "de")]
)
def test_checking_runs_the_check_and_tells_the_worst(said: str, locale: str) -> None:
    talk = Play(PERMIT_DESK, locale=locale).user(said).calls(CODES, wait_seconds=20)
    assert talk.call.endpoint == "validation.run"
    talk.returns({"text": "Office: 2 violations."}).calls(CODES, limit=3, outcome="fail", ordering="severity")
    assert talk.call.endpoint == "validation.findings"
    talk.returns({"text": "critical: Door 12 is too narrow"}).waits("questions").mentions("Office: 2 violations.", "Door 12 is too narrow")


@pytest.mark.parametrize("said", ["Why does door 12 fail?", "What is wrong with the stair?", "Warum ist Tür 12 durchgefallen?"])
def test_a_question_about_an_element_goes_to_the_tool_as_it_was_asked(said: str) -> None:
    talk = Play(PERMIT_DESK).user(said).calls(CODES, element=said)
    assert talk.call.endpoint == "validation.explain"
    talk.returns({"text": "At least 163 mm more."}).waits("questions").mentions("At least 163 mm more.")


def test_what_the_tool_refuses_is_told_and_the_talk_goes_on() -> None:
    Play(PERMIT_DESK).user("Please check my building").fails(code="NOTHING_TO_CHECK").waits("questions").mentions(
        "I cannot answer that from the model"
    )
