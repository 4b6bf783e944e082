"""Sync runs inside a tenant: history, and the progress of the one that is open."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path

from hub import display, sites
from hub.audit.admin import CappedPaginator, Question, service_action
from integrations.admin.base import ConnectionFilter, ids_asked_for, link_to
from integrations.admin.progress import (
    counts_table,
    duration_text,
    figure,
    for_script,
    progress_bar,
)
from integrations.models import SyncRun
from integrations.services.syncs import cancel_sync, waits_until
from tenants.admin.base import TenantModelAdmin

CANCEL = Question(
    "Cancel sync runs?",
    "They stop at the next batch. What is committed stays, and the next sync goes on from there.",
    "Cancel runs",
)


@admin.register(SyncRun, site=sites.tenant)
class SyncRunAdmin(TenantModelAdmin):
    """Attempts to move entities along a connection. Written by the engine alone."""

    class Media:
        js = ("hub/progress.js",)

    place = 20
    nothing_yet = "No run yet. The first one comes with the first connection."
    paginator = CappedPaginator
    list_display = (
        "began",
        "connection_link",
        "state_shown",
        "mode",
        "read",
        "changed",
        "rejected",
        "calls_made",
        "duration",
    )
    list_display_links = ("began",)
    list_filter = ("state", "mode", "trigger", ConnectionFilter)
    list_select_related = ("connection",)
    search_fields = ("connection__name", "error", "=id")
    search_help_text = "Connection, error or run id."
    date_hierarchy = "created_at"
    actions = ("cancel",)
    change_form_template = "admin/sync_run.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "connection_link",
                    "state_shown",
                    "mode_shown",
                    "lane_shown",
                    "trigger",
                    "only",
                    "duration",
                    "calls",
                    "calls_saved",
                    "slices",
                )
            },
        ),
        ("Times", {"fields": ("created_at", "started_at", "progress_at", "ended_at", "id")}),
    )

    # Columns

    @admin.display(description="run", ordering="created_at")
    def began(self, run: SyncRun) -> str:
        return display.ago(run.created_at)

    @admin.display(description="connection", ordering="connection__name")
    def connection_link(self, run: SyncRun) -> str:
        return link_to(run.connection)

    @admin.display(description="state", ordering="state")
    def state_shown(self, run: SyncRun) -> str:
        if run.is_open:
            return progress_bar(run)
        return display.state_with_reason(run.state, run.get_state_display(), run.error)

    @admin.display(description="read")
    def read(self, run: SyncRun) -> str:
        return figure(run, "read")

    @admin.display(description="changed")
    def changed(self, run: SyncRun) -> str:
        return figure(run, "changed")

    @admin.display(description="rejected")
    def rejected(self, run: SyncRun) -> str:
        return figure(run, "rejected")

    @admin.display(description="calls", ordering="calls")
    def calls_made(self, run: SyncRun) -> str:
        return figure(run, "calls")

    @admin.display(description="mode", ordering="mode")
    def mode_shown(self, run: SyncRun) -> str:
        if run.not_before is None:
            return run.get_mode_display()
        return display.together(run.get_mode_display(), "from", display.moment(run.not_before))

    @admin.display(description="duration")
    def duration(self, run: SyncRun) -> str:
        return duration_text(run)

    @admin.display(description="lane", ordering="lane")
    def lane_shown(self, run: SyncRun) -> str:
        if run.lane == SyncRun.Lane.BACKFILL:
            return display.with_note("Backfill", "Reads in full beside the schedule.")
        return run.get_lane_display()

    @admin.display(description="only these entity types")
    def only(self, run: SyncRun) -> str:
        return ", ".join(run.entity_types) or "all"

    # Actions

    def fits(self, action: str, row: SyncRun) -> bool:
        return row.is_open and row.cancel_asked_at is None

    cancel = service_action(
        "Cancel",
        lambda run, actor: cancel_sync(run=run, actor=actor),
        done="asked to stop",
        ask=CANCEL,
    )

    # Pages

    def get_urls(self) -> list[URLPattern]:
        progress = self.admin_site.admin_view(self.progress_view)
        return [
            path("progress/", progress, name="integrations_syncrun_progress"),
            *super().get_urls(),
        ]

    def progress_view(self, request: HttpRequest) -> JsonResponse:
        """How far the runs asked for have come: `?run=<id>&run=<id>`; unknown ids are left out."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        runs = SyncRun.objects.filter(pk__in=ids_asked_for(request))
        return JsonResponse({"runs": [for_script(run) for run in runs]})

    def detail_of(self, request: HttpRequest, run: SyncRun) -> dict[str, Any]:
        until = waits_until(run)
        waits = display.exact(until) if until is not None else ""
        return {"run": run, "counts": counts_table(run), "waits_until": waits}
