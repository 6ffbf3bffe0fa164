"""`manage.py validate_building`: a model checked on the command line, with exit codes for scripts, and nothing left behind."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.validation import judged
from tests.validation.ids_cases import entity, ids, prop
from validation.ingest import demo
from validation.models import Building, Element, Finding, Jurisdiction, Project, RuleSet, RuleSetVersion
from validation.services import ids as ids_files
from validation.services import one_off, packs, rule_sets


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "office.ifc"
    path.write_bytes(demo.write())
    return path


SHED = {"format": "mcp-building/1", "elements": [{"global_id": "door-1", "ifc_class": "IfcDoor", "name": "Door 1"}]}


def an_office() -> Building:
    """In Seattle, with the starter pack's law."""
    tenant: Tenant = TenantFactory.create(slug="permits")
    packs.import_pack(tenant, document=packs.starter_pack(), publish=True, by=None)
    house = judged.a_building(tenant, "Office")
    Project.objects.update(jurisdiction=Jurisdiction.objects.get(code="US-WA-SEA"), permit_application_date="2025-05-05")
    return house


def run(*words: Any) -> tuple[int, str]:
    """Exit code and output."""
    out = StringIO()
    try:
        call_command("validate_building", *map(str, words), stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def refused(*words: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*words)
    return caught.value


@pytest.mark.django_db
def test_a_model_with_violations_is_told_and_ends_with_1(model: Path) -> None:
    code, told = run(model, "--occupancy", "B", "--permit-date", "2025-05-05")
    assert code == 1
    assert "US-WA-SEA Seattle, permit of 2025-05-05: ADA Standards for Accessible Design 2010, International Building Code 2021" in told
    assert "status: non-compliant" in told
    assert "Door 0.S3 clears 25 9/16 in; egress doors need at least 32 in." in told
    assert "to unlock" in told
    assert not any(table.objects.exists() for table in (Building, Finding, Element, RuleSet))


@pytest.mark.django_db
def test_the_report_is_whole_and_the_same_every_time(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    code, told = run(model, "--json", "--out", out, "--permit-date", "2025-05-05")
    found = json.loads(told)
    assert (code, json.loads(out.read_text())) == (1, found)
    again = json.loads(run(model, "--json", "--permit-date", "2025-05-05")[1])
    assert {**again, "seconds": None} == {**found, "seconds": None}
    door = next(one for one in found["findings"] if one["rule"] == "IBC21-1010.1.1-DOOR-WIDTH" and one["name"] == "Door 0.S3")
    assert door["outcome"] == "fail"
    assert door["margin"] == pytest.approx(door["actual"] - door["required"])
    assert door["evidence"]
    assert door["citation"]["edition"] == "2021"
    assert found["counts"]["fail"] == sum(one["outcome"] == "fail" for one in found["findings"])
    assert found["missing_facts"]


@pytest.mark.django_db
def test_before_an_edition_was_in_force_its_rules_do_not_run(model: Path) -> None:
    report = json.loads(run(model, "--json", "--permit-date", "2020-01-01")[1])
    assert [one["slug"] for one in report["basis"]["rule_sets"]] == ["ada-2010"]
    wider = json.loads(run(model, "--json", "--permit-date", "2020-01-01", "--rules", "ibc-2021")[1])
    assert [one["slug"] for one in wider["basis"]["rule_sets"]] == ["ada-2010", "ibc-2021"]


@pytest.mark.django_db
def test_the_law_may_be_a_tenants_own_and_gives_the_same(model: Path) -> None:
    tenant: Tenant = TenantFactory.create(slug="permits")
    packs.import_pack(tenant, document=packs.starter_pack(), publish=True, by=None)
    ours = json.loads(run(model, "--json", "--permit-date", "2025-05-05", "--tenant", "permits")[1])
    pack = json.loads(run(model, "--json", "--permit-date", "2025-05-05")[1])
    assert ours["result_sha256"] == pack["result_sha256"]
    assert "no active tenant nobody" in str(refused(model, "--tenant", "nobody"))


@pytest.mark.django_db
def test_what_cannot_be_checked_ends_with_2_and_says_why(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ifc"
    broken.write_bytes(b"ISO-10303-21;\nnothing of it is true")
    named = tmp_path / "model.txt"
    named.write_text("")
    for words, said in [
        ((broken,), ""),
        ((named,), "ends in .ifc"),
        ((tmp_path / "absent.ifc",), "There is no file"),
        ((model, "--jurisdiction", "MARS"), "US-WA-SEA"),
        ((model, "--rules", "nonsense"), "there are ada-2010"),
    ]:
        fault = refused(*words)
        assert fault.returncode == 2
        assert said in str(fault)


@pytest.mark.django_db
def test_with_a_building_the_model_is_kept_as_its_revision_and_checked(model: Path) -> None:
    house = an_office()
    code, told = run(model, "--building", house.pk)
    assert code == 1
    assert told.split()[-1] == "fail"
    assert "Office: revision 1" in told
    assert "status: non-compliant" in told
    assert Finding.objects.filter(building=house, subject_name="Door 0.S3", rule_key="IBC21-1010.1.1-DOOR-WIDTH").exists()
    assert "which was there already" in run(model, "--building", house.pk)[1]
    assert "no building" in str(refused(model, "--building", house.tenant_id))


@pytest.mark.django_db
def test_a_model_that_was_read_in_part_is_never_good(model: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.ifc"
    whole = model.read_bytes()
    half.write_bytes(whole.replace(b"END-ISO-10303-21;", b""))
    code, told = run(half, "--permit-date", "2025-05-05")
    assert "READ IN PART ONLY" in told
    assert "Door 0.S3 clears" in told  # and what was found is told all the same
    assert (code, told.split()[-1]) == (2, "invalid")
    found = json.loads(run(half, "--json", "--permit-date", "2025-05-05")[1])
    assert (found["state"], found["verdict"]) == ("partial", "invalid")


@pytest.mark.django_db
def test_a_revision_that_was_read_in_part_is_never_good_either(model: Path, tmp_path: Path) -> None:
    house = an_office()
    half = tmp_path / "half.ifc"
    half.write_bytes(model.read_bytes().replace(b"END-ISO-10303-21;", b""))
    code, told = run(half, "--building", house.pk, "--json")
    found = json.loads(told)
    assert (code, found["verdict"], found["revision"]["state"]) == (2, "invalid", "partial")
    assert found["violations"] > 0


@pytest.mark.django_db
def test_what_somebody_calls_a_false_positive_is_a_violation_until_it_is_waived(model: Path) -> None:
    house = an_office()
    first = json.loads(run(model, "--building", house.pk, "--json")[1])
    assert (first["verdict"], first["violations"]) == ("fail", sum(one["outcome"] == "fail" for one in first["findings"]))
    Finding.objects.filter(building=house, outcome="fail").update(state="false_positive")
    code, told = run(model, "--building", house.pk)
    assert (code, told.split()[-1]) == (1, "fail")


DOORS_HAVE_A_FIRE_RATING = ids(entity("IFCDOOR"), prop("Pset_DoorCommon", "FireRating", "IFCLABEL"))


@pytest.mark.django_db
def test_ids_rules_of_a_tenant_are_judged_on_the_file(model: Path, tmp_path: Path) -> None:
    tenant: Tenant = TenantFactory.create(slug="permits")
    packs.import_pack(tenant, document=packs.starter_pack(), publish=True, by=None)
    owner = RuleSet.objects.create(tenant=tenant, slug="client", title="What the client wants")
    version = RuleSetVersion.objects.create(tenant=tenant, rule_set=owner, number="1.0.0")
    ids_files.import_file(tenant, version=version.pk, name="client.ids", content=DOORS_HAVE_A_FIRE_RATING.encode(), by=None)
    version.refresh_from_db()
    rule_sets.close(version, None)
    words = ("--json", "--tenant", "permits", "--permit-date", "2025-05-05", "--rules", "client")
    found = json.loads(run(model, *words)[1])
    counts = found["counts"]["rules"]["IDS-Case"]
    assert counts["pass"] + counts["fail"] == sum(b"=IFCDOOR(" in line for line in model.read_bytes().splitlines())
    assert counts["fail"] == sum(one["rule"] == "IDS-Case" for one in found["findings"]) > 0
    shed = tmp_path / "shed.json"
    shed.write_text(json.dumps(SHED))
    unread = json.loads(run(shed, *words)[1])
    assert unread["counts"]["rules"]["IDS-Case"]["not_evaluable"] == 1


@pytest.mark.django_db
def test_the_same_facts_as_the_service_reads(model: Path) -> None:
    """Bodies that only the geometry engine understands have their boxes here, too."""
    house = an_office()
    run(model, "--building", house.pk)
    boxes = {row.global_id: row.box is not None for row in Element.objects.filter(building=house, valid_to_seq=None)}
    assert {one.global_id: one.box is not None for one in one_off.read(model).elements} == boxes


@pytest.mark.django_db
def test_neutral_json_and_a_model_without_violations(tmp_path: Path) -> None:
    path = tmp_path / "shed.json"
    path.write_text(json.dumps(SHED))
    code, told = run(path)
    assert (code, told.split()[-1]) == (0, "pass"), told
    assert "0 violated" in told
