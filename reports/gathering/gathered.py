"""What a gatherer hands over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from validation.models import Building, Project, ValidationRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """`body` is what the kind's `compose` asks for beside the head. `subject` is the same for reports that may supersede one another.

    made_at: the moment of which the report speaks; None: of when it was asked for.
    """

    title: str
    subject: str
    body: dict[str, Any]
    made_at: datetime | None = None
    building: Building | None = None
    project: Project | None = None
    run: ValidationRun | None = None
