"""Rejected records inside a tenant: why each was set aside, and trying again."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html

from hub import display, sites
from hub.audit.admin import CappedPaginator
from integrations.admin.base import ConnectionFilter, HappenedFilter, is_list, link_to
from integrations.errors import HubError
from integrations.models import RejectedRecord
from integrations.services.records import replay_rejected
from tenants.admin.base import TenantModelAdmin

BYTES_SHOWN = 20_000


class ResolvedFilter(HappenedFilter):
    """Those still waiting, unless asked otherwise."""

    title = "state"
    parameter_name = "state"

    time_field = "resolved_at"
    first_label = "Waiting"
    option = ("resolved", "Resolved")


@admin.register(RejectedRecord, site=sites.tenant)
class RejectedRecordAdmin(TenantModelAdmin):
    """Entities set aside. A later sync or a replay resolves them."""

    place = 40
    nothing_yet = "Nothing was set aside: every entity became a record."
    paginator = CappedPaginator
    list_display = ("what", "connection", "reason", "times", "last_seen", "state")
    list_filter = (ResolvedFilter, ConnectionFilter)
    list_select_related = ("connection",)
    search_fields = ("=source_id", "entity_type", "reason")
    search_help_text = "Source id, entity type or reason."
    date_hierarchy = "last_at"
    actions = ("replay",)
    fieldsets = (
        (None, {"fields": ("reason", "state", "times", "first_at", "last_at", "resolved_at")}),
        (
            "Provenance",
            {
                "fields": (
                    "connection_shown",
                    "source_system",
                    "entity_type",
                    "source_id",
                    "scope",
                    "run_id",
                )
            },
        ),
        ("As the provider sent it", {"fields": ("raw_shown",)}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.defer("raw") if is_list(request) and request.method == "GET" else rows

    @admin.display(description="entity", ordering="entity_type")
    def what(self, rejected: RejectedRecord) -> str:
        return str(rejected)

    @admin.display(description="last", ordering="last_at")
    def last_seen(self, rejected: RejectedRecord) -> str:
        return display.ago(rejected.last_at)

    @admin.display(description="state", ordering="resolved_at")
    def state(self, rejected: RejectedRecord) -> str:
        return (
            display.badge("done", "Resolved") if rejected.resolved_at else display.badge("waiting")
        )

    @admin.display(description="connection")
    def connection_shown(self, rejected: RejectedRecord) -> str:
        return link_to(rejected.connection)

    @admin.display(description="raw")
    def raw_shown(self, rejected: RejectedRecord) -> str:
        """The bytes as text; what is no text, and control characters, as escapes like \\x00."""
        raw = bytes(rejected.raw)
        note = "" if len(raw) <= BYTES_SHOWN else f"… {len(raw) - BYTES_SHOWN:,} bytes more"
        return format_html('<pre class="code">{}</pre>{}', _readable(raw[:BYTES_SHOWN]), note)

    def fits(self, action: str, row: RejectedRecord) -> bool:
        return row.resolved_at is None

    @admin.action(description="Replay", permissions=["operate"])
    def replay(self, request: HttpRequest, queryset: models.QuerySet[RejectedRecord]) -> None:
        actor = self.actor_of(request)
        for rejected in queryset:
            try:
                said, level = replay_rejected(rejected=rejected, actor=actor), messages.INFO
            except HubError as refusal:
                said, level = str(refusal), messages.WARNING
            self.message_user(request, f"{rejected}: {said}", level)


def _readable(raw: bytes) -> str:
    text = raw.decode("utf-8", errors="backslashreplace")
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )
