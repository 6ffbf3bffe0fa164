"""Operations of migrations that leave the historical models alone where Django's own would render all of them again.

Every table belongs to a tenant, so every model is related to every other, and each CreateModel or RunPython on a state that is rendered costs
a rendering of nearly all: with 120 tables most of a fresh set-up.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.migrations.operations import CreateModel
from django.db.migrations.operations.base import Operation

Write = Callable[[Any], None]  # writes with a schema editor


class Tables(Operation):
    """Several CreateModels as one: their models are rendered once, when all are known. They may refer to each other in any order."""

    def __init__(self, creations: Sequence[CreateModel]) -> None:
        self.creations = creations

    def state_forwards(self, app_label: str, state: Any) -> None:
        state.__dict__.pop("apps", None)  # the rendered models: a cached property, made again when somebody asks
        for one in self.creations:
            one.state_forwards(app_label, state)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for one in self.creations:
            one.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for one in reversed(self.creations):
            one.database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"Create {len(self.creations)} tables"


class Run(Operation):
    """Statements that need no models; `reduces_to_sql` is False because they differ by database."""

    reduces_to_sql = False

    def __init__(self, forwards: Write, backwards: Write) -> None:
        self.forwards, self.backwards = forwards, backwards

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.forwards(schema_editor)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self.backwards(schema_editor)

    def describe(self) -> str:
        return "Run statements"
