"""Environments: the places where flows run. A tenant gets `production`, its default, with its first flow."""

from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from flows import queries
from flows.core.definition.reading import NAME
from flows.errors import EnvironmentIsNeeded, EnvironmentNotFound, FieldsRefused, NameTaken
from flows.models import Environment
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.services import By, actor_of, audit

FIRST: Final = "production"


def default_environment(tenant: Tenant) -> Environment:
    """The tenant's default environment; `production` is created when there is none."""
    found = Environment.objects.for_tenant(tenant).filter(is_default=True).first()
    if found is not None:
        return found
    # Two first flows at the same moment: the constraint lets one in, the other takes what it made.
    with transaction.atomic():
        Environment.objects.bulk_create([Environment(tenant=tenant, name=FIRST, is_default=True)], ignore_conflicts=True)
        return queries.environment(tenant)


def create_environment(tenant: Tenant, *, name: str, is_default: bool = False, by: By) -> Environment:
    """Raises NameTaken, FieldsRefused."""
    if not NAME.fullmatch(name) or len(name) > 40:
        expected = "a letter, then letters, digits, _ or -; at most 40"
        raise FieldsRefused(errors=[{"path": "$.name", "code": "bad_name", "message": "is no valid name", "expected": expected}])
    try:
        with transaction.atomic():
            made: Environment = Environment.objects.create(tenant=tenant, name=name)
            audit(tenant, actor=actor_of(by), action="environment.create", target=made, changes={"name": name})
            return _make_default(tenant, made, by) if is_default else made
    except IntegrityError as taken:
        raise NameTaken("There is an environment with this name already.", environment=name) from taken


def update_environment(tenant: Tenant, *, name: str, is_default: bool, by: By) -> Environment:
    """Make it the default one. A default is not taken away, only given to another. Raises EnvironmentNotFound, EnvironmentIsNeeded."""
    with transaction.atomic():
        found = _locked(tenant, name)
        if found.is_default and not is_default:
            raise EnvironmentIsNeeded("Make another environment the default instead.", environment=name)
        return _make_default(tenant, found, by) if is_default and not found.is_default else found


def delete_environment(tenant: Tenant, *, name: str, by: By) -> None:
    """Raises EnvironmentNotFound, EnvironmentIsNeeded."""
    try:
        with transaction.atomic():
            found = _locked(tenant, name)
            if found.is_default:
                raise EnvironmentIsNeeded("This is the default environment.", environment=name)
            audit(tenant, actor=actor_of(by), action="environment.delete", target=found, changes={"name": name})
            found.delete()
    except ProtectedError as used:
        raise EnvironmentIsNeeded("Conversations run in this environment.", environment=name) from used


def _make_default(tenant: Tenant, chosen: Environment, by: By) -> Environment:
    before = Environment.objects.for_tenant(tenant).filter(is_default=True)
    changes = {"default": [*before.values_list("name", flat=True), chosen.name]}
    before.update(is_default=False)
    chosen.is_default = True
    chosen.save(update_fields=("is_default",))
    audit(tenant, actor=actor_of(by), action="environment.make_default", target=chosen, changes=changes)
    return chosen


def _locked(tenant: Tenant, name: str) -> Environment:
    found: Environment | None = Environment.objects.for_tenant(tenant).select_for_update(no_key=True).filter(name=name).first()
    if found is None:
        raise EnvironmentNotFound(environment=name)
    return found
