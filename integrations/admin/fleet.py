"""The fleet at operations: every connection of every tenant, the work that is due, the workers."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from hub import display, sites
from hub.audit.admin import CappedPaginator
from hub.fleet.managers import ALIVE_WITHIN
from hub.fleet.models import ConnectionStatus, DestinationStatus, Due, Worker
from integrations.admin.connection_actions import ConnectionActions
from integrations.admin.labels import (
    LaneFilter,
    LastRunFilter,
    ProviderFilter,
    plain_label,
    provider_label,
)
from integrations.errors import HubError
from integrations.models import Connection
from tenants.admin.base import OpsReadOnlyAdmin, TenantFilter, tenant_url, tenants_of
from tenants.context import in_tenant
from tenants.models import Tenant

NEED_A_PERSON = (Connection.Status.NEEDS_REAUTH, Connection.Status.BROKEN)
SEEN_AS: dict[type[models.Model], tuple[str, ...]] = {
    ConnectionStatus: (Due.Kind.SYNC, Due.Kind.REFRESH, Due.Kind.SHADOW, Due.Kind.PREFLIGHT),
    DestinationStatus: (Due.Kind.DESTINATION,),
}
PERSON = "person"  # in addresses: those that need one, whatever the reason


class WaitingFilter(admin.SimpleListFilter):
    title = "reviews"
    parameter_name = "reviews"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("waiting", "Deletions wait for a decision")]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        return queryset.filter(waiting_reviews__gt=0) if self.value() else queryset


class StatusFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(PERSON, "Needs a person"), *Connection.Status.choices]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        if self.value() == PERSON:
            return queryset.filter(status__in=NEED_A_PERSON)
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(ConnectionStatus, site=sites.ops)
class ConnectionStatusAdmin(ConnectionActions, OpsReadOnlyAdmin):
    """All connections of all tenants, as each change leaves them; no records, no secrets."""

    place = 10
    nothing_yet = "No tenant has connected anything yet. Open a tenant and press Connect there."
    audit_kind = "connection"
    paginator = CappedPaginator
    list_display = (
        "account",
        "tenant",
        "state",
        "last_run",
        "next_run",
        "record_count",
        "waits",
    )
    list_display_links = ("account",)
    list_filter = (StatusFilter, WaitingFilter, ProviderFilter, LastRunFilter, TenantFilter)
    list_select_related = ("tenant",)
    search_fields = (
        "account_label",
        "tenant__slug",
        "tenant__name",
        "provider",
        "error",
        "=connection_id",
    )
    search_help_text = "Account, tenant, provider, error or connection id."
    ordering = ("tenant__slug", "provider", "connection_id")
    fields = (
        "tenant",
        "provider_shown",
        "account_label",
        "state",
        "open_link",
        "error_code",
        "last_run",
        "last_success_at",
        "next_run",
        "record_count",
        "rejected_count",
        "waiting_reviews",
        "connection_id",
        "updated_at",
    )

    def title_of(self, obj: ConnectionStatus) -> str:
        return f"{provider_label(obj.provider)} · {obj.account_label}"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        mine = tenants_of(request).filter(tenant=models.OuterRef("tenant"))
        return rows.for_list().annotate(is_mine=models.Exists(mine))

    @admin.display(description="account", ordering="account_label")
    def account(self, row: ConnectionStatus) -> str:
        name = row.account_label or str(row.connection_id)
        return display.with_note(name, provider_label(row.provider))

    @admin.display(description="provider", ordering="provider")
    def provider_shown(self, row: ConnectionStatus) -> str:
        return provider_label(row.provider)

    @admin.display(description="status", ordering="status")
    def state(self, row: ConnectionStatus) -> str:
        return display.state_with_reason(row.status, status_label(row.status), row.error)

    @admin.display(description="last run", ordering="last_run_at")
    def last_run(self, row: ConnectionStatus) -> str:
        if not row.last_run_state:
            return display.NONE
        return display.together(display.badge(row.last_run_state), display.ago(row.last_run_at))

    @admin.display(description="next run", ordering="next_run_at")
    def next_run(self, row: Any) -> str:
        return display.due(row.next_run_at)

    @admin.display(description="records", ordering="records")
    def record_count(self, row: ConnectionStatus) -> str:
        return display.number(row.records)

    @admin.display(description="rejected", ordering="rejected")
    def rejected_count(self, row: ConnectionStatus) -> str:
        return display.number(row.rejected)

    @admin.display(description="waiting", ordering="waiting_reviews")
    def waits(self, row: ConnectionStatus) -> str:
        """What waits until somebody looks: deletions to decide about, rejected records."""
        lines = []
        if row.waiting_reviews:
            lines.append(display.badge("pending", f"{row.waiting_reviews:,} deletions"))
        if row.rejected:
            lines.append(f"{row.rejected:,} rejected")
        return display.together(*lines) if lines else display.NONE

    @admin.display(description="in the tenant")
    def open_link(self, row: Any) -> str:
        if not row.is_mine or not row.tenant.is_active:
            return "Only members of the tenant enter it."
        address = tenant_url(row.tenant, "integrations_connection_change", row.connection_id)
        return display.link(address, "Open the connection")

    # Actions

    def call_each(
        self, rows: Iterable[Any], call: Callable[[Any], Any]
    ) -> tuple[int, Counter[str]]:
        """Enter every tenant concerned once and call the service for its connections."""
        wanted: dict[Tenant, list[Any]] = {}
        for row in rows:
            wanted.setdefault(row.tenant, []).append(row.connection_id)
        count, refused = 0, Counter[str]()
        for tenant, ids in wanted.items():
            try:
                with in_tenant(tenant):
                    done, said = super().call_each(Connection.objects.filter(pk__in=ids), call)
            except HubError as exc:  # the tenant itself cannot be entered
                done, said = 0, Counter({str(exc): len(ids)})
            count, refused = count + done, refused + said
        return count, refused


@admin.register(Due, site=sites.ops)
class DueAdmin(OpsReadOnlyAdmin):
    """The ledger of leases: what is due, who holds it, what is parked."""

    place = 20
    nothing_yet = "Nothing is due: it comes with the first connection."
    paginator = CappedPaginator
    list_display = (
        "what",
        "tenant",
        "provider_shown",
        "lane_shown",
        "due",
        "held",
        "tries",
        "failures",
        "parked",
    )
    list_filter = ("kind", LaneFilter, TenantFilter)
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "provider", "=object_id", "=run_id")
    search_help_text = "Tenant, provider, object id or run id."
    ordering = ("due_at", "id")
    fields = (
        "what",
        "tenant",
        "about",
        "provider_shown",
        "lane_shown",
        "due_at",
        "interval",
        "lease_until",
        "leased_by",
        "claimed_at",
        "started_at",
        "fence",
        "attempts",
        "failures",
        "parked",
        "run_id",
        "id",
    )

    def title_of(self, obj: Due) -> str:
        return " · ".join(filter(None, (self.what(obj), provider_label(obj.provider))))

    @admin.display(description="work", ordering="kind")
    def what(self, due: Due) -> str:
        return due.get_kind_display()

    @admin.display(description="provider", ordering="provider")
    def provider_shown(self, due: Due) -> str:
        return provider_label(due.provider) if due.provider else display.NONE

    @admin.display(description="object")
    def about(self, due: Due) -> str:
        """The way to it, where operations see it: its id says little."""
        for model, kinds in SEEN_AS.items():
            if due.kind in kinds:
                page = f"admin:fleet_{model._meta.model_name}_change"
                said = f"Open the {model._meta.verbose_name}"
                return display.link(reverse(page, args=[due.object_id]), said)
        return str(due.object_id)

    @admin.display(description="interval")
    def interval(self, due: Due) -> str:
        return display.span_text(due.interval_seconds)

    @admin.display(description="lane", ordering="lane")
    def lane_shown(self, due: Due) -> str:
        return plain_label(due.lane)

    @admin.display(description="due", ordering="due_at")
    def due(self, due: Due) -> str:
        return display.ago(due.due_at)

    @admin.display(description="held until", ordering="lease_until")
    def held(self, due: Due) -> str:
        return display.ago(due.lease_until)

    @admin.display(description="tries", ordering="attempts")
    def tries(self, due: Due) -> int:
        return due.attempts

    @admin.display(description="held up by", ordering="parked_reason")
    def parked(self, due: Due) -> str:
        if due.faulted_since is not None:
            first = format_html("at every attempt, first {}", display.ago(due.faulted_since))
            return display.with_note("faults of the database", first)
        return due.parked_reason.replace("_", " ") or display.NONE


@admin.register(Worker, site=sites.ops)
class WorkerAdmin(OpsReadOnlyAdmin):
    """Worker units and their signs of life."""

    place = 30
    nothing_yet = "No worker has run yet. Start one with manage.py worker."
    list_display = ("called", "state", "seen", "beat", "processes", "restarts", "since")
    search_fields = ("host", "cluster")
    ordering = ("-seen_at", "id")

    @admin.display(description="unit", ordering="host")
    def called(self, worker: Worker) -> str:
        return display.with_note(f"{worker.host} · {worker.pid}", worker.cluster)

    @admin.display(description="state")
    def state(self, worker: Worker) -> str:
        if is_alive(worker):
            return display.badge("active", "Alive")
        return display.badge("failed", "Silent")

    @admin.display(description="last sign of life", ordering="seen_at")
    def seen(self, worker: Worker) -> str:
        return display.ago(worker.seen_at)

    @admin.display(description="last beat of its queue", ordering="beat_at")
    def beat(self, worker: Worker) -> str:
        return display.ago(worker.beat_at)

    @admin.display(description="running since", ordering="started_at")
    def since(self, worker: Worker) -> str:
        return display.ago(worker.started_at)


def is_alive(worker: Worker) -> bool:
    return worker.seen_at > timezone.now() - ALIVE_WITHIN


def fleet_address() -> str:
    return reverse("admin:fleet_connectionstatus_changelist")


def status_label(status: str) -> str:
    return dict(Connection.Status.choices).get(status, status)
