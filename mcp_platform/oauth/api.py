"""REST: the OAuth clients of a tenant, and who has let which in."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.oauth import queries, services
from mcp_platform.oauth import serializers as shapes
from mcp_platform.oauth.models import Authorization, Client
from mcp_platform.rest import BooleanFilter, check_body
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

CONFLICT = OpenApiResponse(ProblemSerializer, description="Not possible as things are")
GONE = OpenApiResponse(description="Done; nothing to say")
SHOWN_ONCE = {"Cache-Control": "no-store"}


class ClientFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter(lookup_expr="icontains")
    client_id = django_filters.CharFilter()
    withdrawn = BooleanFilter(field_name="withdrawn_at", lookup_expr="isnull", exclude=True)


class ClientsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "clients:manage", "POST": "clients:manage"}
    queryset = Client.objects.none()
    serializer_class = shapes.ClientSerializer
    filterset_class = ClientFilter
    ordering_fields = ("created", "name")

    @extend_schema(operation_id="oauth_clients_list")
    def get(self, request: Request) -> Response:
        """Clients that the tenant has registered."""
        page = self.paginate_queryset(self.filter_queryset(queries.clients(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="oauth_clients_register", request=shapes.ClientCreateSerializer, responses={201: shapes.NewClientSerializer})
    def post(self, request: Request) -> Response:
        """Register a client. The answer holds its secret, once and never again."""
        by = principal_of(request)
        row, secret = services.register_client(by.tenant, **check_body(request.data, shapes.ClientCreateSerializer), by=by)
        shown = {**shapes.ClientSerializer(queries.client(by.tenant, row.pk)).data, "client_secret": secret}
        return Response(shown, status=201, headers={**SHOWN_ONCE, "Location": f"/api/v1/oauth-clients/{row.pk}"})


class ClientView(APIView):
    permissions: ClassVar = {"GET": "clients:manage", "PATCH": "clients:manage", "DELETE": "clients:manage"}

    @extend_schema(operation_id="oauth_clients_read", responses=shapes.ClientSerializer)
    def get(self, request: Request, client_pk: int) -> Response:
        return Response(shapes.ClientSerializer(queries.client(principal_of(request).tenant, client_pk)).data)

    @extend_schema(
        operation_id="oauth_clients_change", request=shapes.ClientChangeSerializer, responses={200: shapes.ClientSerializer, 409: CONFLICT}
    )
    def patch(self, request: Request, client_pk: int) -> Response:
        """Change the name, the redirect addresses or the scopes."""
        by = principal_of(request)
        services.change_client(by.tenant, client_id=client_pk, changes=check_body(request.data, shapes.ClientChangeSerializer), by=by)
        return Response(shapes.ClientSerializer(queries.client(by.tenant, client_pk)).data)

    @extend_schema(operation_id="oauth_clients_withdraw", responses={204: GONE})
    def delete(self, request: Request, client_pk: int) -> Response:
        """Withdraw the client for good: all its tokens end within 5 seconds everywhere. The row stays, for the audit."""
        by = principal_of(request)
        services.withdraw_client(by.tenant, client_id=client_pk, by=by)
        return Response(status=204)


class ClientSecretView(APIView):
    permissions: ClassVar = {"POST": "clients:manage"}

    @extend_schema(operation_id="oauth_clients_rotate_secret", request=None, responses={200: shapes.NewClientSerializer, 409: CONFLICT})
    def post(self, request: Request, client_pk: int) -> Response:
        """Give the client a new secret; the old one ends at once."""
        by = principal_of(request)
        _, secret = services.rotate_secret(by.tenant, client_id=client_pk, by=by)
        shown = {**shapes.ClientSerializer(queries.client(by.tenant, client_pk)).data, "client_secret": secret}
        return Response(shown, headers=SHOWN_ONCE)


class AuthorizationFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    username = django_filters.CharFilter(field_name="user__username")
    revoked = BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)


class AuthorizationsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "clients:manage"}
    queryset = Authorization.objects.none()
    serializer_class = shapes.AuthorizationSerializer
    filterset_class = AuthorizationFilter
    ordering_fields = ("created_at", "last_used_at")

    @extend_schema(operation_id="oauth_authorizations_list")
    def get(self, request: Request) -> Response:
        """Who has let which client act for them in this tenant, and what for."""
        page = self.paginate_queryset(self.filter_queryset(queries.authorizations(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(queries.with_clients(list(page or ())), many=True).data)


class AuthorizationView(APIView):
    permissions: ClassVar = {"GET": "clients:manage", "DELETE": "clients:manage"}

    @extend_schema(operation_id="oauth_authorizations_read", responses=shapes.AuthorizationSerializer)
    def get(self, request: Request, authorization_pk: int) -> Response:
        found = queries.authorization(principal_of(request).tenant, authorization_pk)
        return Response(shapes.AuthorizationSerializer(queries.with_clients([found])[0]).data)

    @extend_schema(operation_id="oauth_authorizations_revoke", responses={204: GONE})
    def delete(self, request: Request, authorization_pk: int) -> Response:
        """Take it back: the client's tokens of this person end within 5 seconds everywhere."""
        by = principal_of(request)
        services.revoke_authorization(by.tenant, authorization_id=authorization_pk, by=by)
        return Response(status=204)
