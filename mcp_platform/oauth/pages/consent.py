"""The page on which a person lets a program act for them, and the page on which they take it back.

The form sends back only what the person has decided. Everything else is read anew from the address, which the browser asked for twice; so there
is nothing in the form that could be exchanged on the way.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from mcp_platform.errors import Denied
from mcp_platform.middleware import PAGE_POLICY
from mcp_platform.oauth import queries, services
from mcp_platform.oauth.core import addresses, metadata, scopes
from mcp_platform.oauth.models import Authorization, Client
from mcp_platform.oauth.pages.endpoints import base_of
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy import scope, throttling
from mcp_platform.tenancy.models import Tenant, User

TENANT = "tenant"  # in the address: a slug, once the person has chosen
LONGEST_QUERY = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that is in order: who may be let in, what they want, and where the answer goes."""

    client: Client
    scopes: tuple[str, ...]
    resource: str
    redirect_uri: str
    state: str


class Refused(Exception):
    """The client gets to know, by a redirect. Raised only when the redirect address is known to be its own."""

    def __init__(self, asked: Asked, error: str, description: str) -> None:
        self.asked, self.error, self.description = asked, error, description
        super().__init__(description)


class Unusable(Exception):
    """The person gets to know: there is no client, or no address of it, that could be told."""


@require_http_methods(["GET", "HEAD", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    if not isinstance(request.user, User) or not request.user.is_active:
        return redirect_to_login(request.get_full_path())
    try:
        throttling.spend_visitor("oauth", throttling.address_of(request))
        with scope.platform_scope():  # clients that belong to nobody are hidden from every tenant
            asked = _read(request)
            return _decide(request, asked) if request.method == "POST" else _show(request, asked, request.user)
    except throttling.TooMany:
        return _page(request, "oauth/problem.html", status=429, problem="Too many tries. Please wait a minute.")
    except Refused as refused:
        return _back(refused.asked, base_of(request), error=refused.error, error_description=refused.description)
    except Unusable as fault:
        return _page(request, "oauth/problem.html", status=400, problem=str(fault))


def _read(request: HttpRequest) -> Asked:
    """Raises Unusable, Refused."""
    from oauth2_provider.exceptions import FatalClientError, OAuthToolkitError
    from oauth2_provider.views.mixins import OAuthLibMixin

    query = request.META.get("QUERY_STRING", "")
    if len(query) > LONGEST_QUERY or "\x00" in "".join(value for _, value in parse_qsl(query)):
        raise Unusable("The address of this page is not complete, or too long.")
    try:
        wanted, found = OAuthLibMixin().validate_authorization_request(request)
    except FatalClientError as fault:
        raise Unusable(_said(fault.oauthlib_error)) from fault
    except OAuthToolkitError as fault:
        raise Refused(_known(request), fault.oauthlib_error.error, fault.oauthlib_error.description or "") from fault
    asked = Asked(
        client=found["request"].client,
        scopes=tuple(wanted),
        resource=_resource(request),
        redirect_uri=found["redirect_uri"],
        state=found["state"] or "",
    )
    if found.get("code_challenge_method") != "S256":
        raise Refused(asked, "invalid_request", "code_challenge_method must be S256.")
    if not addresses.is_resource(asked.resource, base_of(request)) or len(request.GET.getlist("resource")) > 1:
        raise Refused(asked, "invalid_target", f"The resource must be {base_of(request)}{addresses.MCP}.")
    return asked


def _resource(request: HttpRequest) -> str:
    """RFC 8707; a client that names none means our endpoint."""
    return request.GET.get("resource", "") or base_of(request) + addresses.MCP


def _known(request: HttpRequest) -> Asked:
    """Of a request that is not in order, but whose client and redirect address the library has found to belong together."""
    client = Client.objects.filter(client_id=request.GET.get("client_id", "")).first()
    target = request.GET.get("redirect_uri", "") or (client.redirect_uris if client is not None else "")
    if client is None or not client.redirect_uri_allowed(target):
        raise Unusable("The program that has sent you here is not known.")
    return Asked(client=client, scopes=(), resource="", redirect_uri=target, state=request.GET.get("state", ""))


def _said(error: Any) -> str:
    sentences = {
        "invalid_client_id": "The program that has sent you here is not known, or its description cannot be read.",
        "mismatching_redirect_uri": "The program wants to send you to an address that is not one of its own.",
    }
    key = "mismatching_redirect_uri" if "redirect" in str(error.description).lower() else "invalid_client_id"
    return sentences[key]


def _show(request: HttpRequest, asked: Asked, person: User, problem: str = "") -> HttpResponse:
    mine = queries.tenants_for(person, asked.client)
    if not mine:
        return _page(
            request, "oauth/problem.html", asked=asked, status=403, problem="None of your tenants takes this program.", back=_denied(request, asked)
        )
    tenant = _chosen(request, mine)
    if tenant is None:
        return _page(request, "oauth/choose.html", asked=asked, client=_described(asked.client), choices=[(one, _with(request, one)) for one in mine])
    held = tenancy.permissions_of(person, tenant)
    words = queries.offered_scopes()
    context: dict[str, Any] = {
        "client": _described(asked.client),
        "target": addresses.shown_target(asked.redirect_uri),
        "local": addresses.stays_here(asked.redirect_uri),
        "tenant": tenant,
        "others": _with(request, None) if len(mine) > 1 else "",
        "reads": [(name, words[name]) for name in asked.scopes if name in held and not _changes(name)],
        "writes": [(name, words[name]) for name in asked.scopes if name in held and _changes(name)],
        "beyond": [words[name] for name in asked.scopes if name not in held],
        "problem": problem,
    }
    return _page(request, "oauth/consent.html", asked=asked, **context)


def _changes(scope_name: str) -> bool:
    return not (scope_name.endswith(":read") or scope_name.startswith("tools:"))


def _chosen(request: HttpRequest, mine: list[Tenant]) -> Tenant | None:
    slug = request.GET.get(TENANT, "")
    return next((tenant for tenant in mine if tenant.slug == slug), None) if slug else mine[0] if len(mine) == 1 else None


def _with(request: HttpRequest, tenant: Tenant | None) -> str:
    """The address of this page with another tenant, or with none."""
    pairs = [(name, value) for name, value in parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True) if name != TENANT]
    return f"{request.path}?{urlencode([*pairs, *([(TENANT, tenant.slug)] if tenant else [])])}"


def _described(client: Client) -> dict[str, str]:
    """Who a program is: the name is its own word; the host of its document is checked."""
    host = metadata.host_of(client.client_id)
    return {"name": client.name or host or client.client_id, "host": host, "client_id": client.client_id}


def _decide(request: HttpRequest, asked: Asked) -> HttpResponse:
    from oauth2_provider.exceptions import OAuthToolkitError
    from oauth2_provider.views.mixins import OAuthLibMixin

    person = request.user
    assert isinstance(person, User)
    tenant = _chosen(request, queries.tenants_for(person, asked.client))
    if request.POST.get("decision") != "allow" or tenant is None:
        raise Refused(asked, "access_denied", "The person has not let the program in.")
    given = scopes.granted(asked.scopes, tenancy.permissions_of(person, tenant), request.POST.getlist("grant"))
    if not given:
        return _show(request, asked, person, problem="Choose at least one thing that the program may do, or refuse.")
    credentials = {
        "client_id": asked.client.client_id,
        "redirect_uri": asked.redirect_uri,
        "response_type": "code",
        "state": asked.state or None,
        "mcp_tenant": tenant,
        "mcp_resource": asked.resource,
    }
    try:
        with scope.tenant_scope(tenant):
            services.authorize(tenant, client=asked.client, scopes=given, by=person)
        uri, _, _, _ = OAuthLibMixin().create_authorization_response(request, " ".join(given), credentials, True)
    except Denied as fault:
        raise Refused(asked, "access_denied", fault.message) from fault
    except OAuthToolkitError as fault:
        raise Refused(asked, fault.oauthlib_error.error, fault.oauthlib_error.description or "") from fault
    return _redirect(asked, _with_issuer(uri, base_of(request)))


def _denied(request: HttpRequest, asked: Asked) -> str:
    parts = {"error": "access_denied", **({"state": asked.state} if asked.state else {}), "iss": base_of(request)}
    return _added(asked.redirect_uri, parts)


def _back(asked: Asked, issuer: str, **said: str) -> HttpResponse:
    parts = {**{name: value for name, value in said.items() if value}, **({"state": asked.state} if asked.state else {}), "iss": issuer}
    return _redirect(asked, _added(asked.redirect_uri, parts))


def _added(uri: str, more: dict[str, str]) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, urlencode(more)]))))


