"""Integrations: a form with a field for each thing, so that nobody has to know the JSON."""

import base64
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from flows import queries, services
from flows.models import INTEGRATION_TYPES, Integration
from flows.services.integration_faults import AUTHENTICATION, RETRY, WITHOUT_ADDRESS
from mcp_platform import toolkit
from mcp_platform.admin_base import ServiceForm, badge, checkboxes, mono, number_input, refused_fields, select, text_area, text_input
from mcp_platform.errors import PlatformError
from mcp_platform.orchestrator import queries as orchestrator
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, principal
from mcp_platform.vault import queries as vault

AUTHENTICATIONS: Final = [
    ("none", "Nothing: it is open"),
    ("bearer", "Bearer token"),
    ("basic", "User and password (Basic)"),
    ("api_key", "API key in a header or the query"),
    ("header", "Secret in a header"),
    ("oauth2_client_credentials", "OAuth 2.0 client credentials"),
    ("hmac", "HMAC signature"),
]
IDEMPOTENT: Final = [("", "As its kind says"), ("yes", "Yes: every call may happen twice"), ("no", "Only what the protocol calls so")]
# field of the form -> member of `authentication`
AUTH: Final[Mapping[str, str]] = {
    "auth_secret": "secret",
    "auth_username": "username",
    "auth_header": "header",
    "auth_name": "name",
    "auth_in": "in",
    "auth_token_url": "token_url",
    "auth_client_id": "client_id",
    "auth_scope": "scope",
    "auth_audience": "audience",
    "auth_send": "send",
    "auth_algorithm": "algorithm",
}
OPERATION: Final = re.compile(r"^###[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


def operations_text(operations: Mapping[str, str]) -> str:
    return "\n\n".join(f"### {name}\n{document.strip()}" for name, document in operations.items())


def operations_of(text: str) -> dict[str, str]:
    """Documents, each under a line `### name`. Raises ValidationError."""
    first, *parts = OPERATION.split(text)
    if first.strip():
        raise forms.ValidationError("Begin each document with a line such as: ### order")
    found = dict(zip(parts[::2], (document.strip() for document in parts[1::2]), strict=True))
    if len(found) * 2 != len(parts):
        raise forms.ValidationError("Two documents have the same name.")
    return found


def headers_of(text: str) -> dict[str, str]:
    """A header a line. Raises ValidationError."""
    found: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = line.partition(":")
        if not colon:
            raise forms.ValidationError(f"Not a header: {line[:60]}. Write Name: value.")
        found[name.strip()] = value.strip()
    return found


class IntegrationForm(ServiceForm):
    """The fields that only some kinds have are shown and hidden by platform/integrations.js, after `type` and `auth_type`."""

    auth_type = forms.ChoiceField(label="Shows itself by", choices=AUTHENTICATIONS, widget=select())
    auth_secret = forms.ChoiceField(
        label="Secret", required=False, widget=select(), help_text="By its name; secrets are kept under Operations › Secrets."
    )
    auth_username = forms.CharField(label="User name", required=False, widget=text_input())
    auth_header = forms.CharField(label="Header", required=False, widget=text_input(placeholder="X-Signature"))
    auth_name = forms.CharField(label="Name of the key", required=False, widget=text_input(placeholder="X-Api-Key"))
    auth_in = forms.ChoiceField(label="Sent in", required=False, choices=[("header", "a header"), ("query", "the query")], widget=select())
    auth_token_url = forms.CharField(label="Token address", required=False, widget=text_input(placeholder="https://id.example.com/oauth/token"))
    auth_client_id = forms.CharField(label="Client id", required=False, widget=text_input())
    auth_scope = forms.CharField(label="Scope", required=False, widget=text_input())
    auth_audience = forms.CharField(label="Audience", required=False, widget=text_input())
    auth_send = forms.ChoiceField(
        label="Client is shown in", required=False, choices=[("basic", "the Authorization header"), ("body", "the body")], widget=select()
    )
    auth_algorithm = forms.ChoiceField(label="Algorithm", required=False, choices=[("sha256", "SHA-256"), ("sha512", "SHA-512")], widget=select())
    header_lines = forms.CharField(
        label="Headers",
        required=False,
        widget=text_area(rows=3, spellcheck="false", **{"class": "mcp-code"}),
        help_text="Name: value, one a line. No secrets: those belong above.",
    )
    max_attempts = forms.IntegerField(
        label="Tries", required=False, widget=number_input(min=1, max=5), help_text="1 to 5; only calls that may happen twice."
    )
    backoff_ms = forms.IntegerField(
        label="First pause", required=False, widget=number_input(), help_text="Milliseconds; it doubles each time, with jitter."
    )
    max_backoff_ms = forms.IntegerField(label="Longest pause", required=False, widget=number_input(), help_text="Milliseconds")
    within_ms = forms.IntegerField(
        label="Give up after", required=False, widget=number_input(), help_text="Milliseconds after the first try; 60000 when empty."
    )
    idempotent = forms.ChoiceField(label="May be repeated", required=False, choices=IDEMPOTENT, widget=select())
    body = forms.ChoiceField(label="Body", required=False, choices=[("json", "JSON"), ("form", "Form (urlencoded)")], widget=select())
    operations = forms.CharField(
        label="Operations",
        required=False,
        widget=text_area(rows=10, spellcheck="false", **{"class": "mcp-code"}),
        help_text="GraphQL documents, each under a line such as: ### order. Flows name the operation as their endpoint.",
    )
    descriptor_file = forms.FileField(
        label="Descriptor set",
        required=False,
        widget=forms.FileInput(attrs={"class": "mcp-file"}),
        help_text="protoc --include_imports --descriptor_set_out=FILE. Without one the server's reflection service is asked.",
    )
    forget_descriptor = forms.BooleanField(label="Forget the uploaded descriptor set", required=False)
    ca_certificate = forms.CharField(
        label="Certificate authority",
        required=False,
        widget=text_area(rows=3, **{"class": "mcp-code"}),
        help_text="PEM; for servers with a private authority.",
    )
    tools = forms.MultipleChoiceField(label="Tools", required=False, widget=checkboxes(), help_text="None chosen: all of them.")
    server = forms.ChoiceField(label="Server", required=False, widget=select(), help_text="Flows name one of its approved tools as their endpoint.")
    upstream_tools = forms.CharField(
        label="Only these tools", required=False, widget=text_input(), help_text="As the server calls them, commas between; empty: all approved ones."
    )

    class Meta:
        model = Integration
        fields = ("integration_id", "name", "type", "base_url", "timeout_ms")
        labels: ClassVar = {"base_url": "Address", "timeout_ms": "Timeout"}
        help_texts: ClassVar = {
            "integration_id": "What flows call it by; it stays.",
            "base_url": "https://crm.example.com/api; gRPC: grpcs://host:port. Without user, query and fragment.",
            "timeout_ms": "Milliseconds for one try, 100 to 30000; flows may say otherwise.",
        }

    secrets: ClassVar[list[str]] = []  # set for each request
    servers: ClassVar[list[tuple[str, str]]] = []  # likewise

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row: Any = self.instance
        kept = queries.secret_of(row) if isinstance(row.authentication, dict) else ""
        absent = [] if not kept or kept in self.secrets else [(kept, f"{kept} – is not there")]
        choices: Any = {
            "auth_secret": [("", "–"), *absent, *((name, name) for name in self.secrets)],
            "tools": [(t.name, t.title) for t in toolkit.tools()],
            "server": _servers_with(self.servers, str((row.options or {}).get("server", ""))),
        }
        for name, found in choices.items():
            field: Any = self.fields[name]
            field.choices = found
        for name, value in _initial(row).items():
            self.initial.setdefault(name, value)

    def clean_header_lines(self) -> dict[str, str]:
        return headers_of(self.cleaned_data["header_lines"])

    def clean_operations(self) -> dict[str, str]:
        return operations_of(self.cleaned_data["operations"])

    def clean_descriptor_file(self) -> str:
        upload = self.cleaned_data["descriptor_file"]
        return base64.b64encode(upload.read()).decode() if upload else ""

    def _post_clean(self) -> None:
        refusal, type(self).refusal = type(self).refusal, None
        super()._post_clean()
        if refusal is not None:
            for field, message in _places(refusal):
                self.add_error(field, message)

    def definition(self) -> dict[str, Any]:
        """What the service takes. Raises nothing: it finds every fault itself."""
        given = self.cleaned_data
        kind = given["type"]
        inside = kind in WITHOUT_ADDRESS
        fields: dict[str, Any] = {name: given[name] for name in ("name", "type", "timeout_ms")}
        fields["base_url"] = "" if inside else given["base_url"]
        fields["authentication"] = {} if inside else _authentication(given)
        fields["headers"] = {} if inside else given["header_lines"]
        fields["retry_policy"] = {name: given[name] for name in RETRY if given[name] is not None}
        if given["idempotent"]:
            fields["retry_policy"]["idempotent"] = given["idempotent"] == "yes"
        fields["options"] = {name: value for name, value in _options(kind, given).items() if value}
        if kind != "grpc" or given["forget_descriptor"]:
            fields["descriptor_set"] = ""
        elif given["descriptor_file"]:
            fields["descriptor_set"] = given["descriptor_file"]
        return fields


def _servers_with(servers: list[tuple[str, str]], kept: str) -> list[tuple[str, str]]:
    absent = [] if not kept or kept in dict(servers) else [(kept, f"{kept} – is not there")]
    return [("", "–"), *absent, *servers]


def _initial(row: Integration) -> dict[str, Any]:
    how, retry, options = row.authentication or {}, row.retry_policy or {}, row.options or {}
    new = row._state.adding
    return {
        "auth_type": how.get("type", "none"),
        **{field: how.get(member, "") for field, member in AUTH.items()},
        "header_lines": "\n".join(f"{name}: {value}" for name, value in sorted((row.headers or {}).items())),
        **{name: retry.get(name) for name in RETRY},
        "max_attempts": retry.get("max_attempts", 3 if new else None),
        "idempotent": {"True": "yes", "False": "no"}.get(str(retry.get("idempotent")), ""),
        "body": options.get("body", "json"),
        "operations": operations_text(options.get("operations") or {}),
        "ca_certificate": options.get("ca_certificate", ""),
        "tools": options.get("tools") or [],
        "server": options.get("server", ""),
        "upstream_tools": ", ".join(options.get("tools") or []),
    }


def _authentication(given: Mapping[str, Any]) -> dict[str, str]:
    kind = given["auth_type"]
    members = AUTHENTICATION.get(kind, {})
    values = {member: given[field] for field, member in AUTH.items() if member in members and given[field]}
    return {"type": kind, **values} if kind != "none" else {}


def _options(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rest": {"body": given["body"] if given["body"] != "json" else ""},
        "graphql": {"operations": given["operations"]},
        "grpc": {"ca_certificate": given["ca_certificate"]},
        "tool": {"tools": given["tools"]},
        "mcp": {"server": given["server"], "tools": [name.strip() for name in given["upstream_tools"].split(",") if name.strip()]},
    }[kind]


_FIELDS: Final[Mapping[str, str]] = {
    "authentication": "auth_type",
    "headers": "header_lines",
    "retry_policy": "max_attempts",
    "options": "type",
    "descriptor_set": "descriptor_file",
}


def _places(refusal: PlatformError) -> list[tuple[str | None, str]]:
    """Each fault at the field of the form that its path speaks of."""
    faults = refusal.details.get("errors") or ()
    shown = refused_fields(refusal)
    return [(_field_at(str(fault.get("path", ""))), message) for fault, (_, message) in zip(faults, shown, strict=True)] if faults else shown


def _field_at(path: str) -> str:
    first, _, rest = path.removeprefix("$.").partition(".")
    by_member = {member: field for field, member in AUTH.items()}
    if first == "authentication" and rest in by_member:
        return by_member[rest]
    if first in ("retry_policy", "options") and rest.split(".")[0] in IntegrationForm.base_fields:
        return rest.split(".")[0]
    return _FIELDS.get(first, first)


@admin.register(Integration)
class IntegrationPage(TenantPage):
    permissions: ClassVar = {"view": "integrations:read", "add": "integrations:write", "change": "integrations:write", "delete": "integrations:write"}
    form = IntegrationForm
    change_form_template = "integrations/form.html"
    list_display = ("name", "key", "kind", "address", "shows", "updated_at")
    search_fields = ("name", "integration_id", "base_url")
    list_filter = ("type",)
    fieldsets = (
        (None, {"fields": ("name", "integration_id", "type", "base_url", "timeout_ms")}),
        ("Body", {"fields": ("body",), "classes": ("of-rest",)}),
        ("Documents of GraphQL", {"fields": ("operations",), "classes": ("of-graphql",)}),
        ("Messages of gRPC", {"fields": ("descriptor_file", "forget_descriptor", "ca_certificate"), "classes": ("of-grpc",)}),
        ("Tools of this platform", {"fields": ("tools",), "classes": ("of-tool",)}),
        ("Tools of an MCP server", {"fields": ("server", "upstream_tools"), "classes": ("of-mcp",)}),
        ("Who we are", {"fields": ("auth_type", *AUTH), "classes": ("of-rest", "of-graphql", "of-grpc")}),
        ("Headers of every call", {"fields": ("header_lines",), "classes": ("of-rest", "of-graphql", "of-grpc")}),
        ("When a call fails", {"fields": ("max_attempts", "idempotent", "backoff_ms", "max_backoff_ms", "within_ms")}),
    )

    class Media:
        js = ("platform/integrations.js",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        tenant = obj.tenant if obj is not None else chosen_tenant(request)
        form.secrets = list(vault.secrets(tenant).values_list("name", flat=True)) if tenant else []
        form.servers = list(orchestrator.servers(tenant).values_list("slug", "name")) if tenant else []
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("integration_id",) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look sees the definition as it is stored: the fields of the form are no fields of the row."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return (
            (None, {"fields": ("name", "integration_id", "type", "base_url", "timeout_ms", "authentication", "headers", "retry_policy", "options")}),
        )

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        if obj is not None:
            problems = queries.integration_problems([obj]).get(obj.pk, [])
            context.update(tabs=tabs(obj), tab="definition", problems=problems, has_descriptor=bool(obj.descriptor_set))
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="Integration id", ordering="integration_id")
    def key(self, row: Integration) -> SafeString:
        return mono(row.integration_id)

    @admin.display(description="Type", ordering="type")
    def kind(self, row: Integration) -> SafeString:
        return badge(dict(INTEGRATION_TYPES)[row.type], "info")

    @admin.display(description="Address", ordering="base_url")
    def address(self, row: Integration) -> SafeString | str:
        return mono(row.base_url or row.options.get("server", "")) if row.base_url or row.type == "mcp" else "this platform"

    @admin.display(description="Shows")
    def shows(self, row: Integration) -> SafeString | str:
        secret = queries.secret_of(row)
        return format_html("{} {}", badge(str(row.authentication.get("type"))), mono(secret)) if secret else "nothing"

    def save_model(self, request: HttpRequest, obj: Integration, form: Any, change: bool) -> None:
        tenant: Tenant = self.tenant_of(request, obj)
        by = principal(request, tenant)
        saved = services.save_integration(tenant, integration_id=obj.integration_id, fields=form.definition(), create=not change, by=by)
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Integration) -> None:
        services.delete_integration(obj.tenant, integration_id=obj.integration_id, by=principal(request, obj.tenant))


def tabs(row: Integration) -> list[dict[str, str]]:
    """The pages of one integration; the second one is of the app that makes the calls."""
    return [
        {"key": "definition", "title": "Definition", "icon": "tune", "to": reverse("admin:flows_integration_change", args=(row.pk,))},
        {
            "key": "health",
            "title": "Health and trials",
            "icon": "monitoring",
            "to": reverse("admin:conversations_integrationhealth_change", args=(row.pk,)),
        },
        {"key": "stubs", "title": "Stubs", "icon": "science", "to": f"{reverse('admin:flows_stub_changelist')}?integration__id__exact={row.pk}"},
    ]
