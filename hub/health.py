"""Whether this process lives, and whether it can serve: for load balancers and orchestrators.

`/health/live/` says that the process answers; restart it if it does not. `/health/ready/` says
whether it can serve requests: 200 if so, else 503. A missing worker is reported, but is no reason
to send nobody here: pages and API work without, only syncs wait. Nor is a database that allows
hardly any temporary files: only large work fails there.

Nobody signs in for these, so they name no tenant and no address, and nothing is audited.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from hub.crypto import EncryptionKeyError
from hub.database_faults import FULL, code_of, fault_of
from hub.fleet.models import Worker
from tenants.keys import wrapping_keys

ANSWER_WITHIN = "2s"  # for each statement; a probe that hangs helps nobody
# Half a megabyte that does not fit into its memory goes to a temporary file on the database's disk:
# nothing is left of it, and where there is no room for it there is soon none for anything.
_ASK_FOR_ROOM = "SELECT count(*) FROM generate_series(1, 40000)"
_MEMORY = "64kB"
_LIMITED = "53400"  # the SQLSTATE of temp_file_limit, which says nothing about the disk
_TOO_SMALL = "temp_file_limit is less than 1 MB"

Migration = tuple[str, str]


@never_cache
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "live"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """{"status": "ready|degraded|unavailable", "database": …, "migrations": …, …}"""
    said: dict[str, Any] = {"database": "ok", "encryption_keys": _keys()}
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true),"
                " set_config('work_mem', %s, true)",
                [ANSWER_WITHIN, _MEMORY],
            )
            pending = pending_migrations()
            said["migrations"] = f"{len(pending)} pending" if pending else "ok"
            said["workers"] = "unknown" if pending else _workers()
            cursor.execute(_ASK_FOR_ROOM)
    except Error as exc:
        said["database"] = _trouble(exc)
    can_serve = said["database"] in ("ok", _TOO_SMALL) and all(
        said.get(part) == "ok" for part in ("encryption_keys", "migrations")
    )
    is_whole = can_serve and said["database"] == said["workers"] == "ok"
    status = ("ready" if is_whole else "degraded") if can_serve else "unavailable"
    return JsonResponse({"status": status, **said}, status=200 if can_serve else 503)


def pending_migrations() -> list[Migration]:
    """Return the migrations of the public schema that are not applied, by app and name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.django_migrations') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return sorted(_public_migrations())
        cursor.execute("SELECT app, name FROM public.django_migrations")
        applied: Iterable[Migration] = cursor.fetchall()
    return sorted(_public_migrations() - set(applied))


@cache
def _public_migrations() -> frozenset[Migration]:
    labels = {each.label for each in apps.get_app_configs() if each.name in settings.SHARED_APPS}
    known = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return frozenset(key for key in known if key[0] in labels)


def _trouble(exc: Error) -> str:
    if code_of(exc) == _LIMITED:
        return _TOO_SMALL
    return "has no room left" if fault_of(exc) is FULL else "does not answer"


def _keys() -> str:
    try:
        return "ok" if wrapping_keys() else "missing"
    except EncryptionKeyError:
        return "not usable"


def _workers() -> str:
    return "ok" if Worker.objects.alive().exists() else "none seen in 2 minutes"
