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
from hub.charts import HourBar, HourChart
from hub.fleet.models import ConnectionStatus, Due, RunHour, Worker
from integrations.admin.fleet import (
    NEED_A_PERSON,
    PERSON,
    fleet_address,
    status_label,
)
from integrations.admin.labels import provider_label
from integrations.admin.overview import overview
from integrations.models import Connection
from tenants.models import Tenant

LISTED = 15
HOURS = 24
LATE_SECONDS = 60.0  # work this overdue means that no worker keeps up


@dataclass(frozen=True)
class Tile:
    """One figure with the page behind it; `tone` is a word of admin.css."""

    figure: str
    label: str
    address: str
    tone: str = ""
    note: str = ""


@dataclass(frozen=True)
class ProviderRow:
    provider: str
    records: int
    most: int

    @property
    def share(self) -> str:
        return f"{self.records} of {self.most}"

    @property
    def shown(self) -> str:
        return display.number(self.records)


def ops_overview(request: HttpRequest) -> dict[str, Any]:
    """The context of the operations index."""
    now = timezone.now()
    statuses = ConnectionStatus.objects.select_related("tenant")
    chart = _hours(now)
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


def _hours(now: datetime) -> HourChart:
    """Runs that ended in each of the last 24 hours, oldest first."""
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=HOURS - 1)
    counted = {
        row["hour"]: row
        for row in RunHour.objects.filter(hour__gte=first)
        .order_by()
        .values("hour")
        .annotate(good=Sum("succeeded"), bad=Sum("failed"))
    }
    bars = []
    for place in range(HOURS):
        hour = first + timedelta(hours=place)
        row = counted.get(hour, {"good": 0, "bad": 0})
        bars.append(HourBar(hour=hour, succeeded=row["good"], failed=row["bad"]))
    return HourChart(tuple(bars))


def _providers() -> list[ProviderRow]:
    """Records per provider, most first."""
    rows = (
        ConnectionStatus.objects.order_by()
        .values_list("provider")
        .annotate(n=Sum("records"))
        .filter(n__gt=0)
        .order_by("-n")[:LISTED]
    )
    found = [(provider, int(n)) for provider, n in rows]
    return [ProviderRow(provider_label(slug), n, found[0][1]) for slug, n in found]


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
