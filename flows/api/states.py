"""States and transitions, one by one. They share the draft's ETag: who changes one of them changes the draft."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from flows import queries, services
from flows import serializers as shapes
from flows.api import manners
from flows.api.manners import CONFLICT, GONE, IF_MATCH, IF_MATCH_OPTIONAL, REFUSED, STALE, STALE_IF_SENT, body_of, expected_rev, tagged
from flows.models import CONDITIONS, STATE_TYPES, State, Transition
from flows.services.rows import STATE_FIELDS, TRANSITION_FIELDS
from mcp_platform.tenancy.authenticators import principal_of

STATE_EXAMPLE = OpenApiExample(
    "Ask for a number",
    value={
        "flow": "permit_desk",
        "name": "ask_storeys",
        "type": "slot_filling",
        "config": {"required_slots": ["storeys"], "prompts": {"storeys": {"en": "How many storeys?", "de": "Wie viele Geschosse?"}}},
    },
    request_only=True,
)
TRANSITION_EXAMPLE = OpenApiExample(
    "High-rise",
    value={"state": 12, "condition": "expression", "expression": "slots.storeys > 7", "target_state": "high_rise", "priority": 50},
    request_only=True,
)


class StateFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    flow = django_filters.CharFilter(field_name="flow__flow_id")
    name = django_filters.CharFilter()
    type = django_filters.ChoiceFilter(choices=STATE_TYPES)


class StatesView(manners.Rows):
    permissions: ClassVar = {"GET": "flows:read", "POST": "flows:write"}
    queryset = State.objects.none()
    serializer_class = shapes.FlowStateSerializer
    filterset_class = StateFilter
    ordering_fields = ("id", "position", "name", "type")

    @extend_schema(operation_id="states_list")
    def get(self, request: Request) -> Response:
        """States of all drafts; `flow` chooses one."""
        return self.page(queries.states(principal_of(request).tenant))

    @extend_schema(
        operation_id="states_create",
        request=shapes.StateCreateSerializer,
        parameters=[IF_MATCH_OPTIONAL],
        responses={201: shapes.FlowStateSerializer, **CONFLICT, **STALE_IF_SENT, **REFUSED},
        examples=[STATE_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Add a state to a draft."""
        by = principal_of(request)
        body = body_of(request)
        flow = queries.flow(by.tenant, manners.take(body, "flow", str, "a flow_id"))
        rev = expected_rev(request, flow.rev, required=False)
        state = services.save_state(by.tenant, flow_id=flow.flow_id, fields=body, expected_rev=rev, by=by)
        return _state(state, 201)


def _state(state: State, status: int = 200) -> Response:
    headers = {"Location": f"/api/v1/states/{state.pk}"} if status == 201 else None
    return tagged(shapes.FlowStateSerializer(state).data, state.flow.rev, status, headers)


class StateView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "PUT": "flows:write", "PATCH": "flows:write", "DELETE": "flows:write"}

    @extend_schema(operation_id="states_read", responses=shapes.FlowStateSerializer)
    def get(self, request: Request, state_id: int) -> Response:
        """One state with its transitions. The ETag is the draft's."""
        return _state(queries.state(principal_of(request).tenant, state_id))

    @extend_schema(
        operation_id="states_replace",
        request=shapes.StateChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.FlowStateSerializer, **CONFLICT, **STALE, **REFUSED},
    )
    def put(self, request: Request, state_id: int) -> Response:
        """Replace the state; members that are not sent go back to their defaults, `name` and `transitions` stay."""
        return self._save(request, state_id, dict(STATE_FIELDS))

    @extend_schema(
        operation_id="states_change",
        request=shapes.StateChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.FlowStateSerializer, **CONFLICT, **STALE, **REFUSED},
    )
    def patch(self, request: Request, state_id: int) -> Response:
        """Change some members of the state. Faults of shape in the state are refused, with paths that start at the state."""
        return self._save(request, state_id, {})

    def _save(self, request: Request, state_id: int, defaults: dict[str, Any]) -> Response:
        by = principal_of(request)
        found = queries.state(by.tenant, state_id)
        rev = expected_rev(request, found.flow.rev)
        fields = {**defaults, **body_of(request)}
        return _state(services.save_state(by.tenant, flow_id=found.flow_id, state_id=state_id, fields=fields, expected_rev=rev, by=by))

    @extend_schema(operation_id="states_delete", parameters=[IF_MATCH], responses={204: GONE, **CONFLICT, **STALE})
    def delete(self, request: Request, state_id: int) -> Response:
        """Delete the state and its transitions. Whatever pointed at it becomes a problem of the draft."""
        by = principal_of(request)
        rev = expected_rev(request, queries.state(by.tenant, state_id).flow.rev)
        services.delete_state(by.tenant, state_id=state_id, expected_rev=rev, by=by)
        return Response(status=204)


class TransitionFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    flow = django_filters.CharFilter(field_name="state__flow__flow_id")
    state = django_filters.NumberFilter(field_name="state_id")
    condition = django_filters.ChoiceFilter(choices=CONDITIONS)
    target_state = django_filters.CharFilter()


class TransitionsView(manners.Rows):
    permissions: ClassVar = {"GET": "flows:read", "POST": "flows:write"}
    queryset = Transition.objects.none()
    serializer_class = shapes.FlowTransitionSerializer
    filterset_class = TransitionFilter
    ordering_fields = ("id", "position", "priority", "target_state")

    @extend_schema(operation_id="transitions_list")
    def get(self, request: Request) -> Response:
        """Transitions of all drafts; `flow` and `state` choose."""
        return self.page(queries.transitions(principal_of(request).tenant))

    @extend_schema(
        operation_id="transitions_create",
        request=shapes.TransitionCreateSerializer,
        parameters=[IF_MATCH_OPTIONAL],
        responses={201: shapes.FlowTransitionSerializer, **CONFLICT, **STALE_IF_SENT, **REFUSED},
        examples=[TRANSITION_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Add a transition to a state. It may point at a state that is not there yet; that is a problem until it is."""
        by = principal_of(request)
        body = body_of(request)
        state = queries.state(by.tenant, manners.take(body, "state", int, "the id of a state"))
        rev = expected_rev(request, state.flow.rev, required=False)
        return _transition(services.save_transition(by.tenant, state_id=state.pk, fields=body, expected_rev=rev, by=by), 201)


def _transition(transition: Transition, status: int = 200) -> Response:
    headers = {"Location": f"/api/v1/transitions/{transition.pk}"} if status == 201 else None
    return tagged(shapes.FlowTransitionSerializer(transition).data, transition.state.flow.rev, status, headers)


class TransitionView(APIView):
    permissions: ClassVar = {"GET": "flows:read", "PUT": "flows:write", "PATCH": "flows:write", "DELETE": "flows:write"}

    @extend_schema(operation_id="transitions_read", responses=shapes.FlowTransitionSerializer)
    def get(self, request: Request, transition_id: int) -> Response:
        """One transition. The ETag is the draft's."""
        return _transition(queries.transition(principal_of(request).tenant, transition_id))

    @extend_schema(
        operation_id="transitions_replace",
        request=shapes.TransitionChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.FlowTransitionSerializer, **CONFLICT, **STALE, **REFUSED},
    )
    def put(self, request: Request, transition_id: int) -> Response:
        """Replace the transition; members that are not sent go back to their defaults, its place stays."""
        return self._save(request, transition_id, dict(TRANSITION_FIELDS))

    @extend_schema(
        operation_id="transitions_change",
        request=shapes.TransitionChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.FlowTransitionSerializer, **CONFLICT, **STALE, **REFUSED},
    )
    def patch(self, request: Request, transition_id: int) -> Response:
        """Change some members of the transition."""
        return self._save(request, transition_id, {})

    def _save(self, request: Request, transition_id: int, defaults: dict[str, Any]) -> Response:
        by = principal_of(request)
        rev = expected_rev(request, queries.transition(by.tenant, transition_id).state.flow.rev)
        fields = {**defaults, **body_of(request)}
        return _transition(services.save_transition(by.tenant, transition_id=transition_id, fields=fields, expected_rev=rev, by=by))

    @extend_schema(operation_id="transitions_delete", parameters=[IF_MATCH], responses={204: GONE, **CONFLICT, **STALE})
    def delete(self, request: Request, transition_id: int) -> Response:
        by = principal_of(request)
        rev = expected_rev(request, queries.transition(by.tenant, transition_id).state.flow.rev)
        services.delete_transition(by.tenant, transition_id=transition_id, expected_rev=rev, by=by)
        return Response(status=204)
