"""When reports are made, over REST: schedules and their occasions."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mcp_platform.tenancy.authenticators import principal_of
from reports import queries
from reports.api import rows
from reports.models import Occasion, ReportSchedule
from reports.services import scheduling

NOW = ("id", "next_at", "rev", "created_at", "updated_at")


class ReportScheduleSerializer(serializers.ModelSerializer[ReportSchedule]):
    about = serializers.DictField(child=serializers.CharField(), help_text='{"project": "<id>"}, {"building": "<id>"} or {"flow": "<id>"}')
    template = serializers.UUIDField(source="template_id", allow_null=True, required=False)
    formats = serializers.ListField(child=serializers.CharField(), required=False)
    recipients = serializers.ListField(child=serializers.EmailField(), required=False)

    class Meta:
        model = ReportSchedule
        fields = (
            *("id", "name", "kind", "about", "cadence", "weekday", "day", "at", "time_zone", "template", "formats"),
            *("recipients", "revises", "enabled", "next_at", "rev", "created_at", "updated_at"),
        )
        read_only_fields = NOW


class OccasionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    period = serializers.CharField()
    due_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=Occasion.State.choices)
    problem = serializers.JSONField()
    operation = serializers.UUIDField(source="operation_id", allow_null=True)
    reports = serializers.SerializerMethodField()

    def get_reports(self, row: Occasion) -> list[str]:
        return [str(one.pk) for one in row.reports.all()]


@rows.described_rows("report_schedules", ReportScheduleSerializer)
class SchedulesView(rows.Rows):
    queryset = ReportSchedule.objects.none()
    serializer_class = ReportScheduleSerializer
    rows, save, one = staticmethod(queries.schedules), staticmethod(scheduling.save_schedule), "report-schedule"
    named: ClassVar = {"template": queries.template}


@rows.described_row("report_schedules", ReportScheduleSerializer)
class ScheduleView(rows.Row):
    serializer = ReportScheduleSerializer
    find, save, remove = staticmethod(queries.schedule), staticmethod(scheduling.save_schedule), staticmethod(scheduling.delete_schedule)
    named: ClassVar = {"template": queries.template}


class OccasionsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": "reports:read"}
    queryset = Occasion.objects.none()
    serializer_class = OccasionSerializer

    @extend_schema(operation_id="report_schedules_occasions")
    def get(self, request: Request, schedule_id: UUID) -> Response:
        """The times at which it was due, newest first, and what came of each."""
        page = self.paginate_queryset(queries.occasions(principal_of(request).tenant, schedule_id))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class RunNowView(APIView):
    permissions: ClassVar = {"POST": "reports:write"}

    @extend_schema(operation_id="report_schedules_run", request=None, responses={202: OccasionSerializer})
    def post(self, request: Request, schedule_id: UUID) -> Response:
        """Its reports, now and out of turn; the next time stays what it is."""
        by = principal_of(request)
        return Response(OccasionSerializer(scheduling.run_now(by.tenant, pk=schedule_id, by=by)).data, status=202)
