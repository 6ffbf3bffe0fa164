"""REST and the admin: what the walk through all doors does not see."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mcp_platform.metadata import queries, services
from mcp_platform.metadata.models import MetadataVersion, ProductAlias
from mcp_platform.tenancy.models import Role, Tenant
from tests.factories import TenantFactory, member
from tests.metadata.shop import shop, without
from tests.tenancy.clients import client_of, logged_in

BASE = "/api/v1/product-metadata"
ADMIN = "/admin/metadata"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    queries.forget()


@pytest.fixture
def tenant(db: None) -> Tenant:
    found = TenantFactory.create()
    services.import_document(found, document_=shop(), by=None)
    return found


def test_a_document_goes_out_and_comes_in_again(tenant: Tenant) -> None:
    client, other = client_of(tenant), TenantFactory.create()
    found = client.get(f"{BASE}/document")
    assert found.json()["product_aliases"]["abracadabra"] == shop()["product_aliases"]["abracadabra"]
    taken = client_of(other).put(f"{BASE}/document?note=copied", found.json(), format="json")
    assert taken.json()["version"]["number"] == 1
    assert taken.json()["version"]["live"] is True
    assert [one["code"] for one in taken.json()["warnings"]] == ["ambiguous_alias"]
    assert client_of(other).get(f"{BASE}/document").json()["product_aliases"] == found.json()["product_aliases"]


def test_a_check_stores_nothing(tenant: Tenant) -> None:
    answer = client_of(tenant, Role.VIEWER).post(f"{BASE}/validate", without("cape"), format="json").json()
    assert answer["valid"] is True
    assert [(one["kind"], one["name"]) for one in answer["changes"]] == [("removed", "cape")]
    wrong = client_of(tenant, Role.VIEWER).post(f"{BASE}/validate", {}, format="json").json()
    assert (wrong["valid"], wrong["problems"][0]["path"]) == (False, "$")


def test_the_schema_is_one_and_fits_what_goes_out(tenant: Tenant) -> None:
    from jsonschema import Draft202012Validator

    client = client_of(tenant)
    schema = client.get(f"{BASE}/schema").json()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(client.get(f"{BASE}/document?draft=true").json())
    Draft202012Validator(schema).validate(client.get(f"{BASE}/document").json())


def test_rows_are_changed_under_their_etag(tenant: Tenant) -> None:
    client, cape = client_of(tenant), f"{BASE}/products/cape"
    read = client.get(cape)
    assert client.patch(cape, {"aliases": []}, format="json").status_code == 428
    changed = client.patch(cape, {"aliases": ["wrap"]}, format="json", HTTP_IF_MATCH=read["ETag"])
    assert (changed.status_code, changed.json()["aliases"], changed.json()["categories"]) == (200, ["wrap"], ["clothes"])
    assert client.delete(cape, HTTP_IF_MATCH=read["ETag"]).status_code == 412
    replaced = client.put(cape, {"canonical_id": "PROD_8", "canonical_name": "Cape"}, format="json", HTTP_IF_MATCH=changed["ETag"])
    assert replaced.json()["categories"] == []
    state = client.get(BASE)
    assert [(one["kind"], one["name"]) for one in state.json()["unpublished"]] == [("changed", "cape")]
    assert client.post(f"{BASE}/publish", {}, format="json", HTTP_IF_MATCH='"1"').status_code == 412
    made = client.post(f"{BASE}/publish", {"note": "Shorter", "version": "3.0.0"}, format="json", HTTP_IF_MATCH=state["ETag"])
    assert (made.status_code, made.json()["number"], made.json()["version"], made["Location"]) == (201, 2, "3.0.0", f"{BASE}/versions/2")
    difference = client.get(f"{BASE}/versions/2/diff").json()
    assert difference[0]["fields"]["canonical_name"] == ["Velvet Cape", "Cape"]
    assert client.post(f"{BASE}/versions/1/rollback").json()["live"] is True
    assert [one["live"] for one in client.get(f"{BASE}/versions").json()["results"]] == [False, True]
    assert client.get(f"{BASE}/document").json()["version"] == "2.0.0"


def test_products_are_found_by_any_text(tenant: Tenant) -> None:
    client = client_of(tenant)

    def found(query: str) -> list[str]:
        return [row["key"] for row in client.get(f"{BASE}/products?{query}").json()["results"]]

    assert found("text=zylinder") == ["top_hat"]
    assert found("text=clothes&ordering=canonical_name") == ["suit", "top_hat", "cape"]
    assert found("canonical_id=PROD_123") == ["abracadabra"]


def test_a_text_is_resolved(tenant: Tenant) -> None:
    answer = client_of(tenant, Role.VIEWER).post(f"{BASE}/resolve", {"text": "a costume for this month"}, format="json").json()
    assert [one["canonical_id"] for one in answer["products"][0]["candidates"]] == ["PROD_8", "PROD_9"]
    assert answer["columns"][0]["term"] == "this month"


def test_the_pages_show_and_change_products(tenant: Tenant) -> None:
    client = logged_in(member(tenant))
    listed = client.get(f"{ADMIN}/productalias/")
    assert "Magic Wand Pro" in listed.content.decode()
    row = ProductAlias.objects.get(tenant=tenant, key="top_hat")
    given = {
        "canonical_id": "PROD_7",
        "canonical_name": "Top Hat",
        "aliases": "hat\n\nZylinder\nchapeau\nhat",
        "categories": "clothes",
        "database_references": '{"products.product_id": 7}',
    }
    assert client.post(f"{ADMIN}/productalias/{row.pk}/change/", given).status_code == 302
    row.refresh_from_db()
    assert row.aliases == ["hat", "Zylinder", "chapeau"]
    assert "1 change to publish" in client.get(f"{ADMIN}/columnmapping/").content.decode()
    review = client.get(f"{ADMIN}/productalias/publish/").content.decode()
    assert "chapeau" in review
    assert "Evening Suit" not in review.split("What a publish changes")[1]
    assert client.post(f"{ADMIN}/productalias/publish/", {"note": "French", "rev": queries.head(tenant).draft_rev}).status_code == 302
    assert MetadataVersion.objects.get(tenant=tenant, number=2).note == "French"


def test_the_pages_refuse_with_the_reason_on_its_field(tenant: Tenant) -> None:
    client = logged_in(member(tenant))
    answer = client.post(f"{ADMIN}/columnmapping/add/", {"user_term": "all", "sql_expression": "1; DROP TABLE x", "description": ""})
    assert "ends a statement" in answer.content.decode()
    twice = client.post(f"{ADMIN}/columnmapping/add/", {"user_term": "Sales Amount", "sql_expression": "x", "description": ""})
    assert "There is a mapping of the term sales amount already." in twice.content.decode()
    wrong = client.post(f"{ADMIN}/productalias/import/", {"document": json.dumps(shop(version="x")), "mode": "replace"})
    assert "$.version" in wrong.content.decode()


def test_the_pages_go_back_to_a_version(tenant: Tenant) -> None:
    services.import_document(tenant, document_=without("cape"), by=None)
    client, first = logged_in(member(tenant)), MetadataVersion.objects.get(tenant=tenant, number=1)
    page = client.get(f"{ADMIN}/metadataversion/{first.pk}/change/").content.decode()
    assert "Make it live again" in page
    client.post(f"{ADMIN}/metadataversion/{first.pk}/roll-back/")
    assert queries.head(tenant).live == first
    client.post(f"{ADMIN}/metadataversion/{first.pk}/restore/")
    assert queries.unpublished(tenant) == ()
    assert "live" in client.get(f"{ADMIN}/metadataversion/").content.decode()


@pytest.mark.parametrize(
    "page", ["productalias/try/?text=abra", "productalias/export/", "productalias/import/", "productalias/publish/", "metadataversion/"]
)
def test_every_page_opens(tenant: Tenant, page: str) -> None:
    answer: Any = logged_in(member(tenant)).get(f"{ADMIN}/{page}")
    assert answer.status_code == 200
    if "try" in page:
        assert "Magic Wand Pro" in answer.content.decode()
    viewer: Any = logged_in(member(tenant, Role.VIEWER)).get(f"{ADMIN}/{page}")
    assert viewer.status_code == (403 if "import" in page else 200)


@pytest.mark.parametrize("page", ["productalias/import/", "productalias/publish/"])
def test_viewers_publish_and_import_nothing(tenant: Tenant, page: str) -> None:
    services.delete_product(tenant, key="cape", by=None)
    answer = logged_in(member(tenant, Role.VIEWER)).post(f"{ADMIN}/{page}", {"document": json.dumps(shop()), "mode": "replace", "publish": "on"})
    assert answer.status_code == 403
    assert MetadataVersion.objects.filter(tenant=tenant).count() == 1
