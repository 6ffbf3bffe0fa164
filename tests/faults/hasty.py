"""`python -m tests.faults.hasty SECONDS COMMAND…`: manage.py, where a validation socket whose client stays behind is closed after SECONDS."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

import django


def main() -> None:
    django.setup()
    from django.core.management import execute_from_command_line

    from validation.consumers import paced

    paced.BEHIND_SECONDS = float(sys.argv[1])
    execute_from_command_line(["manage.py", *sys.argv[2:]])


if __name__ == "__main__":
    main()
