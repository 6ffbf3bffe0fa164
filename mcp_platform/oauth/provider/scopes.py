"""Our permissions as the scopes of django-oauth-toolkit."""

from typing import Any

from oauth2_provider.scopes import BaseScopes

from mcp_platform.oauth import queries


class Permissions(BaseScopes):  # type: ignore[misc]  # untyped
    def get_all_scopes(self) -> dict[str, str]:
        return queries.offered_scopes()

    def get_available_scopes(self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any) -> list[str]:
        return queries.scopes_of(application) if application is not None else list(queries.offered_scopes())

    def get_default_scopes(self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any) -> list[str]:
        return queries.default_scopes_of(application)
