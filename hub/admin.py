"""The first page of operations: how all tenants do, from public tables alone.

The number of queries is fixed, however many tenants and connections there are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from hub import display, sites
from hub.charts import HourChart, LineBar, line_bars
from hub.fleet.models import ConnectionStatus, Due, Worker
from integrations.admin.fleet import (
    NEED_A_PERSON,
    PERSON,
    fleet_address,
    status_label,
)
from integrations.admin.labels import provider_label
from integrations.admin.overview import overview, runs_by_hour
from integrations.models import Connection
from tenants.models import Tenant

LISTED = 15
# When a connection was last read to the end, at most so long ago.
FRESH = (
    (timedelta(hours=1), "within an hour", "good"),
    (timedelta(hours=6), "within 6 hours", "good"),
    (timedelta(days=1), "within a day", "warning"),
)
NOT_READ = (
    Connection.Status.PAUSED,
    Connection.Status.DISCONNECTING,
    Connection.Status.DISCONNECTED,
)
LATE_SECONDS = 60.0  # work this overdue means that no worker keeps up


@dataclass(frozen=True)
class Tile:
    """One figure with the page behind it; `tone` is a word of admin.css."""

    figure: str
    label: str
    address: str
    tone: str = ""
    note: str = ""


def ops_overview(request: HttpRequest) -> dict[str, Any]:
    """The context of the operations index."""
    now = timezone.now()
    statuses = ConnectionStatus.objects.select_related("tenant")
    chart = runs_by_hour(now)
    return {
        "tiles": [*_counted(), *_runs(chart), *_machinery(now)],
        "needs_person": _table(
            statuses.filter(status__in=NEED_A_PERSON).order_by("-updated_at", "pk")[:LISTED]
        ),
        "failures": _table(
            statuses.filter(last_run_state="failed", last_run_at__gt=now - timedelta(days=7))
            .exclude(status__in=NEED_A_PERSON)
            .order_by("-last_run_at", "pk")[:LISTED]
        ),
        "hours": chart,
        "freshness": _freshness(now),
        "providers": _providers(),
    }


def _counted() -> Iterable[Tile]:
    """Tenants, connections, records: two queries."""
    tenants = Tenant.objects.open().aggregate(
        all=Count("pk"), suspended=Count("pk", filter=Q(state=Tenant.State.SUSPENDED))
    )
    found = ConnectionStatus.objects.exclude(status=Connection.Status.DISCONNECTED).aggregate(
        all=Count("pk"),
        working=Count("pk", filter=Q(status__in=("active", "limited"))),
        trouble=Count("pk", filter=Q(status__in=NEED_A_PERSON)),
        paused=Count("pk", filter=Q(status=Connection.Status.PAUSED)),
        records=Sum("records"),
        rejected=Sum("rejected"),
        reviews=Sum("waiting_reviews"),
        deciding=Count("tenant", filter=Q(waiting_reviews__gt=0), distinct=True),
    )
    suspended = f"{tenants['suspended']} suspended" if tenants["suspended"] else ""
    yield Tile(
        display.number(tenants["all"]),
        "tenants",
        reverse("admin:tenants_tenant_changelist"),
        note=suspended,
    )
    yield Tile(
        display.number(found["working"]),
        "connections work",
        fleet_address(),
        tone="good" if found["working"] else "",
        note=f"{found['paused']} paused, {found['all']} in all",
    )
    yield Tile(
        display.number(found["trouble"]),
        "need a person",
        f"{fleet_address()}?{urlencode({'status': PERSON})}",
        tone="bad" if found["trouble"] else "good",
    )
    if found["reviews"]:
        yield Tile(
            display.number(found["reviews"]),
            "deletions wait",
            f"{fleet_address()}?{urlencode({'reviews': 'waiting'})}",
            tone="warning",
            note=f"in {found['deciding']} tenant{'s' if found['deciding'] != 1 else ''}",
        )
    yield Tile(
        display.number(found["records"] or 0),
        "records",
        fleet_address(),
        note=f"{display.number(found['rejected'] or 0)} rejected, waiting",
    )


def _runs(chart: HourChart) -> Iterable[Tile]:
    failed = sum(bar.failed for bar in chart.hours)
    yield Tile(
        display.number(sum(bar.succeeded for bar in chart.hours)),
        "runs succeeded, 24 h",
        fleet_address(),
        tone="bad" if failed else "good",
        note=f"{display.number(failed)} failed",
    )


def _machinery(now: datetime) -> Iterable[Tile]:
    """Workers and the oldest due work: two queries."""
    workers = Worker.objects.alive().aggregate(units=Count("pk"), beat=Min("beat_at"))
    oldest = Due.objects.free().filter(due_at__lt=now).aggregate(at=Min("due_at"))["at"]
    beat = workers["beat"]
    yield Tile(
        display.number(workers["units"]),
        "workers alive",
        reverse("admin:fleet_worker_changelist"),
        tone="good" if workers["units"] else "bad",
        note=f"last beat {display.age_text(beat - now)}" if beat else "no beat yet",
    )
    late = (now - oldest).total_seconds() if oldest else 0.0
    yield Tile(
        display.span_text(int(late)) if oldest else "none",
        "oldest due work",
        reverse("admin:fleet_due_changelist"),
        tone="bad" if late > LATE_SECONDS else "good",
    )


def _freshness(now: datetime) -> list[LineBar]:
    """Connections that are to be read, by how long ago each was last read to the end: one query."""
    edges = [now - since for since, _, _ in FRESH]
    counted = (
        ConnectionStatus.objects.exclude(status__in=NOT_READ)
        .order_by()
        .aggregate(
            all=Count("pk"),
            never=Count("pk", filter=Q(last_success_at=None)),
            **{
                f"e{n}": Count("pk", filter=Q(last_success_at__gte=at))
                for n, at in enumerate(edges)
            },
        )
    )
    within = [counted[f"e{n}"] for n in range(len(edges))]
    rows = [
        (label, within[n] - (within[n - 1] if n else 0), tone, "")
        for n, (_, label, tone) in enumerate(FRESH)
    ]
    longer = counted["all"] - within[-1] - counted["never"]
    rows += [("longer ago", longer, "bad", ""), ("not yet", counted["never"], "warning", "")]
    return line_bars(rows) if counted["all"] else []


def _providers() -> list[LineBar]:
    """Records per provider, most first."""
    rows = (
        ConnectionStatus.objects.order_by()
        .values_list("provider")
        .annotate(n=Sum("records"))
        .filter(n__gt=0)
        .order_by("-n")[:LISTED]
    )
    return line_bars(
        (
            provider_label(slug),
            int(n),
            "good",
            f"{fleet_address()}?{urlencode({'provider': slug})}",
        )
        for slug, n in rows
    )


def _table(rows: Iterable[ConnectionStatus]) -> SafeString | str:
    """Connections with what is wrong and a link to each; empty if there are none."""
    lines = [
        (
            display.with_note(
                display.link(
                    reverse("admin:fleet_connectionstatus_change", args=[row.pk]),
                    row.account_label or row.pk,
                ),
                provider_label(row.provider),
            ),
            row.tenant.name,
            display.state_with_reason(row.status, status_label(row.status), row.error),
            display.ago(row.last_run_at),
        )
        for row in rows
    ]
    if not lines:
        return ""
    return display.table(("Account", "Tenant", "Status", "Last run"), lines)


sites.ops.overview = ops_overview
sites.tenant.overview = overview
