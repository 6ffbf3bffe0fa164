"""The definitions of facts that hold for a building: the built-in ones, the tenant's own rows, and the functions of its rooms."""

from mcp_platform.tenancy.models import Tenant
from validation.core import facts as core
from validation.models import Building, FactDefinition


def definitions(building: Building) -> core.Definitions:
    return core.definitions(own(building.tenant), function_map=building.function_map)


def of_tenant(tenant: Tenant) -> core.Definitions:
    """For rules: no building's rooms."""
    return core.definitions(own(tenant))


def own(tenant: Tenant) -> list[core.FactDefinition]:
    """The tenant's rows as core definitions; the level of a built-in fact of the same name stays what it is."""
    levels = {definition.name: definition.level for definition in built_in()}
    rows = FactDefinition.objects.for_tenant(tenant).order_by("name")
    return [_definition(row, levels.get(row.name, core.Level.OWN)) for row in rows]


def fingerprint(tenant: Tenant) -> list[str]:
    """What changes when a definition of the tenant changes."""
    return [f"{pk} {rev}" for pk, rev in FactDefinition.objects.for_tenant(tenant).order_by("pk").values_list("pk", "rev")]


def built_in() -> tuple[core.FactDefinition, ...]:
    from validation.core.fact_table import BUILT_IN

    return tuple(BUILT_IN)


def _definition(row: FactDefinition, level: core.Level) -> core.FactDefinition:
    return core.FactDefinition(
        name=row.name,
        type=row.type,
        applies_to=tuple(row.applies_to),
        sources=tuple(row.sources),
        unit=row.unit,
        assumption=row.assumption,
        params=row.params,
        level=level,
    )
