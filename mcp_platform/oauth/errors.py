"""What can go wrong with OAuth clients and their tokens."""

from collections.abc import Iterable

from mcp_platform.errors import Conflict, Denied, NotFound


class ClientNotFound(NotFound):
    """There is no such OAuth client."""

    code = "OAUTH_CLIENT_NOT_FOUND"


class AuthorizationNotFound(NotFound):
    """There is no such authorization."""

    code = "OAUTH_AUTHORIZATION_NOT_FOUND"


class ClientHasNoSecret(Conflict):
    """This client has no secret: it proves itself with PKCE alone."""

    code = "OAUTH_CLIENT_PUBLIC"


class ClientWithdrawn(Conflict):
    """The client was withdrawn; register a new one."""

    code = "OAUTH_CLIENT_WITHDRAWN"


class ScopeMissing(Denied):
    """The token is good, but it was given less than this needs."""

    code = "INSUFFICIENT_SCOPE"

    def __init__(self, scopes: Iterable[str]) -> None:
        self.scopes = tuple(sorted(set(scopes)))
        super().__init__(f"This needs the scope {' '.join(self.scopes)}.", scopes=list(self.scopes))
