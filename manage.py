#!/usr/bin/env python
"""The hub's command line: `python manage.py help` lists what it can do."""

import os
import sys

from django.core.management import execute_from_command_line

from hub.embedded_postgres import ensure
from hub.start import SETTINGS, sentence_of

# These say what the code knows and never ask the database.
NEEDS_NO_DATABASE = {"check", "collectstatic", "connectors", "help", "spectacular", "--help"}


def main() -> None:
    """Run one command; without DATABASE_URL the embedded PostgreSQL is started first."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    try:
        if len(sys.argv) > 1 and sys.argv[1] not in NEEDS_NO_DATABASE:
            ensure()
        execute_from_command_line(sys.argv)
    except Exception as exc:
        said = sentence_of(exc)
        if said is None or "--traceback" in sys.argv:
            raise
        sys.exit(f"error: {said}")


if __name__ == "__main__":
    main()
