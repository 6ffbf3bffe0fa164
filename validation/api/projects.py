"""Projects and buildings, and the rules that are in force for them."""

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.rest import BooleanFilter
from mcp_platform.tenancy.authenticators import principal_of
from validation.api import law, manners
from validation.models import Building, Project
from validation.queries import rulebook as queries
from validation.serializers import rulebook as shapes
from validation.services import projects, rulebook

READ_WRITE: dict[str, str] = {"GET": "validation:read", "POST": "validation:write", "PATCH": "validation:write", "DELETE": "validation:write"}


class ProjectFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    name = django_filters.CharFilter(lookup_expr="icontains")
    permit_number = django_filters.CharFilter()
    jurisdiction = django_filters.CharFilter(field_name="jurisdiction__code")
    archived = BooleanFilter(field_name="archived_at", lookup_expr="isnull", exclude=True)


class BuildingFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    project = django_filters.UUIDFilter(field_name="project_id")
    name = django_filters.CharFilter(lookup_expr="icontains")
    status = django_filters.CharFilter()


@law.described_rows("projects", shapes.ProjectSerializer)
class ProjectsView(law.LawRows):
    permissions: ClassVar = READ_WRITE
    queryset = Project.objects.none()
    serializer_class = shapes.ProjectSerializer
    filterset_class = ProjectFilter
    ordering_fields = ("name", "permit_application_date", "created_at")
    save, at = staticmethod(projects.save_project), "projects"

    def get(self, request: Request) -> Response:
        rows = Project.objects.for_tenant(principal_of(request).tenant)
        return self.page(rows.select_related("jurisdiction").prefetch_related("rule_sets"))


@law.described_row("projects", shapes.ProjectSerializer)
class ProjectView(law.LawRow):
    permissions: ClassVar = READ_WRITE
    model, serializer, related = Project, shapes.ProjectSerializer, ("jurisdiction",)
    save, remove = staticmethod(projects.save_project), staticmethod(projects.delete_project)


class ArchiveView(APIView):
    permissions: ClassVar = {"POST": "validation:write"}
    archived: ClassVar[bool] = True

    @extend_schema(operation_id="validation_projects_archive", request=None, responses=shapes.ProjectSerializer)
    def post(self, request: Request, project_id: UUID) -> Response:
        by = principal_of(request)
        row = projects.set_archived(by.tenant, pk=project_id, archived=self.archived, by=by)
        return manners.tagged(shapes.ProjectSerializer(row).data, row.rev)


class UnarchiveView(ArchiveView):
    archived = False

    @extend_schema(operation_id="validation_projects_unarchive", request=None, responses=shapes.ProjectSerializer)
    def post(self, request: Request, project_id: UUID) -> Response:
        return super().post(request, project_id)


class ProjectRulesView(APIView):
    permissions: ClassVar = {"GET": "rules:read"}

    @extend_schema(operation_id="validation_projects_rules", responses=shapes.InForceSerializer)
    def get(self, request: Request, project_id: UUID) -> Response:
        """The rules in force for the project at its permit's application date, resolved: what its buildings are checked by."""
        project = queries.one(principal_of(request).tenant, Project, project_id, "jurisdiction", "tenant")
        return Response(in_force(rulebook.of_project(project)))


def in_force(found: rulebook.InForce) -> dict[str, Any]:
    slim = [{name: value for name, value in one.items() if name != "rules"} for one in found.basis["rule_sets"]]
    shared = {name: found.basis[name] for name in ("permit_date", "jurisdiction", "editions", "amendments")}
    rules = [
        {
            **{name: getattr(rule, name) for name in ("key", "title", "category")},
            "kind": rule.kind.value,
            "severity": rule.severity.value,
            "rule_set": f"{rule.ruleset}@{rule.version}",
            "section": rule.citation.section,
            "params": {name: asdict(one) for name, one in rule.params.items()},
        }
        for rule in found.rulebook.rules
    ]
    return {**shared, "rule_sets": slim, "rules": rules, "problems": list(found.rulebook.problems), "sha256": found.sha256}


@law.described_rows("buildings", shapes.BuildingSerializer)
class BuildingsView(law.LawRows):
    permissions: ClassVar = READ_WRITE
    queryset = Building.objects.none()
    serializer_class = shapes.BuildingSerializer
    filterset_class = BuildingFilter
    ordering_fields = ("name", "score", "created_at")
    save, at = staticmethod(projects.save_building), "buildings"


@law.described_row("buildings", shapes.BuildingSerializer)
class BuildingView(law.LawRow):
    permissions: ClassVar = READ_WRITE
    model, serializer = Building, shapes.BuildingSerializer
    save, remove = staticmethod(projects.save_building), staticmethod(projects.delete_building)
