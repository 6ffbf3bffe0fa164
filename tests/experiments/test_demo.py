"""The demo's experiment: made once, gone on with where it was broken off, and left alone once it is somebody's."""

from typing import Any

import pytest

from conversations.models import Conversation
from demo import experiment
from demo.permit_desk import CODES, INTEGRATION, PERMIT_DESK
from experiments import queries, services
from flows import services as flows
from tests import factories


@pytest.mark.django_db
def test_it_goes_on_where_it_was_broken_off(settings: Any) -> None:
    tenant = factories.TenantFactory.create()
    admin = factories.member(tenant)
    flows.save_integration(tenant, integration_id=CODES, fields=INTEGRATION, create=True, by=None)
    flows.import_flow(tenant, document=PERMIT_DESK, by=None)
    flows.publish(tenant, flow_id="permit_desk", by=None)

    def users() -> int:
        return Conversation.objects.filter(tenant=tenant).values("user_ref").distinct().count()

    def state() -> str:
        return queries.experiment(tenant, experiment.KEY).state

    settings.ENABLE_AB_TESTING = False
    experiment.prepare(tenant, admin, users=2)
    assert not queries.experiments(tenant).exists()
    settings.ENABLE_AB_TESTING = True
    services.save_metric(tenant, fields=dict(experiment.METRICS[0]), by=admin)  # that far it had come
    experiment._planned(tenant, admin)
    assert (state(), users()) == ("draft", 0)
    experiment.prepare(tenant, admin, users=2)
    assert (state(), users()) == ("running", 2)
    experiment.prepare(tenant, admin, users=3)
    assert users() == 3, "the others are not made again"
    counted = queries.experiment(tenant, experiment.KEY).count_rev
    assert counted > 0
    experiment.prepare(tenant, admin, users=3)
    assert queries.experiment(tenant, experiment.KEY).count_rev == counted
    services.stop(tenant, key=experiment.KEY, reason="enough", by=None)
    experiment.prepare(tenant, admin, users=5)
    assert (state(), users()) == ("stopped", 3)
