"""Where a definition comes from: a file, or a flow of a tenant (its draft, or a version)."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import queries
from flows.core import definition, lint
from flows.core.program import integration_ids
from flows.core.types import Flow as Definition
from flows.core.types import Json, Problem, Severity
from flows.errors import DefinitionRefused
from mcp_platform import rest
from mcp_platform.errors import Invalid, NotFound
from mcp_platform.tenancy.models import Tenant


class Unusable(Invalid):
    """The command cannot be carried out like this."""

    code = "USAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document, what it is called, and the tenant it belongs to; None for a file that stands alone."""

    name: str
    document: Json
    tenant: Tenant | None = None

    def parsed(self) -> Definition:
        """Raises DefinitionRefused with every fault of shape."""
        found, problems = definition.parse(self.document)
        if found is None:
            raise DefinitionRefused(errors=queries.as_errors(problems))
        return found

    def problems(self) -> tuple[list[Problem], list[str]]:
        """Everything that is wrong with it. A file that stands alone knows no other flows and integrations: which it needs comes second."""
        if self.tenant is not None:
            return list(queries.check(self.tenant, self.document).problems), []
        _, problems = lint.check_document(self.document)
        outside = ("unknown_flow", "unknown_integration")
        return [found for found in problems if found.code not in outside], self._needs()

    def _needs(self) -> list[str]:
        parsed = definition.survey(self.document).flow
        needed = [*(f"flow {name}" for name in queries.flows_used(parsed)), *(f"integration {name}" for name in integration_ids(parsed))]
        return sorted(name for name in needed if name != f"flow {parsed.flow_id}")


def tenant_of(slug: str) -> Tenant:
    """Raises NotFound."""
    found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound(f"There is no tenant {slug}.", tenant=slug)
    return found


def read_json(path: str) -> Json:
    """A file as JSON, `-` for standard input. Raises Unusable, SchemaError."""
    return rest.read_json(read_text(path).encode())


def read_text(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise Unusable(f"{path} cannot be read: {fault}", path=path) from fault


def source_of(named: str, tenant: Tenant | None) -> Source:
    """A path of a file, or `flow_id`, `flow_id@draft`, `flow_id@3` in the tenant. Raises Unusable, NotFound."""
    if named == "-" or Path(named).is_file():
        return Source(name=named, document=read_json(named), tenant=tenant)
    flow_id, _, which = named.partition("@")
    if tenant is None:
        raise Unusable(f"There is no file {named}; for a stored flow name its tenant with --tenant.", given=named)
    flow = queries.flow(tenant, flow_id)
    if which in ("", "draft"):
        return Source(name=f"{flow_id}@draft", document=queries.draft_document(flow), tenant=tenant)
    if not which.isdecimal():
        raise Unusable(f"{named}: after @ comes draft or the number of a version.", given=named)
    return Source(name=named, document=json.loads(queries.version(tenant, flow_id, int(which)).definition), tenant=tenant)


def counted(problems: Iterable[Problem]) -> dict[str, Any]:
    found = list(problems)
    errors = sum(one.severity is Severity.ERROR for one in found)
    return {"errors": errors, "warnings": len(found) - errors, "problems": queries.as_errors(found)}
