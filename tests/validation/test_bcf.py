"""BCF: files that the schemas of 2.1 and 3.0 allow, the same bytes for the same findings, and what comes back."""

import io
import math
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import etree

from mcp_platform.errors import Denied
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import AuditEntry, Role, Tenant
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.validation import board_rows
from validation.core.building import Box
from validation.errors import BcfRefused, BcfVersionUnknown
from validation.ingest import bcf as reading
from validation.ingest.refusal import Refused
from validation.models import Building, Finding, FindingNote
from validation.queries.board import Filters
from validation.render import bcf as writing
from validation.render import camera
from validation.services import bcf, board

DOOR = "2cXV28XOjE6f6irgi0COy$"
AT = datetime(2026, 11, 21, 8, tzinfo=UTC)


GUID = r"[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
TEXT = r"(?s).*\S.*"
NUMBER = r"-?\d+(\.\d+)?(e-?\d+)?"
Shape = tuple[dict[str, tuple[int, int]], dict[str, str], str]
MANY = 10_000
VECTOR: Shape = ({"X": (1, 1), "Y": (1, 1), "Z": (1, 1)}, {}, "")


def leaf(pattern: str = TEXT, **attributes: str) -> Shape:
    return ({}, attributes, pattern)


def node(*children: str, **attributes: str) -> Shape:
    """A child "Title" once, "Stage?" at most once, "Label*" any number of times, "Component+" at least once."""
    counts = {"?": (0, 1), "*": (0, MANY), "+": (1, MANY)}
    return ({name.rstrip("?*+"): counts.get(name[-1], (1, 1)) for name in children}, attributes, "")


