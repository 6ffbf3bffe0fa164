"""Access: tenants, people, members, API keys, trusted token issuers and the audit log."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mcp_platform.admin_base import (
    AdminPasswordChangeForm,
    Page,
    ServiceForm,
    UserChangeForm,
    UserCreationForm,
    badge,
    checkboxes,
    moment,
    mono,
    pretty,
    text_input,
)
from mcp_platform.tenancy import permissions, services
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Membership, Role, Tenant, TokenIssuer, User
from mcp_platform.tenancy.pages import TenantPage, chosen_tenant, may, principal, tenants

if TYPE_CHECKING:
    People = UserAdmin[Any]
else:
    People = UserAdmin

admin.site.unregister(Group)  # roles are memberships

LONGEST_OVERLAP_HOURS = 30 * 24
ROLE_VARIANTS = {Role.OWNER: "primary", Role.EDITOR: "info", Role.OPERATOR: "success", Role.AGENT: "success"}


class TenantForm(ServiceForm):
    class Meta:
        model = Tenant
        fields = ("name", "slug", "is_active", "settings")
        help_texts: ClassVar = {
            "is_active": "Without it none of the tenant's credentials works.",
            "slug": "The name in the X-Tenant header; it stays.",
        }


@admin.register(Tenant)
class TenantRow(Page):
    form = TenantForm
    list_display = ("name", "key", "active", "created_at")
    search_fields = ("name", "slug")
    add_fieldsets = ((None, {"fields": ("name", "slug")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        return super().get_queryset(request).filter(pk__in=tenants(request).values("pk"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, "tenants:read")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, "tenants:read", obj.pk if obj else None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, "tenant:manage", obj.pk if obj else None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # suspended, never deleted: the audit chain belongs to it

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("slug",) if request.user.is_superuser else ("slug", "is_active")

    @admin.display(description="Slug", ordering="slug")
    def key(self, row: Tenant) -> SafeString:
        return mono(row.slug)

    @admin.display(description="Status", ordering="is_active")
    def active(self, row: Tenant) -> SafeString:
        return badge("active", "success") if row.is_active else badge("suspended", "danger")

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)
        given = form.cleaned_data
        if not change:
            saved = services.create_tenant(name=given["name"], slug=given["slug"], by=request.user)
        else:
            before: dict[str, Any] = form.initial.get("settings") or {}
            cleared = {name: None for name in before if name not in given["settings"]}
            saved = services.update_tenant(obj, name=given["name"], settings={**given["settings"], **cleared}, by=principal(request, obj))
            if "is_active" in form.changed_data:
                saved = services.set_tenant_active(saved, active=given["is_active"], by=principal(request, obj))
        obj.__dict__.update(saved.__dict__)


@admin.register(User)
class UserRow(People, Page):  # type: ignore[misc]  # the two get_form differ in the name of a parameter that Django passes by position
    """People are the platform's, not a tenant's: only superusers see all of them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "rights", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "Access",
            {"fields": ("is_active", "is_staff", "is_superuser"), "description": "What staff may do inside a tenant comes from their memberships."},
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    @admin.display(description="Name")
    def full_name(self, row: User) -> str:
        return row.get_full_name() or "–"

    @admin.display(description="Rights")
    def rights(self, row: User) -> SafeString:
        if not row.is_active:
            return badge("inactive", "danger")
        return badge("superuser", "primary") if row.is_superuser else badge("staff", "info") if row.is_staff else badge("no admin")

    def _only_superusers(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    has_view_permission = has_change_permission = has_delete_permission = _only_superusers

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._only_superusers(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._only_superusers(request)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)
        if not change:
            super().save_model(request, obj, form, change)
            return
        before = {name: form.initial.get(name) for name in form.changed_data if name in form.initial and name != "password"}
        services.change_account(obj, before=before, by=request.user)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        assert isinstance(request.user, User)
        services.remove_account(obj, by=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)


class MemberForm(ServiceForm):
    username = forms.CharField(max_length=150, widget=text_input(), help_text="Somebody new gets an account without a password.")
    email = forms.EmailField(required=False, widget=text_input(), help_text="For a new account.")

    class Meta:
        model = Membership
        fields = ("username", "email", "role")


@admin.register(Membership)
class MemberPage(TenantPage):
    permissions: ClassVar = {"view": "members:manage", "add": "members:manage", "change": "members:manage", "delete": "members:manage"}
    list_display = ("person", "role_badge", "created_at")
    list_filter = ("role",)
    list_select_related = ("tenant", "user")
    search_fields = ("user__username", "user__email")
    fields = ("user", "role")
    add_fieldsets = ((None, {"fields": ("username", "email", "role")}),)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({**kwargs, "form": MemberForm} if obj is None else kwargs))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("user",) if obj else ()

    @admin.display(description="Member", ordering="user__username")
    def person(self, row: Membership) -> SafeString:
        return format_html(
            '<span class="mcp-title">{}</span><span class="mcp-below">{}</span>', row.user.get_full_name() or row.user.username, row.user.email
        )

    @admin.display(description="Role", ordering="role")
    def role_badge(self, row: Membership) -> SafeString:
        return badge(row.get_role_display(), ROLE_VARIANTS.get(Role(row.role), ""))

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        by, given = principal(request, tenant), form.cleaned_data
        if change:
            saved = services.change_role(tenant, member_id=obj.pk, role=given["role"], by=by)
        else:
            saved = services.invite_member(tenant, username=given["username"], email=given["email"], role=given["role"], by=by)
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        services.remove_member(obj.tenant, member_id=obj.pk, by=principal(request, obj.tenant))


