"""The endpoints of OAuth that are not REST: the two documents, tokens, revocation and registration. The consent page has a file of its own.

They are public, so what they answer to a browser of another origin is open (no cookie is ever looked at), and each is counted by address.
"""

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters

from mcp_platform import observability, rest
from mcp_platform.errors import Invalid, Kind, PlatformError
from mcp_platform.oauth import queries, services
from mcp_platform.oauth.core import addresses, documents, scopes
from mcp_platform.tenancy import authenticators, scope, throttling
from mcp_platform.tenancy.errors import Unauthenticated

log = observability.logger(__name__)
View = Callable[..., HttpResponse]

DOCUMENTATION = "/api/docs/"
LONGEST_FORM = 16 * 1024
GRANTS = ("authorization_code", "refresh_token", "client_credentials")
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, MCP-Protocol-Version",
    "Access-Control-Max-Age": "86400",
}
# The statuses of an error of ours that is no OAuth error: RFC 6749 has no words for these.
_NAMES = {Kind.THROTTLED: "temporarily_unavailable", Kind.UNAVAILABLE: "temporarily_unavailable", Kind.BUSY: "temporarily_unavailable"}


def base_of(request: HttpRequest) -> str:
    return queries.base_of(request.get_host(), secure=request.is_secure())


def public(*methods: str) -> Callable[[View], View]:
    """For programs of any origin: no cookie counts, errors are OAuth's JSON, nothing is kept by anybody on the way."""

    def around(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "OPTIONS":
                return HttpResponse(status=204, headers=CORS)
            if request.method not in methods:
                return _with_manners(refusal("invalid_request", "Wrong method.", 405, {"Allow": ", ".join(methods)}))
            try:
                with scope.platform_scope():  # who is asking is what is being found out
                    return _with_manners(view(request, *args, **kwargs))
            except PlatformError as error:
                return _with_manners(_refused(error))

        return answer

    return around


def _with_manners(response: HttpResponse) -> HttpResponse:
    for name, value in CORS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def refusal(error: str, description: str, status: int = 400, headers: dict[str, str] | None = None) -> JsonResponse:
    """RFC 6749, 5.2."""
    return JsonResponse({"error": error, "error_description": description}, status=status, headers=headers)


def _refused(error: PlatformError) -> JsonResponse:
    headers = {**rest.headers_of(error), **getattr(error, "headers", {})}
    name = "invalid_client" if isinstance(error, Unauthenticated) else _NAMES.get(error.kind, "invalid_request")
    return refusal(name, error.message, rest.status_of(error), headers)


@public("GET", "HEAD")
def resource_metadata(request: HttpRequest, path: str = "mcp") -> HttpResponse:
    """RFC 9728. Of any virtual server, whether it exists or not: that is nobody's business without a token."""
    if not addresses.is_resource_path(f"/{path}"):
        return refusal("not_found", "There is no protected resource at this address.", 404)
    base = base_of(request)
    found = documents.of_resource(
        base, f"{base}/{path}", name=str(settings.UNFOLD["SITE_TITLE"]), scopes=queries.offered_scopes(), documentation=base + DOCUMENTATION
    )
    return JsonResponse(found, headers={"Cache-Control": "public, max-age=300"})


@public("GET", "HEAD")
def server_metadata(request: HttpRequest) -> HttpResponse:
    """RFC 8414."""
    base = base_of(request)
    found = documents.of_server(base, scopes=queries.offered_scopes(), documentation=base + DOCUMENTATION)
    return JsonResponse(found, headers={"Cache-Control": "public, max-age=300"})


@public("POST")
@sensitive_post_parameters("client_secret", "code", "code_verifier", "refresh_token")
def token(request: HttpRequest) -> HttpResponse:
    return _from_library(request, _token)


@public("POST")
@sensitive_post_parameters("client_secret", "token")
def revoke(request: HttpRequest) -> HttpResponse:
    """RFC 7009: the answer does not say whether there was such a token."""
    return _from_library(request, _revocation)


Told = tuple[Any, Mapping[str, str], str, int]  # address, headers, body, status


def _token(mixin: Any, request: HttpRequest) -> Told:
    if request.POST.get("grant_type", "") not in GRANTS:  # the library knows more
        said = {"error": "unsupported_grant_type", "error_description": f"grant_type must be one of {', '.join(GRANTS)}."}
        return "", {}, json.dumps(said), 400
    told: Told = mixin.create_token_response(request)
    return told


def _revocation(mixin: Any, request: HttpRequest) -> Told:
    told: Told = mixin.create_revocation_response(request)
    return told


def _from_library(request: HttpRequest, ask: Callable[[Any, HttpRequest], Told]) -> HttpResponse:
    from oauth2_provider.views.mixins import OAuthLibMixin

    address = throttling.address_of(request)
    throttling.spend_visitor("oauth", address)
    _check_form(request)
    with throttling.attempt(address):  # a secret that is guessed at is a credential like any other
        _, headers, body, status = ask(OAuthLibMixin(), request)
        if status == 401:
            raise Unauthenticated("The client is not known, or has not proved who it is.")
    return HttpResponse(body or "", status=status, headers={**headers, "Content-Type": "application/json"})


def _check_form(request: HttpRequest) -> None:
    """Raises Invalid, before anything reaches the library."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > LONGEST_FORM:
        raise Invalid(f"The form is longer than {LONGEST_FORM} bytes.")
    if request.content_type != "application/x-www-form-urlencoded":
        raise Invalid("Send application/x-www-form-urlencoded.")
    if any("\x00" in value for _, values in request.POST.lists() for value in values):
        raise Invalid("A parameter contains a NUL character.")


@public("POST")
def register(request: HttpRequest) -> HttpResponse:
    """RFC 7591 with an initial access token: an API key with the permission clients:manage, in whose tenant the client then is."""
    by = authenticators.admit(request)
    by.require("clients:manage")
    document = rest.read_json(request.read(rest.MAX_BODY + 1))
    if not isinstance(document, dict):
        return refusal("invalid_client_metadata", "The body is not an object.")
    grants = document.get("grant_types", ["authorization_code"])
    method = document.get("token_endpoint_auth_method", "client_secret_basic")
    try:
        row, secret = services.register_client(
            by.tenant,
            name=str(document.get("client_name", "")) or "unnamed",
            acts_for="itself" if grants == ["client_credentials"] else "person",
            confidential=method != "none",
            redirect_uris=_texts(document.get("redirect_uris", [])),
            scopes=scopes.parse(document.get("scope", "")),
            by=by,
        )
    except Invalid as fault:
        about_redirects = all(str(one.get("path", "")).startswith("$.redirect_uris") for one in fault.details.get("errors", [{}]))
        said = "; ".join(f"{one['path'].removeprefix('$.')} {one['message']}" for one in fault.details.get("errors", [])) or fault.message
        return refusal("invalid_redirect_uri" if about_redirects else "invalid_client_metadata", said)
    made = {
        "client_id": row.client_id,
        "client_id_issued_at": int(row.created.timestamp()),
        "client_name": row.name,
        "redirect_uris": row.redirect_uris.split(),
        "grant_types": grants if grants == ["client_credentials"] else ["authorization_code", "refresh_token"],
        "response_types": [] if grants == ["client_credentials"] else ["code"],
        "scope": " ".join(queries.scopes_of(row)),
        "token_endpoint_auth_method": method if secret else "none",
    }
    return JsonResponse({**made, **({"client_secret": secret, "client_secret_expires_at": 0} if secret else {})}, status=201)


def _texts(value: Any) -> list[str]:
    """Raises Invalid."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        fault = {"path": "$.redirect_uris", "code": "invalid", "message": "is no list of texts", "expected": "a list of addresses"}
        raise Invalid("redirect_uris is no list of texts.", errors=[fault])
    return value
