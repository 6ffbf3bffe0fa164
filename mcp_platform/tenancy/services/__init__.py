"""Everything that changes tenants, people, keys and trusted issuers, each change with its audit entry."""

from mcp_platform.tenancy.services.issuers import add_issuer, change_issuer, remove_issuer
from mcp_platform.tenancy.services.keys import OVERLAP, create_api_key, note_key_used, revoke_api_key, rotate_api_key
from mcp_platform.tenancy.services.people import add_member, change_account, change_role, invite_member, remove_account, remove_member
from mcp_platform.tenancy.services.tenants import SETTINGS, create_tenant, set_tenant_active, update_tenant
from mcp_platform.tenancy.services.trail import By, ChainFault, actor_of, audit, digest_of, verify_chain

__all__ = [
    "OVERLAP",
    "SETTINGS",
    "By",
    "ChainFault",
    "actor_of",
    "add_issuer",
    "add_member",
    "audit",
    "change_account",
    "change_issuer",
    "change_role",
    "create_api_key",
    "create_tenant",
    "digest_of",
    "invite_member",
    "note_key_used",
    "remove_account",
    "remove_issuer",
    "remove_member",
    "revoke_api_key",
    "rotate_api_key",
    "set_tenant_active",
    "update_tenant",
    "verify_chain",
]
