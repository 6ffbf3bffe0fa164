"""Rule sets, their versions and rules; dry runs, resolution, packs."""

from dataclasses import asdict
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import Prefetch, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.operations.serializers import OperationSerializer
from mcp_platform.rest import BooleanFilter, SchemaError, check_body
from mcp_platform.tenancy.authenticators import principal_of
from mcp_platform.tenancy.models import Tenant
from validation.api import law, manners
from validation.api.manners import CONFLICT, GONE, IF_MATCH, STALE
from validation.core import documents
from validation.errors import RuleNotFound, RuleSetNotFound
from validation.models import Project, Rule, RuleSet, RuleSetVersion
from validation.queries import rulebook as queries
from validation.serializers import rulebook as shapes
from validation.services import dry_run, packs, resolution, rule_problems, rule_sets, rules

AT = "/api/v1/validation/rule-sets"
VERSIONS = Prefetch("versions", RuleSetVersion.objects.only("id", "rule_set_id", "number", "state", "tenant_id"))


def version_of(tenant: Tenant, rule_set_id: UUID, version_id: UUID) -> RuleSetVersion:
    found = queries.versions(tenant).filter(pk=version_id, rule_set=rule_set_id).first()
    if found is None:
        raise RuleSetNotFound(rule_set=str(rule_set_id), version=str(version_id))
    return found


def rule_of(tenant: Tenant, rule_set_id: UUID, version_id: UUID, rule_id: UUID) -> Rule:
    row = queries.one(tenant, Rule, rule_id, "version", "tenant")
    if row.version_id != version_id or row.version.rule_set_id != rule_set_id:
        raise RuleNotFound(id=str(rule_id))
    return row


class RuleSetFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    slug = django_filters.CharFilter()
    title = django_filters.CharFilter(lookup_expr="icontains")
    owner = django_filters.CharFilter()
    archived = BooleanFilter(field_name="archived_at", lookup_expr="isnull", exclude=True)
    code_edition = django_filters.UUIDFilter(field_name="code_edition_id")


@law.described_rows("rule_sets", shapes.RuleSetSerializer)
class RuleSetsView(law.LawRows):
    queryset = RuleSet.objects.none()
    serializer_class = shapes.RuleSetSerializer
    filterset_class = RuleSetFilter
    ordering_fields = ("title", "slug", "created_at")
    save, at = staticmethod(rule_sets.save_rule_set), "rule-sets"

    def get(self, request: Request) -> Response:
        return self.page(RuleSet.objects.for_tenant(principal_of(request).tenant).prefetch_related(VERSIONS))


@law.described_row("rule_sets", shapes.RuleSetSerializer)
class RuleSetView(law.LawRow):
    model, serializer = RuleSet, shapes.RuleSetSerializer
    save, remove = staticmethod(rule_sets.save_rule_set), staticmethod(rule_sets.delete_rule_set)


class ArchiveView(APIView):
    permissions: ClassVar = {"POST": "rules:publish"}
    archived: ClassVar[bool] = True

    @extend_schema(operation_id="validation_rule_sets_archive", request=None, responses=shapes.RuleSetSerializer)
    def post(self, request: Request, rule_set_id: UUID) -> Response:
        """It applies to no building any more."""
        by = principal_of(request)
        row = rule_sets.set_archived(by.tenant, pk=rule_set_id, archived=self.archived, by=by)
        return manners.tagged(shapes.RuleSetSerializer(row).data, row.rev)


class UnarchiveView(ArchiveView):
    archived = False

    @extend_schema(operation_id="validation_rule_sets_unarchive", request=None, responses=shapes.RuleSetSerializer)
    def post(self, request: Request, rule_set_id: UUID) -> Response:
        """It applies again."""
        return super().post(request, rule_set_id)


class VersionFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    state = django_filters.CharFilter()
    number = django_filters.CharFilter()


class VersionsView(manners.Rows):
    permissions: ClassVar = {"GET": "rules:read", "POST": "rules:write"}
    queryset = RuleSetVersion.objects.none()
    serializer_class = shapes.VersionSerializer
    filterset_class = VersionFilter
    ordering_fields = ("created_at", "published_at", "number")

    @extend_schema(operation_id="validation_versions_list")
    def get(self, request: Request, rule_set_id: UUID) -> Response:
        tenant = principal_of(request).tenant
        return self.page(queries.versions(tenant).filter(rule_set=queries.one(tenant, RuleSet, rule_set_id)))

    @extend_schema(operation_id="validation_versions_create", request=shapes.DraftSerializer, responses={201: shapes.VersionSerializer, **CONFLICT})
    def post(self, request: Request, rule_set_id: UUID) -> Response:
        """A new draft, with the rules of a version or of none."""
        by = principal_of(request)
        made = rule_sets.new_draft(by.tenant, rule_set=rule_set_id, by=by, **check_body(request.data, shapes.DraftSerializer))
        return shown(by.tenant, made, 201)


