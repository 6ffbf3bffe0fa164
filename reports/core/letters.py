"""What a letter about a report says, in the language of the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ENGLISH: Final = {
    "ready.subject": "Report {number} is ready: {title}",
    "ready.body": "The report {number} (revision {revision}) is ready.\n\n{title}\n",
    "link": "Download it here; the link works until {until} and needs no account:\n{link}\n",
    "attached": "It is attached to this letter.\n",
    "verify": "Whether a copy of it is genuine can be checked by anybody at:\n{verify}\n",
    "failed.subject": "Report {number} could not be made: {title}",
    "failed.body": "The report {number} (revision {revision}) could not be made.\n\n{title}\n\nReason: {reason}\n",
    "again": "What it says is kept. It can be made again here:\n{page}\n",
}
GERMAN: Final = {
    "ready.subject": "Bericht {number} ist fertig: {title}",
    "ready.body": "Der Bericht {number} (Revision {revision}) ist fertig.\n\n{title}\n",
    "link": "Hier können Sie ihn laden; der Link gilt bis {until} und braucht kein Konto:\n{link}\n",
    "attached": "Er hängt an dieser Nachricht.\n",
    "verify": "Ob eine Kopie echt ist, kann jeder hier prüfen:\n{verify}\n",
    "failed.subject": "Bericht {number} konnte nicht erstellt werden: {title}",
    "failed.body": "Der Bericht {number} (Revision {revision}) konnte nicht erstellt werden.\n\n{title}\n\nGrund: {reason}\n",
    "again": "Sein Inhalt ist aufbewahrt. Hier kann er noch einmal erstellt werden:\n{page}\n",
}
WORDS: Final[Mapping[str, Mapping[str, str]]] = {"en": ENGLISH, "de": GERMAN}
LONGEST_SUBJECT: Final = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    subject: str
    body: str


def ready(locale: str, *, number: str, revision: int, title: str, verify: str, link: str = "", until: str = "") -> Letter:
    """With the address of the file, or without one when the file is attached."""
    said = WORDS.get(locale, ENGLISH)
    about = {"number": number, "revision": revision, "title": _line(title)}
    parts = [said["ready.body"].format(**about), said["link"].format(link=link, until=until) if link else said["attached"]]
    return Letter(subject=_line(said["ready.subject"].format(**about)), body="\n".join([*parts, said["verify"].format(verify=verify)]))


def failed(locale: str, *, number: str, revision: int, title: str, reason: str, page: str) -> Letter:
    said = WORDS.get(locale, ENGLISH)
    about = {"number": number, "revision": revision, "title": _line(title), "reason": _line(reason)}
    return Letter(
        subject=_line(said["failed.subject"].format(**about)), body="\n".join([said["failed.body"].format(**about), said["again"].format(page=page)])
    )


def _line(text: str) -> str:
    """One line: a header that goes on in the next would be another header."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"