CAMERA = ("CameraViewPoint", "CameraDirection", "CameraUpVector")
LEAVES = {
    **{name: leaf(TIME) for name in ("CreationDate", "ModifiedDate", "DueDate", "Date")},
    **{name: leaf(NUMBER) for name in ("X", "Y", "Z", "ViewToWorldScale", "FieldOfView", "AspectRatio")},
    **dict.fromkeys((*CAMERA, "StartPoint", "EndPoint"), VECTOR),
    "Lines": node("Line+"),
    "Line": node("StartPoint", "EndPoint"),
    "Selection": node("Component+"),
    "Component": node("OriginatingSystem?", "AuthoringToolId?", IfcGuid=r"?[0-9A-Za-z_$]{22}"),
}
DATES = ("CreationDate", "CreationAuthor", "ModifiedDate?", "ModifiedAuthor?", "DueDate?", "AssignedTo?", "Stage?", "Description?")
HINTS = {"SpacesVisible": "true|false", "SpaceBoundariesVisible": "true|false", "OpeningsVisible": "true|false"}
COMMENT = node("Date", "Author", "Comment", "CommentViewpoint?", "ModifiedDate?", "ModifiedAuthor?", Guid=GUID)
SHAPES: dict[str, dict[str, Shape]] = {
    "2.1": LEAVES
    | {
        "Version": node("DetailedVersion?", VersionId=r"2\.1"),
        "ProjectExtension": node("Project?", "ExtensionSchema"),
        "ExtensionSchema": leaf(""),
        "Project": node("Name?", ProjectId=TEXT),
        "Markup": node("Header?", "Topic", "Comment*", "Viewpoints*"),
        "Header": node("File+"),
        "File": node("Filename?", "Date?", "Reference?"),
        "Topic": node(
            "ReferenceLink*",
            "Title",
            "Priority?",
            "Index?",
            "Labels*",
            *DATES,
            "BimSnippet?",
            "DocumentReference*",
            "RelatedTopic*",
            Guid=GUID,
            TopicType="?" + TEXT,
            TopicStatus="?" + TEXT,
        ),
        "Comment": COMMENT,
        "Viewpoints": node("Viewpoint?", "Snapshot?", "Index?", Guid=GUID),
        "VisualizationInfo": node("Components?", "OrthogonalCamera?", "PerspectiveCamera?", "Lines?", "ClippingPlanes?", "Bitmap*", Guid=GUID),
        "Components": node("ViewSetupHints?", "Selection?", "Visibility", "Coloring?"),
        "ViewSetupHints": node(**HINTS),
        "Visibility": node("Exceptions?", DefaultVisibility="true|false"),
        "Coloring": node("Color+"),
        "Color": node("Component+", Color="[0-9A-F]{6}"),
        "OrthogonalCamera": node(*CAMERA, "ViewToWorldScale"),
        "PerspectiveCamera": node(*CAMERA, "FieldOfView"),
    },
    "3.0": LEAVES
    | {
        "Version": node(VersionId=r"3\.0"),
        "ProjectInfo": node("Project"),
        "Project": node("Name?", ProjectId=TEXT),
        "Extensions": node("TopicTypes", "TopicStatuses", "Priorities", "TopicLabels", "Users", "SnippetTypes", "Stages"),
        "TopicTypes": node("TopicType*"),
        "TopicStatuses": node("TopicStatus*"),
        "Priorities": node("Priority*"),
        "TopicLabels": node("TopicLabel*"),
        "Users": node("User*"),
        "SnippetTypes": node(),
        "Stages": node(),
        "Markup": node("Header?", "Topic"),
        "Header": node("Files?"),
        "Files": node("File*"),
        "File": node("Filename?", "Date?", "Reference?"),
        "Topic": node(
            "ReferenceLinks?",
            "Title",
            "Priority?",
            "Index?",
            "Labels?",
            *DATES,
            "BimSnippet?",
            "DocumentReferences?",
            "RelatedTopics?",
            "Comments?",
            "Viewpoints?",
            Guid=GUID,
            TopicType=TEXT,
            TopicStatus=TEXT,
        ),
        "Labels": node("Label*"),
        "Comments": node("Comment*"),
        "Comment": COMMENT,
        "Viewpoints": node("ViewPoint*"),
        "ViewPoint": node("Viewpoint?", "Snapshot?", "Index?", Guid=GUID),
        "VisualizationInfo": node("Components?", "OrthogonalCamera?", "PerspectiveCamera?", "Lines?", "ClippingPlanes?", "Bitmaps?", Guid=GUID),
        "Components": node("Selection?", "Visibility?", "Coloring?"),
        "ColorComponents": node("Component+"),
        "Visibility": node("ViewSetupHints?", "Exceptions?", DefaultVisibility="true|false"),
        "ViewSetupHints": node(**HINTS),
        "Coloring": node("Color*"),
        "Color": node("ColorComponents", Color="[0-9A-F]{6}"),
        "OrthogonalCamera": node(*CAMERA, "ViewToWorldScale", "AspectRatio"),
        "PerspectiveCamera": node(*CAMERA, "FieldOfView", "AspectRatio"),
    },
}
# Names that mean something else below another element.
BELOW = {("Comment", "Viewpoint"): "CommentViewpoint", ("Comment", "Comment"): "CommentText", ("Color", "Components"): "ColorComponents"}


def faults(element: Any, version: str, name: str = "") -> list[str]:
    """What the schema of the version would refuse."""
    name = name or element.tag
    shapes = SHAPES[version] | {"CommentViewpoint": node(Guid=GUID), "CommentText": leaf()}
    children, attributes, text = shapes.get(name, leaf())
    found = [f"{name} has no attribute {key}" for key, pattern in attributes.items() if not pattern.startswith("?") and key not in element.attrib]
    for key, value in element.attrib.items():
        pattern = attributes.get(key, "(?!)").removeprefix("?")
        found += [] if re.fullmatch(pattern, value) else [f"{name} {key}={value!r}"]
    if not children and not len(element):
        return found if re.fullmatch(text or "", element.text or "") else [*found, f"{name} says {element.text!r}"]
    order, seen = list(children), [BELOW.get((name, child.tag), child.tag) for child in element]
    if name == "Comment":
        seen = ["Comment" if one == "CommentText" else one for one in seen]
    found += [f"{name} has {one}" for one in seen if one not in children]
    found += (
        [f"{name} has its children in the order {seen}"]
        if [one for one in seen if one in children] != sorted((one for one in seen if one in children), key=order.index)
        else []
    )
    found += [f"{name} has {seen.count(one)} {one}" for one, (least, most) in children.items() if not least <= seen.count(one) <= most]
    for child in element:
        found += faults(child, version, BELOW.get((name, child.tag), child.tag))
    return found


