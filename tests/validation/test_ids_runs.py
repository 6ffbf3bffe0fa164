"""IDS rules in checks of buildings: they are judged on the model's file, and live changes go on without it."""

from typing import Any

import pytest
from django.core.files.base import ContentFile

from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.factories import TenantFactory
from tests.validation.ids_cases import WALL, Case, about, attribute, root, wall
from tests.validation.live_scene import FRAME, HOUSE, RULES, Plugin, building, delete, door, full, person, rule, settle, there, work
from validation.ingest.ids import reading
from validation.models import Adoption, Building, ModelRevision, ValidationRun
from validation.services import checking, evaluating
from validation.services.checking import Question

pytestmark = pytest.mark.django_db
NAMED, NAMELESS = "0000000000000000000001", "0000000000000000000002"
TWO_WALLS = f"{WALL}\n{root(2, 'IFCWALL', *['$'] * 7)}"


def ids_rule(key: str, content: str, **more: Any) -> dict[str, Any]:
    document, faults = reading.read(content.encode())
    assert faults == []
    return rule(key, "IfcWall", "true", kind="ids", ids_xml=document.specifications[0].xml, category="data", **more)


NAMES = ids_rule("IDS-NAMES", wall(attribute("Name")))


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


def uploaded(house: Building, model: str = TWO_WALLS) -> ModelRevision:
    content = Case("m", "", model, "").step.encode()
    number = house.revisions.count() + 1
    made = ModelRevision(
        tenant=house.tenant, building=house, number=number, source="ifc", file_name="house.ifc", state="ready", sha256=f"{number}" * 64
    )
    made.file.save("house.ifc", ContentFile(content), save=False)
    made.save()
    return made


def a_wall(mark: str) -> dict[str, Any]:
    return {"op": "upsert", "global_id": mark, "ifc_class": "IfcWall", "set": {"name": "Wall", "storey": FRAME[1]["global_id"]}}


@pytest.fixture
def house(office: Tenant) -> Building:
    """Two walls as they are in its file, the second without a name there; a wide door and a narrow one."""
    made = building(office, *RULES, NAMES)
    Plugin(made, person(office), "setup").send(*FRAME, a_wall(NAMED), a_wall(NAMELESS), door("d-1", 0.7), door("d-2", 1.2, at=5.0))
    uploaded(made)
    return made


def numbers(on: Building) -> tuple[Any, ...]:
    on.refresh_from_db()
    held = on.counts["IDS-NAMES"]
    return held["pass"], held["fail"], on.score, on.coverage, on.status


@pytest.mark.parametrize("gone", [NAMED, NAMELESS])
def test_what_is_deleted_live_takes_its_judgements_along_and_a_full_check_agrees(house: Building, office: Tenant, gone: str) -> None:
    full(house)
    settle(house)
    assert numbers(house)[:2] == (1, 1)
    assert there(house)["IDS-NAMES", NAMELESS] == "fail"
    plugin = Plugin(house, person(office), "p")
    plugin.send(delete(gone), base=1)
    settle(house)
    live, findings = numbers(house), there(house)
    assert live[:2] == ((0, 1) if gone == NAMED else (1, 0))
    assert ("IDS-NAMES", gone) not in findings
    run = full(house)
    assert (numbers(house), there(house)) == (live, findings)
    assert run.score == house.score
    assert gone not in str(evaluating.unpacked(run.passes)) + str(evaluating.unpacked(run.results))


def test_what_is_changed_live_keeps_what_its_file_said(house: Building, office: Tenant) -> None:
    full(house)
    before = numbers(house)
    plugin = Plugin(house, person(office), "p")
    plugin.send({"op": "upsert", "global_id": NAMELESS, "set": {"tag": "W2"}}, base=1)
    plugin.send(delete(NAMED))
    plugin.send(a_wall(NAMED))
    settle(house)
    assert there(house)["IDS-NAMES", NAMELESS] == "fail"
    assert numbers(house)[:2] == (0, 1), "a wall that was drawn anew is in no file"
    full(house)
    assert numbers(house) == before


def test_what_is_deleted_during_a_check(house: Building, office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    full(house)
    plugin, evaluate = Plugin(house, person(office), "p"), evaluating.evaluate

    def meanwhile(*args: Any, **more: Any) -> Any:
        found = evaluate(*args, **more)
        if plugin.client_seq == 0:
            plugin.send(delete(NAMELESS), {"op": "upsert", "global_id": NAMED, "set": {"tag": "W1"}}, HOUSE, base=1)
        return found

    monkeypatch.setattr(evaluating, "evaluate", meanwhile)
    full(house)
    assert numbers(house)[:2] == (1, 0)
    settle(house)
    assert numbers(house)[:2] == (1, 0)
    assert ("IDS-NAMES", NAMELESS) not in there(house)


def test_only_the_file_knows_a_type(office: Tenant) -> None:
    types = ids_rule("IDS-TYPES", about("IFCWALLTYPE", attribute("Tag")))
    made = building(office, types)
    Plugin(made, person(office), "setup").send(*FRAME)
    uploaded(made, root(1, "IFCWALLTYPE", "'Type'", "$", "$", "$", "$", "$", "$", ".STANDARD."))
    full(made)
    assert there(made) == {("IDS-TYPES", NAMED): "fail"}


def test_hashes_are_of_the_file_and_of_what_ids_rules_say(house: Building) -> None:
    first, again = full(house), full(house)
    assert (first.input_sha256, first.result_sha256) == (again.input_sha256, again.result_sha256)
    uploaded(house)
    same = full(house)
    assert same.input_sha256 != first.input_sha256
    assert same.result_sha256 != first.result_sha256, "its evidence is another file"
    uploaded(house, WALL)
    other = full(house)
    assert other.result_sha256 not in (first.result_sha256, same.result_sha256)


def asked(house: Building, **question: Any) -> ValidationRun:
    run = work(checking.start(house.tenant, building_id=house.pk, by="system:test", question=Question(**question)))
    assert run.state == "done", run.problem
    return run


def test_what_if_asks_the_file_too(house: Building, office: Tenant) -> None:
    now = full(house)
    same = asked(house)
    assert same.score_breakdown["sentence"].endswith("the same findings.")
    assert (same.counts, same.score, same.result_sha256) == (now.counts, now.score, now.result_sha256)
    place = factories.JurisdictionFactory.create(tenant=office, code="XX-STRICT")
    edition = factories.CodeEditionFactory.create(tenant=office, title="Strict Code", edition="2024")
    Adoption.objects.create(tenant=office, jurisdiction=place, code_edition=edition, effective_from="2020-01-01")
    factories.rule_set(office, ids_rule("IDS-TAGS", wall(attribute("Tag", "W1"))), slug="strict", edition=edition)
    run = asked(house, jurisdiction="XX-STRICT")
    found = run.score_breakdown["comparison"]
    assert {one["rule"]: one["added"] for one in found["rules"]} == {"IDS-TAGS": [NAMED, NAMELESS]}
    assert run.counts["rules"]["IDS-NAMES"]["fail"] == 1


def test_without_a_file_no_fact_is_asked_for(office: Tenant) -> None:
    made = building(office, NAMES)
    Plugin(made, person(office), "setup").send(*FRAME)
    run = full(made)
    assert run.counts["rules"]["IDS-NAMES"]["not_evaluable"] == 1
    assert run.missing_facts == []
