"""The pages of OAuth: clients that a tenant has registered, and who has let which program in."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mcp_platform.admin_base import ServiceForm, badge, checkboxes, mono, select, text_area, text_input
from mcp_platform.oauth import queries, services
from mcp_platform.oauth.core import metadata
from mcp_platform.oauth.models import Authorization, Client
from mcp_platform.oauth.pages.endpoints import base_of
from mcp_platform.oauth.services.clients import ITSELF, LONGEST_NAME, PERSON
from mcp_platform.tenancy.pages import TenantPage, principal
from mcp_platform.tenancy.scope import platform_scope

NEW = [
    (PERSON, "Acts for people: a program on their own computer or in their browser (no secret, PKCE alone)"),
    ("server", "Acts for people: a server of its own, which can keep a secret"),
    (ITSELF, "Acts for itself: client credentials"),
]


class ClientForm(ServiceForm):
    name = forms.CharField(max_length=LONGEST_NAME, widget=text_input(), help_text="What people read when they are asked to let it in.")
    redirect_uris = forms.CharField(
        required=False,
        widget=text_area(rows=3, spellcheck="false", **{"class": "mcp-code"}),
        help_text="One address a line, equal letter by letter: https://…, http://127.0.0.1/… (any port), or the scheme of an app. "
        "None for a client that acts for itself.",
    )
    scopes = forms.MultipleChoiceField(
        required=False,
        choices=lambda: [(name, f"{name} – {words}") for name, words in queries.offered_scopes().items()],
        widget=checkboxes(),
        help_text="What it may ask for; none chosen: all of these. One that acts for itself gets exactly what is chosen.",
    )

    class Meta:
        model = Client
        fields: ClassVar[Any] = ("name", "redirect_uris", "scopes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "redirect_uris" in self.fields:
            self.initial["redirect_uris"] = "\n".join(str(self.instance.redirect_uris).split())


class NewClientForm(ClientForm):
    kind = forms.ChoiceField(choices=NEW, widget=select(), initial=PERSON)

    class Meta(ClientForm.Meta):
        fields = ("name", "kind", "redirect_uris", "scopes")


@admin.register(Client)
class ClientPage(TenantPage):
    """A client is registered, changed and withdrawn; its secret is shown once."""

    empty_icon = "key"
    empty_says = "No program may log people in yet. Register one, or let programs with a published address introduce themselves."
    permissions: ClassVar = {"view": "clients:manage", "add": "clients:manage", "change": "clients:manage"}
    form = ClientForm
    change_form_template = "oauth/client_page.html"
    list_display = ("title", "kind", "shown_id", "state", "people", "created")
    search_fields = ("name", "client_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        live = Count("authorizations", filter=Q(authorizations__revoked_at=None))
        rows: QuerySet[Client] = super().get_queryset(request).filter(tenant__isnull=False).annotate(people_now=live)
        return rows

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({**kwargs, "form": NewClientForm} if obj is None else kwargs))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("name", "kind", "redirect_uris", "scopes")}),)
        return ((None, {"fields": ("name", "redirect_uris", "scopes")}), ("Facts", {"fields": ("kind", "shown_id", "state", "people", "created")}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("kind", "shown_id", "state", "people", "created") if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.withdrawn_at is None)

    @admin.display(description="Client", ordering="name")
    def title(self, row: Client) -> SafeString:
        return format_html('<span class="mcp-title">{}</span>', row.name)

    @admin.display(description="Kind")
    def kind(self, row: Client) -> SafeString:
        if row.authorization_grant_type == Client.GRANT_CLIENT_CREDENTIALS:
            return badge("acts for itself", "primary")
        return (
            badge("for people, with a secret", "info") if row.client_type == Client.CLIENT_CONFIDENTIAL else badge("for people, PKCE alone", "info")
        )

    @admin.display(description="Client id", ordering="client_id")
    def shown_id(self, row: Client) -> SafeString:
        return mono(row.client_id)

    @admin.display(description="Status")
    def state(self, row: Client) -> SafeString:
        return badge("withdrawn", "danger") if row.withdrawn_at else badge("active", "success")

    @admin.display(description="Let in by")
    def people(self, row: Client) -> str:
        count = getattr(row, "people_now", 0)
        return "–" if row.authorization_grant_type == Client.GRANT_CLIENT_CREDENTIALS else f"{count} {'person' if count == 1 else 'people'}"

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        tenant, given = self.tenant_of(request, obj), form.cleaned_data
        by = principal(request, tenant)
        fields = {"name": given["name"], "redirect_uris": given["redirect_uris"].split(), "scopes": given["scopes"]}
        if change:
            saved = services.change_client(tenant, client_id=obj.pk, changes=fields, by=by)
        else:
            kind = given["kind"]
            acts_for = ITSELF if kind == ITSELF else PERSON
            saved, secret = services.register_client(tenant, **fields, acts_for=acts_for, confidential=kind == "server", by=by)
            request._new_secret = secret  # type: ignore[attr-defined]  # for response_add, and nowhere else: it is kept nowhere
        obj.__dict__.update(saved.__dict__)

    def response_add(self, request: HttpRequest, obj: Client, post_url_continue: str | None = None) -> HttpResponse:
        return self._registered(request, obj, request._new_secret)  # type: ignore[attr-defined]  # see save_model

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"oauth_client_{name}")

        return [
            page("<int:pk>/registered/", self.registered_page, "registered"),
            page("<int:pk>/rotate/", self.rotate_button, "rotate"),
            page("<int:pk>/withdraw/", self.withdraw_button, "withdraw"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        context.update(show_save_and_add_another=False, show_save_and_continue=False)
        if obj is not None and obj.withdrawn_at is None and self.has_change_permission(request, obj):
            context.update(client=obj, has_secret=obj.client_type == Client.CLIENT_CONFIDENTIAL)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def registered_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Where a reload of the page with the secret ends: it was shown."""
        return self._registered(request, self.mine(request, pk), "")

    def _registered(self, request: HttpRequest, row: Client, secret: str) -> HttpResponse:
        """The answer to the POST itself shows the secret, so that it is stored nowhere on its way."""
        return self.show(
            request,
            "oauth/registered.html",
            title=row.name,
            client=row,
            secret=secret,
            confidential=row.client_type == Client.CLIENT_CONFIDENTIAL,
            itself=row.authorization_grant_type == Client.GRANT_CLIENT_CREDENTIALS,
            here=self.to("registered", row.pk),
            base=base_of(request),
            list_url=self.to("changelist"),
        )

    def rotate_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        made: list[tuple[Client, str]] = []

        def rotate() -> None:
            made.append(services.rotate_secret(row.tenant, client_id=row.pk, by=principal(request, row.tenant)))

        answer = self.perform(request, rotate, done="The old secret has ended.", to=self.to("change", pk))
        return self._registered(request, *made[0]) if made else answer

    def withdraw_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "change")
        return self.perform(
            request,
            lambda: services.withdraw_client(row.tenant, client_id=row.pk, by=principal(request, row.tenant)),
            done="Withdrawn. Other processes stop taking its tokens within 5 seconds.",
            to=self.to("change", pk),
        )


