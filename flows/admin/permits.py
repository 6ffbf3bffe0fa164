"""Pages of flows ask a security hub before their transaction begins."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.contrib.admin.utils import unquote
from django.http import HttpRequest

from flows import services
from flows.models import Flow
from mcp_platform.tenancy.pages import principal


class AsksFirst:
    """For the pages of `flow_of`; `deletion` is what a deletion is to the flow."""

    deletion: Any = "edit"

    def flow_of(self, request: HttpRequest, obj: Any) -> Flow | None:
        """The flow that is changed; None: there is none yet, and the transaction is short."""
        raise NotImplementedError

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None) -> Any:
        with self._asked(request, object_id, "edit"):
            return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]  # of the page this is mixed into

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        with self._asked(request, object_id, self.deletion):
            return super().delete_view(request, object_id, extra_context)  # type: ignore[misc]  # as above

    def _asked(self, request: HttpRequest, object_id: str | None, action: Any) -> AbstractContextManager[None]:
        if request.method != "POST" or not settings.SECURITY_HUB_URL:
            return nullcontext()
        obj = self.get_object(request, unquote(object_id)) if object_id else None  # type: ignore[attr-defined]  # as above
        flow = None if object_id and obj is None else self.flow_of(request, obj)
        if flow is None:
            return nullcontext()
        return services.permits_ahead(flow.tenant, flow.flow_id, (action,), principal(request, flow.tenant))