def opened(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def topic(**more: Any) -> writing.Topic:
    view = writing.View(
        guid=UUID(int=2),
        camera=camera.towards((0, 0, 0, 1, 0.2, 2.1)),
        components=(DOOR, "wall-7"),
        color="D32F2F",
        lines=(((0.0, 0.0, 0.0), (1.0, 2.5, 0.0)),),
        snapshot=b"\x89PNG",
    )
    made = writing.Topic(
        guid=UUID(int=1),
        title="Door too narrow",
        kind="Violation",
        status="Open",
        priority="Critical",
        labels=("IBC21-DOOR-WIDTH",),
        created_at=AT,
        author="checker",
        modified_at=AT,
        description="0.76 m < 0.81 m & more",
        view=view,
        assignee="ann@example.org",
        due=AT,
        comments=(writing.Comment(guid=UUID(int=3), at=AT, author="bob@example.org", text="Look <here>\x00\x0b"),),
    )
    return replace(made, **more)


PROJECT = writing.Project(id="p-1", name="Town hall", model=("house.ifc", AT), statuses=("Open",), kinds=("Violation",), priorities=("Critical",))


@pytest.mark.parametrize("version", writing.VERSIONS)
@pytest.mark.parametrize(
    "one",
    [
        topic(),
        topic(comments=(), due=None, assignee="", labels=(), description=""),
        topic(view=replace(topic().view, camera=camera.above((0, 0, 0, 20, 12, 3)), components=(), lines=(), snapshot=b"")),
        topic(comments=(writing.Comment(guid=UUID(int=4), at=AT, author="", text=" "),)),
    ],
    ids=["full", "bare", "plan", "empty comment"],
)
def test_files_are_as_the_schemas_want_them(one: writing.Topic, version: str) -> None:
    files = opened(writing.write([one], project=PROJECT, version=version))
    expected = {"bcf.version", "project.bcfp", f"{one.guid}/markup.bcf", f"{one.guid}/viewpoint.bcfv"}
    expected |= {"extensions.xml"} if version == "3.0" else set()
    expected |= {f"{one.guid}/snapshot.png"} if one.view.snapshot else set()
    assert set(files) == expected
    for name, content in files.items():
        if not name.endswith(".png"):
            assert faults(etree.fromstring(content), version) == []


def test_the_table_of_the_schemas_finds_faults() -> None:
    good = etree.fromstring(opened(writing.write([topic()], project=PROJECT, version="3.0"))[f"{UUID(int=1)}/markup.bcf"])
    title = good.find("Topic/Title")
    good.find("Topic").append(title)
    del good.find("Topic").attrib["TopicStatus"]
    assert len(faults(good, "3.0")) == 2
    assert faults(etree.fromstring("<Component IfcGuid='short'/>"), "2.1")


def test_the_same_topics_give_the_same_bytes() -> None:
    for version in writing.VERSIONS:
        assert writing.write([topic()], project=PROJECT, version=version) == writing.write([topic()], project=PROJECT, version=version)


def test_elements_are_named_by_their_ifc_guid() -> None:
    info = etree.fromstring(opened(writing.write([topic()], project=PROJECT, version="2.1"))[f"{UUID(int=1)}/viewpoint.bcfv"])
    picked = info.findall("Components/Selection/Component")
    assert [one.get("IfcGuid") for one in picked] == [DOOR, None]
    assert picked[1].findtext("AuthoringToolId") == "wall-7"


@pytest.mark.parametrize("box", [(0, 0, 0, 1, 0.2, 2.1), (-40, 10, -3, 60, 80, 33), (5, 5, 5, 5, 5, 5)])
def test_cameras_see_the_whole_box(box: Box) -> None:
    eye = camera.towards(box)
    assert math.isclose(math.hypot(*eye.direction), 1)
    assert math.isclose(math.hypot(*eye.up), 1)
    assert abs(sum(a * b for a, b in zip(eye.direction, eye.up, strict=True))) < 1e-9
    for corner in ((x, y, z) for x in box[0::3] for y in box[1::3] for z in box[2::3]):
        ray = [a - b for a, b in zip(corner, eye.at, strict=True)]
        along = sum(a * b for a, b in zip(ray, eye.direction, strict=True))
        assert along > 0
        assert math.degrees(math.acos(min(1, along / math.hypot(*ray)))) < eye.field / 2
    plan = camera.above(box)
    assert plan.scale >= box[4] - box[1]
    assert plan.scale * plan.ratio >= box[3] - box[0]
    assert plan.at[2] > box[5]


def packed(files: dict[str, str | bytes], **more: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    buffer.seek(0)
    return buffer


def test_what_was_written_is_read_again() -> None:
    for version in writing.VERSIONS:
        found = reading.read(io.BytesIO(writing.write([topic()], project=PROJECT, version=version)))
        assert (found.version, found.problems, len(found.topics)) == (version, (), 1)
        one = found.topics[0]
        assert (one.guid, one.title, one.status, one.assignee, one.due) == (UUID(int=1), "Door too narrow", "Open", "ann@example.org", AT)
        assert [(each.guid, each.author, each.text) for each in one.comments] == [(UUID(int=3), "bob@example.org", "Look <here>")]


VERSION = '<Version VersionId="2.1"/>'
MARKUP = f"{UUID(int=1)}/markup.bcf"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Markup><Topic Guid="x"><Title>&b;</Title></Topic></Markup>'
THIEF = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Markup><Topic><Title>&a;</Title></Topic></Markup>'


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"bcf.version": VERSION, MARKUP: BOMB}, "BCF_UNSAFE"),
        ({"bcf.version": VERSION, MARKUP: THIEF}, "BCF_UNSAFE"),
        ({"bcf.version": VERSION, MARKUP: "<a>" * 100 + "</a>" * 100}, "BCF_UNSAFE"),
        ({"bcf.version": VERSION, MARKUP: "<Markup>" + " " * 50_000_000 + "</Markup>"}, "BCF_TOO_LARGE"),
        ({"bcf.version": VERSION, "../../etc/cron.d/x": "x"}, "BCF_UNSAFE"),
        ({"bcf.version": VERSION, "/etc/x": "x"}, "BCF_UNSAFE"),
        ({"bcf.version": '<Version VersionId="9.9"/>'}, "BCF_VERSION"),
        ({"other": "x"}, "NOT_BCF"),
    ],
    ids=["entities", "outside file", "deep", "zip bomb", "path up", "absolute path", "version", "no version"],
)
def test_hostile_files_are_refused(files: dict[str, str | bytes], code: str) -> None:
    with pytest.raises(Refused) as refused:
        reading.read(packed(files))
    assert refused.value.problem["code"] == code


