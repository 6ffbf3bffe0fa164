"""Jurisdictions, editions, adoptions, amendments, facts: five tables with the same manners."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import BooleanFilter
from mcp_platform.tenancy.authenticators import principal_of
from validation.api import manners
from validation.api.manners import CONFLICT, GONE, IF_MATCH, STALE
from validation.models import Adoption, Amendment, CodeEdition, FactDefinition, Jurisdiction
from validation.queries import facts as fact_queries
from validation.queries import rulebook as queries
from validation.serializers import rulebook as shapes
from validation.services import amendments, facts, jurisdictions

AT = "/api/v1/validation"


class Filter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    """`on`: only what is in force that day."""

    on = django_filters.DateFilter(method="in_force", help_text="In force that day")

    def in_force(self, rows: QuerySet[Any], _name: str, day: Any) -> QuerySet[Any]:
        return rows.filter(queries.in_force(day))


class JurisdictionFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    code = django_filters.CharFilter()
    name = django_filters.CharFilter(lookup_expr="icontains")
    kind = django_filters.CharFilter()
    parent = django_filters.UUIDFilter(field_name="parent_id")
    root = BooleanFilter(field_name="parent", lookup_expr="isnull")


class EditionFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    title = django_filters.CharFilter(lookup_expr="icontains")
    edition = django_filters.CharFilter()
    publisher = django_filters.CharFilter(lookup_expr="icontains")


class AdoptionFilter(Filter):
    jurisdiction = django_filters.UUIDFilter(field_name="jurisdiction_id")
    jurisdiction_code = django_filters.CharFilter(field_name="jurisdiction__code")
    code_edition = django_filters.UUIDFilter(field_name="code_edition_id")


class AmendmentFilter(Filter):
    jurisdiction = django_filters.UUIDFilter(field_name="jurisdiction_id")
    jurisdiction_code = django_filters.CharFilter(field_name="jurisdiction__code")
    rule_key = django_filters.CharFilter()
    action = django_filters.CharFilter()


class FactFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter()
    type = django_filters.CharFilter()


class LawRows(manners.Rows):
    """A list and the way to add to it. Subclasses say which table, and which service saves it."""

    permissions: ClassVar = {"GET": "rules:read", "POST": "rules:write"}
    related: ClassVar[tuple[str, ...]] = ()
    save: ClassVar[Any]
    at: ClassVar[str]

    def get(self, request: Request) -> Response:
        model: Any = type(self).queryset.model  # type: ignore[union-attr]  # every subclass has one
        return self.page(model.objects.for_tenant(principal_of(request).tenant).select_related(*self.related))

    def post(self, request: Request) -> Response:
        by = principal_of(request)
        row = self.save(by.tenant, fields=manners.body_of(request), by=by)
        return manners.tagged(self.get_serializer(row).data, row.rev, 201, f"{AT}/{self.at}/{row.pk}")


class LawRow(APIView):
    """One row: read, change, delete. Its address names it by the last of its ids."""

    permissions: ClassVar = {"GET": "rules:read", "PATCH": "rules:write", "DELETE": "rules:write"}
    model: ClassVar[Any]
    serializer: ClassVar[Any]
    related: ClassVar[tuple[str, ...]] = ()
    save: ClassVar[Any]
    remove: ClassVar[Any]

    def row(self, request: Request, ids: Mapping[str, UUID]) -> Any:
        return queries.one(principal_of(request).tenant, self.model, _last(ids), *self.related)

    def get(self, request: Request, **ids: UUID) -> Response:
        row = self.row(request, ids)
        return manners.tagged(self.serializer(row).data, row.rev)

    def patch(self, request: Request, **ids: UUID) -> Response:
        by = principal_of(request)
        rev = manners.expected_rev(request, self.row(request, ids).rev)
        self.save(by.tenant, pk=_last(ids), fields=manners.body_of(request), expected_rev=rev, by=by)
        return self.get(request, **ids)

    def delete(self, request: Request, **ids: UUID) -> Response:
        by = principal_of(request)
        self.remove(by.tenant, pk=_last(ids), expected_rev=manners.expected_rev(request, self.row(request, ids).rev), by=by)
        return Response(status=204)


def _last(ids: Mapping[str, UUID]) -> UUID:
    return list(ids.values())[-1]


def described_rows(name: str, serializer: Any) -> Any:
    return extend_schema_view(
        get=extend_schema(operation_id=f"validation_{name}_list"),
        post=extend_schema(operation_id=f"validation_{name}_create", request=serializer, responses={201: serializer, **CONFLICT}),
    )


def described_row(name: str, serializer: Any) -> Any:
    changed = {200: serializer, **CONFLICT, **STALE}
    return extend_schema_view(
        get=extend_schema(operation_id=f"validation_{name}_read", responses=serializer),
        patch=extend_schema(operation_id=f"validation_{name}_change", parameters=[IF_MATCH], request=serializer, responses=changed),
        delete=extend_schema(operation_id=f"validation_{name}_delete", parameters=[IF_MATCH], responses={204: GONE, **CONFLICT, **STALE}),
    )


@described_rows("jurisdictions", shapes.JurisdictionSerializer)
class JurisdictionsView(LawRows):
    queryset = Jurisdiction.objects.none()
    serializer_class = shapes.JurisdictionSerializer
    filterset_class = JurisdictionFilter
    ordering_fields = ("code", "name", "kind")
    save, at = staticmethod(jurisdictions.save_jurisdiction), "jurisdictions"


@described_row("jurisdictions", shapes.JurisdictionSerializer)
class JurisdictionView(LawRow):
    model, serializer = Jurisdiction, shapes.JurisdictionSerializer
    save, remove = staticmethod(jurisdictions.save_jurisdiction), staticmethod(jurisdictions.delete_jurisdiction)


@described_rows("editions", shapes.EditionSerializer)
class EditionsView(LawRows):
    queryset = CodeEdition.objects.none()
    serializer_class = shapes.EditionSerializer
    filterset_class = EditionFilter
    ordering_fields = ("title", "edition", "published_on")
    save, at = staticmethod(jurisdictions.save_edition), "editions"


@described_row("editions", shapes.EditionSerializer)
class EditionView(LawRow):
    model, serializer = CodeEdition, shapes.EditionSerializer
    save, remove = staticmethod(jurisdictions.save_edition), staticmethod(jurisdictions.delete_edition)


@described_rows("adoptions", shapes.AdoptionSerializer)
class AdoptionsView(LawRows):
    queryset = Adoption.objects.none()
    serializer_class = shapes.AdoptionSerializer
    filterset_class = AdoptionFilter
    ordering_fields = ("effective_from", "effective_to", "jurisdiction__code")
    related = ("jurisdiction", "code_edition")
    save, at = staticmethod(jurisdictions.save_adoption), "adoptions"


@described_row("adoptions", shapes.AdoptionSerializer)
class AdoptionView(LawRow):
    model, serializer, related = Adoption, shapes.AdoptionSerializer, ("jurisdiction", "code_edition")
    save, remove = staticmethod(jurisdictions.save_adoption), staticmethod(jurisdictions.delete_adoption)


@described_rows("amendments", shapes.AmendmentSerializer)
class AmendmentsView(LawRows):
    queryset = Amendment.objects.none()
    serializer_class = shapes.AmendmentSerializer
    filterset_class = AmendmentFilter
    ordering_fields = ("effective_from", "effective_to", "rule_key", "jurisdiction__code")
    related = ("jurisdiction",)
    save, at = staticmethod(amendments.save_amendment), "amendments"


@described_row("amendments", shapes.AmendmentSerializer)
class AmendmentView(LawRow):
    model, serializer, related = Amendment, shapes.AmendmentSerializer, ("jurisdiction",)
    save, remove = staticmethod(amendments.save_amendment), staticmethod(amendments.delete_amendment)


@described_rows("facts", shapes.FactSerializer)
class FactsView(LawRows):
    """The tenant's own definitions; those that come with the product are at /facts/built-in."""

    queryset = FactDefinition.objects.none()
    serializer_class = shapes.FactSerializer
    filterset_class = FactFilter
    ordering_fields = ("name", "type")
    save, at = staticmethod(facts.save_fact), "facts"


@described_row("facts", shapes.FactSerializer)
class FactView(LawRow):
    model, serializer = FactDefinition, shapes.FactSerializer
    save, remove = staticmethod(facts.save_fact), staticmethod(facts.delete_fact)


class BuiltInFactsView(APIView):
    permissions: ClassVar = {"GET": "rules:read"}

    @extend_schema(operation_id="validation_facts_built_in", responses=shapes.BuiltInFactSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Every fact that rules can read without a definition of your own, with where it is looked for, in order."""
        return Response(shapes.BuiltInFactSerializer(fact_queries.built_in(), many=True).data)
