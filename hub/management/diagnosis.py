"""What `manage.py doctor` looks at, one question each. No answer holds a secret or a record.

Apart from the schemas that lag, which are asked in one statement, nothing here costs more with more
tenants: every question is one aggregate.
"""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import run_checks
from django.db import connection
from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import Now

from hub.audit.partitions import MONTHS_AHEAD
from hub.clock import database_now
from hub.connect.models import ProviderApp
from hub.crypto import EncryptionKeyError, SealBrokenError, unwrap
from hub.embedded_postgres import MINIMUM_VERSION, NEEDED_FREE_BYTES, data_folder
from hub.fleet.managers import ALIVE_WITHIN
from hub.fleet.models import ConnectionStatus, DestinationStatus, Due, Worker
from hub.health import pending_migrations
from hub.start import CHECKS
from integrations.connectors.registry import all_connectors
from integrations.errors import RetryableError
from integrations.models import Destination
from integrations.types import OAuth2
from tenants.keys import HUB, wrapping_keys
from tenants.lag import lagging_tenants
from tenants.models import DataKey, Tenant
from tenants.rotation import unfinished_owners
from tenants.wrapping import data_keys_by_wrapping_key

State = Literal["ok", "warning", "problem"]

OLDEST_PYTHON = (3, 11)
LATE = timedelta(minutes=5)  # work that nobody has claimed
VERY_LATE = timedelta(hours=1)
LEASE_GRACE = timedelta(minutes=1)  # a lease that ran out is claimed again within seconds
NAMES_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One answer. `todo` is empty if all is well."""

    name: str
    state: State
    said: str
    todo: str = ""


def diagnose() -> Iterator[Finding]:
    """Yield the answers as they come; without tables, only those that need none."""
    for name, ask in GROUND.items():
        yield _finding(name, ask())
    pending = pending_migrations()
    if pending:
        todo = "Run manage.py migrate_hub."
        yield Finding("public tables", "problem", f"{len(pending)} migrations pending", todo)
        return
    yield Finding("public tables", "ok", "up to date")
    for name, ask in ESTATE.items():
        yield _finding(name, ask())


Answer = tuple[State, str, str]


def python() -> Answer:
    found = f"Python {platform.python_version()}"
    if sys.version_info < OLDEST_PYTHON:
        return "problem", found, "Use Python 3.11 or newer."
    return "ok", found, ""


def database() -> Answer:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::int,"
            " pg_size_pretty(pg_database_size(current_database()))"
        )
        version, number, size = cursor.fetchone()
    found = f"PostgreSQL {version.split()[0]}, {size}"
    if number < MINIMUM_VERSION:
        return "problem", found, "Upgrade the server to PostgreSQL 14 or newer."
    return "ok", found, ""


def disk() -> Answer:
    """Of the embedded server; how full another one's disk is, it does not tell."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
        found = cursor.fetchone()
    if found is None or Path(found[0]) != data_folder():
        return "ok", "the database server's own affair", ""
    free = shutil.disk_usage(data_folder()).free
    said = f"{free / (1 << 30):.1f} GB free for the embedded database"
    if free < NEEDED_FREE_BYTES:
        return "problem", said, "Free some space, or set HUB_DATA_DIR to another disk."
    return "ok", said, ""


def configuration() -> Answer:
    found = [each.msg for each in run_checks(tags=[CHECKS])]
    if found:
        return "problem", f"{len(found)} settings are wrong", " ".join(found)
    return "ok", "settings are complete", ""


def connectors() -> Answer:
    slugs = [each.provider.slug for each in all_connectors()]
    return "ok", f"{len(slugs)} loaded: {', '.join(slugs)}", ""


def static_files() -> Answer:
    if not settings.HUB_IS_PRODUCTION:
        return "ok", "served from the source tree", ""
    if not (Path(settings.STATIC_ROOT) / "staticfiles.json").is_file():
        return "problem", "not collected", "Run manage.py collectstatic before the web server."
    return "ok", "collected", ""


def egress() -> Answer:
    proxy = settings.HUB_EGRESS_PROXY
    said = f"through the proxy {urlsplit(proxy).hostname}" if proxy else "direct"
    if settings.HUB_EGRESS_ALLOW:
        said += f", {', '.join(settings.HUB_EGRESS_ALLOW)} opened"
    if settings.HUB_PROVIDER_ADDRESSES:
        said += f", {len(settings.HUB_PROVIDER_ADDRESSES)} provider addresses replaced"
    return "ok", said, ""


