#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

from mcp_platform.tenancy import scope

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")  # noqa: TID251
    # Commands work for the whole platform; requests and sockets that a server command answers start closed again.
    with scope.platform_scope():
        execute_from_command_line(sys.argv)
