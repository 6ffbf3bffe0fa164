"""The pages of certificates that sign, and of how long reports are kept."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString

from mcp_platform.admin_base import ServiceForm, badge, mono, text_input
from mcp_platform.rest import SchemaError
from mcp_platform.tenancy.pages import TenantPage, in_view, principal
from reports.models import ReportPolicy, SigningCertificate
from reports.services import keeping, signing

SHOWN = ("name", "state", "subject", "issuer", "serial", "fingerprint", "valid_from", "valid_until", "created_by", "created_at")


class CertificateForm(ServiceForm):
    name = forms.CharField(max_length=200, widget=text_input(), help_text="What people call it")
    file = forms.FileField(help_text="PKCS #12 (.p12, .pfx) with the key; it is sealed, and nobody can show it again", label="Certificate")
    passphrase = forms.CharField(
        required=False, strip=False, max_length=500, widget=text_input(type="password", autocomplete="off"), help_text="Of the file"
    )
    activate = forms.BooleanField(required=False, initial=True, label="Sign with it from now on")

    class Meta:
        model = SigningCertificate
        fields = ("name",)


@admin.register(SigningCertificate)
class CertificatePage(TenantPage):
    empty_icon = "signature"
    empty_says = (
        "PDFs are not signed yet. With a certificate (PKCS #12) every one is, so that a reader sees who has made it and that nothing was changed."
    )
    permissions: ClassVar = {"view": "reports:read", "add": "reports:manage", "delete": "reports:manage"}
    form = CertificateForm
    change_form_template = "reports/certificate.html"
    list_display = ("name", "state", "subject", "valid_until")
    search_fields = ("name", "subject")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SigningCertificate]:
        return super().get_queryset(request).defer("sealed").select_related("tenant", "created_by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return SHOWN if obj is not None else ("name", "file", "passphrase", "activate")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return SHOWN if obj is not None else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({**kwargs, "form": ServiceForm} if obj is not None else kwargs))

    @admin.display(description="Status")
    def state(self, row: SigningCertificate) -> SafeString:
        now = timezone.now()
        if row.valid_until < now:
            return badge("ended", "danger", title="PDFs cannot be signed with it any more")
        if row.valid_until < now + signing.SOON:
            days = (row.valid_until - now).days
            return badge(f"{'signs, ' if row.is_active else ''}ends in {days} days", "warning")
        return badge("signs", "success") if row.is_active else badge("not in use")

    @admin.display(description="SHA-256 of the certificate")
    def fingerprint(self, row: SigningCertificate) -> SafeString:
        return mono(row.fingerprint_sha256)

    def get_urls(self) -> list[Any]:
        use = path("<uuid:pk>/use/", self.admin_site.admin_view(self.use), name="reports_signingcertificate_use")
        return [use, *super().get_urls()]

    def use(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseRedirect(self.to("change", pk))
        row = self.mine(request, pk, "add")
        by, active = principal(request, row.tenant), request.POST.get("active") == "1"
        said = f"PDFs are {'' if active else 'not '}signed with {row.name} from now on."
        return self.perform(request, lambda: signing.use(row.tenant, pk=pk, active=active, by=by), done=said, to=self.to("change", pk))

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        context.update(certificate=obj, may_use=obj is not None and self.has_delete_permission(request, obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given, tenant = form.cleaned_data, self.tenant_of(request, obj)
        if given["file"].size > signing.LARGEST:
            fault = {"path": "$.file", "message": f"has {given['file'].size} bytes", "expected": f"at most {signing.LARGEST}"}
            raise SchemaError(errors=[fault])
        by, content = principal(request, tenant), given["file"].read()
        saved = signing.add(tenant, name=given["name"], pkcs12=content, passphrase=given["passphrase"], activate=given["activate"], by=by)
        obj.__dict__.update(saved.__dict__)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        signing.delete(obj.tenant, pk=obj.pk, by=principal(request, obj.tenant))


@admin.register(ReportPolicy)
class PolicyPage(TenantPage):
    empty_icon = "inventory_2"
    empty_says = "Reports are kept for ever, and letters carry links. A policy says how long instead, and what letters carry."
    permissions: ClassVar = {"view": "reports:read", "add": "reports:manage", "change": "reports:manage"}
    form = ServiceForm
    fields = keeping.FIELDS
    list_display = ("shown", "keep_superseded_days", "attach_files", "link_days")

    @admin.display(description="Kept")
    def shown(self, row: ReportPolicy) -> str:
        return str(row)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A tenant has one."""
        return super().has_add_permission(request) and not in_view(request, ReportPolicy.objects.all(), "reports:read").exists()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        tenant = self.tenant_of(request, obj)
        saved = keeping.save_policy(tenant, fields=dict(form.cleaned_data), by=principal(request, tenant))
        obj.__dict__.update(saved.__dict__)
