"""The findings of a document as BCF topics (BIM Collaboration Format 2.1), each the topic that every other export of this finding is."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from itertools import chain, islice
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from validation.core.building import BUILDING, SPACE, STOREY, Box
from validation.render import bcf, camera
from validation.services.findings import fingerprint, topic_guid

Json = Any
MEDIA_TYPE: Final = "application/octet-stream"
VERSION: Final = "2.1"
MOST_TOPICS: Final = 5_000  # the most severe; as many as the PDF prints
AUTHOR: Final = "building-code-validation"
COLOURS: Final = {"critical": "D32F2F", "major": "F57C00", "minor": "FBC02D", "info": "1976D2"}
STATUSES: Final = {
    "acknowledged": "Acknowledged",
    "in_progress": "InProgress",
    "fixed": "Resolved",
    "waived": "Waived",
    "false_positive": "FalsePositive",
    "reopened": "ReOpened",
}


def as_bcf(document: Mapping[str, Json]) -> bytes:
    """Topics with the element, a camera and what was found; no pictures: a document has drawings of storeys, not of elements."""
    found = list(islice(_findings(document), MOST_TOPICS))
    whole = camera.around([tuple(one["box"]) for one, _ in found if one.get("box")]) or camera.WORLD
    at = datetime.fromisoformat(document["made_at"])
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    topics = [_topic(one, status, document, whole, at) for one, status in found]
    project = bcf.Project(
        id=document["project"].get("id") or document["number"],
        name=document["title"],
        statuses=("Open", *STATUSES.values(), "Closed"),
        kinds=("Violation",),
        priorities=tuple(name.capitalize() for name in COLOURS),
    )
    return bcf.write(topics, project=project, version=VERSION)


def _findings(document: Mapping[str, Json]) -> Iterator[tuple[Mapping[str, Json], str]]:
    """With their status. Of a comparison: what is new, what has other numbers, and what is resolved."""
    for one in document["findings"] if "findings" in document else chain(document["opened"], document["changed"]):
        yield one, "Waived" if one.get("waiver") else STATUSES.get(one["state"], "Open")
    for one in document.get("resolved", ()):
        yield one, "Closed"


def _topic(one: Mapping[str, Json], status: str, document: Mapping[str, Json], whole: Box, at: datetime) -> bcf.Topic:
    guid = topic_guid(_building(one, document), one["id"] or fingerprint(one["rule"], one["subject"]))
    return bcf.Topic(
        guid=guid,
        title=f"{one['title'] or one['rule']}: {one['name'] or one['subject']}"[:250],
        kind="Violation",
        status=status,
        priority=one["severity"].capitalize(),
        labels=(one["rule"],),
        created_at=at,
        author=AUTHOR,
        modified_at=at,
        description=_description(one, document),
        view=_view(one, guid, whole),
        due=_due(one.get("due", "")),
    )


def _building(one: Mapping[str, Json], document: Mapping[str, Json]) -> UUID:
    known = one.get("building_id") or document.get("building", {}).get("id")
    return UUID(known) if known else uuid5(NAMESPACE_URL, document["number"])


def _due(day: str) -> datetime | None:
    return datetime.combine(date.fromisoformat(day), time(), UTC) if day else None


def _description(one: Mapping[str, Json], document: Mapping[str, Json]) -> str:
    numbers = f"Required: {one['required_text']}; found: {one['actual_text']}; margin: {one['margin_text']}" if one["required_text"] else ""
    cited = " ".join(text for text in (one["edition"], one["section"]) if text)
    where = f"Element {one['subject']}, {one['ifc_class']}; rule {one['rule']}"
    told = f"Report {document['number']} rev. {document['revision']}, no. {one['number']}"
    parts: Sequence[str] = (one["message"], numbers, cited, one.get("evidence_text", ""), where, told)
    return "\n".join(part for part in parts if part)


def _view(one: Mapping[str, Json], guid: UUID, whole: Box) -> bcf.View:
    box: Box = tuple(one["box"]) if one.get("box") else whole
    flat = one["ifc_class"] in (SPACE, STOREY, BUILDING) or not one.get("box")
    return bcf.View(
        guid=uuid5(guid, "viewpoint"),
        camera=camera.above(box) if flat else camera.towards(box),
        components=(one["subject"],) if one["subject"] else (),
        color=COLOURS.get(one["severity"], "1976D2"),
        spaces_visible=one["ifc_class"] == SPACE,
    )
