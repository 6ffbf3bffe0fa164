"""What can go wrong with who you are and what you may do."""

from mcp_platform.errors import Conflict, Denied, Invalid, NotFound


class Unauthenticated(Denied):
    """The credential is missing, wrong, expired or revoked."""

    code = "UNAUTHENTICATED"


class TenantUnknown(NotFound):
    """There is no such tenant among yours."""

    code = "TENANT_NOT_FOUND"


class TenantNotChosen(Invalid):
    """You belong to several tenants; say which one in the X-Tenant header."""

    code = "TENANT_REQUIRED"


class LastOwner(Conflict):
    """A tenant keeps at least one owner; make somebody else an owner first."""

    code = "LAST_OWNER"


class AlreadyExists(Conflict):
    """There is one already."""

    code = "ALREADY_EXISTS"


class CannotGrant(Denied):
    """You cannot give away, or take away, permissions that you do not have."""

    code = "CANNOT_GRANT"


class KeyNotActive(Conflict):
    """The key is revoked, expired or rotated already."""

    code = "KEY_NOT_ACTIVE"
