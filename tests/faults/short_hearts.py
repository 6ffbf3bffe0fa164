"""Loaded into a worker (`celery --include tests.faults.short_hearts`): an operation whose worker is gone is taken up after seconds, not a minute."""

from datetime import timedelta

from mcp_platform.operations import services

services.HEARTBEAT_SECONDS = 0.5
services.SILENT = timedelta(seconds=4)