def test_garbage_is_refused() -> None:
    for content in (b"", b"PK\x03\x04", b"\x00" * 1000, writing.write([topic()], project=PROJECT, version="2.1")[:-200]):
        with pytest.raises(Refused) as refused:
            reading.read(io.BytesIO(content))
        assert refused.value.problem["code"] == "NOT_BCF"


def test_one_bad_topic_does_not_spoil_the_others() -> None:
    files: dict[str, str | bytes] = dict(opened(writing.write([topic()], project=PROJECT, version="2.1")))
    files[f"{UUID(int=9)}/markup.bcf"] = "<Markup><Topic/></Markup>"
    files[f"{UUID(int=8)}/markup.bcf"] = "<Markup"
    found = reading.read(packed(files))
    assert (len(found.topics), len(found.problems)) == (1, 2)


@pytest.fixture
def tenant(db: None) -> Tenant:
    made: Tenant = factories.TenantFactory.create()
    return made


@pytest.fixture
def house(tenant: Tenant) -> Building:
    return board_rows.office(tenant)


@pytest.fixture
def editor(tenant: Tenant) -> Principal:
    return tenancy.principal_of_user(factories.member(tenant, Role.EDITOR), tenant)


def exported(house: Building, version: str = "2.1", **more: Any) -> bytes:
    return bcf.export(house.tenant, building_id=house.pk, version=version, filters=Filters(**more))[1]


def narrow_door(house: Building) -> Finding:
    found: Finding = Finding.objects.get(building=house, subject="door-1")
    return found


