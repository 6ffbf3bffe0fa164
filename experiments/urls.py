"""Mounted at /api/v1/."""

from django.urls import path

from experiments.api import evaluations, experiments, settings

ONE = "experiments/<str:key>"
urlpatterns = [
    path("experiments", experiments.ExperimentsView.as_view(), name="experiments"),
    path("experiment-features", experiments.FeaturesView.as_view(), name="experiment-features"),
    path("experiment-sizing", experiments.SizingView.as_view(), name="experiment-sizing"),
    path("experiment-metrics", settings.MetricsView.as_view(), name="experiment-metrics"),
    path("experiment-metrics/<str:key>", settings.MetricView.as_view(), name="experiment-metric"),
    path("experiment-namespaces", settings.NamespacesView.as_view(), name="experiment-namespaces"),
    path("experiment-namespaces/<str:key>", settings.NamespaceView.as_view(), name="experiment-namespace"),
    path("experiment-holdouts", settings.HoldoutsView.as_view(), name="experiment-holdouts"),
    path("experiment-holdouts/<str:key>", settings.HoldoutView.as_view(), name="experiment-holdout"),
    path(ONE, experiments.ExperimentView.as_view(), name="experiment"),
    path(f"{ONE}/validate", experiments.ValidateView.as_view(), name="experiment-validate"),
    path(f"{ONE}/start", experiments.StartView.as_view(), name="experiment-start"),
    path(f"{ONE}/pause", experiments.PauseView.as_view(), name="experiment-pause"),
    path(f"{ONE}/resume", experiments.ResumeView.as_view(), name="experiment-resume"),
    path(f"{ONE}/stop", experiments.StopView.as_view(), name="experiment-stop"),
    path(f"{ONE}/ramp", experiments.RampView.as_view(), name="experiment-ramp"),
    path(f"{ONE}/step", experiments.StepView.as_view(), name="experiment-step"),
    path(f"{ONE}/review", experiments.ReviewView.as_view(), name="experiment-review"),
    path(f"{ONE}/rebase", experiments.RebaseView.as_view(), name="experiment-rebase"),
    path(f"{ONE}/archive", experiments.ArchiveView.as_view(), name="experiment-archive"),
    path(f"{ONE}/forces", experiments.ForcesView.as_view(), name="experiment-forces"),
    path(f"{ONE}/decisions", experiments.DecisionsView.as_view(), name="experiment-decisions"),
    path(f"{ONE}/evaluations", evaluations.EvaluationsView.as_view(), name="experiment-evaluations"),
    path(f"{ONE}/evaluations/<uuid:evaluation_id>", evaluations.EvaluationView.as_view(), name="experiment-evaluation"),
    path(f"{ONE}/findings", experiments.FindingsView.as_view(), name="experiment-findings"),
]
