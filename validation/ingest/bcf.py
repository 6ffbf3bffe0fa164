"""Read a BCF file of 2.0, 2.1 or 3.0 that somebody has sent: topics with their states and comments. Nothing is unpacked, names are never paths."""

import re
import stat
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Final
from uuid import UUID

from validation.ingest.archive import require_small
from validation.ingest.refusal import Refused

VERSIONS: Final = ("2.0", "2.1", "3.0")
MOST_MEMBERS: Final = 20_000
MOST_TOPICS: Final = 5_000
MOST_XML: Final = 4 * 1024 * 1024
MOST_BYTES: Final = 256 * 1024 * 1024  # of all XML together
MOST_RATIO: Final = 200
MOST_DEPTH: Final = 30
LONGEST: Final = 10_000
PIECE: Final = 64 * 1024
_MARKUP: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/markup\.bcf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    guid: UUID
    at: datetime | None
    author: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """modified_at: when it was last changed, as far as the file says. assignee: "" when it says none."""

    guid: UUID
    title: str
    status: str
    modified_at: datetime | None
    assignee: str
    due: datetime | None
    description: str
    comments: tuple[Comment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """problems: what could not be read, {path, code, message}; the rest has been."""

    version: str
    topics: tuple[Topic, ...]
    problems: tuple[dict[str, str], ...]


def read(file: IO[bytes]) -> Document:
    """Raises Refused for what is no BCF file, and for one that is made to harm."""
    try:
        _require_small(file)
        with zipfile.ZipFile(file) as archive:
            return _read(archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as broken:
        raise Refused("NOT_BCF", "This is no BCF file: it is not a zip archive that can be read.") from broken


def _read(archive: zipfile.ZipFile) -> Document:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise Refused("BCF_TOO_LARGE", f"The archive has {len(members):,} members; {MOST_MEMBERS:,} are allowed.")
    for one in members:
        _harmless(one)
    version = _version(archive)
    wanted = [one for one in members if _MARKUP.fullmatch(one.filename)]
    if len(wanted) > MOST_TOPICS:
        raise Refused("BCF_TOO_LARGE", f"The file has {len(wanted):,} topics; {MOST_TOPICS:,} are allowed.")
    topics, problems, total = [], [], 0
    for one in wanted:
        content = _content(archive, one)
        total += len(content)
        if total > MOST_BYTES:
            raise Refused("BCF_TOO_LARGE", "The topics are larger than a BCF file may be.")
        try:
            topics.append(_topic(_parsed(content)))
        except ValueError as fault:
            problems.append({"path": one.filename, "code": "unreadable", "message": str(fault)[:300]})
    return Document(version=version, topics=tuple(topics), problems=tuple(problems))


def _require_small(file: IO[bytes]) -> None:
    try:
        require_small(file, most=MOST_MEMBERS)
    except Refused as refused:
        raise Refused("BCF_TOO_LARGE", refused.problem["detail"]) from refused


def _harmless(one: zipfile.ZipInfo) -> None:
    name = one.filename.replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0] or "\x00" in name:
        raise Refused("BCF_UNSAFE", "A name in the archive leads out of it.")
    if stat.S_ISLNK(one.external_attr >> 16):
        raise Refused("BCF_UNSAFE", "The archive has a link to another place.")
    if one.flag_bits & 0x1:
        raise Refused("BCF_UNSAFE", "The archive is locked by a password.")


def _content(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> bytes:
    """What the archive says of sizes is not believed: bytes are counted while they come."""
    most = min(MOST_XML, max(PIECE, one.compress_size * MOST_RATIO))
    parts, size = [], 0
    with archive.open(one) as source:
        while piece := source.read(PIECE):
            size += len(piece)
            if size > most:
                raise Refused("BCF_TOO_LARGE", f"{one.filename} unpacks to more than it may.")
            parts.append(piece)
    return b"".join(parts)


def _version(archive: zipfile.ZipFile) -> str:
    try:
        found = str(_parsed(_content(archive, archive.getinfo("bcf.version"))).get("VersionId", ""))
    except (KeyError, ValueError) as missing:
        raise Refused("NOT_BCF", "This is no BCF file: it has no bcf.version that can be read.") from missing
    if found not in VERSIONS:
        raise Refused("BCF_VERSION", f"BCF {found[:20] or 'without a version'} is not read; {', '.join(VERSIONS)} are.")
    return found


def _parsed(content: bytes) -> Any:
    """Raises ValueError for what is no XML, and Refused for XML that is made to harm."""
    import io

    import defusedxml.ElementTree as guarded  # noqa: N813  a module
    from defusedxml import DefusedXmlException

    root, depth = None, 0
    try:
        for event, element in guarded.iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=True):
            root = element if root is None else root
            depth += 1 if event == "start" else -1
            if depth > MOST_DEPTH:
                raise Refused("BCF_UNSAFE", f"XML in the archive is nested more than {MOST_DEPTH} deep.")
    except DefusedXmlException as harm:
        raise Refused("BCF_UNSAFE", "XML in the archive declares a document type or entities.") from harm
    except (guarded.ParseError, LookupError) as broken:
        raise ValueError(f"It is not well-formed XML: {broken}") from broken
    if root is None:
        raise ValueError("It is empty.")
    return root


def _topic(root: Any) -> Topic:
    topic = root.find("Topic")
    if root.tag != "Markup" or topic is None:
        raise ValueError("It has no topic.")
    comments = [*root.findall("Comment"), *topic.findall("Comments/Comment")]  # 2.1 and 3.0
    read = [_comment(one) for one in comments]
    times = [_time(topic, "ModifiedDate"), _time(topic, "CreationDate"), *(one.at for one in read)]
    return Topic(
        guid=_guid(topic),
        title=_text(topic, "Title"),
        status=(topic.get("TopicStatus") or "").strip()[:100],
        modified_at=max((at for at in times if at), default=None),
        assignee=_text(topic, "AssignedTo")[:254],
        due=_time(topic, "DueDate"),
        description=_text(topic, "Description"),
        comments=tuple(one for one in read if one.text),
    )


def _comment(element: Any) -> Comment:
    return Comment(guid=_guid(element), at=_time(element, "Date"), author=_text(element, "Author")[:190], text=_text(element, "Comment"))


def _guid(element: Any) -> UUID:
    try:
        return UUID(element.get("Guid") or "")
    except ValueError as fault:
        raise ValueError(f"{element.tag} has no Guid.") from fault


def _text(element: Any, name: str) -> str:
    return (element.findtext(name) or "").strip().replace("\x00", "")[:LONGEST]


def _time(element: Any, name: str) -> datetime | None:
    """Times without a zone are taken as UTC, as viewers do."""
    text = _text(element, name)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
