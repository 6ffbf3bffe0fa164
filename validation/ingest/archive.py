"""The model in an .ifczip: one member, written under a name of ours, so that no name in the archive is ever a path."""

import stat
import zipfile
from pathlib import Path
from typing import IO, Final

from validation.ingest.refusal import Refused

MOST_MEMBERS: Final = 1000
PIECE: Final = 1024 * 1024
ENTRY_BYTES: Final = 256  # of the directory for one member, on the average: 46 and its name
_ENTRIES, _DIRECTORY_SIZE = 4, 5  # in the end record
_SUFFIXES: Final = (".ifc",)


def require_small(file: IO[bytes], *, most: int) -> None:
    """Looks at the archive's end before `ZipFile` does, which makes an object of every entry of its directory. Raises Refused, BadZipFile.

    The end is found by the function that `ZipFile` itself uses: with another reading of it an archive could show each of us another end.
    """
    try:
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    except OSError as broken:
        raise zipfile.BadZipFile from broken
    if end is None:
        raise zipfile.BadZipFile("no end record")
    size, count = end[_DIRECTORY_SIZE], end[_ENTRIES]
    if count > most or size > most * ENTRY_BYTES:
        raise Refused("ARCHIVE_UNSAFE", f"The archive has {count:,} members in {size:,} bytes; {most:,} members are allowed.")
    file.seek(0)


def unpack(packed: Path, into: Path, *, max_bytes: int, ratio: int) -> None:
    """Raises Refused. What the archive says of sizes is not believed: bytes are counted while they come."""
    try:
        with packed.open("rb") as file:
            require_small(file, most=MOST_MEMBERS)
        with zipfile.ZipFile(packed) as archive:
            member = _model(archive)
            most = min(max_bytes, max(PIECE, packed.stat().st_size * ratio))
            _copy(archive, member, into, most=most, max_bytes=max_bytes)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, RuntimeError) as broken:
        if isinstance(broken, Refused):
            raise
        raise Refused("ARCHIVE_DAMAGED", "The archive is damaged, or packed in a way that is not read here.") from broken


def _model(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise Refused("ARCHIVE_UNSAFE", f"The archive has {len(members):,} members; {MOST_MEMBERS:,} are allowed.")
    models = [one for one in members if one.filename.lower().endswith(_SUFFIXES) and not one.is_dir()]
    if len(models) != 1:
        raise Refused("ARCHIVE_WITHOUT_MODEL", f"The archive has {len(models)} .ifc files; it has to have one.")
    if stat.S_ISLNK(models[0].external_attr >> 16):
        raise Refused("ARCHIVE_UNSAFE", "The model in the archive is a link to another place.")
    if models[0].flag_bits & 0x1:
        raise Refused("ARCHIVE_UNSAFE", "The archive is locked by a password.")
    return models[0]


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path, *, most: int, max_bytes: int) -> None:
    written = 0
    with archive.open(member) as source, into.open("wb") as target:
        while piece := source.read(PIECE):
            written += len(piece)
            if written > most:
                code = "TOO_LARGE" if written > max_bytes else "ZIP_BOMB"
                raise Refused(code, f"The archive unpacks to more than {most:,} bytes.")
            target.write(piece)
