"""Products and column mappings, one by one: the draft."""

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.metadata import queries, services
from mcp_platform.metadata import serializers as shapes
from mcp_platform.metadata.api.manners import CONFLICT, GONE, IF_MATCH, STALE, body_of, expected_rev, tagged
from mcp_platform.metadata.models import ColumnMapping, ProductAlias
from mcp_platform.tenancy.authenticators import principal_of

DEFAULTS: dict[str, Any] = {"aliases": [], "database_references": {}, "categories": []}


class ProductFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    key = django_filters.CharFilter()
    canonical_id = django_filters.CharFilter()
    name = django_filters.CharFilter(field_name="canonical_name", lookup_expr="icontains")
    text = django_filters.CharFilter(method="with_text", help_text="In keys, ids, names, aliases and categories")

    def with_text(self, rows: QuerySet[ProductAlias], _name: str, value: str) -> QuerySet[ProductAlias]:
        return queries.with_text(rows, value)


class MappingFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    user_term = django_filters.CharFilter(lookup_expr="icontains")


class ProductsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "metadata:read", "POST": "metadata:write"}
    queryset = ProductAlias.objects.none()
    serializer_class = shapes.ProductSerializer
    filterset_class = ProductFilter
    ordering_fields = ("key", "canonical_name", "canonical_id", "updated_at")

    @extend_schema(operation_id="metadata_products_list")
    def get(self, request: Request) -> Response:
        """Products of the draft."""
        page = self.paginate_queryset(self.filter_queryset(queries.products(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="metadata_products_create", request=shapes.ProductCreateSerializer, responses={201: shapes.ProductSerializer, **CONFLICT}
    )
    def post(self, request: Request) -> Response:
        """Add a product to the draft."""
        by, body = principal_of(request), body_of(request)
        return _product(services.save_product(by.tenant, key=body.pop("key", None), fields=body, create=True, by=by), 201)


def _product(row: ProductAlias, status: int = 200) -> Response:
    location = f"/api/v1/product-metadata/products/{row.key}" if status == 201 else ""
    return tagged(shapes.ProductSerializer(row).data, row.rev, status, location)


class ProductView(APIView):
    permissions: ClassVar = {"GET": "metadata:read", "PUT": "metadata:write", "PATCH": "metadata:write", "DELETE": "metadata:write"}

    @extend_schema(operation_id="metadata_products_read", responses=shapes.ProductSerializer)
    def get(self, request: Request, product_key: str) -> Response:
        return _product(queries.product(principal_of(request).tenant, product_key))

    @extend_schema(
        operation_id="metadata_products_replace",
        request=shapes.ProductChangeSerializer,
        parameters=[IF_MATCH],
        responses={200: shapes.ProductSerializer, **CONFLICT, **STALE},
    )
    def put(self, request: Request, product_key: str) -> Response:
        """Replace it; members that are not sent become empty."""
        return self._save(request, product_key, DEFAULTS)

    @extend_schema(
        operation_id="metadata_products_change",
        request=shapes.ProductChangeSerializer(partial=True),
        parameters=[IF_MATCH],
        responses={200: shapes.ProductSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, product_key: str) -> Response:
        """Change some members."""
        return self._save(request, product_key, {})

    def _save(self, request: Request, key: str, defaults: dict[str, Any]) -> Response:
        by = principal_of(request)
        rev = expected_rev(request, queries.product(by.tenant, key).rev)
        return _product(services.save_product(by.tenant, key=key, fields={**defaults, **body_of(request)}, expected_rev=rev, by=by))

    @extend_schema(operation_id="metadata_products_delete", parameters=[IF_MATCH], responses={**GONE, **STALE})
    def delete(self, request: Request, product_key: str) -> Response:
        by = principal_of(request)
        rev = expected_rev(request, queries.product(by.tenant, product_key).rev)
        services.delete_product(by.tenant, key=product_key, expected_rev=rev, by=by)
        return Response(status=204)


class MappingsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "metadata:read", "POST": "metadata:write"}
    queryset = ColumnMapping.objects.none()
    serializer_class = shapes.ColumnMappingSerializer
    filterset_class = MappingFilter
    ordering_fields = ("user_term", "updated_at")

    @extend_schema(operation_id="metadata_columns_list")
    def get(self, request: Request) -> Response:
        """Column mappings of the draft."""
        page = self.paginate_queryset(self.filter_queryset(queries.mappings(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="metadata_columns_create",
        request=shapes.ColumnMappingChangeSerializer,
        responses={201: shapes.ColumnMappingSerializer, **CONFLICT},
    )
    def post(self, request: Request) -> Response:
        """Add a mapping to the draft. Its SQL is one expression: it is refused where it could end or hide a part of a statement."""
        by = principal_of(request)
        return _mapping(services.save_mapping(by.tenant, fields=body_of(request), by=by), 201)


def _mapping(row: ColumnMapping, status: int = 200) -> Response:
    location = f"/api/v1/product-metadata/columns/{row.pk}" if status == 201 else ""
    return tagged(shapes.ColumnMappingSerializer(row).data, row.rev, status, location)


class MappingView(APIView):
    permissions: ClassVar = {"GET": "metadata:read", "PATCH": "metadata:write", "DELETE": "metadata:write"}

    @extend_schema(operation_id="metadata_columns_read", responses=shapes.ColumnMappingSerializer)
    def get(self, request: Request, mapping_id: UUID) -> Response:
        return _mapping(queries.mapping(principal_of(request).tenant, mapping_id))

    @extend_schema(
        operation_id="metadata_columns_change",
        request=shapes.ColumnMappingChangeSerializer(partial=True),
        parameters=[IF_MATCH],
        responses={200: shapes.ColumnMappingSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, mapping_id: UUID) -> Response:
        """Change some members."""
        by = principal_of(request)
        rev = expected_rev(request, queries.mapping(by.tenant, mapping_id).rev)
        return _mapping(services.save_mapping(by.tenant, mapping_id=mapping_id, fields=body_of(request), expected_rev=rev, by=by))

    @extend_schema(operation_id="metadata_columns_delete", parameters=[IF_MATCH], responses={**GONE, **STALE})
    def delete(self, request: Request, mapping_id: UUID) -> Response:
        by = principal_of(request)
        rev = expected_rev(request, queries.mapping(by.tenant, mapping_id).rev)
        services.delete_mapping(by.tenant, mapping_id=mapping_id, expected_rev=rev, by=by)
        return Response(status=204)
