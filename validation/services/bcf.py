"""Findings out as BCF topics, and what people did with these topics back in: comments, states, who shall do it and when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from itertools import pairwise
from typing import IO, Any, Final
from uuid import UUID, uuid5

from django.db import transaction

from mcp_platform.tenancy.models import Membership, Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.services import actor_of, audit
from validation import errors
from validation.core.building import BUILDING, SPACE, STOREY, Box
from validation.ingest import bcf as reading
from validation.ingest.refusal import Refused
from validation.models import Building, Element, Finding, FindingNote, ModelRevision
from validation.queries import board as queries
from validation.queries import detail, overview
from validation.queries.board import Filters
from validation.render import bcf as writing
from validation.render import camera, snapshot
from validation.render.snapshot import Outline, Sheet
from validation.services import board, findings

MOST_TOPICS: Final = 1000
MOST_BYTES: Final = 64 * 1024 * 1024  # of a file that comes back
AUTHOR: Final = "building-code-validation"
COLORS: Final = {"critical": "D32F2F", "major": "F57C00", "minor": "FBC02D", "info": "1976D2"}
KINDS: Final = {"fail": "Violation", "not_evaluable": "Information request"}
State = Finding.State
STATUSES: Final[Mapping[str, str]] = {
    State.OPEN: "Open",
    State.ACKNOWLEDGED: "Acknowledged",
    State.IN_PROGRESS: "InProgress",
    State.FIXED: "Resolved",
    State.WAIVED: "Waived",
    State.FALSE_POSITIVE: "FalsePositive",
    State.REOPENED: "ReOpened",
}
GONE: Final = "Closed"  # the rule holds again
# Words of other programs. What is reopened there is open here: a check alone says that something is there again.
_MEANT: Final[Mapping[str, str]] = {
    **{name.lower(): state for state, name in STATUSES.items()},
    "new": State.OPEN,
    "reopened": State.OPEN,
    "assigned": State.ACKNOWLEDGED,
    "active": State.IN_PROGRESS,
    "inwork": State.IN_PROGRESS,
    "done": State.FIXED,
    "fixed": State.FIXED,
    "closed": State.FIXED,
    "rejected": State.FALSE_POSITIVE,
}


def export(tenant: Tenant, *, building_id: UUID, version: str, filters: Filters | None = None) -> tuple[str, bytes]:
    """File name and BCF file of the findings that the filters leave; violations when they do not say which outcome. Nothing changed: the same bytes.

    Raises BuildingNotFound, BcfVersionUnknown, TooManyTopics.
    """
    if version not in writing.VERSIONS:
        raise errors.BcfVersionUnknown(expected=", ".join(writing.VERSIONS))
    building = queries.building(tenant, building_id)
    chosen = filters or Filters()
    rows = queries.findings(tenant, building_id, chosen)
    rows = rows if chosen.outcome else rows.filter(outcome="fail")
    found = list(rows.select_related("assignee").order_by("severity", "rule_key", "subject")[: MOST_TOPICS + 1])
    if len(found) > MOST_TOPICS:
        raise errors.TooManyTopics(limit=MOST_TOPICS)
    content = writing.write(_topics(tenant, building, found), project=_project(tenant, building), version=version)
    return f"{_slug(building.name)}-{version}.bcf", content


def _slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name).strip("-")[:80] or "building"


def _project(tenant: Tenant, building: Building) -> writing.Project:
    rows = ModelRevision.objects.for_tenant(tenant).filter(building=building, state__in=("ready", "partial"))
    newest = rows.order_by("-number").first()
    return writing.Project(
        id=str(building.pk),
        name=f"{building.project.name} / {building.name}",
        model=(newest.file_name, newest.created_at) if newest is not None and newest.file_name else None,
        statuses=(*STATUSES.values(), GONE),
        kinds=tuple(KINDS.values()),
        priorities=tuple(name.capitalize() for name in COLORS),
    )


def _topics(tenant: Tenant, building: Building, rows: Sequence[Finding]) -> list[writing.Topic]:
    titles = overview.titles(tenant, {row.rule_key for row in rows})
    comments = _comments(tenant, rows)
    views = _Views(tenant, building, rows)
    system = overview.units_of(building)
    return [_topic(row, titles.get(row.rule_key, ""), comments.get(row.pk, ()), views, system) for row in rows]


def _topic(row: Finding, title: str, comments: Iterable[writing.Comment], views: "_Views", system: str) -> writing.Topic:
    name = row.subject_name or row.subject
    return writing.Topic(
        guid=row.bcf_topic_guid,
        title=f"{title or row.rule_key}: {name}"[:250],
        kind=KINDS[row.outcome],
        status=GONE if row.resolved_seq is not None else STATUSES[row.state],
        priority=row.severity.capitalize(),
        labels=(row.rule_key,),
        created_at=row.created_at,
        author=AUTHOR,
        modified_at=row.updated_at,
        description=_description(row, system),
        view=views.of(row, title or row.rule_key),
        assignee=_person(row.assignee),
        due=datetime.combine(row.due_on, time(), UTC) if row.due_on else None,
        comments=tuple(comments),
    )


def _description(row: Finding, system: str) -> str:
    shown = detail.line(row, system)["shown"]
    cited = " ".join(str(row.citation.get(name, "")) for name in ("title", "edition", "section") if row.citation.get(name))
    parts = [row.message]
    if row.required is not None:
        parts.append(f"Required: {shown['required']}; found: {shown['actual']}; margin: {shown['margin']}")
    if cited:
        parts.append(f"{cited}: {row.citation.get('paraphrase', '')}".rstrip(": "))
    parts += [f"Assumed: {one.get('fact', '')}: {one.get('note', '')}" for one in row.evidence if one.get("assumed")]
    parts.append(f"Element {row.subject}, {row.ifc_class}; rule {row.rule_key} {row.rule_version}".rstrip())
    return "\n".join(part for part in parts if part)


def _person(user: User | None) -> str:
    return str(user.email or user.get_username()) if user is not None else ""


def _comments(tenant: Tenant, rows: Sequence[Finding]) -> dict[UUID, list[writing.Comment]]:
    found: dict[UUID, list[writing.Comment]] = {}
    for start in range(0, len(rows), 500):
        keys = [row.pk for row in rows[start : start + 500]]
        notes = FindingNote.objects.for_tenant(tenant).filter(finding_id__in=keys, kind="comment").select_related("author")
        for note in notes.order_by("at", "id"):
            found.setdefault(note.finding_id, []).append(
                writing.Comment(
                    guid=note.bcf_comment_guid or note.pk,
                    at=_stated(note.data.get("bcf_date")) or note.at,
                    author=str(note.data.get("bcf_author") or _person(note.author) or note.actor),
                    text=note.text,
                )
            )
    return found


def _stated(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None


class _Views:
    """Cameras and pictures; every storey is read and drawn once."""

    def __init__(self, tenant: Tenant, building: Building, rows: Sequence[Finding]) -> None:
        self.tenant, self.building = tenant, building
        self.sheets: dict[str, Sheet | None] = {}
        self.boxes = self._boxes({row.subject for row in rows} | {row.storey for row in rows})
        self.whole: Box = camera.around(list(self.boxes.values())) or camera.WORLD

    def _boxes(self, subjects: set[str]) -> dict[str, Box]:
        wanted = sorted(subjects - {""})
        found: dict[str, Box] = {}
        for start in range(0, len(wanted), 500):
            rows = self._elements().filter(global_id__in=wanted[start : start + 500])
            found |= {key: tuple(box) for key, box in rows.values_list("global_id", "box") if box}
        return found

    def _elements(self) -> Any:
        return Element.objects.for_tenant(self.tenant).filter(building=self.building, valid_to_seq=None)

    def of(self, row: Finding, title: str) -> writing.View:
        box = self.boxes.get(row.subject) or self.boxes.get(row.storey) or self.whole
        flat = row.ifc_class in (SPACE, STOREY, BUILDING) or row.subject not in self.boxes
        path = [(float(x), float(y), float(z)) for x, y, z in row.geometry.get("path", ())]
        color = COLORS[row.severity]
        return writing.View(
            guid=uuid5(row.bcf_topic_guid, "viewpoint"),
            camera=camera.above(box) if flat else camera.towards(box),
            components=(row.subject,) if row.subject else (),
            color=color,
            lines=tuple(pairwise(path)),
            spaces_visible=row.ifc_class == SPACE,
            snapshot=self._picture(row, f"{title}: {row.subject_name or row.subject}", f"#{color}", path),
        )

    def _picture(self, row: Finding, caption: str, color: str, path: Sequence[Sequence[float]]) -> bytes:
        if row.storey not in self.sheets:
            self.sheets[row.storey] = snapshot.sheet(self._outlines(row.storey)) if row.storey else None
        on = self.sheets[row.storey]
        return snapshot.picture(on, row.subject, color=color, path=path, caption=caption) if on is not None else b""

    def _outlines(self, storey: str) -> Iterable[Outline]:
        rows = self._elements().filter(storey=storey).exclude(ifc_class__in=(STOREY, BUILDING)).order_by("global_id")
        for global_id, ifc_class, box, ring in rows.values_list("global_id", "ifc_class", "box", "footprint")[: snapshot.MOST_OUTLINES]:
            yield Outline(
                global_id=global_id,
                ifc_class=ifc_class,
                box=tuple(box) if box else None,
                ring=tuple((point[0], point[1]) for point in ring) if ring else None,
            )


@dataclass(slots=True, kw_only=True)
class Imported:
    """What came of a file.

    conflicts: what was not taken over, because somebody changed it here since, or because it may not be set. unknown: topics that are no
    findings of this building, with everything they say.
    """

    version: str
    topics: int = 0
    matched: int = 0
    comments_added: int = 0
    comments_known: int = 0
    changed: int = 0
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    unknown: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)


def import_file(tenant: Tenant, *, building_id: UUID, file: IO[bytes], by: Principal) -> Imported:
    """Comments are added once, by their guid. States, assignees and days are taken over unless they have changed here since the topic changed there.

    Raises BuildingNotFound, BcfRefused.
    """
    by.require("findings:write")
    queries.building(tenant, building_id)
    try:
        document = reading.read(file)
    except Refused as refused:
        raise errors.BcfRefused(refused.problem["detail"], reason=refused.problem["code"]) from refused
    result = Imported(version=document.version, topics=len(document.topics), problems=list(document.problems))
    with transaction.atomic():
        _import(tenant, building_id, document, result, by)
    return result


def _import(tenant: Tenant, building_id: UUID, document: reading.Document, result: Imported, by: Principal) -> None:
    building = Building.objects.for_tenant(tenant).select_for_update(no_key=True, of=("self",)).get(pk=building_id)
    known = _known(tenant, building_id, [topic.guid for topic in document.topics])
    pairs = []
    for topic in document.topics:
        if topic.guid in known:
            pairs.append((topic, known[topic.guid]))
        else:
            result.unknown.append(_unknown(topic))
    result.matched = len(pairs)
    touched = _add_comments(tenant, pairs, result, by)
    _apply(tenant, building_id, pairs, result, by)
    if touched:
        findings.tell_people(building, touched)
    strangers = [one["guid"] for one in result.unknown[:50]]
    told = {"topics": result.topics, "comments": result.comments_added, "changed": result.changed, "unknown": strangers}
    audit(tenant, actor=actor_of(by), action="bcf.import", target=building, changes=told)


def _known(tenant: Tenant, building_id: UUID, guids: Sequence[UUID]) -> dict[UUID, Finding]:
    found: dict[UUID, Finding] = {}
    for start in range(0, len(guids), 500):
        rows = Finding.objects.for_tenant(tenant).filter(building_id=building_id, bcf_topic_guid__in=guids[start : start + 500])
        found |= {row.bcf_topic_guid: row for row in rows.select_related("assignee")}
    return found


def _unknown(topic: reading.Topic) -> dict[str, Any]:
    comments = [{"guid": str(one.guid), "author": one.author, "at": _shown(one.at), "text": one.text} for one in topic.comments]
    return {"guid": str(topic.guid), "title": topic.title, "status": topic.status, "description": topic.description, "comments": comments}


def _shown(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _add_comments(tenant: Tenant, pairs: Sequence[tuple[reading.Topic, Finding]], result: Imported, by: Principal) -> list[Finding]:
    """The findings that got one. A comment that went out from here comes back under its own guid and is known."""
    made: list[FindingNote] = []
    touched: dict[UUID, Finding] = {}
    for topic, row in pairs:
        if not topic.comments:
            continue
        notes = FindingNote.objects.for_tenant(tenant).filter(finding=row, kind="comment")
        texts = {guid or pk: text for pk, guid, text in notes.values_list("pk", "bcf_comment_guid", "text")}
        for comment in topic.comments:
            if comment.guid in texts:
                result.comments_known += 1
                if texts[comment.guid].strip() != comment.text:
                    why = "it was changed there; comments stay as they were made"
                    result.conflicts.append(_conflict(row, "comment", comment.text, texts[comment.guid], why))
                continue
            texts[comment.guid] = comment.text
            made.append(_note(row, comment))
            touched[row.pk] = row
    FindingNote.objects.bulk_create(made, batch_size=500)
    result.comments_added = len(made)
    return list(touched.values())


def _note(row: Finding, comment: reading.Comment) -> FindingNote:
    data = {"bcf_author": comment.author, **({"bcf_date": comment.at.isoformat()} if comment.at else {})}
    return FindingNote(
        tenant_id=row.tenant_id,
        finding=row,
        kind="comment",
        text=comment.text,
        actor=f"bcf:{comment.author}"[:200],
        bcf_comment_guid=comment.guid,
        data=data,
    )


def _conflict(row: Finding, name: str, theirs: str, ours: str, why: str) -> dict[str, Any]:
    return {"finding": str(row.pk), "topic": str(row.bcf_topic_guid), "field": name, "theirs": theirs, "ours": ours, "why": why}


def _apply(tenant: Tenant, building_id: UUID, pairs: Sequence[tuple[reading.Topic, Finding]], result: Imported, by: Principal) -> None:
    """What is equal is grouped, so that a thousand closed topics are one change."""
    people = _people(tenant)
    groups: dict[tuple[str, tuple[tuple[str, Any], ...]], list[UUID]] = {}
    for topic, row in pairs:
        wanted = {**_state(topic, row, result), **_assignee(topic, row, people, result), **_due(topic, row)}
        wanted = {name: value for name, value in wanted.items() if not _changed_since(tenant, topic, row, name, value, result)}
        why = _why(topic, row, wanted, result)
        if wanted:
            groups.setdefault((why, tuple(sorted(wanted.items()))), []).append(row.pk)
    for (why, fields), keys in groups.items():
        for start in range(0, len(keys), board.MOST_AT_ONCE):
            some = keys[start : start + board.MOST_AT_ONCE]
            result.changed += board.change_many(tenant, building_id=building_id, finding_ids=some, fields=dict(fields), comment=why, by=by).changed


def _why(topic: reading.Topic, row: Finding, wanted: dict[str, Any], result: Imported) -> str:
    """The reason that "false positive" needs: the topic's last comment. Without one that state is not taken over, and the rest is."""
    if wanted.get("state") != State.FALSE_POSITIVE:
        return ""
    in_order = sorted(topic.comments, key=lambda one: one.at.timestamp() if one.at else 0.0)
    said = [one.text.strip()[: board.LONGEST_COMMENT] for one in in_order if one.text.strip()]
    if said:
        return said[-1]
    del wanted["state"]
    result.conflicts.append(_conflict(row, "state", topic.status, row.state, "this state needs a comment that says why the check is wrong"))
    return ""


