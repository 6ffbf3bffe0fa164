"""BCF 2.1 and 3.0 files (BIM Collaboration Format): findings as topics that every BIM viewer can open. The same topics give the same bytes."""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from validation.render.camera import Camera, Orthogonal, Perspective, Vector

VERSIONS: Final = ("2.1", "3.0")
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_IFC_GUID: Final = re.compile(r"[0-9A-Za-z_$]{22}")
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    guid: UUID
    at: datetime
    author: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """components: global ids that are selected and coloured (rgb "D32F2F"). lines: pairs of points in metres. snapshot: a PNG, b"" for none."""

    guid: UUID
    camera: Camera
    components: tuple[str, ...]
    color: str
    lines: tuple[tuple[Vector, Vector], ...] = ()
    spaces_visible: bool = False
    snapshot: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    guid: UUID
    title: str
    kind: str
    status: str
    priority: str
    labels: tuple[str, ...]
    created_at: datetime
    author: str
    modified_at: datetime
    description: str
    view: View
    assignee: str = ""
    due: datetime | None = None
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """model: name and time of the IFC file that the findings are about; None when the model did not come as a file."""

    id: str
    name: str
    model: tuple[str, datetime] | None = None
    statuses: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()


@dataclass(slots=True)
class _Node:
    """An element; children in the order of the schema."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: Sequence["_Node"] = ()


def write(topics: Iterable[Topic], *, project: Project, version: str) -> bytes:
    """A BCF file. Raises KeyError for a version that is not in VERSIONS."""
    form = _FORMS[version]
    buffer = io.BytesIO()
    known = list(topics)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        _put(archive, "bcf.version", _xml(form.version))
        _put(archive, "project.bcfp", _xml(form.project(project)))
        if form.extensions is not None:
            _put(archive, "extensions.xml", _xml(form.extensions(project, known)))
        for topic in known:
            _put(archive, f"{topic.guid}/markup.bcf", _xml(form.markup(topic, project)))
            _put(archive, f"{topic.guid}/viewpoint.bcfv", _xml(form.viewpoint(topic.view)))
            if topic.view.snapshot:
                _put(archive, f"{topic.guid}/snapshot.png", topic.view.snapshot)
    return buffer.getvalue()


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=EPOCH)  # no clock: the same topics give the same bytes
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


def _xml(node: _Node) -> bytes:
    from lxml import etree

    def made(one: _Node) -> Any:
        element = etree.Element(one.name, {name: clean(value) for name, value in one.attributes.items()})
        element.text = clean(one.text) or None
        element.extend([made(child) for child in one.children])
        return element

    root = made(node)
    etree.indent(root, "  ")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def clean(text: str) -> str:
    """Without signs that XML cannot hold."""
    return _NOT_XML.sub("", text)


def _text(name: str, text: str) -> list[_Node]:
    """None when there is no text: the schema of 3.0 refuses empty elements."""
    return [_Node(name, text=text)] if clean(text).strip() else []


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(value: float) -> str:
    return repr(round(float(value), 6) + 0.0)


def _dates(topic: Topic) -> list[_Node]:
    return [
        _Node("CreationDate", text=_time(topic.created_at)),
        *_text("CreationAuthor", topic.author),
        _Node("ModifiedDate", text=_time(topic.modified_at)),
        *_text("ModifiedAuthor", topic.author),
        *([_Node("DueDate", text=_time(topic.due))] if topic.due else []),
        *_text("AssignedTo", topic.assignee),
        *_text("Description", topic.description),
    ]


def _topic_attributes(topic: Topic) -> dict[str, str]:
    return {"Guid": str(topic.guid), "TopicType": topic.kind, "TopicStatus": topic.status}


def _comment(comment: Comment, topic: Topic) -> _Node:
    return _Node(
        "Comment",
        {"Guid": str(comment.guid)},
        children=[
            _Node("Date", text=_time(comment.at)),
            *(_text("Author", comment.author) or [_Node("Author", text=topic.author)]),
            *(_text("Comment", comment.text) or [_Node("Comment", text="-")]),
            _Node("Viewpoint", {"Guid": str(topic.view.guid)}),
        ],
    )


def _viewpoint_entry(name: str, view: View) -> _Node:
    shot = [_Node("Snapshot", text="snapshot.png")] if view.snapshot else []
    return _Node(name, {"Guid": str(view.guid)}, children=[_Node("Viewpoint", text="viewpoint.bcfv"), *shot])


def _file(project: Project) -> list[_Node]:
    if project.model is None:
        return []
    name, at = project.model
    return [_Node("File", children=[*_text("Filename", name), _Node("Date", text=_time(at))])]


def _point(name: str, point: Vector) -> _Node:
    return _Node(name, children=[_Node(axis, text=_number(value)) for axis, value in zip("XYZ", point, strict=True)])


def _camera(camera: Camera, *, with_ratio: bool) -> _Node:
    name, lens, value = _LENSES[type(camera)](camera)
    return _Node(
        name,
        children=[
            _point("CameraViewPoint", camera.at),
            _point("CameraDirection", camera.direction),
            _point("CameraUpVector", camera.up),
            _Node(lens, text=_number(value)),
            *([_Node("AspectRatio", text=_number(camera.ratio))] if with_ratio else []),
        ],
    )


_LENSES: Final[Mapping[type, Callable[[Any], tuple[str, str, float]]]] = {
    Orthogonal: lambda camera: ("OrthogonalCamera", "ViewToWorldScale", camera.scale),
    Perspective: lambda camera: ("PerspectiveCamera", "FieldOfView", camera.field),
}


def _components(view: View) -> list[_Node]:
    return [_component(one) for one in view.components]


def _component(subject: str) -> _Node:
    """By its IfcGuid; what has none of IFC's form is named by the id that its own program gave it."""
    guid = subject.partition("#")[0]
    if _IFC_GUID.fullmatch(guid):
        return _Node("Component", {"IfcGuid": guid})
    return _Node("Component", children=[_Node("AuthoringToolId", text=subject)])