def tenants() -> Answer:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT slug, state FROM public.tenants_tenant"
            " WHERE state <> 'closed' AND to_regnamespace(schema_name) IS NULL ORDER BY slug"
        )
        lost = cursor.fetchall()
    if closing := [slug for slug, state in lost if state == Tenant.State.CLOSING]:
        todo = f"Run manage.py close_tenant {closing[0]} --yes to finish it."
        return "problem", f"half closed: {_names(closing)}", todo
    if lost:
        named = _names([slug for slug, _ in lost])
        return "problem", f"without a schema: {named}", "Restore them from a backup."
    if lagging := [each.slug for each in lagging_tenants()]:
        said = f"{len(lagging)} behind the code: {_names(lagging)}"
        return "problem", said, "Run manage.py migrate_hub."
    return "ok", f"{Tenant.objects.open().count()}, all up to date", ""


def encryption_keys() -> Answer:
    todo = "Put the key that is missing back into HUB_ENCRYPTION_KEYS."
    try:
        keys = wrapping_keys()
    except EncryptionKeyError as exc:
        return "problem", str(exc), "See HUB_ENCRYPTION_KEYS in docs/settings.md."
    shut: list[str] = []
    opened = 0
    for key in DataKey.objects.select_related("tenant"):
        owner = str(key.tenant_id) if key.tenant_id else HUB
        try:
            unwrap(bytes(key.wrapped), keys=keys, owner=owner)
            opened += 1
        except (EncryptionKeyError, SealBrokenError, RetryableError):
            shut.append(key.tenant.slug if key.tenant else HUB)
    if shut:
        return "problem", f"{len(shut)} data keys do not open: {_names(sorted(shut))}", todo
    without = Tenant.objects.open().exclude(state=Tenant.State.CLOSING).filter(data_keys=None)
    if names := list(without.values_list("slug", flat=True)[: NAMES_SHOWN + 1]):
        return "problem", f"no data key: {_names(names)}", "Restore the table from a backup."
    return "ok", f"{len(keys)} open all of {opened} data keys", ""


def key_rotation() -> Answer:
    """Old keys go last, so nothing is lost by one that is not finished; but they are kept."""
    try:
        newest = wrapping_keys()[0].id
    except EncryptionKeyError:
        return "warning", "unknown without wrapping keys", "Look at the encryption keys first."
    wraps = data_keys_by_wrapping_key()
    if older := sum(wraps.values()) - wraps[newest]:
        todo = "Run manage.py rotate_keys."
        return "warning", f"{older} data keys wait to be wrapped with {newest}", todo
    if owners := len(unfinished_owners()):
        todo = "Run manage.py rotate_keys --data-keys to finish it; --check says what is left."
        return "warning", f"{owners} owners still have values under an old data key", todo
    return "ok", "none is unfinished", ""


def workers() -> Answer:
    alive = Worker.objects.alive().aggregate(
        count=Count("id"),
        processes=Sum("processes"),
        mute=Count("id", filter=Q(beat_at=None, started_at__lt=Now() - ALIVE_WITHIN)),
    )
    if not alive["count"]:
        state: State = "problem" if Due.objects.exists() else "warning"
        return state, "none seen in 2 minutes", "Start manage.py worker."
    said = f"{alive['count']} alive with {alive['processes']} processes"
    if alive["mute"]:
        todo = "Look into the worker's log: its processes end or hang at their start."
        return "problem", f"{said}, {alive['mute']} without a sign of life from them", todo
    return "ok", said, ""


def due_work() -> Answer:
    waiting = Due.objects.free().filter(due_at__lte=Now(), tenant__state=Tenant.State.ACTIVE)
    found = waiting.aggregate(count=Count("id"), oldest=Min("due_at"))
    if not found["count"]:
        return "ok", "nothing waits", ""
    late: timedelta = database_now() - found["oldest"]
    said = f"{found['count']} waiting, the oldest for {_span(late)}"
    if late < LATE:
        return "ok", said, ""
    state: State = "problem" if late > VERY_LATE else "warning"
    return state, said, "Start more workers, or look why those that run do not get on."


def leases() -> Answer:
    over = Due.objects.filter(lease_until__lt=Now() - LEASE_GRACE, due_at__isnull=False).count()
    if over:
        return "warning", f"{over} ran out and nobody took over", "Start a worker, or a second one."
    return "ok", f"{Due.objects.filter(lease_until__gte=Now()).count()} held", ""


