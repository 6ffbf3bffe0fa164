"""REST: the tenant of the caller, its members, API keys, trusted issuers, audit chain, and tickets for WebSockets."""

from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import django_filters
from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.errors import NotFound
from mcp_platform.rest import BooleanFilter, check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy import authenticators, queries, services
from mcp_platform.tenancy import serializers as shapes
from mcp_platform.tenancy.authenticators import ANYBODY, principal_of
from mcp_platform.tenancy.models import ApiKey, AuditEntry, Membership, Role, TokenIssuer

Row = TypeVar("Row", bound=Model)
GONE = OpenApiResponse(description="Done; nothing to say")
CONFLICT = OpenApiResponse(ProblemSerializer, description="Not possible as things are")


class TenantView(APIView):
    permissions: ClassVar = {"GET": "tenants:read", "PATCH": "tenant:manage"}

    @extend_schema(operation_id="tenant_read", responses=shapes.TenantSerializer)
    def get(self, request: Request) -> Response:
        """The tenant that the credential belongs to."""
        return Response(shapes.TenantSerializer(principal_of(request).tenant).data)

    @extend_schema(operation_id="tenant_change", request=shapes.TenantChangeSerializer, responses=shapes.TenantSerializer)
    def patch(self, request: Request) -> Response:
        """Change the name or settings."""
        by = principal_of(request)
        given = check_body(request.data, shapes.TenantChangeSerializer)
        return Response(shapes.TenantSerializer(services.update_tenant(by.tenant, **given, by=by)).data)


class _Rows(GenericAPIView[Any]):
    """A filtered, ordered, paged list of one of the tenant's tables."""

    def _page(self, rows: QuerySet[Any]) -> Response:
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def _one(rows: QuerySet[Row], pk: Any) -> Row:
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


class MemberFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    role = django_filters.ChoiceFilter(choices=Role.choices)
    username = django_filters.CharFilter(field_name="user__username")


class MembersView(_Rows):
    permissions: ClassVar = {"GET": "members:manage", "POST": "members:manage"}
    queryset = Membership.objects.none()
    serializer_class = shapes.MemberSerializer
    filterset_class = MemberFilter
    ordering_fields = ("created_at", "role", "user__username")

    @extend_schema(operation_id="members_list")
    def get(self, request: Request) -> Response:
        return self._page(queries.members(principal_of(request).tenant))

    @extend_schema(operation_id="members_add", request=shapes.MemberAddSerializer, responses={201: shapes.MemberSerializer, 409: CONFLICT})
    def post(self, request: Request) -> Response:
        """Add a person by user name; somebody new gets an account that has no password yet."""
        by = principal_of(request)
        given = check_body(request.data, shapes.MemberAddSerializer)
        return Response(shapes.MemberSerializer(services.invite_member(by.tenant, **given, by=by)).data, status=201)


class MemberView(APIView):
    permissions: ClassVar = {"GET": "members:manage", "PATCH": "members:manage", "DELETE": "members:manage"}

    @extend_schema(operation_id="members_read", responses=shapes.MemberSerializer)
    def get(self, request: Request, member_id: int) -> Response:
        return Response(shapes.MemberSerializer(_one(queries.members(principal_of(request).tenant), member_id)).data)

    @extend_schema(operation_id="members_change_role", request=shapes.RoleSerializer, responses={200: shapes.MemberSerializer, 409: CONFLICT})
    def patch(self, request: Request, member_id: int) -> Response:
        """Change the role. The last owner stays one."""
        by = principal_of(request)
        given = check_body(request.data, shapes.RoleSerializer)
        return Response(shapes.MemberSerializer(services.change_role(by.tenant, member_id=member_id, role=given["role"], by=by)).data)

    @extend_schema(operation_id="members_remove", responses={204: GONE, 409: CONFLICT})
    def delete(self, request: Request, member_id: int) -> Response:
        """Remove from the tenant; the account stays. The last owner cannot go."""
        by = principal_of(request)
        services.remove_member(by.tenant, member_id=member_id, by=by)
        return Response(status=204)


class ApiKeyFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter()
    prefix = django_filters.CharFilter()
    revoked = BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)


class ApiKeysView(_Rows):
    permissions: ClassVar = {"GET": "keys:manage", "POST": "keys:manage"}
    queryset = ApiKey.objects.none()
    serializer_class = shapes.ApiKeySerializer
    filterset_class = ApiKeyFilter
    ordering_fields = ("created_at", "name", "expires_at", "last_used_at")

    @extend_schema(operation_id="api_keys_list")
    def get(self, request: Request) -> Response:
        return self._page(queries.api_keys(principal_of(request).tenant))

    @extend_schema(operation_id="api_keys_create", request=shapes.ApiKeyCreateSerializer, responses={201: shapes.NewApiKeySerializer})
    def post(self, request: Request) -> Response:
        """Create a key. The answer holds the token, once and never again."""
        by = principal_of(request)
        given = check_body(request.data, shapes.ApiKeyCreateSerializer)
        return _new_key(services.create_api_key(by.tenant, **given, by=by))


class ApiKeyView(APIView):
    permissions: ClassVar = {"GET": "keys:manage"}

    @extend_schema(operation_id="api_keys_read", responses=shapes.ApiKeySerializer)
    def get(self, request: Request, key_id: UUID) -> Response:
        return Response(shapes.ApiKeySerializer(_one(queries.api_keys(principal_of(request).tenant), key_id)).data)


