"""How the OpenAPI document is made. Apart from `rest`, because drf-spectacular loads DRF's views, which load the classes of `rest`."""

from typing import Any, ClassVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.generics import GenericAPIView


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457 problem document. `errors` lists every fault with its JSONPath where there are several."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    error_code = serializers.CharField()
    correlation_id = serializers.CharField()
    errors = serializers.ListField(child=serializers.DictField(), required=False)  # type: ignore[assignment]  # a field of the document, not of the serializer


class Schema(AutoSchema):
    """Every operation can answer with a problem document."""

    PROBLEMS: ClassVar[dict[str, str]] = {
        "400": "The request is not valid",
        "401": "No or a wrong credential",
        "403": "Not allowed for you",
        "404": "No such thing in your tenant",
        "429": "Too many requests",
    }

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Here a generic view is a list with filters and pages, and everything else a plain view; the base class asks for DRF's mixins."""
        return (self.method == "GET" and isinstance(self.view, GenericAPIView)) or bool(super()._is_list_view(serializer))

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> Any:
        bodies = super()._get_response_bodies(*args, **kwargs)
        for status, description in self.PROBLEMS.items():
            if status not in bodies:
                bodies[status] = self._get_response_for_code(  # type: ignore[no-untyped-call]  # drf-spectacular is half typed
                    OpenApiResponse(ProblemSerializer, description=description), status, ["application/problem+json"]
                )
        return bodies
