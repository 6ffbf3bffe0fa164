"""What machines may know of experiments: which there are, and how they stand."""

from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from experiments import tools
from mcp_platform.errors import NotFound
from mcp_platform.tenancy.models import Tenant
from mcp_platform.toolkit import Prompt, Tool
from tests.experiments import scenes
from tests.factories import TenantFactory

BY_NAME: Mapping[str, Tool] = {one.name: one for one in tools.TOOLS if isinstance(one, Tool)}
INTERPRET = next(one for one in tools.TOOLS if isinstance(one, Prompt))


def call(tenant: Tenant, name: str, arguments: dict[str, Any]) -> Any:
    tool = BY_NAME[name]
    Draft202012Validator(tool.input_schema).validate(arguments)
    found = tool.call(tenant, arguments, "key:abc")
    Draft202012Validator(tool.output_schema).validate(found)
    return found


@pytest.mark.django_db
def test_experiments_are_listed_read_and_told() -> None:
    tenant = TenantFactory.create()
    scenes.desk(tenant)
    row = scenes.started(tenant)
    assert [one["key"] for one in call(tenant, "experiments.list", {"state": "running"})["experiments"]] == [row.key]
    assert call(tenant, "experiments.list", {"state": "draft"}) == {"experiments": []}
    found = call(tenant, "experiments.results", {"experiment": row.key})
    assert found["experiment"]["enabled"] is True
    assert {one["key"] for one in found["experiment"]["variants"]} == {one.key for one in row.variants.all()}
    (said,) = INTERPRET.fill(tenant, {"experiment": row.key})
    assert row.key in said.text
    suggest = INTERPRET.arguments[0].complete
    assert suggest is not None
    assert suggest(tenant, row.key[:2]) == [row.key]
    stranger = TenantFactory.create()
    assert call(stranger, "experiments.list", {}) == {"experiments": []}
    with pytest.raises(NotFound):
        call(stranger, "experiments.results", {"experiment": row.key})
