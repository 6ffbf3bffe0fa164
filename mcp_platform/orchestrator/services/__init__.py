"""Use cases of the orchestrator: servers and their tools, virtual servers, the gateway, configuration documents."""

from mcp_platform.orchestrator.services.approvals import approve, approve_all, reject
from mcp_platform.orchestrator.services.documents import Imported, as_yaml, export, import_document, read_yaml
from mcp_platform.orchestrator.services.gateway import acall, attended, call, use
from mcp_platform.orchestrator.services.offers import Offer, Offered, address_of, is_callable, offer, offered
from mcp_platform.orchestrator.services.servers import (
    SERVER_DEFAULTS,
    SETTINGS_DEFAULTS,
    delete_server,
    save_server,
    save_settings,
    settings_as_dict,
    tell_users,
    users_of,
)
from mcp_platform.orchestrator.services.upkeep import (
    check,
    check_due,
    close,
    conformity,
    forget_old,
    gather,
    initialize,
    invalidate,
    resources_for_domain,
    status,
)
from mcp_platform.orchestrator.services.virtual import Chosen, Preview, delete_virtual_server, preview, save_virtual_server

__all__ = [
    "SERVER_DEFAULTS",
    "SETTINGS_DEFAULTS",
    "Chosen",
    "Imported",
    "Offer",
    "Offered",
    "Preview",
    "acall",
    "address_of",
    "approve",
    "approve_all",
    "as_yaml",
    "attended",
    "call",
    "check",
    "check_due",
    "close",
    "conformity",
    "delete_server",
    "delete_virtual_server",
    "export",
    "forget_old",
    "gather",
    "import_document",
    "initialize",
    "invalidate",
    "is_callable",
    "offer",
    "offered",
    "preview",
    "read_yaml",
    "reject",
    "resources_for_domain",
    "save_server",
    "save_settings",
    "save_virtual_server",
    "settings_as_dict",
    "status",
    "tell_users",
    "use",
    "users_of",
]
