"""System checks of the composition: refuse what cannot work before it loses data."""

from importlib.util import find_spec
from typing import Any

import limits
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from mcp_platform.ml.core import gates


@register(Tags.compatibility)
def several_processes_need_redis(**_: Any) -> list[CheckMessage]:
    if settings.WEB_PROCESSES > 1 and not settings.REDIS_URL:
        return [
            Error(
                f"WEB_PROCESSES={settings.WEB_PROCESSES}, but there is no REDIS_URL: pushes and jobs would stay inside one process.",
                hint="Set REDIS_URL, or run one process.",
                id="platform.E001",
            )
        ]
    return []


@register(Tags.database)
def several_processes_need_postgresql(**_: Any) -> list[CheckMessage]:
    if settings.WEB_PROCESSES > 1 and not settings.DATABASE_URL:
        return [
            Error(
                f"WEB_PROCESSES={settings.WEB_PROCESSES}, but there is no DATABASE_URL: SQLite takes one writing process.",
                hint="Set DATABASE_URL to a PostgreSQL 15+ server.",
                id="platform.E002",
            )
        ]
    return []


@register(Tags.database)
def redis_needs_postgresql(**_: Any) -> list[CheckMessage]:
    if settings.REDIS_URL and not settings.DATABASE_URL:
        return [Error("REDIS_URL without DATABASE_URL: workers of their own would write into the same SQLite file.", id="platform.E004")]
    return []


@register(Tags.database)
def replaced_migrations_are_applied_whole(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Django leaves an app alone of whose replaced migrations only some are applied, and says nothing: its newer tables would never come."""
    return [
        Error(
            f"The database {alias} has {have} of the {of} migrations that {app}.{name} replaces: it was made by an older version.",
            hint="Check out the commit fda3d14, run migrate with it, and come back.",
            id="platform.E010",
        )
        for alias in databases or ()
        for app, name, have, of in _half_replaced(alias)
    ]


def _half_replaced(alias: str) -> list[tuple[str, str, int, int]]:
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.recorder import MigrationRecorder

    applied = MigrationRecorder(connections[alias]).applied_migrations()
    found = []
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        have = sum(one in applied for one in migration.replaces)
        if 0 < have < len(migration.replaces):
            found.append((app, name, have, len(migration.replaces)))
    return found


@register(Tags.compatibility)
def limits_can_be_read(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name in ("API_RATE_LIMIT", "TENANT_RATE_LIMIT", "ADDRESS_RATE_LIMIT"):
        try:
            limits.parse(getattr(settings, name))
        except ValueError as fault:
            found.append(Error(f"{name}: {fault}", hint="Such as 6000/minute.", id="platform.E005"))
    if settings.MAX_PARALLEL_EXECUTIONS < 1:
        found.append(Error("MAX_PARALLEL_EXECUTIONS must be at least 1.", id="platform.E006"))
    return found


@register(Tags.compatibility)
def models_can_be_approved_and_told(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.MODEL_APPROVAL not in gates.POLICIES:
        known = ", ".join(gates.POLICIES)
        found.append(Error(f"MODEL_APPROVAL={settings.MODEL_APPROVAL} is not known.", hint=f"One of {known}.", id="platform.E008"))
    if settings.MLFLOW_TRACKING_URI and not settings.MLFLOW_TRACKING_URI.startswith(("http://", "https://")):
        found.append(Error("MLFLOW_TRACKING_URI is no http:// or https:// address: models are told over MLflow's REST API.", id="platform.E009"))
    return found


@register(Tags.security)
def production_needs_its_own_secret(**_: Any) -> list[CheckMessage]:
    if settings.ENVIRONMENT == "production" and settings.SECRET_KEY_IS_GENERATED:
        return [Error("ENVIRONMENT=production needs a SECRET_KEY of its own, equal in every process.", id="platform.E003")]
    return []


@register(Tags.security, deploy=True)
def debug_is_for_development(**_: Any) -> list[CheckMessage]:
    if settings.DEBUG and settings.ENVIRONMENT != "development":
        return [Warning("DEBUG shows settings and code to everybody.", id="platform.W001")]
    return []


@register(Tags.files)
def s3_needs_its_library(**_: Any) -> list[CheckMessage]:
    if settings.FILES_S3_BUCKET and (find_spec("storages") is None or find_spec("boto3") is None):
        hint = 'pip install "django-storages[s3]"'
        return [Error("FILES_S3_BUCKET is set, but the library that speaks S3 is not installed.", hint=hint, id="platform.E007")]
    return []