def parked_work() -> Answer:
    own = Due.objects.exclude(kind=Due.Kind.DESTINATION)  # those wait by themselves, or are blocked
    parked = own.exclude(parked_reason="").aggregate(
        count=Count("id"), loops=Count("id", filter=Q(parked_reason="crash_loop"))
    )
    if parked["count"]:
        said = f"{parked['count']} parked, {parked['loops']} because their process died each time"
        return "warning", said, "See Connections in the admin; resume each when its cause is gone."
    return "ok", "none", ""


def database_faults() -> Answer:
    """Work that is never parked, because the database fails it and not the work itself."""
    faulted = Due.objects.filter(faulted_since__lte=Now() - VERY_LATE, due_at__isnull=False)
    found = faulted.aggregate(count=Count("id"), first=Min("faulted_since"))
    if not found["count"]:
        return "ok", "none that lasts", ""
    rows = faulted.order_by("faulted_since").values_list("kind", "provider", "tenant__slug")
    named = [
        f"{kind} of {provider} for {slug}" if provider else f"{kind} for {slug}"
        for kind, provider, slug in rows[: NAMES_SHOWN + 1]
    ]
    span = _span(database_now() - found["first"])
    todo = (
        "Look for 'slice waits for the database' in the workers' log: it says for each by due_id"
        " what the database refuses; then give that what it lacks, time, room or an index."
    )
    said = f"{found['count']} at every attempt, the first for {span}: {_names(named)}"
    return "warning", said, todo


def connections() -> Answer:
    counts = dict(
        ConnectionStatus.objects.values_list("status").annotate(count=Count("pk")).order_by()
    )
    total = sum(counts.values())
    said = f"{counts.get('needs_reauth', 0)} to reconnect, {counts.get('broken', 0)} broken"
    if counts.get("needs_reauth") or counts.get("broken"):
        return "warning", f"{said} of {total}", "See Connections in the admin for reason and link."
    return "ok", f"{total}, none needs a person", ""


def destinations() -> Answer:
    counts = dict(
        DestinationStatus.objects.values_list("status").annotate(count=Count("pk")).order_by()
    )
    total = sum(counts.values())
    if blocked := counts.get(Destination.Status.BLOCKED, 0):
        todo = "See Destinations in the admin; each says what to repair there."
        return "warning", f"{blocked} blocked of {total}", todo
    return "ok", f"{total}, none is blocked", ""


def audit_log() -> Answer:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'public.audit_event'::regclass"
        )
        found = {name.rpartition(".")[2] for (name,) in cursor.fetchall()}
        cursor.execute("SELECT EXISTS (SELECT FROM public.audit_event_rest)")
        has_strays = cursor.fetchone()[0]
    ahead = 0
    month = database_now().date().replace(day=1)
    while f"audit_event_{month:%Y_%m}" in found:
        ahead, month = ahead + 1, _next(month)
    if ahead < 2 or has_strays:
        said = "some events lie outside the months" if has_strays else f"room for {ahead} months"
        return "warning", said, "Let a worker run; it makes the tables of the coming months."
    return "ok", f"room for {min(ahead, MONTHS_AHEAD + 1)} months", ""


def provider_apps() -> Answer:
    """Those that can also be connected with a key do without."""
    wanted = {
        each.provider.slug
        for each in all_connectors()
        if all(isinstance(way, OAuth2) for way in each.provider.auth)
    }
    registered = set(ProviderApp.objects.values_list("provider", flat=True).distinct())
    if missing := sorted(wanted - registered):
        todo = "Register the hub there and enter client id and secret under Provider apps."
        return "warning", f"none for {', '.join(missing)}", todo
    return "ok", f"present for {', '.join(sorted(wanted)) or 'all that need one'}", ""


GROUND: dict[str, Callable[[], Answer]] = {
    "python": python,
    "database": database,
    "disk": disk,
    "configuration": configuration,
    "connectors": connectors,
    "static files": static_files,
    "way out": egress,
}
ESTATE: dict[str, Callable[[], Answer]] = {
    "tenants": tenants,
    "encryption keys": encryption_keys,
    "key rotation": key_rotation,
    "workers": workers,
    "due work": due_work,
    "leases": leases,
    "parked work": parked_work,
    "database faults": database_faults,
    "connections": connections,
    "destinations": destinations,
    "provider apps": provider_apps,
    "audit log": audit_log,
}


def _finding(name: str, answer: Answer) -> Finding:
    return Finding(name, *answer)


def _names(slugs: list[str]) -> str:
    return ", ".join(slugs[:NAMES_SHOWN]) + (" and more" if len(slugs) > NAMES_SHOWN else "")


def _span(late: timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _next(month: date) -> date:
    return (datetime(month.year, month.month, 28) + timedelta(days=4)).date().replace(day=1)
