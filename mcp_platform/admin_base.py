"""The admin, seen from the apps: a site, a page and its widgets. The one place that knows the theme (django-unfold)."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from math import isinf
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.db import models, transaction
from django.forms.utils import ErrorDict, ErrorList
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from mcp_platform.errors import Kind, PlatformError

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite as ThemeSite
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
    from django.forms.models import BaseInlineFormSet

    ThemeAdmin = admin.ModelAdmin[Any]
    ThemeInline = admin.TabularInline[Any, Any]
    ModelForm = forms.ModelForm[Any]
    InlineFormSet = BaseInlineFormSet[Any, Any, Any]
    ThemeTextarea = forms.Textarea
    ThemeTextInput = forms.TextInput
else:
    from django.forms import ModelForm
    from unfold.admin import ModelAdmin as ThemeAdmin
    from unfold.admin import TabularInline as ThemeInline
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
    from unfold.forms import PaginationInlineFormSet as InlineFormSet
    from unfold.sites import UnfoldAdminSite as ThemeSite
    from unfold.widgets import UnfoldAdminTextareaWidget as ThemeTextarea
    from unfold.widgets import UnfoldAdminTextInputWidget as ThemeTextInput

from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
)

__all__ = [
    "AdminPasswordChangeForm",
    "Inline",
    "InlineFormSet",
    "JsonField",
    "JsonWidget",
    "NameWidget",
    "Page",
    "ServiceForm",
    "Site",
    "UserChangeForm",
    "UserCreationForm",
    "badge",
    "checkboxes",
    "mark",
    "moment",
    "mono",
    "number_input",
    "pretty",
    "refused_fields",
    "select",
    "tell",
    "text_area",
    "text_input",
]

Problems = Mapping[str, Sequence[str]]  # field name -> messages


class Site(ThemeSite):
    """Turns what services refuse into pages: 404 for what is not there, 403 for what is not allowed."""

    enable_nav_sidebar = True

    def may(self, request: HttpRequest, permission: str) -> bool:
        """Whether the sidebar shows an entry that needs this."""
        return True

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                response: HttpResponseBase = guarded(request, *args, **kwargs)
            except PlatformError as error:
                if error.kind is Kind.NOT_FOUND:
                    raise Http404(error.message) from error
                if error.kind is Kind.DENIED:
                    raise PermissionDenied(error.message) from error
                raise
            return response

        return update_wrapper(inner, view)


def stylesheet(request: HttpRequest) -> str:
    return static("platform/admin.css")


def script(request: HttpRequest) -> str:
    return static("platform/admin.js")


def favicon(request: HttpRequest) -> str:
    return static("platform/favicon.svg")


def environment(request: HttpRequest) -> list[str]:
    """The label at the top right, so that nobody takes production for a test."""
    return [settings.ENVIRONMENT, {"production": "danger", "staging": "warning"}.get(settings.ENVIRONMENT, "info")]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, from settings.ADMIN_NAVIGATION: only what this user may open."""
    sections = [(title, [entry for entry in entries if _may_open(request, entry)]) for title, entries in settings.ADMIN_NAVIGATION]
    links = {link: entry["to"] for _, entries in sections for entry in entries for link in _links(entry)}
    here = max((link for link in links if request.path.startswith(link)), key=len, default="")
    if here == _link("index") and request.path != here:
        here = ""
    return [
        {"title": title, "separator": bool(index), "items": [_navigation_item(request, entry, links.get(here)) for entry in entries]}
        for index, (title, entries) in enumerate(sections)
        if entries
    ]


def _may_open(request: HttpRequest, entry: Mapping[str, str]) -> bool:
    site: Any = admin.site
    if "needs" in entry and not site.may(request, entry["needs"]):
        return False
    page = _page_of(entry["to"])
    return page.has_view_or_change_permission(request) if page is not None else "." not in entry["to"]


def _page_of(to: str) -> Any:
    return next((page for model, page in admin.site._registry.items() if model._meta.label_lower == to), None)


