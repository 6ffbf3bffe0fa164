"""Experiments: plan, validate, run, read, decide."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from experiments import queries, services
from experiments import serializers as shapes
from experiments.core import funnel
from experiments.core.sums import Sums
from experiments.models import Experiment, Variant
from mcp_platform.rest import check_body, etag_of, require_match
from mcp_platform.schema import ProblemSerializer
from mcp_platform.tenancy.authenticators import principal_of

CONFLICT = {409: OpenApiResponse(ProblemSerializer, description="Not possible as things are")}
READ, WRITE, RUN = "experiments:read", "experiments:write", "experiments:run"


class ExperimentFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter is untyped
    state = django_filters.ChoiceFilter(choices=Experiment.State.choices)
    kind = django_filters.ChoiceFilter(choices=Experiment.Kind.choices)
    flow = django_filters.CharFilter(field_name="flow__flow_id")


def shown(request: Request, key: Any, status: int = 200) -> Response:
    row = queries.experiment(principal_of(request).tenant, key)
    return Response(shapes.ExperimentDetailSerializer(row).data, status=status, headers={"ETag": etag_of(row.rev)})


def expected_rev(request: Request, key: str) -> int | None:
    """The revision that the caller has read; nothing for `*` or without If-Match. Raises StaleEtag."""
    if "If-Match" not in request.headers:
        return None
    row = queries.experiment(principal_of(request).tenant, key)
    require_match(request, etag_of(row.rev))
    return None if request.headers["If-Match"].strip() == "*" else row.rev


class ExperimentsView(GenericAPIView[Any]):
    permissions: ClassVar = {"GET": READ, "POST": WRITE}
    queryset = Experiment.objects.none()
    serializer_class = shapes.ExperimentSerializer
    filterset_class = ExperimentFilter
    ordering_fields = ("created_at", "key", "started_at")

    @extend_schema(operation_id="experiments_list")
    def get(self, request: Request) -> Response:
        """Experiments, newest first."""
        page = self.paginate_queryset(self.filter_queryset(queries.experiments(principal_of(request).tenant)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="experiments_create", request=shapes.ExperimentCreateSerializer, responses={201: shapes.ExperimentDetailSerializer, **CONFLICT}
    )
    def post(self, request: Request) -> Response:
        """Plan one: a draft."""
        by = principal_of(request)
        row = services.create(by.tenant, fields=check_body(request.data, shapes.ExperimentCreateSerializer), by=by)
        return shown(request, row.pk, 201)


class ExperimentView(APIView):
    permissions: ClassVar = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}

    @extend_schema(operation_id="experiments_read", responses=shapes.ExperimentDetailSerializer)
    def get(self, request: Request, key: str) -> Response:
        """One experiment, by its key or its id."""
        return shown(request, key)

    @extend_schema(
        operation_id="experiments_change", request=shapes.ExperimentChangeSerializer, responses={200: shapes.ExperimentDetailSerializer, **CONFLICT}
    )
    def patch(self, request: Request, key: str) -> Response:
        """Change it. Once it has run, what shares people out is fixed."""
        by = principal_of(request)
        fields = check_body(request.data, shapes.ExperimentChangeSerializer)
        services.change(by.tenant, key=key, fields=fields, expected_rev=expected_rev(request, key), by=by)
        return shown(request, key)

    @extend_schema(operation_id="experiments_delete", responses={204: OpenApiResponse(description="Gone"), **CONFLICT})
    def delete(self, request: Request, key: str) -> Response:
        """Only what has never run."""
        by = principal_of(request)
        services.delete(by.tenant, key=key, expected_rev=expected_rev(request, key), by=by)
        return Response(status=204)


class Deed(APIView):
    """A verb: parse, one service call, the experiment as it is then."""

    body: ClassVar[Any] = None
    call: ClassVar[Callable[..., Any]]

    def post(self, request: Request, key: str) -> Response:
        by = principal_of(request)
        given = check_body(request.data or {}, self.body) if self.body is not None else {}
        type(self).call(by.tenant, key=key, **given, by=by)
        return shown(request, key)


def deed(name: str, call: Callable[..., Any], permission: str, says: str, body: Any = None) -> type[Deed]:
    """A view for a verb."""
    return type(
        f"Experiment{name.title()}View",
        (Deed,),
        {"permissions": {"POST": permission}, "body": body, "call": staticmethod(call), "__doc__": says, "post": _documented(name, says, body)},
    )


def _documented(name: str, says: str, body: Any) -> Any:
    def post(self: Deed, request: Request, key: str) -> Response:
        return Deed.post(self, request, key)

    post.__doc__ = says
    return extend_schema(operation_id=f"experiments_{name}", request=body, responses={200: shapes.ExperimentDetailSerializer, **CONFLICT})(post)


ValidateView = deed("validate", services.validate, WRITE, "Apply the variants to the flow that runs, check them, and freeze them as versions.")
StartView = deed("start", services.start, RUN, "Run what was validated.")
PauseView = deed("pause", services.pause, RUN, "Nobody new takes part.")
ResumeView = deed("resume", services.resume, RUN, "Go on after a pause.")
KILLS = "The kill switch: within a second every flow begins in its current version again."
StopView = deed("stop", services.stop, RUN, KILLS, shapes.StopReasonSerializer)
RampView = deed("ramp", services.ramp, RUN, "Let more or fewer take part.", shapes.RampSerializer)
STEPS = "Take the next step of the ramp now, whatever it still waits for."
StepView = deed("step", services.step, RUN, STEPS)
RebaseView = deed("rebase", services.rebase, WRITE, "Apply the variants to the version that runs now, as a new phase with a new seed.")
ArchiveView = deed("archive", services.archive, WRITE, "Put it away.")


class ForcesView(APIView):
    permissions: ClassVar = {"POST": RUN}

    @extend_schema(operation_id="experiments_force", request=shapes.ForceSerializer, responses={200: shapes.ExperimentDetailSerializer})
    def post(self, request: Request, key: str) -> Response:
        """Let a unit see a variant, or (null) no longer. What it does is logged and never analysed."""
        by = principal_of(request)
        given = check_body(request.data, shapes.ForceSerializer)
        if given["variant"] is None:
            services.unforce(by.tenant, key=key, unit=given["unit"], by=by)
        else:
            services.force(by.tenant, key=key, **given, by=by)
        return shown(request, key)


class DecisionsView(APIView):
    permissions: ClassVar = {"GET": READ, "POST": RUN}

    @extend_schema(operation_id="experiments_decisions", responses=shapes.DecisionsSerializer)
    def get(self, request: Request, key: str) -> Response:
        """What was decided, each with the numbers of then, chained by hashes."""
        row = queries.experiment(principal_of(request).tenant, key)
        found = {"intact": services.verify_decisions(row) is None, "decisions": queries.decisions(row)}
        return Response(shapes.DecisionsSerializer(found).data)

    @extend_schema(operation_id="experiments_decide", request=shapes.DecideSerializer, responses={201: shapes.DecisionSerializer, **CONFLICT})
    def post(self, request: Request, key: str) -> Response:
        """End it: `promote` publishes a variant (for which it needs flows:publish, of models models:write); `keep` and `inconclusive` change nothing
        that runs."""
        by = principal_of(request)
        given = check_body(request.data, shapes.DecideSerializer)
        verdict = given.pop("verdict")
        if verdict == "promote":
            made = services.promote(by.tenant, key=key, **{"variant": "", **given}, by=by)
        else:
            made = services.decide(by.tenant, key=key, verdict=verdict, reason=given["reason"], by=by)
        return Response(shapes.DecisionSerializer(made).data, status=201)


class FindingsView(APIView):
    permissions: ClassVar = {"GET": READ, "POST": RUN}

    @extend_schema(operation_id="experiments_findings", responses=shapes.FindingsSerializer)
    def get(self, request: Request, key: str) -> Response:
        """What the numbers say, as of the last count; how they came about; and how many units are needed."""
        return Response(findings_of(queries.experiment(principal_of(request).tenant, key)))

    @extend_schema(operation_id="experiments_count", request=None, responses=shapes.FindingsSerializer)
    def post(self, request: Request, key: str) -> Response:
        """Count now."""
        tenant = principal_of(request).tenant
        services.count(tenant, key=key)
        return Response(findings_of(queries.experiment(tenant, key)))


def findings_of(row: Experiment) -> dict[str, Any]:
    states = {state: {arm: _share(sums) for arm, sums in arms.items()} for state, arms in queries.state_funnel(row).items()}
    return {"findings": row.findings, "trend": queries.trend(row), "funnel": states, **services.standing(row)}


def _share(sums: Sums) -> dict[str, Any]:
    """Of conversations, whoever had them."""
    return {"units": sums.n, "share": sums.ratio, "interval": list(funnel.interval(sums)) if sums.d else None}


class ReviewView(APIView):
    permissions: ClassVar = {"GET": READ}

    @extend_schema(operation_id="experiments_review", responses=shapes.ReviewSerializer)
    def get(self, request: Request, key: str) -> Response:
        """The plan before it is validated: every fault, advice, what the variants change, how many units are needed. Keeps nothing."""
        row = queries.experiment(principal_of(request).tenant, key)
        sizing = services.sizing(row, basis=services.logged(row))
        return Response({**services.review(row, sizing), "variants": [_changes(row, one) for one in row.variants.all()], "sizing": sizing})


def _changes(row: Experiment, variant: Variant) -> dict[str, Any]:
    refused, found = services.changed(row, variant)
    return {"variant": variant.key, "refused": refused, "changes": [{**asdict(one), "kind": one.kind.value} for one in found]}


class SizingView(APIView):
    permissions: ClassVar = {"POST": READ}

    @extend_schema(operation_id="experiment_sizing", request=shapes.SizingSerializer, responses=shapes.SizedSerializer)
    def post(self, request: Request) -> Response:
        """How many units an effect needs, with the power curve, without an experiment."""
        return Response(services.what_if(check_body(request.data, shapes.SizingSerializer)))


class FeaturesView(APIView):
    permissions: ClassVar = {"GET": READ}

    @extend_schema(
        operation_id="experiments_features",
        parameters=[OpenApiParameter("environment", str, description="The default one when it is left out")],
        responses=shapes.FeaturesSerializer,
    )
    def get(self, request: Request) -> Response:
        """What runs, as a feature document for GrowthBook's SDKs: they compute the variants that the platform gives."""
        found = services.features(principal_of(request).tenant, environment=request.query_params.get("environment", ""))
        return Response(found, headers={"Cache-Control": "private, max-age=1"})
