"""Starting: what must hold before anything runs, and one sentence where it does not.

A traceback helps whoever writes the code. Whoever starts it has set something wrongly, and is told
what to change.
"""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import psycopg
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import DatabaseError

from hub.embedded_postgres import DatabaseUnavailableError, ensure, in_one_sentence
from integrations.errors import HubError

SETTINGS = "hub.settings.local"
CHECKS = "hub"  # the tag of hub/checks.py
STOP_THE_SERVER = 3  # gunicorn ends on it, and would start a process that ends otherwise for ever
# What PostgreSQL says when it cannot serve anybody: refused, missing, full, shutting down.
_AWAY = ("28", "3D", "53", "57P", "58")

Application = TypeVar("Application")


def serve(make: Callable[[], Application]) -> Application:
    """Return the application that `make` builds; end the server if it must not run."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    try:
        ensure()
        application = make()
        refuse_half_configured()
    except Exception as exc:
        said = sentence_of(exc)
        if said is None:
            raise
        sys.stderr.write(f"error: {said}\n")
        sys.exit(STOP_THE_SERVER)
    return application


def refuse_half_configured() -> None:
    """Raise ImproperlyConfigured with all that hub/checks.py finds wrong, or do nothing."""
    found = [each.msg for each in checks.run_checks(tags=[CHECKS]) if each.is_serious()]
    if found:
        raise ImproperlyConfigured(" ".join(found))


def sentence_of(exc: Exception) -> str | None:
    """Return what to tell whoever started this, or None if only a developer can help."""
    if isinstance(exc, DatabaseUnavailableError | ImproperlyConfigured | HubError):
        return str(exc)
    cause = exc.__cause__ if isinstance(exc, DatabaseError) else None
    if isinstance(cause, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return "The database lacks tables; run `manage.py migrate_hub` first."
    if isinstance(cause, psycopg.OperationalError) and (cause.sqlstate or "57P").startswith(_AWAY):
        return in_one_sentence(cause)
    return None
