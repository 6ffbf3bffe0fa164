"""What can go wrong with secrets. No error ever carries a value."""

from mcp_platform.errors import Conflict, NotFound


class SecretNotFound(NotFound):
    """There is no secret of this name."""

    code = "SECRET_NOT_FOUND"


class SecretExists(Conflict):
    """There is a secret of this name already; rotate it to change its value."""

    code = "ALREADY_EXISTS"


class SecretIsNeeded(Conflict):
    """Something refers to this secret."""

    code = "SECRET_IN_USE"
