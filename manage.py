#!/usr/bin/env python
"""The hub's command line: `python manage.py help` lists what it can do."""

import os
import sys

from hub.embedded_postgres import DatabaseUnavailableError, ensure

# These say what the code knows and never ask the database.
NEEDS_NO_DATABASE = {"check", "collectstatic", "connectors", "help", "spectacular", "--help"}


def main() -> None:
    """Run one command; without DATABASE_URL the embedded PostgreSQL is started first."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings.local")
    if len(sys.argv) > 1 and sys.argv[1] not in NEEDS_NO_DATABASE:
        try:
            ensure()
        except DatabaseUnavailableError as exc:
            sys.exit(f"error: {exc}")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
