"""Rows hold any document: what is saved comes back, whatever was there before, and rows of equal names stay."""

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flows import queries, services
from flows.core import definition
from flows.models import State, Transition
from mcp_platform.tenancy.models import Tenant
from tests.flows import strategies


@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(st.lists(strategies.documents, min_size=2, max_size=2))
def test_any_document_after_any_other(tenant: Tenant, documents: list[dict[str, Any]]) -> None:
    for document in [{**document, "flow_id": "flow", "tenant_id": tenant.slug} for document in documents]:
        kept = dict(State.objects.for_tenant(tenant).values_list("name", "id"))
        flow = services.import_flow(tenant, document=document, replace=True, by=None)
        stored = queries.draft_document(queries.flow(tenant, "flow"))
        assert definition.parse(stored) == definition.parse(document)
        assert list(stored["states"]) == list(document["states"])
        now = dict(State.objects.filter(flow=flow).values_list("name", "id"))
        assert {name: now[name] for name in kept if name in now} == {name: kept[name] for name in kept if name in now}
        rows, rev = list(Transition.objects.filter(state__flow=flow).values()), flow.rev
        again = services.save_draft(tenant, flow_id="flow", document=stored, by=None)
        assert (list(Transition.objects.filter(state__flow=flow).values()), again.rev) == (rows, rev)
