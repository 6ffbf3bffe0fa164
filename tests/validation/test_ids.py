"""IDS: what the standard says of each pair of file and model, through the command; uploads over REST; files that become rules, and rules files."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.validation import board_rows
from tests.validation.ids_cases import (
    BARE_WALL,
    CASES,
    WALL,
    Case,
    about,
    attribute,
    entity,
    ids,
    material,
    prop,
    root,
    wall,
)
from tests.validation.models import SAMPLES, needs_samples
from validation.core.rules import Citation, Judgement, Kind, Outcome, Rule, Severity
from validation.errors import IdsInvalid, NoIdsRules, RuleSetVersionIsImmutable
from validation.ingest.ids import reading, runner
from validation.models import Building, ModelRevision, RuleSet, RuleSetVersion
from validation.services import ids as service

TWO_WALLS = f"{WALL}\n{root(2, 'IFCWALL', *['$'] * 7)}"


def written(folder: Path, cases: list[Case]) -> list[tuple[str, str]]:
    pairs = []
    for number, case in enumerate(cases):
        file, model = folder / f"{number}.ids", folder / f"{number}.ifc"
        file.write_text(case.ids, encoding="utf-8")
        model.write_text(case.step, encoding="utf-8")
        pairs.append((str(file), str(model)))
    return pairs


def verdicts(pairs: list[tuple[str, str]], folder: Path) -> list[str]:
    listed, out = folder / "pairs.txt", io.StringIO()
    listed.write_text("".join(f"{file}\t{model}\n" for file, model in pairs), encoding="utf-8")
    call_command("ids", "check", "--pairs", str(listed), stdout=out)
    return out.getvalue().split()


def said(file: str, model: str) -> tuple[str, int]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("ids", "check", "--ids", file, "--ifc", model, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip(), int(str(end.value.code))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("ids")
    return dict(zip([case.name for case in CASES], verdicts(written(folder, CASES), folder), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_standard(case: Case, found: dict[str, str]) -> None:
    assert found[case.name] == case.verdict


def test_every_case_has_its_own_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("needs", "expected"), [("Waldo", ("pass", 0)), ("Wally", ("fail", 1)), ("", ("invalid", 2))])
def test_one_pair_by_its_exit_code(needs: str, expected: tuple[str, int], tmp_path: Path) -> None:
    asked = wall(attribute("Name", needs)) if needs else wall(attribute("Farbe"))
    assert said(*written(tmp_path, [Case("one", asked, WALL, "")])[0]) == expected


def test_a_bad_pair_does_not_spoil_the_others(tmp_path: Path) -> None:
    good = Case("good", wall(attribute("Name")), WALL, "pass")
    pairs = written(tmp_path, [good] * 4)
    Path(pairs[1][1]).write_bytes(b"ISO-10303-21;\x00\xff" * 2000)
    pairs.insert(2, (str(tmp_path / "nowhere.ids"), pairs[0][1]))
    assert verdicts(pairs, tmp_path) == ["pass", "invalid", "invalid", "pass", "pass"]


def test_a_process_that_dies_takes_one_pair_with_it(tmp_path: Path) -> None:
    """A pattern whose search takes for ever ends its process by the time limit."""
    evil = wall(attribute("Name", '<xs:restriction base="xs:string"><xs:pattern value="(a|aa)+b"/></xs:restriction>'))
    slow = Case("slow", evil, WALL.replace("Waldo", "a" * 60), "")
    quick = Case("quick", wall(attribute("Name")), WALL, "pass")
    jobs = [{"kind": "check", "ids": file, "ifc": model} for file, model in written(tmp_path, [quick, slow, quick])]
    answers = list(runner.run_all(jobs, seconds=4))
    assert [answer.get("verdict") for answer in answers] == ["pass", None, "pass"]
    assert answers[1]["error"] == runner.CRASHED


def test_a_model_that_is_there_in_part_is_not_judged(tmp_path: Path) -> None:
    pair = written(tmp_path, [Case("cut", wall(attribute("Name")), TWO_WALLS, "")])[0]
    whole = Path(pair[1]).read_text()
    Path(pair[1]).write_text(whole[: whole.index("#2=") + 20])
    assert said(*pair) == ("invalid", 2)


def test_a_packed_model(tmp_path: Path) -> None:
    import zipfile

    pair = written(tmp_path, [Case("packed", wall(attribute("Name", "Waldo")), WALL, "")])[0]
    packed = tmp_path / "model.ifczip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(pair[1], "model.ifc")
    assert said(pair[0], str(packed)) == ("pass", 0)


def test_the_command_wants_to_know_what_to_check() -> None:
    with pytest.raises(CommandError, match="--ids and --ifc"):
        call_command("ids", "check")


@needs_samples
@pytest.mark.parametrize("model", ["large_building_ifc2x3.ifc", "tall_building_ifc2x3.ifc"])
def test_a_real_model(model: str, tmp_path: Path) -> None:
    asked = tmp_path / "doors.ids"
    asked.write_text(about("IFCDOOR", attribute("Name"), versions="IFC2X3"), encoding="utf-8")
    assert said(str(asked), str(SAMPLES / model)) == ("pass", 0)


@pytest.fixture
def tenant(db: None) -> Tenant:
    made: Tenant = factories.TenantFactory.create()
    return made


def principal(tenant: Tenant, role: str) -> Principal:
    return tenancy.principal_of_user(factories.member(tenant, role), tenant)


READER = ("rules:read", "validation:read")


def post(client: Client, url: str, headers: dict[str, str] | None = None, **files: str | bytes) -> Any:
    form = {name: SimpleUploadedFile(f"{name}.bin", text.encode() if isinstance(text, str) else text) for name, text in files.items()}
    return client.post(url, form, headers=headers or {})


def test_a_check_over_rest(client: Client, tenant: Tenant) -> None:
    case = Case("x", wall(attribute("Name", "Waldo"), material()), TWO_WALLS, "")
    answer = post(client, reverse("validation-ids-check"), factories.bearer(tenant), ids=case.ids, ifc=case.step)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["verdict"], body["summary"]) == ("fail", {"specifications": 1, "passed": 0, "failed": 1})
    one = body["specifications"][0]
    assert (one["applicable"], one["passed"], one["failed"]) == (2, 0, 2)
    assert one["failures"][0]["messages"] == ["A material is required."]
    assert "The attribute 'Name' with a value of 'Waldo' is required." in one["failures"][1]["messages"]


def test_an_audit_over_rest(client: Client, tenant: Tenant) -> None:
    answer = post(client, reverse("validation-ids-audit"), factories.bearer(tenant, READER), ids=wall(attribute("Farbe")))
    body = answer.json()
    assert (answer.status_code, body["verdict"]) == (200, "invalid")
    assert {fault["code"] for fault in body["faults"]} == {"unknown_name"}
    assert body["faults"][0]["path"] == "/ids/specifications[1]/specification[1]/requirements[1]/attribute[1]/name[1]/simpleValue[1]"


def test_uploads_that_are_none(client: Client, tenant: Tenant) -> None:
    headers = factories.bearer(tenant)
    missing = post(client, reverse("validation-ids-check"), headers, ids="<ids/>")
    assert (missing.status_code, missing.json()["errors"][0]["path"]) == (400, "$.ifc")
    garbage = post(client, reverse("validation-ids-check"), headers, ids=wall(attribute("Name")), ifc=b"\x00\x01garbage" * 50)
    assert (garbage.status_code, garbage.json()["verdict"], bool(garbage.json()["problem"])) == (200, "invalid", True)


@pytest.mark.parametrize("name", ["validation-ids-check", "validation-ids-audit"])
def test_who_may_check(name: str, client: Client, tenant: Tenant) -> None:
    assert post(client, reverse(name), ids="x", ifc="x").status_code == 401
    if name == "validation-ids-check":
        assert post(client, reverse(name), factories.bearer(tenant, READER), ids="x", ifc="x").status_code == 403


FILE = ids(
    entity("IFCWALL"),
    attribute("Name"),
    more='<specification name="Doors have a fire rating" identifier="ARC-7" ifcVersion="IFC4" description="For the escape plan" instructions="Ask">'
    f'<applicability minOccurs="0" maxOccurs="unbounded">{entity("IFCDOOR")}</applicability>'
    f"<requirements>{prop('Pset_DoorCommon', 'FireRating', 'IFCLABEL')}</requirements></specification>",
)


@pytest.fixture
def version(tenant: Tenant) -> RuleSetVersion:
    owner = RuleSet.objects.create(tenant=tenant, slug="client", title="What the client wants")
    made: RuleSetVersion = RuleSetVersion.objects.create(tenant=tenant, rule_set=owner, number="1.0.0")
    return made


def imported(version: RuleSetVersion, content: str = FILE, name: str = "client.ids") -> Any:
    return service.import_file(version.tenant, version=version.pk, name=name, content=content.encode(), by=principal(version.tenant, Role.EDITOR))


def test_every_specification_becomes_a_rule(version: RuleSetVersion) -> None:
    row = imported(version)
    assert (row.title, row.specification_count, row.audit["verdict"]) == ("Case", 2, "valid")
    rules = {rule.key: rule for rule in version.rules.all()}
    assert set(rules) == {"IDS-Case", "IDS-ARC-7"}
    doors = rules["IDS-ARC-7"]
    assert (doors.kind, doors.applies_to, doors.category, doors.ids_file_id) == ("ids", ["IfcDoor"], "data", row.pk)
    assert doors.paraphrase.startswith("For the escape plan The property 'FireRating' in 'Pset_DoorCommon'")
    assert AuditEntry.objects.filter(tenant=version.tenant, action="ids.import").count() == 1
    version.refresh_from_db()
    assert version.problem_count == 0


def test_the_same_file_again_keeps_keys_and_what_people_have_set(version: RuleSetVersion) -> None:
    imported(version)
    version.rules.filter(key="IDS-ARC-7").update(severity="critical")
    again = FILE.replace("For the escape plan", "For the fire brigade").replace('name="Case"', 'name="Walls"')
    imported(version, again)
    rules = {rule.key: rule for rule in version.rules.all()}
    assert set(rules) == {"IDS-Walls", "IDS-ARC-7"}
    assert rules["IDS-ARC-7"].severity == "critical"
    assert "fire brigade" in rules["IDS-ARC-7"].paraphrase


def test_a_file_that_does_not_pass_its_audit_is_refused(version: RuleSetVersion) -> None:
    with pytest.raises(IdsInvalid) as refused:
        imported(version, wall(attribute("Farbe")))
    assert refused.value.details["errors"][0]["code"] == "unknown_name"
    assert not version.rules.exists()


def test_published_versions_take_no_file(version: RuleSetVersion) -> None:
    RuleSetVersion.objects.filter(pk=version.pk).update(state="published")
    with pytest.raises(RuleSetVersionIsImmutable):
        imported(version)


def test_rules_go_out_as_they_came_in(version: RuleSetVersion) -> None:
    imported(version)
    name, content = service.export_version(version.tenant, version=version.pk)
    before, after = reading.read(FILE.encode()), reading.read(content)
    assert (name, after[1]) == ("client-1.0.0.ids", [])
    assert [plain(one) for one in after[0].specifications] == [plain(one) for one in before[0].specifications]
    assert service.export_version(version.tenant, version=version.pk) == (name, content)


def plain(one: Any) -> tuple[Any, ...]:
    return (one.name, one.identifier, one.description, one.instructions, one.usage, one.versions, len(one.applicability), len(one.requirements))


def test_nothing_to_give_out(version: RuleSetVersion) -> None:
    with pytest.raises(NoIdsRules):
        service.export_version(version.tenant, version=version.pk)


def test_import_and_export_over_rest(client: Client, version: RuleSetVersion) -> None:
    tenant = version.tenant
    url = reverse("validation-version-ids", args=[version.rule_set_id, version.pk])
    assert client.get(url).status_code == 401
    assert post(client, url, factories.bearer(tenant, READER), file=FILE).status_code == 403
    assert post(client, url, factories.bearer(factories.TenantFactory.create()), file=FILE).status_code == 404
    made = post(client, url, factories.bearer(tenant), file=FILE)
    assert (made.status_code, made.json()["rules"]) == (201, ["IDS-Case", "IDS-ARC-7"])
    given = client.get(url, headers=factories.bearer(tenant, READER))
    assert (given.status_code, given.headers["Content-Type"]) == (200, "application/xml")
    bad = post(client, url, factories.bearer(tenant), file=wall(attribute("Farbe")))
    assert (bad.status_code, bad.json()["error_code"], bad.json()["errors"][0]["line"]) == (400, "IDS_INVALID", 1)


def rule(key: str, content: str) -> Rule:
    document, faults = reading.read(content.encode())
    assert faults == []
    return Rule(
        key=key,
        title=key,
        kind=Kind.IDS,
        applies_to=(),
        when="true",
        require="true",
        message="",
        severity=Severity.MAJOR,
        category="data",
        citation=Citation(section="", paraphrase=""),
        ids=document.specifications[0].xml,
    )


@pytest.fixture
def house(tenant: Tenant) -> Building:
    made = board_rows.building(tenant)
    board_rows.element(made, "the-building", "IfcBuilding")
    return made


def revision(house: Building, model: str) -> ModelRevision:
    made = ModelRevision(tenant=house.tenant, building=house, number=1, source="ifc", file_name="house.ifc", state="ready")
    made.file.save("house.ifc", ContentFile(Case("m", "", model, "").step.encode()), save=False)
    made.save()
    return made


def test_judgements_of_every_object(house: Building) -> None:
    found = service.judgements(house.tenant, revision=revision(house, TWO_WALLS), rules=[rule("IDS-NAMES", wall(attribute("Name")))])
    assert [(one.subject[-1], one.outcome, one.severity) for one in found] == [("1", Outcome.PASS, "major"), ("2", Outcome.FAIL, "major")]
    assert (found[1].message, found[1].margin) == ("The attribute 'Name' is required.", None)
    assert found[1].evidence[0].value == "house.ifc r1"


@pytest.mark.parametrize(
    ("asked", "model", "expected"),
    [
        (about("IFCSLAB", attribute("Name")), WALL, ("the-building", Outcome.FAIL)),
        (wall(usage='minOccurs="0" maxOccurs="0"'), WALL, ("0000000000000000000001", Outcome.FAIL)),
        (about("IFCMATERIAL", attribute("Category"), versions="IFC4"), "#1=IFCMATERIAL('Brick',$,$);", ("the-building", Outcome.FAIL)),
    ],
    ids=["nothing there", "prohibited", "without a global id"],
)
def test_failures_of_the_whole(asked: str, model: str, expected: tuple[str, Outcome], house: Building) -> None:
    found = service.judgements(house.tenant, revision=revision(house, model), rules=[rule("IDS-X", asked)])
    assert [(one.subject, one.outcome) for one in found] == [expected]
    assert found[0].message


def test_the_same_global_id_twice_is_one_subject(house: Building) -> None:
    twice = WALL + "\n" + BARE_WALL.replace("#1=", "#2=")
    found = service.judgements(house.tenant, revision=revision(house, twice), rules=[rule("IDS-NAMES", wall(attribute("Name")))])
    assert [(one.subject, one.outcome) for one in found] == [("0000000000000000000001", Outcome.FAIL)]


def test_without_a_file_nothing_can_be_judged(house: Building) -> None:
    found: list[Judgement] = service.judgements(house.tenant, revision=None, building=house, rules=[rule("IDS-X", wall(attribute("Name")))])
    assert [(one.subject, one.outcome, one.missing) for one in found] == [("the-building", Outcome.NOT_EVALUABLE, ("model file",))]


def test_a_damaged_file_is_not_evaluable(house: Building) -> None:
    broken = revision(house, "#1=IFCWALL(")
    found = service.judgements(house.tenant, revision=broken, rules=[rule("IDS-X", wall(attribute("Name")))])
    assert (found[0].outcome, "damaged" in found[0].message) == (Outcome.NOT_EVALUABLE, True)