@admin.register(Authorization)
class AuthorizationPage(TenantPage):
    empty_icon = "verified_user"
    empty_says = "Nobody has let a program act for them yet. When somebody does, it is listed here and can be taken back."
    permissions: ClassVar = {"view": "clients:manage"}
    change_form_template = "oauth/authorization_page.html"
    list_display = ("program", "user", "state", "scope_list", "last_used_at", "created_at")
    list_select_related = ("tenant", "user")
    search_fields = ("user__username",)
    fields = ("program", "origin", "user", "state", "all_scopes", "created_at", "renewed_at", "last_used_at", "revoked_at")
    readonly_fields = fields

    def _client(self, row: Authorization) -> Client:
        """Clients that belong to nobody are hidden from the tenant's scope. Kept on the row: a list shows each once."""
        if "_shown_client" not in row.__dict__:
            with platform_scope():
                row.__dict__["_shown_client"] = Client.objects.get(pk=row.client_id)
        found: Client = row.__dict__["_shown_client"]
        return found

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        found.result_list = list(found.result_list)
        for row in queries.with_clients(found.result_list):
            row.__dict__["_shown_client"] = row.client
        return found

    @admin.display(description="Program")
    def program(self, row: Authorization) -> SafeString:
        client = self._client(row)
        return format_html('<span class="mcp-title">{}</span><span class="mcp-below">{}</span>', str(client), metadata.host_of(client.client_id))

    @admin.display(description="Client id")
    def origin(self, row: Authorization) -> SafeString:
        return mono(self._client(row).client_id)

    @admin.display(description="Status")
    def state(self, row: Authorization) -> SafeString:
        return badge("taken back", "danger") if row.revoked_at else badge("active", "success")

    @admin.display(description="Scopes")
    def scope_list(self, row: Authorization) -> SafeString:
        more = [(badge(f"+{len(row.scopes) - 4}", title=", ".join(row.scopes)),)] if len(row.scopes) > 4 else []
        return format_html_join(" ", "{}", [(badge(name),) for name in row.scopes[:4]] + more)

    @admin.display(description="Scopes")
    def all_scopes(self, row: Authorization) -> SafeString:
        return format_html_join(" ", "{}", [(badge(name, title=queries.offered_scopes().get(name, "")),) for name in row.scopes])

    def get_urls(self) -> list[Any]:
        revoke = path("<int:pk>/revoke/", self.admin_site.admin_view(self.revoke_button), name="oauth_authorization_revoke")
        return [revoke, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        context.update(authorization=obj if obj is not None and obj.revoked_at is None else None)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def revoke_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk)
        return self.perform(
            request,
            lambda: services.revoke_authorization(row.tenant, authorization_id=row.pk, by=principal(request, row.tenant)),
            done="Taken back. Other processes stop taking its tokens within 5 seconds.",
            to=self.to("change", pk),
        )
