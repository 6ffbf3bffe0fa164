"""Bodies are read strictly, faults come back whole, ETags guard."""

import json
from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework import serializers

from mcp_platform import errors, rest


class Point(serializers.Serializer[Any]):
    x = serializers.IntegerField(min_value=0)
    name = serializers.CharField(max_length=3, required=False)


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        (b"{", "$", "not JSON"),
        (b"", "$", "not JSON"),
        (b"\xff\xfe{}", "$", "not UTF-8"),
        (b'{"a": NaN}', "$", "NaN is not a JSON number"),
        (b'{"a": 1, "a": 2}', "$", "'a' occurs twice"),
        (b'{"a": {"b": ["x\\u0000"]}}', "$.a.b[0]", "NUL"),
        (b'{"a": "\\ud800"}', "$.a", "surrogate"),
        (b"[" * 80 + b"]" * 80, "$" + "[0]" * 65, "nested deeper"),
        (b"[" * 100_000 + b"]" * 100_000, "$", "nested deeper"),
    ],
)
def test_a_malformed_body_is_refused_with_the_path_of_the_fault(body: bytes, path: str, says: str) -> None:
    with pytest.raises(rest.SchemaError) as refused:
        rest.read_json(body)
    (fault,) = refused.value.details["errors"]
    assert fault["path"] == path
    assert says in fault["message"]


def test_a_body_over_one_mebibyte_is_refused() -> None:
    with pytest.raises(rest.PayloadTooLarge) as refused:
        rest.read_json(b'"' + b"x" * rest.MAX_BODY + b'"')
    assert rest.status_of(refused.value) == 413


def test_sixty_four_levels_are_read() -> None:
    assert rest.read_json(b"[" * 64 + b"]" * 64)


def test_every_fault_of_a_body_is_listed_and_unknown_members_are_faults() -> None:
    with pytest.raises(rest.SchemaError) as refused:
        rest.check_body({"x": -1, "name": "long", "colour": "red"}, Point)
    assert {fault["path"] for fault in refused.value.details["errors"]} == {"$.x", "$.name", "$.colour"}


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(rest.SchemaError):
        rest.check_body([1], Point)


def test_a_problem_document_carries_code_status_and_details() -> None:
    document = rest.problem(errors.NotFound("There is no such flow.", flow_id="x", status="shadowed"))
    assert document["status"] == 404
    assert document["error_code"] == "NOT_FOUND"
    assert document["flow_id"] == "x"


def test_problems_outside_drf_are_problem_json_with_retry_after() -> None:
    answer = rest.problem_json(errors.Busy(retry_after=3))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "3"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["error_code"] == "CONTEXT_LOCK_ERROR"


@pytest.mark.parametrize(("header", "refusal"), [({}, rest.PreconditionRequired), ({"If-Match": '"6"'}, rest.StaleEtag)])
def test_a_change_without_the_current_etag_is_refused(header: dict[str, str], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        rest.require_match(RequestFactory().put("/", headers=header), rest.etag_of(7))


@pytest.mark.parametrize("tag", ['"7"', '"6", "7"', "*"])
def test_the_current_etag_lets_a_change_through(tag: str) -> None:
    rest.require_match(RequestFactory().put("/", headers={"If-Match": tag}), rest.etag_of(7))