def _lines(view: View) -> list[_Node]:
    if not view.lines:
        return []
    return [_Node("Lines", children=[_Node("Line", children=[_point("StartPoint", a), _point("EndPoint", b)]) for a, b in view.lines])]


def _hints(view: View) -> _Node:
    visible = str(view.spaces_visible).lower()
    return _Node("ViewSetupHints", {"SpacesVisible": visible, "SpaceBoundariesVisible": "false", "OpeningsVisible": "false"})


def _project_21(project: Project) -> _Node:
    named = _Node("Project", {"ProjectId": project.id}, children=_text("Name", project.name))
    return _Node("ProjectExtension", children=[named, _Node("ExtensionSchema")])


def _markup_21(topic: Topic, project: Project) -> _Node:
    files = _file(project)
    body = _Node(
        "Topic",
        _topic_attributes(topic),
        children=[
            _Node("Title", text=topic.title),
            *_text("Priority", topic.priority),
            *[_Node("Labels", text=label) for label in topic.labels],
            *_dates(topic),
        ],
    )
    return _Node(
        "Markup",
        children=[
            *([_Node("Header", children=files)] if files else []),
            body,
            *[_comment(comment, topic) for comment in topic.comments],
            _viewpoint_entry("Viewpoints", topic.view),
        ],
    )


def _viewpoint_21(view: View) -> _Node:
    parts = _components(view)
    picked = [_Node("Selection", children=parts)] if parts else []
    color = [_Node("Coloring", children=[_Node("Color", {"Color": view.color}, children=parts)])] if parts else []
    components = _Node("Components", children=[_hints(view), *picked, _Node("Visibility", {"DefaultVisibility": "true"}), *color])
    return _Node("VisualizationInfo", {"Guid": str(view.guid)}, children=[components, _camera(view.camera, with_ratio=False), *_lines(view)])


def _project_30(project: Project) -> _Node:
    return _Node("ProjectInfo", children=[_Node("Project", {"ProjectId": project.id}, children=_text("Name", project.name))])


def _extensions_30(project: Project, topics: Sequence[Topic]) -> _Node:
    labels = sorted({label for topic in topics for label in topic.labels})
    users = sorted({name for topic in topics for name in (topic.author, topic.assignee, *(one.author for one in topic.comments)) if name.strip()})
    lists: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("TopicTypes", "TopicType", project.kinds),
        ("TopicStatuses", "TopicStatus", project.statuses),
        ("Priorities", "Priority", project.priorities),
        ("TopicLabels", "TopicLabel", labels),
        ("Users", "User", users),
        ("SnippetTypes", "SnippetType", ()),
        ("Stages", "Stage", ()),
    )
    return _Node("Extensions", children=[_Node(name, children=[_Node(one, text=value) for value in values]) for name, one, values in lists])


def _markup_30(topic: Topic, project: Project) -> _Node:
    files = _file(project)
    body = _Node(
        "Topic",
        _topic_attributes(topic),
        children=[
            _Node("Title", text=topic.title),
            *_text("Priority", topic.priority),
            *([_Node("Labels", children=[_Node("Label", text=label) for label in topic.labels])] if topic.labels else []),
            *_dates(topic),
            *([_Node("Comments", children=[_comment(comment, topic) for comment in topic.comments])] if topic.comments else []),
            _Node("Viewpoints", children=[_viewpoint_entry("ViewPoint", topic.view)]),
        ],
    )
    return _Node("Markup", children=[*([_Node("Header", children=[_Node("Files", children=files)])] if files else []), body])


def _viewpoint_30(view: View) -> _Node:
    parts = _components(view)
    picked = [_Node("Selection", children=parts)] if parts else []
    shown = _Node("Visibility", {"DefaultVisibility": "true"}, children=[_hints(view)])
    colored = _Node("Color", {"Color": view.color}, children=[_Node("Components", children=parts)])
    color = [_Node("Coloring", children=[colored])] if parts else []
    components = _Node("Components", children=[*picked, shown, *color])
    return _Node("VisualizationInfo", {"Guid": str(view.guid)}, children=[components, _camera(view.camera, with_ratio=True), *_lines(view)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    version: _Node
    project: Callable[[Project], _Node]
    extensions: Callable[[Project, Sequence[Topic]], _Node] | None
    markup: Callable[[Topic, Project], _Node]
    viewpoint: Callable[[View], _Node]


_FORMS: Final[Mapping[str, _Form]] = {
    "2.1": _Form(
        version=_Node("Version", {"VersionId": "2.1"}, children=[_Node("DetailedVersion", text="2.1")]),
        project=_project_21,
        extensions=None,
        markup=_markup_21,
        viewpoint=_viewpoint_21,
    ),
    "3.0": _Form(
        version=_Node("Version", {"VersionId": "3.0"}),
        project=_project_30,
        extensions=_extensions_30,
        markup=_markup_30,
        viewpoint=_viewpoint_30,
    ),
}
