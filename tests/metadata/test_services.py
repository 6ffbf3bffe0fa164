"""Rows, imports, what is live, and who is told."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from mcp_platform import realtime
from mcp_platform.metadata import queries, services
from mcp_platform.metadata.core.vocabulary import named
from mcp_platform.metadata.errors import AlreadyThere, MetadataRefused, MetadataVersionNotFound, NothingToPublish, ProductNotFound, RowHasChanged
from mcp_platform.metadata.models import MetadataVersion, ProductAlias
from mcp_platform.metadata.tools import TOOLS
from mcp_platform.outbox import services as outbox
from mcp_platform.outbox.models import OutboxEvent
from mcp_platform.tenancy.models import AuditEntry, Tenant
from mcp_platform.toolkit import Prompt, Resource, Tool
from tests.factories import TenantFactory
from tests.metadata.shop import shop, without

RESOURCES = {one.uri: one for one in TOOLS if isinstance(one, Resource)}
PROMPTS = {one.name: one for one in TOOLS if isinstance(one, Prompt)}
RESOLVE = next(one for one in TOOLS if isinstance(one, Tool))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    queries.forget()


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create()


def load(tenant: Tenant, document: Any, **more: Any) -> Any:
    return services.import_document(tenant, document_=document, by=None, **more)


def actions(tenant: Tenant) -> list[str]:
    return list(AuditEntry.objects.for_tenant(tenant).order_by("number").values_list("action", flat=True))


def test_nothing_is_live_at_first(tenant: Tenant) -> None:
    assert queries.live(tenant).products == {}
    assert RESOURCES["product-aliases://list"].read(tenant) == {"aliases": {}}
    assert RESOURCES["column-mappings://list"].read(tenant) == {"mappings": {}}
    assert RESOURCES["metadata-summary://info"].read(tenant) == {"total_products": 0, "total_mappings": 0, "last_updated": None, "version": None}


def test_an_import_is_live_and_in_the_resources(tenant: Tenant) -> None:
    done = load(tenant, shop(), note="First")
    assert done.version is not None
    assert (done.version.number, done.version.version, len(done.changes)) == (1, "2.0.0", 7)
    assert [one["code"] for one in done.warnings] == ["ambiguous_alias"]
    aliases = RESOURCES["product-aliases://list"].read(tenant)["aliases"]
    assert aliases["abracadabra"] == shop()["product_aliases"]["abracadabra"]
    found = RESOURCES["column-mappings://list"].read(tenant)
    assert found == {"mappings": shop()["column_mappings"], "descriptions": {"this month": "A condition"}}
    summary = RESOURCES["metadata-summary://info"].read(tenant)
    assert (summary["total_products"], summary["total_mappings"], summary["version"]) == (4, 3, "2.0.0")
    assert summary["last_updated"] == queries.written(tenant)["last_updated"]
    assert actions(tenant) == ["metadata.import", "metadata.publish"]


def test_rows_are_a_draft_until_they_are_published(tenant: Tenant) -> None:
    load(tenant, shop())
    row = services.save_product(tenant, key="top_hat", fields={"aliases": ["chapeau"]}, by=None)
    assert (row.rev, queries.head(tenant).is_dirty) == (2, True)
    assert named(queries.live(tenant), "chapeau") == ()
    assert [(one.kind, one.name) for one in queries.unpublished(tenant)] == [("changed", "top_hat")]
    version = services.publish(tenant, note="French", by=None)
    assert (version.number, version.version) == (2, "2.0.1")
    assert named(queries.live(tenant), "chapeau") == ("PROD_7",)
    assert not queries.head(tenant).is_dirty
    assert queries.unpublished(tenant) == ()


def test_the_same_is_not_published_twice(tenant: Tenant) -> None:
    load(tenant, shop())
    again = load(tenant, shop())
    assert (again.changes, again.version) == ((), None)
    with pytest.raises(NothingToPublish):
        services.publish(tenant, by=None)
    assert MetadataVersion.objects.for_tenant(tenant).count() == 1


def test_a_roll_back_moves_what_is_live_and_leaves_the_draft(tenant: Tenant) -> None:
    load(tenant, shop())
    load(tenant, without("cape"))
    services.roll_back(tenant, number=1, by=None)
    assert named(queries.live(tenant), "cloak") == ("PROD_8",)
    assert not queries.products(tenant).filter(key="cape").exists()
    assert [(one.kind, one.name) for one in queries.unpublished(tenant)] == [("removed", "cape")]
    with pytest.raises(NothingToPublish):
        services.roll_back(tenant, number=1, by=None)
    services.roll_back(tenant, number=2, by=None)
    assert not queries.head(tenant).is_dirty
    with pytest.raises(MetadataVersionNotFound):
        services.roll_back(tenant, number=9, by=None)


def test_a_restore_makes_a_version_the_draft(tenant: Tenant) -> None:
    load(tenant, shop())
    unchanged = queries.product(tenant, "suit")
    load(tenant, without("cape"))
    services.restore(tenant, number=1, by=None)
    assert queries.product(tenant, "cape").canonical_id == "PROD_8"
    assert queries.product(tenant, "suit").pk == unchanged.pk, "what is the same keeps its row"
    assert queries.head(tenant).live is not None
    assert [(one.kind, one.name) for one in queries.unpublished(tenant)] == [("added", "cape")]


def test_a_merge_lays_it_over_the_draft(tenant: Tenant) -> None:
    load(tenant, shop())
    more = {"product_aliases": {"wig": {"canonical_id": "PROD_10", "canonical_name": "Wig"}}, "column_mappings": {"sales amount": "sales.net"}}
    done = load(tenant, more, mode="merge")
    assert [(one.kind, one.name) for one in done.changes] == [("added", "wig"), ("changed", "sales amount")]
    assert queries.products(tenant).count() == 5
    clash = {"product_aliases": {"other": {"canonical_id": "PROD_10", "canonical_name": "Other"}}, "column_mappings": {}}
    with pytest.raises(MetadataRefused) as refused:
        load(tenant, clash, mode="merge")
    assert refused.value.details["errors"][0]["path"] in ("$.product_aliases.wig.canonical_id", "$.product_aliases.other.canonical_id")


def test_products_may_change_places(tenant: Tenant) -> None:
    """Two products swap their ids in one document: no constraint stands in the way."""
    load(tenant, shop())
    turned = shop()
    one, other = turned["product_aliases"]["cape"], turned["product_aliases"]["suit"]
    one["canonical_id"], other["canonical_id"] = other["canonical_id"], one["canonical_id"]
    load(tenant, turned)
    assert queries.product(tenant, "cape").canonical_id == "PROD_9"


def test_a_refused_import_leaves_everything(tenant: Tenant) -> None:
    load(tenant, shop())
    before = queries.head(tenant).draft_rev
    with pytest.raises(MetadataRefused):
        load(tenant, shop(column_mappings={"x": "1;"}))
    assert queries.head(tenant).draft_rev == before
    assert queries.mappings(tenant).count() == 3


def test_who_looked_at_another_draft_is_refused(tenant: Tenant) -> None:
    load(tenant, shop())
    rev = queries.head(tenant).draft_rev
    services.delete_product(tenant, key="suit", by=None)
    for late in (lambda: load(tenant, shop(), expected_rev=rev), lambda: services.publish(tenant, expected_rev=rev, by=None)):
        with pytest.raises(RowHasChanged):
            late()
    with pytest.raises(RowHasChanged):
        services.save_product(tenant, key="cape", fields={}, expected_rev=9, by=None)


def test_rows_are_checked_one_by_one(tenant: Tenant) -> None:
    load(tenant, shop())
    with pytest.raises(AlreadyThere):
        services.save_product(tenant, key="cape", fields={"canonical_id": "x", "canonical_name": "X"}, create=True, by=None)
    with pytest.raises(AlreadyThere):
        services.save_product(tenant, key="new", fields={"canonical_id": "PROD_7", "canonical_name": "X"}, create=True, by=None)
    with pytest.raises(AlreadyThere):
        services.save_mapping(tenant, fields={"user_term": "SALES  amount", "sql_expression": "x"}, by=None)
    with pytest.raises(MetadataRefused) as refused:
        services.save_product(tenant, key="cape", fields={"aliases": "cloak", "colour": "red"}, by=None)
    assert {fault["path"] for fault in refused.value.details["errors"]} == {"$", "$.aliases"}
    with pytest.raises(MetadataRefused):
        services.save_mapping(tenant, fields={"user_term": "x", "sql_expression": "a; b"}, by=None)
    with pytest.raises(ProductNotFound):
        services.delete_product(tenant, key="nothing", by=None)


def test_an_ambiguous_draft_is_published_and_a_wrong_one_is_not(tenant: Tenant) -> None:
    load(tenant, shop())
    ProductAlias.objects.for_tenant(tenant).filter(key="cape").update(aliases=["!!"])
    services.save_product(tenant, key="top_hat", fields={"categories": []}, by=None)
    with pytest.raises(MetadataRefused) as refused:
        services.publish(tenant, by=None)
    assert refused.value.details["errors"][0]["path"] == "$.product_aliases.cape.aliases[0]"


def test_tenants_do_not_see_each_other(tenant: Tenant) -> None:
    load(tenant, shop())
    other = TenantFactory.create()
    load(other, without("abracadabra"))
    assert named(queries.live(other), "abra") == ()
    assert named(queries.live(tenant), "abra") == ("PROD_123",)


@pytest.mark.django_db(transaction=True)
def test_listeners_are_told_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = TenantFactory.create()
    outbox.create_endpoint(tenant, fields={"name": "all", "url": "https://crm.example.com/hooks", "types": ["metadata.*"]}, by=None)
    told: list[Any] = []
    monkeypatch.setattr(realtime, "_send", lambda group, payload: told.append((group, payload["what"], payload["uri"])))
    load(tenant, shop())
    first = queries.live(tenant)
    assert [uri for _, _, uri in told] == ["product-aliases://list", "column-mappings://list", "metadata-summary://info"]
    assert {what for _, what, _ in told} == {"resource"}
    load(tenant, without("cape"))
    assert (first.number, queries.live(tenant).number) == (1, 2), "the cache is dropped with the commit"
    assert queries.live(tenant) is queries.live(tenant)
    assert [event.data["version"] for event in OutboxEvent.objects.filter(type="metadata.published").order_by("at")] == [1, 2]
    with pytest.raises(MetadataRefused):
        load(tenant, {})
    assert len(told) == 6


def test_another_process_sees_a_publish(tenant: Tenant) -> None:
    """What this process believes is dropped when the shared generation is another one."""
    load(tenant, shop())
    queries.forget()
    assert queries.live(tenant).number == 1
    load(tenant, without("cape"))
    queries._unsettled.tenants = set()  # as a process that has not published
    assert queries.live(tenant).number == 1
    queries._live[tenant.pk].looked -= 2
    cache.set(f"metadata:generation:{tenant.pk}", "another")
    assert queries.live(tenant).number == 2


def test_the_tool_and_the_prompts(tenant: Tenant) -> None:
    from jsonschema import Draft202012Validator

    load(tenant, shop())
    found = RESOLVE.call(tenant, {"text": "sales amount of abra"}, "test")
    Draft202012Validator(RESOLVE.output_schema).validate(found)
    assert found["products"][0]["candidates"][0]["canonical_name"] == "Magic Wand Pro"
    messages = PROMPTS["question_to_sql"].fill(tenant, {"question": "How many hats?"})
    assert [one.resource for one in messages if one.resource] == ["product-aliases://list", "column-mappings://list"]
    assert "How many hats?" in messages[-1].text
    explained = PROMPTS["explain_product"].fill(tenant, {"product": "abra"})
    assert "Magic Wand Pro (PROD_123)" in explained[0].text
    suggest = PROMPTS["explain_product"].arguments[0].complete
    assert suggest is not None
    assert suggest(tenant, "t") == ["Top Hat", "Evening Suit", "Velvet Cape"]


def test_the_command_makes_checks_and_takes_documents(tenant: Tenant, tmp_path: Path) -> None:
    file, out = tmp_path / "shop.json", StringIO()
    call_command("product_metadata", "generate", str(file), "--products", "12", stdout=out)
    call_command("product_metadata", "validate", str(file), stdout=out, stderr=StringIO())
    call_command("product_metadata", "load", str(file), "--tenant", tenant.slug, stdout=out, stderr=StringIO())
    assert "12 products" in out.getvalue()
    assert "Version 1 (1.0.0) is live." in out.getvalue()
    again = tmp_path / "again.json"
    call_command("product_metadata", "export", str(again), "--tenant", tenant.slug, stdout=StringIO())
    assert json.loads(again.read_text())["product_aliases"] == json.loads(file.read_text())["product_aliases"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "not JSON"), ('{"a": 1, "a": 2}', "twice"), ("{}", "2 problems"), ('{"product_aliases": {"x": 3}, "column_mappings": {}}', "1 problem")],
)
def test_the_command_says_what_is_wrong_and_where(tenant: Tenant, tmp_path: Path, text: str, told: str) -> None:
    file, wrong = tmp_path / "wrong.json", StringIO()
    file.write_text(text)
    for deed in (("validate",), ("load", "--tenant", tenant.slug)):
        with pytest.raises(CommandError, match=told):
            call_command("product_metadata", deed[0], str(file), *deed[1:], stdout=StringIO(), stderr=wrong)
    if '"x"' in text:
        assert "$.product_aliases.x" in wrong.getvalue()
    assert queries.head(tenant).live is None
