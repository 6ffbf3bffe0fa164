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
from flows.services.permits import ahead as permits_ahead
from flows.services.releases import archive, diff, export_flow, following, freeze, publish, roll_back, unarchive
from flows.services.stubs import delete_stub, save_stub
from flows.services.tenant_handlers import save_tenant_handlers
from flows.services.testing import delete_test, export_tests, import_tests, run_tests, save_test, try_script

__all__ = [
    "archive",
    "create_environment",
    "create_flow",
    "default_environment",
    "delete_environment",
    "delete_flow",
    "delete_integration",
    "delete_state",
    "delete_stub",
    "delete_test",
    "delete_transition",
    "diff",
    "draft_document",
    "export_flow",
    "export_tests",
    "following",
    "freeze",
    "import_flow",
    "import_tests",
    "permits_ahead",
    "publish",
    "roll_back",
    "run_tests",
    "save_draft",
    "save_integration",
    "save_state",
    "save_stub",
    "save_tenant_handlers",
    "save_test",
    "save_transition",
    "try_script",
    "unarchive",
    "update_environment",
    "update_flow",
    "validate_draft",
]