@pytest.mark.parametrize("version", writing.VERSIONS)
def test_findings_go_out_as_topics(version: str, house: Building, editor: Principal) -> None:
    door = narrow_door(house)
    path = [[0, 0, 0], [4, 0, 0], [4, 3, 0]]
    Finding.objects.filter(pk=door.pk).update(assignee=editor.user, due_on=date(2026, 12, 1), geometry={"path": path})
    board.comment(house.tenant, building_id=house.pk, finding_id=door.pk, text="Ask the architect.", by=editor)
    files = opened(exported(house, version, subject=("door-1",)))
    for name, content in files.items():
        if not name.endswith(".png"):
            assert faults(etree.fromstring(content), version) == []
    markup = etree.fromstring(files[f"{door.bcf_topic_guid}/markup.bcf"])
    one = markup.find("Topic")
    assert (one.get("TopicStatus"), one.findtext("Priority"), one.findtext("DueDate")) == ("Open", "Critical", "2026-12-01T00:00:00Z")
    assert one.findtext("AssignedTo") == (editor.user.email or editor.user.username if editor.user else "")
    assert [label.text for label in markup.iter("Labels" if version == "2.1" else "Label")] == [door.rule_key]
    assert "Required: 813 mm; found: 762 mm" in one.findtext("Description")
    assert [comment.text for comment in markup.iter("Comment") if comment.text and comment.text.strip()] == ["Ask the architect."]
    info = etree.fromstring(files[f"{door.bcf_topic_guid}/viewpoint.bcfv"])
    assert info.find("PerspectiveCamera") is not None
    assert len(info.findall("Lines/Line")) == 2


def test_snapshots_are_pictures_of_the_storey(house: Building) -> None:
    from PIL import Image

    door = narrow_door(house)
    shots = opened(exported(house, subject=("door-1",)))
    picture: Any = Image.open(io.BytesIO(shots[f"{door.bcf_topic_guid}/snapshot.png"])).convert("RGB")
    assert picture.size == (800, 600)
    colors = {color for _, color in picture.getcolors(100_000) or []}
    assert any(red > 180 and green < 100 and blue < 100 for red, green, blue in colors)


def test_the_same_findings_give_the_same_bytes(house: Building) -> None:
    for version in writing.VERSIONS:
        assert exported(house, version) == exported(house, version)


def test_a_later_file_updates_the_same_topics(house: Building, editor: Principal) -> None:
    before = {one.guid for one in reading.read(io.BytesIO(exported(house))).topics}
    board.change(house.tenant, building_id=house.pk, finding_id=narrow_door(house).pk, fields={"state": "in_progress"}, by=editor)
    after = reading.read(io.BytesIO(exported(house, "3.0"))).topics
    assert {one.guid for one in after} == before
    assert {one.status for one in after if one.guid == narrow_door(house).bcf_topic_guid} == {"InProgress"}


def test_filters_choose_and_versions_are_known(house: Building) -> None:
    assert len(reading.read(io.BytesIO(exported(house, severity=("critical",)))).topics) < len(reading.read(io.BytesIO(exported(house))).topics)
    with pytest.raises(BcfVersionUnknown):
        exported(house, "1.0")


def edited(house: Building, change: Callable[[Any], None], version: str = "2.1") -> io.BytesIO:
    """The file of the narrow door after somebody has worked on it elsewhere."""
    files: dict[str, str | bytes] = dict(opened(exported(house, version, subject=("door-1",))))
    name = f"{narrow_door(house).bcf_topic_guid}/markup.bcf"
    markup = etree.fromstring(files[name])
    change(markup)
    files[name] = etree.tostring(markup)
    return packed(files)


def later(markup: Any, by: timedelta = timedelta(minutes=5)) -> None:
    for name in ("CreationDate", "ModifiedDate"):  # the later of both counts
        markup.find(f"Topic/{name}").text = (timezone.now() + by).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(markup: Any, text: str, guid: UUID) -> None:
    """2.1 has comments beside the topic, before the viewpoints; 3.0 inside it."""
    below = markup
    if markup.find("Topic/Viewpoints") is not None:
        below = markup.find("Topic/Comments")
        below = etree.SubElement(markup.find("Topic"), "Comments") if below is None else below
    comment = etree.SubElement(below, "Comment", Guid=str(guid))
    for name, value in (("Date", "2026-11-20T10:00:00Z"), ("Author", "carl@example.org"), ("Comment", text)):
        etree.SubElement(comment, name).text = value


