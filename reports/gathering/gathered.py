"""What a report is about, and what a gatherer hands over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from validation.models import Building, Project, ValidationRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is asked about, found without its rows being read. `key` is the same for reports that may supersede one another."""

    title: str
    key: str
    building: Building | None = None
    project: Project | None = None
    run: ValidationRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """`body` is what the kind's `compose` asks for beside the head.

    made_at: the moment of which the report speaks; None: of that at which its rows were read.
    """

    title: str
    body: dict[str, Any]
    made_at: datetime | None = None