def shown(tenant: Tenant, version: RuleSetVersion, status: int = 200) -> Response:
    row = queries.versions(tenant).get(pk=version.pk)
    location = f"{AT}/{row.rule_set_id}/versions/{row.pk}" if status == 201 else ""
    return manners.tagged(shapes.VersionSerializer(row).data, row.rev, status, location)


class VersionImportView(APIView):
    permissions: ClassVar = {"POST": "rules:write"}

    @extend_schema(
        operation_id="validation_versions_import",
        request=shapes.VersionDocumentSerializer,
        responses={201: shapes.VersionSerializer, **CONFLICT},
    )
    def post(self, request: Request, rule_set_id: UUID) -> Response:
        """A draft from an exported version, with all its rules."""
        by = principal_of(request)
        made = rule_sets.import_version(by.tenant, rule_set=rule_set_id, document=manners.body_of(request), by=by)
        return shown(by.tenant, made, 201)


class VersionView(APIView):
    permissions: ClassVar = {"GET": "rules:read", "PATCH": "rules:write", "DELETE": "rules:write"}

    @extend_schema(operation_id="validation_versions_read", responses=shapes.VersionSerializer)
    def get(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        tenant = principal_of(request).tenant
        return shown(tenant, version_of(tenant, rule_set_id, version_id))

    @extend_schema(
        operation_id="validation_versions_change",
        parameters=[IF_MATCH],
        request=shapes.VersionSerializer,
        responses={200: shapes.VersionSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """Number, changelog and overrides of an open version."""
        by = principal_of(request)
        rev = manners.expected_rev(request, version_of(by.tenant, rule_set_id, version_id).rev)
        saved = rule_sets.save_version(by.tenant, pk=version_id, fields=manners.body_of(request), expected_rev=rev, by=by)
        return shown(by.tenant, saved)

    @extend_schema(operation_id="validation_versions_delete", parameters=[IF_MATCH], responses={204: GONE, **CONFLICT, **STALE})
    def delete(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """Open versions only: published ones are kept for good."""
        by = principal_of(request)
        rev = manners.expected_rev(request, version_of(by.tenant, rule_set_id, version_id).rev)
        rule_sets.delete_version(by.tenant, pk=version_id, expected_rev=rev, by=by)
        return Response(status=204)


class Step(APIView):
    """One step of a version's life."""

    permissions: ClassVar = {"POST": "rules:write"}

    def move(self, request: Request, rule_set_id: UUID, version_id: UUID, service: Any, **more: Any) -> Response:
        by = principal_of(request)
        version_of(by.tenant, rule_set_id, version_id)
        return shown(by.tenant, service(by.tenant, pk=version_id, by=by, **more))


class SubmitView(Step):
    @extend_schema(operation_id="validation_versions_submit", request=None, responses={200: shapes.VersionSerializer, **CONFLICT})
    def post(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """Ask for review. Every rule has to be without errors, with examples that say what they should."""
        return self.move(request, rule_set_id, version_id, rule_sets.submit)


class WithdrawView(Step):
    @extend_schema(
        operation_id="validation_versions_withdraw", request=shapes.WithdrawSerializer, responses={200: shapes.VersionSerializer, **CONFLICT}
    )
    def post(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """Back to draft."""
        return self.move(request, rule_set_id, version_id, rule_sets.withdraw, **check_body(request.data, shapes.WithdrawSerializer))


class PublishView(Step):
    permissions: ClassVar = {"POST": "rules:publish"}

    @extend_schema(operation_id="validation_versions_publish", request=None, responses={200: shapes.VersionSerializer, **CONFLICT})
    def post(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """By a person who has written none of it."""
        return self.move(request, rule_set_id, version_id, rule_sets.publish)


class RetireView(Step):
    permissions: ClassVar = {"POST": "rules:publish"}

    @extend_schema(operation_id="validation_versions_retire", request=None, responses={200: shapes.VersionSerializer, **CONFLICT})
    def post(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """No check uses it any more."""
        return self.move(request, rule_set_id, version_id, rule_sets.retire)


class VersionProblemsView(APIView):
    permissions: ClassVar = {"GET": "rules:read"}

    @extend_schema(operation_id="validation_versions_problems", responses=shapes.RuleProblemListSerializer)
    def get(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """Everything that is wrong with the rules of the version, with warnings."""
        version = version_of(principal_of(request).tenant, rule_set_id, version_id)
        return Response({"problems": rule_problems.problems(version, warnings=True)})


class VersionExportView(APIView):
    permissions: ClassVar = {"GET": "rules:read"}

    @extend_schema(operation_id="validation_versions_export", responses=shapes.VersionDocumentSerializer)
    def get(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """The whole version as a document that the import takes."""
        tenant = principal_of(request).tenant
        return Response(rule_sets.export_version(tenant, pk=version_of(tenant, rule_set_id, version_id).pk))


class VersionDiffView(APIView):
    permissions: ClassVar = {"GET": "rules:read"}

    @extend_schema(
        operation_id="validation_versions_diff",
        parameters=[OpenApiParameter("before", OpenApiTypes.UUID, required=True, description="The version to compare with")],
        responses=shapes.RuleChangeSerializer(many=True),
    )
    def get(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """What changed from another version of the rule set to this one."""
        tenant = principal_of(request).tenant
        before = version_of(tenant, rule_set_id, uuid_in_query(request, "before"))
        found = documents.compare(queries.rules(before), queries.rules(version_of(tenant, rule_set_id, version_id)))
        return Response([asdict(change) for change in found])


def uuid_in_query(request: Request, name: str) -> UUID:
    try:
        return UUID(request.query_params.get(name, ""))
    except ValueError as wrong:
        raise SchemaError(errors=[{"path": f"?{name}", "code": "invalid", "message": "is no id", "expected": "a UUID"}]) from wrong


class RuleFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    key = django_filters.CharFilter()
    title = django_filters.CharFilter(lookup_expr="icontains")
    kind = django_filters.CharFilter()
    severity = django_filters.CharFilter()
    category = django_filters.CharFilter()
    provenance = django_filters.CharFilter()
    is_active = BooleanFilter()
    unconfirmed = BooleanFilter(method="only_unconfirmed", help_text="Written from memory and confirmed by nobody")

    def only_unconfirmed(self, rows: QuerySet[Rule], _name: str, wanted: bool) -> QuerySet[Rule]:
        memory = {"provenance": "M", "confirmed_at__isnull": True}
        return rows.filter(**memory) if wanted else rows.exclude(**memory)


class RulesView(manners.Rows):
    permissions: ClassVar = {"GET": "rules:read", "POST": "rules:write"}
    queryset = Rule.objects.none()
    serializer_class = shapes.RuleSummarySerializer
    filterset_class = RuleFilter
    ordering_fields = ("position", "key", "title", "severity", "category")

    @extend_schema(operation_id="validation_rules_list")
    def get(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        tenant = principal_of(request).tenant
        return self.page(Rule.objects.for_tenant(tenant).filter(version=version_of(tenant, rule_set_id, version_id)))

    @extend_schema(operation_id="validation_rules_create", request=shapes.RuleSerializer, responses={201: shapes.RuleSerializer, **CONFLICT})
    def post(self, request: Request, rule_set_id: UUID, version_id: UUID) -> Response:
        """Add a rule; `problems` tells what is wrong with it."""
        by = principal_of(request)
        version_of(by.tenant, rule_set_id, version_id)
        row = rules.save_rule(by.tenant, version=version_id, fields=manners.body_of(request), by=by)
        location = f"{AT}/{rule_set_id}/versions/{version_id}/rules/{row.pk}"
        return manners.tagged(shapes.rule(row, rule_problems.problems_of(row)), row.rev, 201, location)


class RuleView(APIView):
    permissions: ClassVar = {"GET": "rules:read", "PATCH": "rules:write", "DELETE": "rules:write"}

    @extend_schema(operation_id="validation_rules_read", responses=shapes.RuleSerializer)
    def get(self, request: Request, rule_set_id: UUID, version_id: UUID, rule_id: UUID) -> Response:
        row = rule_of(principal_of(request).tenant, rule_set_id, version_id, rule_id)
        return manners.tagged(shapes.rule(row, rule_problems.problems_of(row)), row.rev)

    @extend_schema(
        operation_id="validation_rules_change",
        parameters=[IF_MATCH],
        request=shapes.RuleSerializer,
        responses={200: shapes.RuleSerializer, **CONFLICT, **STALE},
    )
    def patch(self, request: Request, rule_set_id: UUID, version_id: UUID, rule_id: UUID) -> Response:
        """Change some members of the rule; its examples run, and `problems` tells what is wrong."""
        by = principal_of(request)
        rev = manners.expected_rev(request, rule_of(by.tenant, rule_set_id, version_id, rule_id).rev)
        rules.save_rule(by.tenant, version=version_id, pk=rule_id, fields=manners.body_of(request), expected_rev=rev, by=by)
        return self.get(request, rule_set_id, version_id, rule_id)

    @extend_schema(operation_id="validation_rules_delete", parameters=[IF_MATCH], responses={204: GONE, **CONFLICT, **STALE})
    def delete(self, request: Request, rule_set_id: UUID, version_id: UUID, rule_id: UUID) -> Response:
        by = principal_of(request)
        rev = manners.expected_rev(request, rule_of(by.tenant, rule_set_id, version_id, rule_id).rev)
        rules.delete_rule(by.tenant, version=version_id, pk=rule_id, expected_rev=rev, by=by)
        return Response(status=204)


class ConfirmView(APIView):
    permissions: ClassVar = {"POST": "rules:write"}

    @extend_schema(operation_id="validation_rules_confirm", request=shapes.ConfirmSerializer, responses={200: shapes.RuleSerializer, **CONFLICT})
    def post(self, request: Request, rule_set_id: UUID, version_id: UUID, rule_id: UUID) -> Response:
        """A person has compared the rule with the text of the code, and says where."""
        by = principal_of(request)
        rule_of(by.tenant, rule_set_id, version_id, rule_id)
        row = rules.confirm_rule(by.tenant, pk=rule_id, by=by, **check_body(request.data, shapes.ConfirmSerializer))
        return manners.tagged(shapes.rule(row, rule_problems.problems_of(row)), row.rev)


class DryRunView(APIView):
    permissions: ClassVar = {"POST": "validation:run"}

    @extend_schema(operation_id="validation_rules_dry_run", request=shapes.DryRunSerializer, responses={202: OperationSerializer, **CONFLICT})
    def post(self, request: Request, rule_set_id: UUID, version_id: UUID, rule_id: UUID) -> Response:
        """Try the rule on every stored model, or on some buildings. The operation's result has counts, samples and missing facts for each."""
        by = principal_of(request)
        rule_of(by.tenant, rule_set_id, version_id, rule_id)
        made = dry_run.start(by.tenant, rule=rule_id, by=by, **check_body(request.data, shapes.DryRunSerializer))
        return Response(OperationSerializer(made).data, status=202, headers={"Location": f"/api/v1/operations/{made.pk}"})


class CheckRuleView(APIView):
    permissions: ClassVar = {"POST": "rules:read"}

    @extend_schema(operation_id="validation_rules_check", request=shapes.RuleSerializer, responses=shapes.RuleProblemListSerializer)
    def post(self, request: Request) -> Response:
        """What is wrong with a rule that is stored nowhere; its examples run. Writes nothing."""
        by = principal_of(request)
        return Response({"problems": rule_problems.document_problems(by.tenant, manners.body_of(request))})


class ResolutionView(APIView):
    permissions: ClassVar = {"GET": "rules:read"}

    @extend_schema(
        operation_id="validation_resolution",
        parameters=[
            OpenApiParameter("rule", OpenApiTypes.STR, required=True, description="Key of the rule"),
            OpenApiParameter("jurisdiction", OpenApiTypes.STR, required=True, description="Code, such as US-WA-SEA"),
            OpenApiParameter("on", OpenApiTypes.DATE, required=True, description="Day of the permit application"),
            OpenApiParameter("project", OpenApiTypes.UUID, description="With the overrides of this project"),
        ],
        responses=shapes.RuleResolutionSerializer,
    )
    def get(self, request: Request) -> Response:
        """Which value applies in a jurisdiction on a day, and why."""
        tenant = principal_of(request).tenant
        project = queries.one(tenant, Project, uuid_in_query(request, "project")) if "project" in request.query_params else None
        asked = {name: request.query_params.get(name, "") for name in ("rule", "jurisdiction")}
        found = resolution.explain(
            tenant, rule_key=asked["rule"], jurisdiction=asked["jurisdiction"], on=day_in_query(request, "on"), project=project
        )
        return Response(found)


def day_in_query(request: Request, name: str) -> date:
    try:
        return date.fromisoformat(request.query_params.get(name, ""))
    except ValueError as wrong:
        raise SchemaError(errors=[{"path": f"?{name}", "code": "invalid", "message": "is no day", "expected": "such as 2024-05-01"}]) from wrong


class StarterPackView(APIView):
    permissions: ClassVar = {"POST": "rules:publish"}

    @extend_schema(operation_id="validation_rule_packs_import", request=None, responses={200: shapes.ImportedSerializer, **CONFLICT})
    def post(self, request: Request) -> Response:
        """Import the starter pack that comes with the product. Again: nothing happens, unless a newer product has a changed pack."""
        by = principal_of(request)
        return Response(asdict(packs.import_pack(by.tenant, document=packs.starter_pack(), publish=True, by=by)))