def back(house: Building, file: io.BytesIO, by: Principal) -> bcf.Imported:
    return bcf.import_file(house.tenant, building_id=house.pk, file=file, by=by)


@pytest.mark.parametrize("version", writing.VERSIONS)
def test_comments_and_states_come_back(version: str, house: Building, editor: Principal) -> None:
    guid = uuid4()

    def work(markup: Any) -> None:
        markup.find("Topic").set("TopicStatus", "Resolved")
        later(markup)
        say(markup, "The door is wider now.", guid)

    file = edited(house, work, version)
    result = back(house, file, editor)
    assert (result.matched, result.comments_added, result.changed, result.conflicts, result.unknown) == (1, 1, 1, [], [])
    door = narrow_door(house)
    assert door.state == "fixed"
    note = FindingNote.objects.get(finding=door, bcf_comment_guid=guid)
    assert (note.text, note.actor, note.data["bcf_author"]) == ("The door is wider now.", "bcf:carl@example.org", "carl@example.org")
    assert AuditEntry.objects.filter(tenant=house.tenant, action="bcf.import").count() == 1
    file.seek(0)
    again = back(house, file, editor)
    assert (again.comments_added, again.comments_known, again.changed) == (0, 1, 0)
    assert FindingNote.objects.filter(finding=door, kind="comment").count() == 1


@pytest.mark.parametrize("status", ["Rejected", "FalsePositive"])
def test_a_false_positive_needs_a_reason_and_spoils_nothing_else(status: str, house: Building, editor: Principal) -> None:
    def reject(markup: Any) -> None:
        markup.find("Topic").set("TopicStatus", status)
        later(markup)
        due = etree.SubElement(markup.find("Topic"), "DueDate")
        due.text = "2026-12-24T00:00:00Z"

    def explain(markup: Any) -> None:
        reject(markup)
        say(markup, "It is a closet.", uuid4())

    result = back(house, edited(house, reject), editor)
    assert (result.changed, [one["field"] for one in result.conflicts]) == (1, ["state"])
    assert (narrow_door(house).state, narrow_door(house).due_on) == ("open", date(2026, 12, 24))
    assert back(house, edited(house, explain), editor).conflicts == []
    assert narrow_door(house).state == "false_positive"
    assert FindingNote.objects.get(finding=narrow_door(house), kind="state").text == "It is a closet."


def test_our_own_comments_are_known_when_they_come_back(house: Building, editor: Principal) -> None:
    board.comment(house.tenant, building_id=house.pk, finding_id=narrow_door(house).pk, text="Ask the architect.", by=editor)
    result = back(house, edited(house, lambda markup: None), editor)
    assert (result.comments_added, result.comments_known, result.changed) == (0, 1, 0)


def test_a_comment_keeps_its_guid_author_and_day_on_the_way_out_again(house: Building, editor: Principal) -> None:
    guid = uuid4()
    back(house, edited(house, lambda markup: say(markup, "Seen.", guid)), editor)
    found = reading.read(io.BytesIO(exported(house, subject=("door-1",)))).topics[0].comments
    assert [(one.guid, one.author, one.at) for one in found] == [(guid, "carl@example.org", datetime(2026, 11, 20, 10, tzinfo=UTC))]


def test_what_changed_here_since_stays_and_is_told(house: Building, editor: Principal) -> None:
    def work(markup: Any) -> None:
        markup.find("Topic").set("TopicStatus", "Closed")
        later(markup, -timedelta(hours=1))

    file = edited(house, work)
    board.change(house.tenant, building_id=house.pk, finding_id=narrow_door(house).pk, fields={"state": "acknowledged"}, by=editor)
    result = back(house, file, editor)
    assert (result.changed, [(one["field"], one["theirs"], one["ours"]) for one in result.conflicts]) == (0, [("state", "fixed", "acknowledged")])
    assert narrow_door(house).state == "acknowledged"