def _link(to: str) -> str:
    return reverse(f"admin:{to.replace('.', '_')}_changelist") if "." in to else reverse(f"admin:{to}")


def _links(entry: Mapping[str, str]) -> list[str]:
    return [_link(entry["to"]), *([_link(entry["also"])] if "also" in entry else [])]


def _navigation_item(request: HttpRequest, entry: Mapping[str, str], here: str | None) -> dict[str, Any]:
    item: dict[str, Any] = {"title": entry["title"], "icon": entry["icon"], "link": _link(entry["to"]), "active": entry["to"] == here}
    count = import_string(entry["badge"])(request) if "badge" in entry else 0
    return {**item, "badge": str(count), "badge_variant": "danger"} if count else item


class ServiceForm(ModelForm):
    """A form whose save is a service call. What the service refused is shown on the field it is about, with the input kept."""

    refusal: ClassVar[PlatformError | None] = None

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field if field in self.fields else None, error)

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # private, but the place where ModelForm itself validates
        if self.refusal is not None:
            for field, message in refused_fields(self.refusal):
                self.add_error(field, message)


def refused_fields(error: PlatformError) -> list[tuple[str | None, str]]:
    """(field, message) of every fault of a PlatformError; the first name of a path `$.name…` is the field."""
    faults = error.details.get("errors") or error.details.get("problems") or ()
    found: list[tuple[str | None, str]] = [(_field_of(fault.get("path", "")), _sentence(fault)) for fault in faults if isinstance(fault, Mapping)]
    return found or [(None, error.message)]


def _field_of(path: str) -> str:
    return path.removeprefix("$").removeprefix(".").split(".")[0].split("[")[0]


def _sentence(fault: Mapping[str, Any]) -> str:
    expected = f" Expected: {fault['expected']}." if fault.get("expected") else ""
    return f"{fault.get('path', '')}: {fault.get('message', '')}{expected}".removeprefix(": ")


