"""A state and its transitions. Targets are typed with suggestions, so that the page stays fast whatever the size of the flow."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from flows import services
from flows.admin.permits import AsksFirst
from flows.admin.problems import Review, flow_page, on_fields, steps
from flows.models import Flow, State, Transition
from flows.services.rows import STATE_FIELDS, TRANSITION_FIELDS
from mcp_platform.admin_base import Inline, InlineFormSet, JsonWidget, NameWidget, ServiceForm, mark, text_area, text_input
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import TenantPage, principal, within

# What a new state of each type starts with: the author sees which members there are.
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "response": {"response_templates": {"default": ""}},
    "intent": {"intent_patterns": [], "prompt": {"default": ""}, "confidence_threshold": 0.7},
    "slot_filling": {"required_slots": [], "prompts": {}, "validation_rules": {}, "max_retries": 3},
    "integration": {"integration_id": "", "endpoint": "", "method": "GET", "timeout_ms": 5000, "request_mapping": {}, "response_mapping": {}},
    "condition": {},
    "wait": {"prompt": {"default": ""}, "timeout_ms": 0},
    "end": {"response_templates": {"default": ""}, "completion_type": "completed"},
}


class StateForm(ServiceForm):
    class Meta:
        model = State
        fields = ("name", "type", "config", "entry_actions", "exit_actions", "metadata")
        labels: ClassVar = {"config": "Configuration"}


class TransitionForm(ServiceForm):
    class Meta:
        model = Transition
        fields = ("priority", "condition", "condition_value", "expression", "target_state", "actions", "position")
        widgets: ClassVar = {
            "target_state": NameWidget("state-names", {"class": "mcp-target"}),
            "condition_value": text_input(**{"class": "mcp-narrow"}),
            "expression": text_area(rows=1, spellcheck="false", **{"class": "mcp-code mcp-grow"}),
            "actions": JsonWidget({"rows": 1, "class": "mcp-json-input mcp-grow mcp-actions"}),
        }
        labels: ClassVar = {"condition_value": "Value", "target_state": "Target state"}


class TransitionFormSet(InlineFormSet):
    refusal: ClassVar[PlatformError | None] = None

    def full_clean(self) -> None:
        super().full_clean()
        if self.refusal is not None and self.is_bound:
            kept = in_order(self)
            for index, field, message in refused_rows(self.refusal):
                if index < len(kept):
                    kept[index].add_error(field if field in kept[index].fields else None, message)


def in_order(formset: Any) -> list[Any]:
    """The rows that will be there after the save, in their new order."""
    kept = [form for form in formset.forms if not formset._should_delete_form(form) and (form.instance.pk or form.has_changed())]
    return sorted(kept, key=lambda form: form.cleaned_data.get("position") or 0 if hasattr(form, "cleaned_data") else 0)


def refused_rows(error: PlatformError) -> Iterator[tuple[int, str, str]]:
    for fault in error.details.get("errors", ()):
        where = steps(str(fault.get("path", "")))
        if len(where) > 1 and where[0] == "transitions" and isinstance(where[1], int):
            expected = f" Expected: {fault['expected']}." if fault.get("expected") else ""
            yield where[1], str(where[2]) if len(where) > 2 else "", f"{fault.get('message', '')}{expected}"


class TransitionRows(Inline):
    model = Transition
    form = TransitionForm
    formset = TransitionFormSet
    fields = ("priority", "condition", "condition_value", "expression", "target_state", "actions", "position")
    ordering_field = "position"
    hide_ordering_field = True
    ordering = ("position", "id")
    verbose_name_plural = "Transitions, tried from the lowest priority up"
    hide_title = True

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset: Any = super().get_formset(request, obj, **kwargs)
        formset.refusal = getattr(request, "_refusal", None)
        return formset

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # whoever sees the state sees its transitions

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        page: Any = self.admin_site._registry[State]
        return bool(page.has_change_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request, obj)


@admin.register(State)
class StatePage(AsksFirst, TenantPage):
    permissions: ClassVar = {"view": "flows:read", "add": "flows:write", "change": "flows:write", "delete": "flows:write"}
    form = StateForm
    inlines = (TransitionRows,)
    change_form_template = "flows/state_page.html"
    fieldsets = (
        (None, {"fields": ("name", "type", "config")}),
        ("Actions and notes", {"fields": ("entry_actions", "exit_actions", "metadata"), "classes": ("collapse",)}),
    )
    list_select_related = ("tenant", "flow")
    needs_chosen_tenant = False  # the flow says which

    def get_queryset(self, request: HttpRequest) -> QuerySet[State]:
        return super().get_queryset(request).select_related("tenant", "flow")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """States are listed on the page of their flow."""
        return HttpResponseRedirect(reverse("admin:flows_flow_changelist"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        kind = request.GET.get("type", "response")
        return {"type": kind, "config": CONFIGS.get(kind, {}), "name": request.GET.get("name", "")}

    def flow_of(self, request: HttpRequest, obj: State | None) -> Flow:
        if obj is not None and obj.flow_id is not None:
            known: Flow = obj.flow
            return known
        wanted = within(request, Flow.objects.select_related("tenant"), "flows:write")
        try:
            found: Flow = wanted.get(pk=request.GET.get("flow"))
        except (Flow.DoesNotExist, ValueError, forms.ValidationError) as missing:
            raise Http404("Which flow?") from missing
        return found

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        open_ = obj is None or obj.flow_id is None or obj.flow.archived_at is None
        return super().has_change_permission(request, obj) and open_

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, change: bool = False, form_url: str = "", obj: Any = None
    ) -> Any:
        review = Review(self.flow_of(request, obj if change else None))
        found = review.of_state(obj.name) if change and obj else []
        if found:
            mark(context["adminform"].form, on_fields(one for one in found if one.field != "transitions"))
            self._mark_rows(context["inline_admin_formsets"], found)
        names = list(review.document["states"])
        context.update(
            flow=review.flow,
            flow_url=flow_page(review.flow.pk),
            found=found,
            state_names=names,
            configs=CONFIGS,
            incoming=[
                name
                for name, state in review.document["states"].items()
                if change and obj and any(t["target_state"] == obj.name for t in state["transitions"])
            ],
            show_save_and_add_another=False,
            title=f"{review.flow.name} › {obj.name}" if change and obj else f"{review.flow.name} › new state",
        )
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _mark_rows(self, formsets: Any, found: list[Any]) -> None:
        rows: dict[int, dict[str, list[str]]] = {}
        for one in found:
            if one.field == "transitions" and len(one.rest) > 1:
                field = str(one.rest[2]) if len(one.rest) > 2 else "target_state"
                rows.setdefault(int(one.rest[1]), {}).setdefault(field, []).append(one.short)
        for formset in formsets:
            for index, form in enumerate(formset.formset.initial_forms):
                mark(form, rows.get(index, {}))

    def save_model(self, request: HttpRequest, obj: State, form: Any, change: bool) -> None:
        """Waits for the transitions: see save_related."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        obj: State = form.instance
        flow = self.flow_of(request, obj if change else None)
        rows = [form for formset in formsets for form in in_order(formset)]
        documents = [{name: row.cleaned_data[name] for name in TRANSITION_FIELDS} for row in rows]
        fields = {name: form.cleaned_data[name] for name in ("name", *STATE_FIELDS)}
        rev = request.POST.get("rev", "")
        saved = services.save_state(
            flow.tenant,
            flow_id=flow.pk,
            state_id=obj.pk if change else None,
            fields={**fields, "transitions": [_without_blank_expression(document) for document in documents]},
            expected_rev=int(rev) if rev.isdecimal() else None,
            by=principal(request, flow.tenant),
        )
        obj.__dict__.update(saved.__dict__)
        for formset in formsets:
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        return []

    def delete_model(self, request: HttpRequest, obj: State) -> None:
        request._flow = obj.flow_id  # type: ignore[attr-defined]  # where response_delete goes back to
        services.delete_state(obj.tenant, state_id=obj.pk, by=principal(request, obj.tenant))

    def response_post_save_change(self, request: HttpRequest, obj: State) -> HttpResponseRedirect:
        return HttpResponseRedirect(flow_page(obj.flow_id))

    def response_post_save_add(self, request: HttpRequest, obj: State) -> HttpResponseRedirect:
        return self.response_post_save_change(request, obj)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        messages.success(request, f"State “{obj_display}” is deleted. Transitions that led to it are problems of the draft now.")
        return HttpResponseRedirect(flow_page(request._flow))  # type: ignore[attr-defined]  # set by delete_model


def _without_blank_expression(document: dict[str, Any]) -> dict[str, Any]:
    return document if document["expression"] else {name: value for name, value in document.items() if name != "expression"}