@pytest.mark.parametrize("status", ["Waived", "Frozen"])
def test_states_that_nobody_can_set_here_are_told(status: str, house: Building, editor: Principal) -> None:
    result = back(house, edited(house, lambda markup: markup.find("Topic").set("TopicStatus", status)), editor)
    assert (result.changed, [one["theirs"] for one in result.conflicts]) == (0, [status])


def test_who_and_when_come_back(house: Building, editor: Principal) -> None:
    other = factories.member(house.tenant, Role.EDITOR)

    def work(markup: Any) -> None:
        description = markup.find("Topic/Description")
        for name, value in (("DueDate", "2026-12-24T00:00:00Z"), ("AssignedTo", other.email or other.username)):
            one = etree.Element(name)
            one.text = value
            description.addprevious(one)
        later(markup)

    result = back(house, edited(house, work), editor)
    door = narrow_door(house)
    assert (result.changed, door.assignee, door.due_on) == (1, other, date(2026, 12, 24))


def test_unknown_topics_are_listed_with_all_they_say(house: Building, editor: Principal) -> None:
    file = io.BytesIO(writing.write([topic()], project=PROJECT, version="2.1"))
    result = back(house, file, editor)
    assert (result.matched, [one["title"] for one in result.unknown]) == (0, ["Door too narrow"])
    assert result.unknown[0]["comments"][0]["text"] == "Look <here>"


def test_topics_of_another_building_are_unknown(house: Building, editor: Principal) -> None:
    other = board_rows.building(house.tenant, name="Annex")
    assert len(back(other, io.BytesIO(exported(house)), editor).unknown) > 0


def send(client: Client, url: str, content: bytes, headers: dict[str, str] | None = None) -> Any:
    return client.post(url, {"file": SimpleUploadedFile("x.bcf", content)}, headers=headers or {})


def test_out_and_in_over_rest(client: Client, house: Building) -> None:
    url = reverse("validation-bcf", args=[house.pk])
    given = client.get(f"{url}?version=3.0&severity=critical", headers=factories.bearer(house.tenant, ("validation:read",)))
    assert (given.status_code, given.headers["Content-Disposition"]) == (200, 'attachment; filename="Town-hall-3.0.bcf"')
    result = send(client, url, given.content, factories.bearer(house.tenant))
    assert (result.status_code, result.json()["matched"], result.json()["changed"]) == (200, 1, 0)


def test_who_may(client: Client, house: Building, tenant: Tenant) -> None:
    url = reverse("validation-bcf", args=[house.pk])
    content = exported(house)
    assert client.get(url).status_code == send(client, url, content).status_code == 401
    assert send(client, url, content, factories.bearer(tenant, ("validation:read",))).status_code == 403
    stranger = factories.bearer(factories.TenantFactory.create())
    assert client.get(url, headers=stranger).status_code == send(client, url, content, stranger).status_code == 404


def test_bad_input_over_rest(client: Client, house: Building) -> None:
    url, headers = reverse("validation-bcf", args=[house.pk]), factories.bearer(house.tenant)
    bad = send(client, url, b"nonsense", headers)
    assert (bad.status_code, bad.json()["error_code"], bad.json()["reason"]) == (400, "BCF_REFUSED", "NOT_BCF")
    assert client.post(url, {}, headers=headers).json()["errors"][0]["path"] == "$.file"
    assert client.get(f"{url}?version=7", headers=headers).json()["error_code"] == "BCF_VERSION_UNKNOWN"
    assert client.get(f"{url}?severity=loud", headers=headers).status_code == 400


def test_readers_cannot_import(house: Building, tenant: Tenant) -> None:
    reader = tenancy.principal_of_user(factories.member(tenant, Role.VIEWER), tenant)
    with pytest.raises(Denied):
        back(house, io.BytesIO(exported(house)), reader)


def test_a_refused_file_changes_nothing(house: Building, editor: Principal) -> None:
    with pytest.raises(BcfRefused):
        back(house, packed({"bcf.version": VERSION, MARKUP: THIEF}), editor)
    assert not FindingNote.objects.filter(finding__building=house, kind="comment").exists()
