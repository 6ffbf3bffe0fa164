"""What flows and other machines can ask: findings, and why; in words that a conversation can use."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from conversations.effects import tools as calls
from conversations.effects.types import Ask
from flows.models import Integration
from mcp_platform import toolkit
from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.validation import judged
from validation import tools
from validation.core import remedy
from validation.core.remedy import Candidate
from validation.errors import BuildingAmbiguous, BuildingNotFound, ElementNotFound, FieldsRefused, FindingNotFound, RuleSetNotFound
from validation.models import Building, Element, Finding
from validation.services import explaining, packs


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create()


DOOR = {
    "rule_key": "IBC21-1010.1.1-DOOR-WIDTH",
    "subject": "2O2Fr$t4X7Zf8NOew3FL9r",
    "subject_name": "Door 0.S3",
    "severity": "critical",
    "actual": 0.65,
    "required": 0.8128,
    "unit": "m",
    "margin": -0.1628,
    "message": "Clear width 650 mm is less than 813 mm.",
    "evidence": [
        {"fact": "e.clear_width", "value": 0.65, "unit": "m", "source": "derived:door", "assumed": True, "note": "frame of 50 mm on each side"}
    ],
    "citation": {
        "title": "International Building Code",
        "edition": "2021",
        "section": "1010.1.1",
        "paraphrase": "Doors on the way out need a clear width of 32 inches.",
    },
    "parameters": {"min": {"value": 0.8128, "unit": "m", "origin": "amendment WA-1 (US-WA)"}},
}


@pytest.fixture
def house(tenant: Tenant) -> Building:
    made = judged.a_building(tenant, "Office")
    elements = [("2O2Fr$t4X7Zf8NOew3FL9r", "IfcDoor", "Door 0.S3", "12"), ("1kTvXnbbzCWw8lcMd1dR4o", "IfcSpace", "0.K2", "")]
    for number, (gid, kind, name, tag) in enumerate(elements):
        Element.objects.create(
            tenant=tenant, building=made, global_id=gid, valid_from_seq=1, ifc_class=kind, name=name, tag=tag, content_hash=str(number)
        )
    judged.a_finding(made, **DOOR).save()
    judged.a_finding(
        made, rule_key="IBC21-1004.5-OCCUPANT-LOAD", subject="1kTvXnbbzCWw8lcMd1dR4o", subject_name="0.K2", ifc_class="IfcSpace", severity="minor",
        outcome="not_evaluable", missing=["e.function", "b.occupancy"],
    ).save()  # fmt: skip
    return made


def ask(tenant: Tenant, name: str, **arguments: Any) -> Any:
    tool = toolkit.tool(name)
    Draft202012Validator(tool.input_schema).validate(arguments)
    answer = tool.call(tenant, arguments, "integration:codes")
    Draft202012Validator(tool.output_schema).validate(answer)
    return answer


CANDIDATES = [
    Candidate(global_id="2O2Fr$t4X7Zf8NOew3FL9r", ifc_class="IfcDoor", name="Door 0.S3", tag="12"),
    Candidate(global_id="a", ifc_class="IfcDoor", name="Door 0.S31", tag="112"),
    Candidate(global_id="b", ifc_class="IfcDoor", name="Door 1", tag="1"),
    Candidate(global_id="c", ifc_class="IfcDoor", name="Door 12", tag=""),
    Candidate(global_id="d", ifc_class="IfcSpace", name="0.K2", tag="12"),
    Candidate(global_id="e", ifc_class="IfcStairFlight", name="Stair B flight 1", tag="B1"),
    Candidate(global_id="f", ifc_class="IfcStairFlight", name="Stair B flight 12", tag=""),
]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("Why does door 0.S3 fail?", ["Door 0.S3"]),
        ("DOOR 0.S3", ["Door 0.S3"]),
        ("why does 2O2Fr$t4X7Zf8NOew3FL9r fail", ["Door 0.S3"]),
        ("Why does door 12 fail?", ["Door 12"]),
        ("what is wrong with door 1?", ["Door 1"]),
        ("Door 112", ["Door 0.S31"]),
        ("and room 12?", ["0.K2"]),
        ("what about stair b  flight 1.", ["Stair B flight 1"]),
        ("tell me about 0.K2, please", ["0.K2"]),
        ("why does the roof fail?", []),
        ("", []),
    ],
)
def test_the_element_that_a_question_names(said: str, names: list[str]) -> None:
    assert [one.name for one in remedy.meant(said, CANDIDATES)] == names


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"actual": 0.65, "required": 0.81}, "At least 160 mm more (650 mm now, 810 mm needed)."),
        ({"actual": 0.65, "required": 0.8128, "system": "imperial"}, "At least 6 7/16 in more (25 9/16 in now, 32 in needed)."),
        ({"actual": 70.0, "required": 60.0}, "At least 10 m less (70 m now, 60 m needed)."),
        ({"actual": 0.1, "required": 1 / 12, "unit": "rise/run"}, "At least 1.7 percentage points less (1:10 (10 %) now, 1:12 (8.3 %) needed)."),
        ({"actual": "B", "required": "A-2", "unit": "text"}, "It is B; A-2 is required."),
        ({"actual": None, "required": None}, ""),
        (
            {"actual": None, "required": 0.8, "missing": ["e.clear_width", "b.occupancy"]},
            "It cannot be judged before the model says: clear width, occupancy of the building.",
        ),
    ],
)
def test_the_remedy_is_told_in_numbers(given: Mapping[str, Any], text: str) -> None:
    asked = {"unit": "m", "margin": None, "missing": [], "system": "metric", **given}
    assert remedy.remedy(**asked) == text


def test_findings_come_with_the_standing_and_a_sentence_each(tenant: Tenant, house: Building) -> None:
    answer = ask(tenant, "validation.findings", building="office", limit=1, ordering="severity")
    assert (answer["total"], answer["violations"], answer["not_evaluable"]) == (2, 1, 1)
    assert answer["by_severity"]["critical"] == 1
    assert answer["findings"][0]["remedy"] == "At least 163 mm more (650 mm now, 813 mm needed)."
    assert answer["text"] == "critical: Door 0.S3: Clear width 650 mm is less than 813 mm."
    assert ask(tenant, "validation.findings", severity="minor")["findings"][0]["element"] == "0.K2"


def test_an_explanation_says_where_it_stands_on_what_it_stands_and_what_would_fix_it(tenant: Tenant, house: Building) -> None:
    answer = ask(tenant, "validation.explain", element="Why does door 12 fail?")
    (one,) = answer["explanations"]
    assert one["citation"]["place"] == "International Building Code 2021, 1010.1.1"
    assert (one["actual"], one["required"]) == ("650 mm", "813 mm")
    assert one["evidence"] == ["clear width 650 mm, assumed: frame of 50 mm on each side"]
    assert one["parameters"][0]["origin"] == "amendment WA-1 (US-WA)"
    for part in ("Door 0.S3", "1010.1.1", "32 inches", "assumed", "At least 163 mm more"):
        assert part in answer["text"]
    by_id = ask(tenant, "validation.explain", finding=one["finding"])
    assert by_id["explanations"] == answer["explanations"]


def test_what_cannot_be_judged_names_the_missing_facts(tenant: Tenant, house: Building) -> None:
    answer = ask(tenant, "validation.explain", element="0.K2")
    assert "before the model says: function, occupancy of the building." in answer["text"]


def test_an_element_without_findings_is_said_to_have_none(tenant: Tenant, house: Building) -> None:
    Finding.objects.filter(subject_name="0.K2").update(resolved_seq=2)
    answer = ask(tenant, "validation.explain", element="room 0.K2")
    assert (answer["total"], answer["text"]) == (0, "0.K2 has no findings: no rule that was checked fails for it.")


def test_strangers_and_wrong_names_find_nothing(tenant: Tenant, house: Building) -> None:
    stranger = TenantFactory.create()
    for name in ("validation.findings", "validation.explain"):
        with pytest.raises(BuildingNotFound):
            ask(stranger, name, building=str(house.pk), **({"element": "door"} if name.endswith("explain") else {}))
    with pytest.raises(ElementNotFound):
        ask(tenant, "validation.explain", element="the moon")
    for wrong in ("nothing", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(FindingNotFound):
            ask(tenant, "validation.explain", finding=wrong)
    with pytest.raises(FieldsRefused):
        explaining.findings(tenant, house, filters={"severity": "awful"})


def test_of_several_buildings_one_has_to_be_named(tenant: Tenant, house: Building) -> None:
    judged.a_building(tenant, "Annex")
    with pytest.raises(BuildingAmbiguous) as refused:
        explaining.building(tenant)
    assert {one["name"] for one in refused.value.details["buildings"]} == {"Office", "Annex"}
    assert explaining.building(tenant, "OFFICE") == house
    assert explaining.building(tenant, str(house.pk)) == house


def test_a_flow_calls_them_like_any_tool(tenant: Tenant, house: Building) -> None:
    integration = Integration(tenant=tenant, integration_id="codes", type="tool", options={"tools": [one.name for one in tools.TOOLS]})
    heard = calls.perform(_asked(tenant, integration, "validation.explain", {"element": "door 0.S3"}))
    assert heard.outcome.success
    assert "At least 163 mm more" in heard.outcome.data["text"]
    wrong = calls.perform(_asked(tenant, integration, "validation.explain", {"rule": "x"}))
    assert (wrong.outcome.success, wrong.outcome.code) == (False, "VALIDATION_ERROR")
    unknown = calls.perform(_asked(tenant, integration, "validation.findings", {"building": "nowhere"}))
    assert unknown.outcome.code == "BUILDING_NOT_FOUND"


def _asked(tenant: Tenant, integration: Integration, endpoint: str, values: Mapping[str, Any]) -> Ask:
    request = {"endpoint": endpoint, "request": dict(values)}
    return Ask(tenant=tenant, integration=integration, request=request, key="1", deadline=time.monotonic() + 5)


def test_a_published_rule_set_is_a_resource(tenant: Tenant) -> None:
    packs.import_pack(tenant, document=packs.starter_pack(), publish=True, by=None)
    listed = tools.RULE_SETS.listed
    assert listed is not None
    uri = listed(tenant)[0][0]
    slug = uri.removeprefix("ruleset://").removesuffix("/latest")
    found = tools.RULE_SETS.read(tenant, {"rule_set": slug, "version": "latest"})
    assert found["slug"] == slug
    assert found["rules"]
    assert tools.RULE_SETS.read(tenant, {"rule_set": slug, "version": found["number"]}) == found
    assert slug in tools.RULE_SETS.complete["rule_set"](tenant, slug[:3])
    assert tools.RULE_SETS.complete["version"](tenant, "")[0] == "latest"
    for names in ({"rule_set": slug, "version": "99.0.0"}, {"rule_set": "nobody", "version": "latest"}):
        with pytest.raises(RuleSetNotFound):
            tools.RULE_SETS.read(tenant, names)
    with pytest.raises(RuleSetNotFound):
        tools.RULE_SETS.read(TenantFactory.create(), {"rule_set": slug, "version": "latest"})


def test_prompts_name_the_building_and_hold_the_explanation(tenant: Tenant, house: Building) -> None:
    finding = Finding.objects.get(tenant=tenant, rule_key=DOOR["rule_key"])
    by_name = {one.name: one for one in tools.PROMPTS}
    (review,) = by_name["review_building"].fill(tenant, {"building": "Office"})
    assert "the building Office" in review.text
    suggest = by_name["review_building"].arguments[0].complete
    assert suggest is not None
    assert suggest(tenant, "off") == ["Office"]
    (letter,) = by_name["explain_finding"].fill(tenant, {"finding": str(finding.pk), "building": "Office"})
    assert "650 mm" in letter.text