def _state(topic: reading.Topic, row: Finding, result: Imported) -> dict[str, Any]:
    word = "".join(letter for letter in topic.status.lower() if letter.isalnum())
    ours = GONE if row.resolved_seq is not None else STATUSES[row.state]
    if not word or word == ours.lower():
        return {}
    meant = _MEANT.get(word)
    if meant is None:
        result.conflicts.append(_conflict(row, "state", topic.status, row.state, "this state is not known here"))
        return {}
    if meant == row.state or (meant == State.OPEN and row.state == State.REOPENED):
        return {}
    if State.WAIVED in (meant, row.state):
        result.conflicts.append(_conflict(row, "state", topic.status, row.state, "only a waiver that is approved here changes that"))
        return {}
    return {"state": str(meant)}


def _people(tenant: Tenant) -> dict[str, str]:
    rows = Membership.objects.filter(tenant=tenant).values_list("user_id", "user__email", "user__username")
    return {name.lower(): str(key) for key, email, username in rows for name in (email, username) if name}


def _assignee(topic: reading.Topic, row: Finding, people: Mapping[str, str], result: Imported) -> dict[str, Any]:
    """A topic without one says nothing: not every program writes it."""
    if not topic.assignee or topic.assignee.lower() == _person(row.assignee).lower():
        return {}
    known = people.get(topic.assignee.lower())
    if known is None:
        result.conflicts.append(_conflict(row, "assignee", topic.assignee, _person(row.assignee), "nobody of that name can be assigned here"))
        return {}
    return {"assignee": known}


def _due(topic: reading.Topic, row: Finding) -> dict[str, Any]:
    if topic.due is None or topic.due.date() == row.due_on:
        return {}
    return {"due_on": topic.due.date().isoformat()}


_NOTED: Final = {"state": "state", "assignee": "assignee", "due_on": "due"}


def _changed_since(tenant: Tenant, topic: reading.Topic, row: Finding, name: str, value: Any, result: Imported) -> bool:
    """Whether somebody has changed it here after it was changed there; then what is here stays, and that is told."""
    last = FindingNote.objects.for_tenant(tenant).filter(finding=row, kind=_NOTED[name]).order_by("-at").values_list("at", flat=True).first()
    if last is None or (topic.modified_at is not None and topic.modified_at >= last.replace(microsecond=0)):
        return False
    ours = {"state": row.state, "assignee": _person(row.assignee), "due_on": str(row.due_on or "")}[name]
    result.conflicts.append(_conflict(row, name, str(value), ours, "it was changed here after it was changed there"))
    return True
