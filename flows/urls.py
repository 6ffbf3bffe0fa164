"""Mounted at /api/v1/."""

from django.urls import path

from flows.api import environments, flows, integrations, states, tenant_handlers, testing

urlpatterns = [
    path("handlers", tenant_handlers.TenantHandlersView.as_view(), name="tenant-handlers"),
    path("flows", flows.FlowsView.as_view(), name="flows"),
    path("flows/import", flows.ImportView.as_view(), name="flows-import"),
    path("flows/<str:flow_id>", flows.FlowView.as_view(), name="flow"),
    path("flows/<str:flow_id>/draft", flows.DraftView.as_view(), name="flow-draft"),
    path("flows/<str:flow_id>/validate", flows.ValidateView.as_view(), name="flow-validate"),
    path("flows/<str:flow_id>/publish", flows.PublishView.as_view(), name="flow-publish"),
    path("flows/<str:flow_id>/rollback", flows.RollBackView.as_view(), name="flow-rollback"),
    path("flows/<str:flow_id>/archive", flows.ArchiveView.as_view(), name="flow-archive"),
    path("flows/<str:flow_id>/unarchive", flows.UnarchiveView.as_view(), name="flow-unarchive"),
    path("flows/<str:flow_id>/export", flows.ExportView.as_view(), name="flow-export"),
    path("flows/<str:flow_id>/diff", flows.DiffView.as_view(), name="flow-diff"),
    path("flows/<str:flow_id>/versions", flows.VersionsView.as_view(), name="flow-versions"),
    path("flows/<str:flow_id>/versions/<int:number>", flows.VersionView.as_view(), name="flow-version"),
    path("flows/<str:flow_id>/tests", testing.TestsView.as_view(), name="flow-tests"),
    path("flows/<str:flow_id>/tests/run", testing.RunTestsView.as_view(), name="flow-tests-run"),
    path("flows/<str:flow_id>/tests/try", testing.TryScriptView.as_view(), name="flow-tests-try"),
    path("flows/<str:flow_id>/tests/file", testing.TestFileView.as_view(), name="flow-tests-file"),
    path("flows/<str:flow_id>/tests/<uuid:test_id>", testing.TestView.as_view(), name="flow-test"),
    path("states", states.StatesView.as_view(), name="states"),
    path("states/<int:state_id>", states.StateView.as_view(), name="state"),
    path("transitions", states.TransitionsView.as_view(), name="transitions"),
    path("transitions/<int:transition_id>", states.TransitionView.as_view(), name="transition"),
    path("environments", environments.EnvironmentsView.as_view(), name="environments"),
    path("environments/<str:name>", environments.EnvironmentView.as_view(), name="environment"),
    path("integrations", integrations.IntegrationsView.as_view(), name="integrations"),
    path("integrations/<str:integration_id>", integrations.IntegrationView.as_view(), name="integration"),
    path("integrations/<str:integration_id>/stubs", integrations.StubsView.as_view(), name="integration-stubs"),
    path("integrations/<str:integration_id>/stubs/<uuid:stub_id>", integrations.StubView.as_view(), name="integration-stub"),
]