class ApiKeyRotationView(APIView):
    permissions: ClassVar = {"POST": "keys:manage"}

    @extend_schema(operation_id="api_keys_rotate", request=shapes.RotationSerializer, responses={201: shapes.NewApiKeySerializer, 409: CONFLICT})
    def post(self, request: Request, key_id: UUID) -> Response:
        """Replace a key: the new one works at once, the old one until the overlap ends."""
        by = principal_of(request)
        given = check_body(request.data, shapes.RotationSerializer)
        overlap = timedelta(seconds=given["overlap_seconds"])
        return _new_key(services.rotate_api_key(by.tenant, key_id=key_id, overlap=overlap, by=by))


class ApiKeyRevocationView(APIView):
    permissions: ClassVar = {"POST": "keys:manage"}

    @extend_schema(operation_id="api_keys_revoke", request=None, responses=shapes.ApiKeySerializer)
    def post(self, request: Request, key_id: UUID) -> Response:
        """End a key, within 5 seconds everywhere. Revoking again changes nothing."""
        by = principal_of(request)
        return Response(shapes.ApiKeySerializer(services.revoke_api_key(by.tenant, key_id=key_id, by=by)).data)


def _new_key(made: tuple[ApiKey, str]) -> Response:
    key, token = made
    shown = {**shapes.ApiKeySerializer(key).data, "token": token}
    return Response(shown, status=201, headers={"Cache-Control": "no-store"})


class IssuerFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    issuer = django_filters.CharFilter()
    is_active = BooleanFilter()


class IssuersView(_Rows):
    permissions: ClassVar = {"GET": "tenant:manage", "POST": "tenant:manage"}
    queryset = TokenIssuer.objects.none()
    serializer_class = shapes.TokenIssuerSerializer
    filterset_class = IssuerFilter
    ordering_fields = ("issuer", "created_at")

    @extend_schema(operation_id="issuers_list")
    def get(self, request: Request) -> Response:
        return self._page(queries.issuers(principal_of(request).tenant))

    @extend_schema(operation_id="issuers_add", request=shapes.TokenIssuerAddSerializer, responses={201: shapes.TokenIssuerSerializer, 409: CONFLICT})
    def post(self, request: Request) -> Response:
        """Trust the JWTs that an issuer signs for one audience."""
        by = principal_of(request)
        given = check_body(request.data, shapes.TokenIssuerAddSerializer)
        return Response(shapes.TokenIssuerSerializer(services.add_issuer(by.tenant, **given, by=by)).data, status=201)


class IssuerView(APIView):
    permissions: ClassVar = {"GET": "tenant:manage", "PATCH": "tenant:manage", "DELETE": "tenant:manage"}

    @extend_schema(operation_id="issuers_read", responses=shapes.TokenIssuerSerializer)
    def get(self, request: Request, issuer_id: int) -> Response:
        return Response(shapes.TokenIssuerSerializer(_one(queries.issuers(principal_of(request).tenant), issuer_id)).data)

    @extend_schema(
        operation_id="issuers_change", request=shapes.TokenIssuerChangeSerializer, responses={200: shapes.TokenIssuerSerializer, 409: CONFLICT}
    )
    def patch(self, request: Request, issuer_id: int) -> Response:
        by = principal_of(request)
        changes = check_body(request.data, shapes.TokenIssuerChangeSerializer)
        return Response(shapes.TokenIssuerSerializer(services.change_issuer(by.tenant, issuer_id=issuer_id, changes=changes, by=by)).data)

    @extend_schema(operation_id="issuers_remove", responses={204: GONE})
    def delete(self, request: Request, issuer_id: int) -> Response:
        """Stop trusting the issuer: its tokens end within 5 seconds everywhere."""
        by = principal_of(request)
        services.remove_issuer(by.tenant, issuer_id=issuer_id, by=by)
        return Response(status=204)


class AuditFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    action = django_filters.CharFilter()
    actor = django_filters.CharFilter()
    target_type = django_filters.CharFilter()
    target_id = django_filters.CharFilter()
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")


class AuditView(_Rows):
    permissions: ClassVar = {"GET": "audit:read"}
    queryset = AuditEntry.objects.none()
    serializer_class = shapes.AuditEntrySerializer
    filterset_class = AuditFilter
    ordering_fields = ("number", "at")

    @extend_schema(operation_id="audit_list")
    def get(self, request: Request) -> Response:
        """Who changed what, newest first."""
        return self._page(queries.audit_entries(principal_of(request).tenant))


class AuditVerificationView(APIView):
    permissions: ClassVar = {"GET": "audit:read"}

    @extend_schema(operation_id="audit_verify", responses=shapes.VerificationSerializer)
    def get(self, request: Request) -> Response:
        """Recompute the hash chain and list every entry that is not what was written."""
        faults = services.verify_chain(principal_of(request).tenant)
        return Response(shapes.VerificationSerializer({"intact": not faults, "faults": faults}).data)


class TicketsView(APIView):
    permissions: ClassVar = {"POST": ANYBODY}

    @extend_schema(operation_id="ws_tickets_create", request=None, responses={201: shapes.TicketSerializer})
    def post(self, request: Request) -> Response:
        """A ticket that opens one WebSocket within a minute, for clients that cannot send headers with it."""
        issued = {"ticket": authenticators.issue_ticket(principal_of(request)), "expires_in": authenticators.TICKET_SECONDS}
        return Response(issued, status=201, headers={"Cache-Control": "no-store"})
