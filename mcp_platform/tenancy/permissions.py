"""The permission matrix: what there is to do, and which role may do it. docs/permissions.md shows it; a test holds the two together."""

from collections.abc import Mapping

from mcp_platform.tenancy.models import Role

PERMISSIONS: Mapping[str, str] = {
    "tenants:read": "See the tenant and its settings",
    "tenant:manage": "Change the tenant, its settings and its trusted token issuers",
    "members:manage": "See, add and remove members, change their roles",
    "keys:manage": "See, create, rotate and revoke API keys",
    "audit:read": "Read and verify the audit chain",
    "metrics:read": "See the dashboards and numbers of the tenant",
    "flows:read": "See flows, versions and environments",
    "flows:write": "Edit drafts, import and archive flows",
    "flows:publish": "Publish flows, roll them back, change environments",
    "integrations:read": "See the definitions of integrations",
    "integrations:write": "Change the definitions of integrations and their recorded answers",
    "integrations:try": "Send a trial call through an integration",
    "secrets:read": "See the names of secrets, never their values",
    "secrets:write": "Store, rotate and delete secrets",
    "conversations:read": "Read conversations, transcripts and traces",
    "conversations:write": "Start conversations and send messages",
    "conversations:operate": "Reset conversations, hand them over, list those of every user",
    "inbox:work": "Take conversations that were handed over, answer, give them back to the bot",
    "channels:read": "See the public chat pages",
    "channels:write": "Create and change public chat pages",
    "events:read": "See event endpoints, deliveries and the catalogue of events",
    "events:manage": "Create and change event endpoints, rotate their secrets, send again",
    "models:read": "See trained models, what was measured, and which of them serves",
    "models:write": "Train models, promote, reject and roll them back",
    "validation:read": "See projects, buildings, models, runs, findings and waivers",
    "validation:write": "Create projects and buildings, upload models, send live changes",
    "validation:run": "Start and schedule checks, train the triage",
    "findings:write": "Comment on findings, assign them, change their state",
    "waivers:request": "Ask for waivers",
    "waivers:approve": "Approve and reject waivers that somebody else has asked for",
    "rules:read": "See jurisdictions, editions, rule sets, rules and where facts come from",
    "rules:write": "Edit drafts of rule sets, jurisdictions, adoptions, amendments and facts",
    "rules:publish": "Publish and retire versions of rule sets that somebody else has written",
    "rules:override": "Override rules for one project, with a reason",
    "reports:read": "See reports and download their files",
    "reports:write": "Ask for reports, make them again, schedule them, change templates and branding",
    "reports:manage": "Delete reports, say how long they are kept, change the certificates that sign them",
    "experiments:read": "See experiments, their numbers and decisions",
    "experiments:write": "Plan experiments, their variants and metrics",
    "experiments:run": "Start, ramp, pause, stop and decide experiments",
    "metadata:read": "See product aliases and column mappings",
    "metadata:write": "Edit, import and publish product aliases and column mappings",
    "servers:read": "See other Model Context Protocol servers, their tools, state and cache",
    "servers:write": "Connect other Model Context Protocol servers, approve their tools, offer them through virtual servers",
    "servers:use": "Call the tools of connected servers",
    "clients:manage": "See, register and withdraw OAuth clients",
    "tools:ping": "Call the tool ping",
    "tools:health": "Call the tool health_check",
    "tools:echo": "Call the tool echo",
    "operations:cancel": "Stop long-running work that you may see",
}

ALL: frozenset[str] = frozenset(PERMISSIONS)
_SEE = frozenset(
    {
        "tenants:read",
        "flows:read",
        "integrations:read",
        "conversations:read",
        "channels:read",
        "models:read",
        "validation:read",
        "rules:read",
        "reports:read",
        "experiments:read",
        "metadata:read",
        "servers:read",
        "tools:ping",
        "tools:health",
        "tools:echo",
    }
)
_TALK = frozenset({"conversations:write"})
_BUILD = frozenset({"validation:write", "validation:run", "findings:write", "waivers:request", "reports:write"})
_CONNECT = frozenset({"servers:write", "servers:use", "integrations:write", "integrations:try", "secrets:read", "secrets:write"})
_OPERATE = frozenset(
    {
        "servers:use",
        "experiments:run",
        "conversations:operate",
        "inbox:work",
        "metrics:read",
        "integrations:try",
        "operations:cancel",
        "events:read",
        "events:manage",
    }
)

ROLE_PERMISSIONS: Mapping[Role, frozenset[str]] = {
    Role.OWNER: ALL,
    Role.EDITOR: _SEE
    | _TALK
    | _CONNECT
    | _BUILD
    | {"rules:write", "rules:publish", "experiments:write", "experiments:run", "metadata:write"}
    | {"channels:write", "events:read", "flows:write", "flows:publish", "metrics:read", "operations:cancel", "models:write"},
    Role.ANALYST: _SEE | {"events:read", "audit:read", "metrics:read", "conversations:operate"},
    Role.CODE_OFFICIAL: _SEE
    | {"audit:read", "validation:run", "findings:write", "waivers:request", "waivers:approve", "rules:publish", "rules:override", "reports:write"},
    Role.OPERATOR: _SEE | _TALK | _OPERATE | {"validation:run", "findings:write"},
    Role.AGENT: frozenset({"tenants:read", "conversations:read", "conversations:operate", "inbox:work"}) | _TALK,
    Role.VIEWER: _SEE,
}


def of_role(role: str) -> frozenset[str]:
    """The permissions of a role name; none for a name that is not a role."""
    return ROLE_PERMISSIONS[Role(role)] if role in Role.values else frozenset()


def of_roles(roles: object) -> frozenset[str]:
    """The permissions of several role names, as a token's claim gives them: a list, or one text with spaces between."""
    names = roles.split() if isinstance(roles, str) else roles if isinstance(roles, list) else []
    return frozenset().union(*(of_role(name) for name in names if isinstance(name, str)))


def as_markdown() -> str:
    """The matrix as the table of docs/permissions.md."""
    head = ["Permission", "Allows", *(role.label for role in Role)]
    rows = [[f"`{name}`", text, *("✓" if name in ROLE_PERMISSIONS[role] else "" for role in Role)] for name, text in PERMISSIONS.items()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * 2 + [":-:"] * len(Role), *rows])