def _with_issuer(uri: str, issuer: str) -> str:
    """RFC 9207: by `iss` a client that talks to several servers knows whose answer this is."""
    parts = urlsplit(uri)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "iss"]
    return urlunsplit(parts._replace(query=urlencode([*kept, ("iss", issuer)])))


def _redirect(asked: Asked, uri: str) -> HttpResponse:
    from oauth2_provider.http import OAuth2ResponseRedirect

    answer: HttpResponse = OAuth2ResponseRedirect(uri, asked.client.get_allowed_schemes())
    return _guarded(answer, asked)


def _page(request: HttpRequest, template: str, *, status: int = 200, asked: Asked | None = None, **context: Any) -> HttpResponse:
    return _guarded(render(request, template, {**context, "here": request.get_full_path()}, status=status), asked)


def _guarded(answer: HttpResponse, asked: Asked | None) -> HttpResponse:
    """Never in a frame or a cache, and the address, which holds the request, is told to nobody."""
    also = f" {addresses.form_target(asked.redirect_uri)}" if asked is not None else ""
    policy = PAGE_POLICY.replace(" 'unsafe-inline'", "", 1).replace("form-action 'self'", f"form-action 'self'{also}")
    answer.headers["Content-Security-Policy"] = policy
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "same-origin"  # not no-referrer: then browsers send Origin: null with the form, which CSRF refuses
    return answer


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def mine(request: HttpRequest) -> HttpResponse:
    """What a person has let in, in all their tenants, to be taken back."""
    assert isinstance(request.user, User)
    with scope.platform_scope():
        rows = Authorization.objects.select_related("tenant", "client").filter(user=request.user, revoked_at=None).order_by("-created_at", "-pk")
        if request.method == "POST":
            wanted = request.POST.get("authorization", "")
            row = rows.filter(pk=wanted).first() if wanted.isascii() and wanted.isdecimal() and len(wanted) < 19 else None
            if row is not None:
                services.revoke_authorization(row.tenant, authorization_id=row.pk, by=request.user)
            return HttpResponseRedirect(request.path)
        shown = [(row, _described(row.client), [queries.offered_scopes().get(name, name) for name in row.scopes]) for row in rows[:200]]
    return _page(request, "oauth/mine.html", shown=shown)
