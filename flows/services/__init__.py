"""Everything that changes flows: drafts, releases, environments and integrations. Doors import the verbs from here."""

from flows.queries import draft_document
from flows.services.drafts import (
    create_flow,
    delete_flow,
    delete_state,
    delete_transition,
    import_flow,
    save_draft,
    save_state,
    save_transition,
    update_flow,
    validate_draft,
)
from flows.services.environments import create_environment, default_environment, delete_environment, update_environment
from flows.services.integrations import delete_integration, save_integration
from flows.services.releases import archive, diff, export_flow, publish, roll_back, unarchive

__all__ = [
    "archive",
    "create_environment",
    "create_flow",
    "default_environment",
    "delete_environment",
    "delete_flow",
    "delete_integration",
    "delete_state",
    "delete_transition",
    "diff",
    "draft_document",
    "export_flow",
    "import_flow",
    "publish",
    "roll_back",
    "save_draft",
    "save_integration",
    "save_state",
    "save_transition",
    "unarchive",
    "update_environment",
    "update_flow",
    "validate_draft",
]
