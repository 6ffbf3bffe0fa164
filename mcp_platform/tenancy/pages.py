"""Admin pages of things that belong to tenants: who sees which rows, who may change them, and which tenant is being worked in."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from mcp_platform.admin_base import Page, Site
from mcp_platform.tenancy import permissions, queries
from mcp_platform.tenancy.models import Membership, Tenant, User
from mcp_platform.tenancy.scope import Principal

CHOSEN = "admin_tenant"  # in the session: id of the tenant that is being worked in
SWITCHER_LENGTH = 30


def may(request: HttpRequest, permission: str, tenant_id: UUID | None = None) -> bool:
    """In this tenant; in any tenant when none is named."""
    user = request.user
    if not user.is_active or not user.is_staff:
        return False
    if user.is_superuser:
        return True
    held = _held(request)
    return permission in held.get(tenant_id, frozenset()) if tenant_id else any(permission in found for found in held.values())


def _held(request: HttpRequest) -> Mapping[UUID, frozenset[str]]:
    """Tenant -> permissions of a person who is no superuser; read once in a request."""
    known: dict[str, Any] = request.__dict__
    if not isinstance(request.user, User):
        return {}
    if "_held" not in known:
        rows = Membership.objects.filter(user=request.user, tenant__is_active=True).values_list("tenant_id", "role")
        known["_held"] = {tenant_id: permissions.of_role(role) for tenant_id, role in rows}
    held: Mapping[UUID, frozenset[str]] = known["_held"]
    return held


def tenants(request: HttpRequest, permission: str = "tenants:read") -> QuerySet[Tenant]:
    """Where the person may do that; all tenants for superusers."""
    if not request.user.is_authenticated:
        return Tenant.objects.none()
    if request.user.is_superuser:
        return Tenant.objects.all()
    return Tenant.objects.filter(pk__in=[pk for pk, found in _held(request).items() if permission in found])


def chosen_tenant(request: HttpRequest) -> Tenant | None:
    """The tenant that the person works in: the one chosen in the switcher, or the only one there is. None: all of them."""
    known: dict[str, Any] = request.__dict__
    if "_chosen" not in known:
        mine = tenants(request)
        wanted = request.session.get(CHOSEN, "") if hasattr(request, "session") else ""
        few = list(mine[:2])
        known["_chosen"] = mine.filter(pk=wanted).first() if wanted else few[0] if len(few) == 1 else None
    chosen: Tenant | None = known["_chosen"]
    return chosen


def in_view(request: HttpRequest, rows: QuerySet[Any], permission: str, field: str = "tenant") -> QuerySet[Any]:
    """Of these rows, those of the chosen tenant, or of every tenant where the person has the permission."""
    mine = within(request, rows, permission, field)
    chosen = chosen_tenant(request)
    return mine.filter(**{field: chosen}) if chosen else mine


def within(request: HttpRequest, rows: QuerySet[Any], permission: str, field: str = "tenant") -> QuerySet[Any]:
    if request.user.is_superuser:
        return rows
    return rows.filter(**{f"{field}__in": [pk for pk, found in _held(request).items() if permission in found]})


def principal(request: HttpRequest, tenant: Tenant) -> Principal:
    """Who is asking, for services."""
    assert isinstance(request.user, User)
    return queries.principal_of_user(request.user, tenant)


class TenantSite(Site):
    def extra_urls(self) -> list[Any]:
        return [path("tenant/", self.admin_view(require_POST(self.switch)), name="switch_tenant")]

    def may(self, request: HttpRequest, permission: str) -> bool:
        chosen = chosen_tenant(request)
        return may(request, permission, chosen.pk if chosen else None)

    def switch(self, request: HttpRequest) -> HttpResponse:
        wanted = request.POST.get("tenant", "")
        if wanted:
            found = tenants(request).filter(slug=wanted).first()
            if found is None:
                raise Http404("There is no such tenant among yours.")
            request.session[CHOSEN] = str(found.pk)
        else:
            request.session.pop(CHOSEN, None)
        onward = request.POST.get("next", "")
        safe = url_has_allowed_host_and_scheme(onward, allowed_hosts={request.get_host()})
        return HttpResponseRedirect(onward if safe else reverse("admin:index"))


def subheader(request: HttpRequest) -> str:
    if not request.user.is_authenticated:
        return ""
    chosen = chosen_tenant(request)
    return chosen.name if chosen else "All tenants"


def switcher(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu behind the site's name; templates/unfold/helpers/site_dropdown.html renders it as a form. Empty when there is no choice."""
    mine = list(tenants(request)[: SWITCHER_LENGTH + 1])
    if len(mine) < 2:
        return []
    chosen = chosen_tenant(request)
    entries = [{"title": "All tenants", "link": "#", "icon": "select_all" if chosen else "check", "attrs": {"slug": ""}}]
    return entries + [
        {"title": one.name, "link": "#", "icon": "check" if chosen == one else "apartment", "attrs": {"slug": one.slug}}
        for one in mine[:SWITCHER_LENGTH]
    ]


class TenantPage(Page):
    """A page of rows with a tenant. `permissions` says what each of view, add, change and delete needs; what it does not name, nobody may.

    The rows of other tenants do not exist here: a stranger's address is a 404.
    """

    permissions: ClassVar[Mapping[str, str]] = {}
    needs_chosen_tenant = True  # before something can be added
    exclude: ClassVar[Any] = ("tenant",)
    list_select_related: ClassVar[Any] = ("tenant",)

    def allowed(self, request: HttpRequest, what: str, obj: Model | None = None) -> bool:
        needed = self.permissions.get(what)
        if needed is None:
            return False
        tenant_id = getattr(obj, "tenant_id", None)
        if tenant_id is None and what == "add":
            chosen = chosen_tenant(request)
            tenant_id = chosen.pk if chosen else None
        return may(request, needed, tenant_id)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.allowed(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.allowed(request, "delete", obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.allowed(request, "view")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        match = request.resolver_match
        listing = match is not None and (match.url_name or "").endswith(("_changelist", "autocomplete"))
        return (in_view if listing else within)(request, rows, self.permissions["view"])

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        return columns if chosen_tenant(request) else (*columns, "tenant")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if self.needs_chosen_tenant and chosen_tenant(request) is None and self.has_add_permission(request):
            wanted = tenants(request, self.permissions["add"])
            return self.show(
                request, "tenancy/choose_tenant.html", title=f"Add {self.opts.verbose_name}", tenants=wanted, next=request.get_full_path()
            )
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response

    def tenant_of(self, request: HttpRequest, obj: Any = None) -> Tenant:
        """The row's tenant, or the one in which a new row is made."""
        if obj is not None and obj.tenant_id is not None:
            owner: Tenant = obj.tenant
            return owner
        chosen = chosen_tenant(request)
        if chosen is None:
            raise Http404("Choose a tenant first.")
        return chosen

    def mine(self, request: HttpRequest, pk: Any, what: str = "view") -> Any:
        """The row, for pages and buttons of its own. Raises Http404 for strangers, Denied without the permission."""
        found = self.get_queryset(request).filter(pk=pk).first()
        if found is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        principal(request, found.tenant).require(self.permissions[what])
        return found

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)