TALKS = ("conversations:read", "conversations:write", "flows:read")


class ApiKeyForm(ServiceForm):
    name = forms.CharField(max_length=100, widget=text_input(), help_text="Who or what will use it.")
    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name} – {text}") for name, text in permissions.PERMISSIONS.items()],
        widget=checkboxes(),
        initial=TALKS,
        help_text="As little as the program needs.",
    )
    expires_at = forms.SplitDateTimeField(required=False, widget=moment(), help_text="Empty: never. Rotation keeps the lifetime.")

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at")


@admin.register(ApiKey)
class ApiKeyPage(TenantPage):
    """A key is made, rotated and revoked, never edited; its secret is shown once."""

    permissions: ClassVar = {"view": "keys:manage", "add": "keys:manage"}
    form = ApiKeyForm
    change_form_template = "tenancy/api_key.html"
    list_display = ("name", "shown_prefix", "state", "scope_list", "last_used_at", "expires_at")
    search_fields = ("name", "prefix")
    fields = ("name", "scopes", "expires_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            ("name", "shown_prefix", "state", "scope_list", "expires_at", "last_used_at", "created_by", "created_at", "rotated_to")
            if obj
            else self.fields
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).select_related("tenant", "created_by")

    @admin.display(description="Key", ordering="prefix")
    def shown_prefix(self, row: ApiKey) -> SafeString:
        return mono(f"mcp_{row.prefix}_…")

    @admin.display(description="Status")
    def state(self, row: ApiKey) -> SafeString:
        return badge(*_state_of(row))

    @admin.display(description="Scopes")
    def scope_list(self, row: ApiKey) -> SafeString:
        shown = [(badge(name),) for name in row.scopes[:4]] + (
            [(badge(f"+{len(row.scopes) - 4}", title=", ".join(row.scopes)),)] if len(row.scopes) > 4 else []
        )
        return format_html_join(" ", "{}", shown)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        tenant, given = self.tenant_of(request), form.cleaned_data
        key, token = services.create_api_key(
            tenant, name=given["name"], scopes=given["scopes"], expires_at=given["expires_at"], by=principal(request, tenant)
        )
        obj.__dict__.update(key.__dict__)
        request._new_token = token  # type: ignore[attr-defined]  # for response_add, and nowhere else: it is kept nowhere

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return self._secret(request, obj, request._new_token)  # type: ignore[attr-defined]  # see save_model

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Callable[..., Any], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"tenancy_apikey_{name}")

        return [
            page("<uuid:pk>/secret/", self.secret_page, "secret"),
            page("<uuid:pk>/rotate/", self.rotate_button, "rotate"),
            page("<uuid:pk>/revoke/", self.revoke_button, "revoke"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        context.update(show_save_and_add_another=False, show_save_and_continue=False)
        if obj is not None:
            active = _state_of(obj)[0] in ("active", "ending")
            context.update(key=obj, active=active, can_rotate=active and obj.rotated_to_id is None)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def secret_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Where a reload of the page with the secret ends: it was shown."""
        return self._secret(request, self.mine(request, pk), "")

    def _secret(self, request: HttpRequest, key: ApiKey, token: str) -> HttpResponse:
        """The answer to the POST itself shows the token, so that it is stored nowhere on its way; the page's script then changes its address."""
        return self.show(
            request,
            "tenancy/api_key_secret.html",
            title="New API key",
            key=key,
            token=token,
            here=self.to("secret", key.pk),
            base=request.build_absolute_uri("/").rstrip("/"),
            list_url=self.to("changelist"),
        )

    def rotate_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        key = self.mine(request, pk, "add")
        hours = request.POST.get("overlap_hours", "24")
        made: list[tuple[ApiKey, str]] = []

        def rotate() -> None:
            overlap = timedelta(hours=min(int(hours), LONGEST_OVERLAP_HOURS) if hours.isascii() and hours.isdecimal() and len(hours) < 6 else 24)
            made.append(services.rotate_api_key(key.tenant, key_id=key.pk, overlap=overlap, by=principal(request, key.tenant)))

        answer = self.perform(request, rotate, done=f"The old key works for {hours} more hours.", to=self.to("change", pk))
        if not made:
            return answer
        return self._secret(request, *made[0])

    def revoke_button(self, request: HttpRequest, pk: Any) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        key = self.mine(request, pk, "add")
        by = principal(request, key.tenant)
        return self.perform(
            request,
            lambda: services.revoke_api_key(key.tenant, key_id=key.pk, by=by),
            done="Revoked. Other processes stop taking it within 5 seconds.",
            to=self.to("change", pk),
        )


def _state_of(key: ApiKey) -> tuple[str, str]:
    if key.revoked_at:
        return "revoked", "danger"
    if key.expires_at and key.expires_at <= timezone.now():
        return "expired", "danger"
    return ("ending", "warning") if key.rotated_to_id else ("active", "success")


class IssuerForm(ServiceForm):
    class Meta:
        model = TokenIssuer
        fields = ("issuer", "audience", "jwks_url", "algorithms", "role_claim", "tenant_claim", "tenant_value", "is_active")


@admin.register(TokenIssuer)
class IssuerPage(TenantPage):
    permissions: ClassVar = {"view": "tenant:manage", "add": "tenant:manage", "change": "tenant:manage", "delete": "tenant:manage"}
    form = IssuerForm
    list_display = ("issuer", "audience", "algorithm_list", "active")
    search_fields = ("issuer", "audience")
    add_fieldsets = ((None, {"fields": ("issuer", "audience", "jwks_url", "algorithms", "role_claim", "tenant_claim", "tenant_value")}),)

    @admin.display(description="Algorithms")
    def algorithm_list(self, row: TokenIssuer) -> SafeString:
        return format_html_join(" ", "{}", ((badge(name),) for name in row.algorithms))

    @admin.display(description="Status", ordering="is_active")
    def active(self, row: TokenIssuer) -> SafeString:
        return badge("trusted", "success") if row.is_active else badge("off")

    def save_model(self, request: HttpRequest, obj: TokenIssuer, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        by, given = principal(request, tenant), form.cleaned_data
        saved = services.change_issuer(tenant, issuer_id=obj.pk, changes=given, by=by) if change else services.add_issuer(tenant, **given, by=by)
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: TokenIssuer) -> None:
        services.remove_issuer(obj.tenant, issuer_id=obj.pk, by=principal(request, obj.tenant))


@admin.register(AuditEntry)
class AuditPage(TenantPage):
    permissions: ClassVar = {"view": "audit:read"}
    list_before_template = "tenancy/audit_before.html"
    list_display = ("number", "at", "who", "what", "target")
    search_fields = ("action", "actor", "target_id")
    ordering = ("-at", "-number")
    fields = ("number", "at", "who", "what", "target", "shown_changes", "previous_digest", "digest")
    readonly_fields = fields

    @admin.display(description="Actor", ordering="actor")
    def who(self, row: AuditEntry) -> SafeString:
        kind, _, name = row.actor.partition(":")
        return format_html("{} {}", badge(kind, {"user": "info", "key": "primary"}.get(kind, "")), mono(name[:8])) if name else badge(kind)

    @admin.display(description="Action", ordering="action")
    def what(self, row: AuditEntry) -> SafeString:
        return mono(row.action)

    @admin.display(description="Target")
    def target(self, row: AuditEntry) -> SafeString:
        return format_html("{} {}", row.target_type, mono(row.target_id[:8]))

    @admin.display(description="Changes")
    def shown_changes(self, row: AuditEntry) -> SafeString:
        return pretty(row.changes)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {**(extra_context or {}), "title": "Audit log", "verify_url": self.to("verify")})

    def get_urls(self) -> list[Any]:
        verify = path("verify/", self.admin_site.admin_view(self.verify_button), name="tenancy_auditentry_verify")
        return [verify, *super().get_urls()]

    def verify_button(self, request: HttpRequest) -> HttpResponse:
        """Checks the chain of the chosen tenant, or of every tenant in view."""
        if request.method == "POST":
            chosen = chosen_tenant(request)
            for tenant in [chosen] if chosen else tenants(request, "audit:read"):
                principal(request, tenant).require("audit:read")
                self._verify(request, tenant)
        return HttpResponseRedirect(self.to("changelist"))

    def _verify(self, request: HttpRequest, tenant: Tenant) -> None:
        faults = services.verify_chain(tenant)
        if not faults:
            messages.success(request, f"{tenant}: the audit chain is whole.")
        for fault in faults[:10]:
            messages.error(request, f"{tenant}: entry {fault.number} {fault.fault}.")