class JsonWidget(ThemeTextarea):
    """A mono textarea that grows with its content."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"class": "mcp-json-input", "spellcheck": "false", "rows": 4, **(attrs or {})})


class JsonField(forms.JSONField):
    """JSON with a place in every complaint: line and column, duplicate keys, NaN. Kept as the author indented it while it is wrong."""

    widget = JsonWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "widget": JsonWidget})

    def to_python(self, value: Any) -> Any:
        if self.disabled or not isinstance(value, str):
            return value
        if not value.strip():
            return self.empty_value_of()
        try:
            return json.loads(value, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite)
        except json.JSONDecodeError as fault:
            raise forms.ValidationError(f"Not JSON at line {fault.lineno}, column {fault.colno}: {fault.msg}.", code="invalid") from fault
        except (ValueError, RecursionError) as fault:
            raise forms.ValidationError(f"Not usable JSON: {fault}.", code="invalid") from fault

    def empty_value_of(self) -> Any:
        initial = self.initial() if callable(self.initial) else self.initial
        return type(initial)() if isinstance(initial, dict | list) else None

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) and not isinstance(self.initial, str):
            return value  # what the author typed and we refused
        return json.dumps(value, indent=2, ensure_ascii=False)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return data

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except forms.ValidationError:
            return True


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if isinf(value):  # 1e400, which no database takes as JSON
        raise ValueError(f"the number {text[:20]} is too large")
    return value


class NameWidget(ThemeTextInput):
    """A text input that offers names: fast where a select of 100 options times 20 rows is not. The page renders the datalist."""

    def __init__(self, datalist: str, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"list": datalist, "autocomplete": "off", "spellcheck": "false", **(attrs or {})})


class Page(ThemeAdmin):
    """Base of every admin page: 404 for what is not yours, cheap lists, JSON that explains its faults, saves that are service calls."""

    form: Any = ServiceForm
    list_per_page = 50
    show_full_result_count = False
    warn_unsaved_form = True
    actions: Any = None
    formfield_overrides: ClassVar[dict[Any, Any]] = {models.JSONField: {"form_class": JsonField, "widget": JsonWidget}}

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        raise Http404(f"There is no such {opts.verbose_name}.")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.refusal = getattr(request, "_refusal", None)  # type: ignore[attr-defined]  # a fresh class for this request
        return form

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except PlatformError as error:
            if request.method != "POST" or error.kind is Kind.NOT_FOUND:
                raise
            request._refusal = error  # type: ignore[attr-defined]  # the transaction is rolled back: show the form again, with the reason
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        return self._refusable(request, lambda: super(Page, self).delete_view(request, object_id, extra_context))

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        return self._refusable(request, lambda: super(Page, self).response_action(request, queryset, *args, **kwargs))

    def _refusable(self, request: HttpRequest, answer: Callable[[], Any]) -> Any:
        """What a service refuses while rows are deleted becomes a message; nothing was deleted."""
        try:
            with transaction.atomic():
                return answer()
        except PlatformError as error:
            if request.method != "POST" or error.kind in (Kind.NOT_FOUND, Kind.DENIED):
                raise
            tell(request, error)
            return HttpResponseRedirect(self.to("changelist"))

    # The audit chain is the record; Django's own log would be a second, weaker one.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None

    def perform(self, request: HttpRequest, call: Callable[[], Any], *, done: str, to: str) -> HttpResponseRedirect:
        """Run a service for a button; tell the outcome as a message and go `to` the next page."""
        try:
            call()
        except PlatformError as error:
            tell(request, error)
        else:
            messages.success(request, done)
        return HttpResponseRedirect(to)

    def show(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        """A page of its own inside the theme."""
        crumbs = {"opts": self.model._meta} if "object" in context else {}
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), **crumbs, **context})

    def to(self, page: str, *args: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=args)


class Inline(ThemeInline):
    formfield_overrides: ClassVar[dict[Any, Any]] = {models.JSONField: {"form_class": JsonField, "widget": JsonWidget}}
    extra = 0


def tell(request: HttpRequest, error: PlatformError) -> None:
    """A PlatformError as messages: the sentence, then up to five of its faults."""
    messages.error(request, error.message)
    for _, message in [found for found in refused_fields(error) if found[0] is not None][:5]:
        messages.error(request, message)


def mark(form: Any, problems: Problems) -> None:
    """Show problems on the fields of a form that was not submitted."""
    if not form.is_bound and problems:
        known = {field if field in form.fields else NON_FIELD_ERRORS: ErrorList() for field in problems}
        for field, found in problems.items():
            known[field if field in form.fields else NON_FIELD_ERRORS].extend(found)
        form._errors = ErrorDict(known)


def badge(text: object, variant: str = "", *, title: str = "") -> SafeString:
    """variant: success, danger, warning, info, primary or nothing."""
    return format_html('<span class="mcp-badge {}" title="{}">{}</span>', variant, title, text)


def mono(text: object) -> SafeString:
    return format_html('<code class="mcp-mono">{}</code>', text)


def pretty(value: Any) -> SafeString:
    return format_html('<pre class="mcp-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False, default=str))


def text_input(**attrs: Any) -> forms.Widget:
    widget: forms.Widget = ThemeTextInput(attrs)
    return widget


def text_area(**attrs: Any) -> forms.Widget:
    widget: forms.Widget = ThemeTextarea(attrs)
    return widget


def checkboxes() -> forms.Widget:
    widget: forms.Widget = UnfoldAdminCheckboxSelectMultipleWidget()
    return widget


def select() -> Any:
    """A widget class: a choice field makes one of its own."""
    return UnfoldAdminSelectWidget


def number_input(**attrs: Any) -> forms.Widget:
    widget: forms.Widget = UnfoldAdminIntegerFieldWidget(attrs)
    return widget


def moment() -> forms.Widget:
    widget: forms.Widget = UnfoldAdminSplitDateTimeWidget()
    return widget
