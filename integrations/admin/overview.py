"""A tenant's first page: its connections as cards, what runs now, what ran, what was set aside."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from hub import display
from hub.charts import HourBar, HourChart
from hub.fleet.models import ConnectionStatus, DestinationStatus, Due, RunHour
from hub.marks import mark_of
from integrations.admin.base import address_of, link_to
from integrations.admin.deletion_reviews import waiting
from integrations.admin.destination_tables import behind_text
from integrations.admin.labels import provider_label
from integrations.admin.progress import duration_text, progress_bar
from integrations.models import Connection, DeletionReview, Destination, RejectedRecord, SyncRun
from tenants.admin.base import has_role
from tenants.models import Tenant
from tenants.roles import Role

CARDS = 60
HOURS = 24
RECENT_RUNS = 12
REVIEWS = 10


@dataclass(frozen=True)
class Card:
    """One connection as the overview shows it."""

    connection: Connection
    badge: SafeString | str
    last_run: SafeString | str
    next_run: SafeString | str
    records: str
    rejected: str
    bar: SafeString | str
    waits_for_person: bool
    actions: tuple[tuple[str, str], ...] = (("sync_now", "Sync now"),)

    @property
    def provider(self) -> str:
        return provider_label(self.connection.provider)

    @property
    def mark(self) -> str:
        return mark_of(self.connection.provider)

    @property
    def below(self) -> str:
        """Provider and account, unless the name says just that."""
        parts = (self.provider, self.connection.account_label or self.connection.account_id)
        text = " · ".join(part for part in parts if part)
        return "" if text == self.connection.name else text

    @property
    def place(self) -> int:
        """What somebody has to do something about comes first."""
        return 0 if self.waits_for_person else 1 if self.connection.error else 2

    @property
    def tone(self) -> str:
        return display.TONES.get(self.connection.status, "quiet")

    @property
    def address(self) -> str:
        return address_of(Connection, self.connection.pk)

    @property
    def act_url(self) -> str:
        return reverse("admin:integrations_connection_act", args=[self.connection.pk])

    @property
    def records_address(self) -> str:
        query = urlencode({"connection": self.connection.pk})
        return f"{reverse('admin:integrations_record_changelist')}?{query}"


def overview(request: HttpRequest) -> dict[str, Any]:
    """The context of the tenant's index, in a fixed number of queries."""
    connections = list(Connection.objects.present()[:CARDS])
    ids = [connection.pk for connection in connections]
    seen = ConnectionStatus.objects.in_bulk(ids)
    due = {row.object_id: row for row in Due.objects.filter(object_id__in=ids, lane="live")}
    open_runs = list(SyncRun.objects.open().select_related("connection"))
    ended = SyncRun.objects.exclude(state__in=SyncRun.OPEN).select_related("connection")
    rejected = dict(
        RejectedRecord.objects.filter(resolved_at=None)
        .order_by()
        .values_list("connection_id")
        .annotate(n=Count("pk"))
    )
    running = {run.connection_id: run for run in open_runs}
    cards = [
        _card(
            connection,
            seen.get(connection.pk),
            due.get(connection.pk),
            running.get(connection.pk),
            rejected.get(connection.pk, 0),
        )
        for connection in connections
    ]
    cards.sort(key=lambda card: card.place)
    reviews = DeletionReview.objects.pending().defer("record_ids").select_related("connection")
    return {
        "waiting": waiting(reviews[:REVIEWS]),
        "may_operate": has_role(request, Role.OPERATOR),
        "cards": cards,
        "records": display.number(sum(row.records for row in seen.values())),
        "rejected": display.number(sum(rejected.values())),
        "open_runs": open_runs,
        "open_runs_table": display.table(
            ("Connection", "Mode", "Asked for", "Progress"),
            [
                (
                    link_to(run.connection),
                    run.get_mode_display(),
                    display.ago(run.created_at),
                    progress_bar(run),
                )
                for run in open_runs
            ],
        ),
        "recent_runs": _runs_table(list(ended[:RECENT_RUNS])),
        "destinations": _destinations_table(request),
        "hours": runs_by_hour(timezone.now(), request.tenant),  # type: ignore[attr-defined]
    }


def _card(
    connection: Connection,
    seen: ConnectionStatus | None,
    due: Due | None,
    run: SyncRun | None,
    rejected: int,
) -> Card:
    last = display.NONE
    if seen and seen.last_run_state:
        last = display.together(display.badge(seen.last_run_state), display.ago(seen.last_run_at))
    return Card(
        connection=connection,
        badge=display.badge(connection.status, connection.get_status_display()),
        last_run=last,
        next_run="now" if run else display.due(due.due_at if due else None),
        records=display.number(seen.records if seen else 0),
        rejected=display.number(rejected),
        bar=progress_bar(run) if run else "",
        waits_for_person=connection.status
        in (Connection.Status.NEEDS_REAUTH, Connection.Status.BROKEN),
    )


def runs_by_hour(now: datetime, tenant: Tenant | None = None) -> HourChart:
    """Runs that ended in each of the last 24 hours, oldest first; of all tenants, or of one."""
    last = now.replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=HOURS - 1)
    rows = RunHour.objects.filter(hour__gte=first, **({"tenant": tenant} if tenant else {}))
    counted = {
        row["hour"]: row
        for row in rows.order_by().values("hour").annotate(good=Sum("succeeded"), bad=Sum("failed"))
    }
    bars = []
    for place in range(HOURS):
        hour = first + timedelta(hours=place)
        row = counted.get(hour, {"good": 0, "bad": 0})
        bars.append(HourBar(hour=hour, succeeded=row["good"], failed=row["bad"]))
    return HourChart(tuple(bars))


def _destinations_table(request: HttpRequest) -> SafeString | str:
    """How each destination does, as of its last slice; empty if there is none."""
    tenant = request.tenant  # type: ignore[attr-defined]
    seen = list(DestinationStatus.objects.filter(tenant=tenant).order_by("name")[:CARDS])
    if not seen:
        return ""
    labels = dict(Destination.Status.choices)
    return display.table(
        ("Destination", "Status", "Behind", "Rows", "Rejected", "In step"),
        [
            (
                display.link(address_of(Destination, row.destination_id), row.name),
                display.state_with_reason(row.status, str(labels.get(row.status)), row.error),
                behind_text(row.behind, row.behind_since),
                row.rows,
                row.rejected,
                display.ago(row.caught_up_at),
            )
            for row in seen
        ],
    )


def _runs_table(runs: list[SyncRun]) -> SafeString | str:
    if not runs:
        return ""
    return display.table(
        ("Run", "Connection", "Mode", "State", "Read", "Changed", "Rejected", "Duration", "Error"),
        [
            (
                link_to(run, display.ago(run.created_at)),
                link_to(run.connection),
                run.get_mode_display(),
                display.badge(run.state, run.get_state_display()),
                run.totals["read"],
                run.totals["inserted"] + run.totals["updated"] + run.totals["deleted"],
                run.totals["rejected"],
                duration_text(run),
                run.error or display.NONE,
            )
            for run in runs
        ],
    )
