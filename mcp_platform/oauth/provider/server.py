"""Requests as oauthlib gets to see them: only the parameters that OAuth knows.

oauthlib keeps every parameter of a request as an attribute, and where an attribute is asked for that nobody has set, a parameter of that name
answers. So what is not OAuth's must not come in.
"""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from oauth2_provider.oauth2_backends import OAuthLibCore

from mcp_platform.oauth.core.documents import AUTHORIZE

ASKED = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method", "resource")
SENT = (
    *("grant_type", "client_id", "client_secret", "code", "redirect_uri", "code_verifier"),
    *("refresh_token", "scope", "resource", "token", "token_type_hint"),
)


class Core(OAuthLibCore):  # type: ignore[misc]  # untyped
    def _get_escaped_full_path(self, request: HttpRequest) -> str:
        """The query of the consent page; the token endpoint has none: what is in an address ends in logs."""
        if request.path != AUTHORIZE:
            return request.path
        return f"{request.path}?{urlencode([(name, value) for name in ASKED for value in request.GET.getlist(name)])}"

    def extract_headers(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().extract_headers(request), "HTTP_HOST": request.get_host()}  # also where a proxy has said it, and checked

    def extract_body(self, request: HttpRequest) -> list[tuple[str, Any]]:
        """The form of the consent page is ours, not OAuth's."""
        if request.path == AUTHORIZE:
            return []
        return [(name, value) for name in SENT for value in request.POST.getlist(name)]
