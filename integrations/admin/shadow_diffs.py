"""Shadow diffs inside a tenant: what a sync would do, read like a list of changes."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from hub import display, sites
from hub.audit.admin import CappedPaginator, service_action
from integrations.admin.base import ConnectionFilter, address_of, ids_asked_for, link_to
from integrations.admin.progress import duration_text, for_script, progress_bar
from integrations.models import Record, ShadowDiff
from integrations.models.shadow_diff import KINDS
from integrations.services.shadows import cancel_shadow
from tenants.admin.base import TenantModelAdmin

PROGRESS = "integrations_shadowdiff_progress"
# kind: what it is called, what it means to the eye, what stands in its column
SHOWN = {
    "inserted": ("would be new", "good", "New"),
    "updated": ("would change", "busy", "Changed"),
    "deleted": ("would be deleted, as the provider reports", "bad", "Deleted"),
    "vanished": ("would be deleted, no longer listed", "bad", "Vanished"),
    "rejected": ("would be rejected", "warning", "Rejected"),
}
HEAD = ("Entity type", "State", "Read", *(SHOWN[kind][2] for kind in KINDS), "Unchanged")


@dataclass(frozen=True)
class Change:
    """One record of a sample; `fields` are (name, old, new)."""

    title: str
    source_id: str
    address: str
    note: str
    fields: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Kind:
    label: str
    tone: str
    count: str
    shown: int
    is_cut: bool
    is_open: bool
    changes: list[Change]


@dataclass(frozen=True)
class TypeDiff:
    name: str
    is_held: bool
    reason: str
    kinds: list[Kind]


@admin.register(ShadowDiff, site=sites.tenant)
class ShadowDiffAdmin(TenantModelAdmin):
    """What a sync would do. Worked out by a worker; started from a connection's page."""

    class Media:
        js = ("hub/progress.js",)

    place = 22
    nothing_yet = "No diff yet. Ask for one on a connection's page to see what a sync would do."
    paginator = CappedPaginator
    list_display = (
        "began",
        "connection_link",
        "mode",
        "state_shown",
        "read",
        "would_change",
        "would_go",
        "asked_by",
    )
    list_display_links = ("began",)
    list_filter = ("state", "mode", ConnectionFilter)
    search_fields = ("connection__name", "asked_by")
    search_help_text = "Connection, or who asked."
    actions = ("cancel",)
    change_form_template = "admin/shadow_diff.html"
    fields = ("state_shown", "error")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the line for an error where there is none."""
        fields = super().get_fields(request, obj)
        return fields if obj is None or obj.error else fields[:-1]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        found: models.QuerySet[Any] = rows.for_list()
        return found

    # Columns

    @admin.display(description="diff", ordering="created_at")
    def began(self, shadow: ShadowDiff) -> str:
        return display.ago(shadow.created_at)

    @admin.display(description="connection", ordering="connection__name")
    def connection_link(self, shadow: ShadowDiff) -> str:
        return link_to(shadow.connection)

    @admin.display(description="state", ordering="state")
    def state_shown(self, shadow: ShadowDiff) -> str:
        if shadow.is_open:
            return progress_bar(shadow, PROGRESS)
        return display.badge(shadow.state, shadow.get_state_display())

    @admin.display(description="read")
    def read(self, shadow: ShadowDiff) -> str:
        return display.number(shadow.totals["read"])

    @admin.display(description="new or changed")
    def would_change(self, shadow: ShadowDiff) -> str:
        return display.number(shadow.totals["inserted"] + shadow.totals["updated"])

    @admin.display(description="deleted")
    def would_go(self, shadow: ShadowDiff) -> str:
        return display.number(shadow.totals["deleted"] + shadow.totals["vanished"])

    # Actions

    def fits(self, action: str, row: ShadowDiff) -> bool:
        return row.is_open and row.cancel_asked_at is None

    cancel = service_action(
        "Stop",
        lambda shadow, actor: cancel_shadow(shadow=shadow, actor=actor),
        done="asked to stop",
    )

    # Pages

    def get_urls(self) -> list[URLPattern]:
        progress = self.admin_site.admin_view(self.progress_view)
        return [path("progress/", progress, name=PROGRESS), *super().get_urls()]

    def progress_view(self, request: HttpRequest) -> JsonResponse:
        """How far the diffs asked for have come, in the shape of a run's progress."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = ShadowDiff.objects.for_list().filter(pk__in=ids_asked_for(request))
        return JsonResponse({"runs": [for_script(shadow) for shadow in found]})

    def detail_of(self, request: HttpRequest, shadow: ShadowDiff) -> dict[str, Any]:
        return {
            "shadow": shadow,
            "facts": self._facts(shadow),
            "counts": counts_of(shadow),
            "unchanged": unchanged_in(shadow),
            "types": types_of(shadow),
        }

    def _facts(self, shadow: ShadowDiff) -> list[tuple[str, object]]:
        return [
            ("Connection", link_to(shadow.connection)),
            ("Of a sync", shadow.get_mode_display().lower()),
            ("Entity types", ", ".join(shadow.entity_types) or "all"),
            ("Asked by", shadow.asked_by),
            ("Began", display.ago(shadow.started_at)),
            ("Duration", duration_text(shadow)),
            ("Calls", display.number(shadow.calls)),
        ]


def counts_of(shadow: ShadowDiff) -> SafeString | str:
    """The counts of each entity type that would change or is not through, as a table."""
    same = set(unchanged_in(shadow))
    return display.table(
        HEAD,
        [
            (
                name,
                display.badge(line.get("state", "")),
                int(line.get("read", 0)),
                *(int(line.get(kind, 0)) for kind in KINDS),
                int(line.get("unchanged", 0)),
            )
            for name, line in _most_changed_first(shadow)
            if name not in same
        ],
    )


def unchanged_in(shadow: ShadowDiff) -> list[str]:
    """The entity types that were read and would stay as they are."""
    return [
        name
        for name, line in _most_changed_first(shadow)
        if line.get("state") == "done" and not any(line.get(kind) for kind in KINDS)
    ]


def types_of(shadow: ShadowDiff) -> list[TypeDiff]:
    """The samples, by entity type and kind; types without any are left out."""
    found = []
    for name, line in _most_changed_first(shadow):
        samples = shadow.samples.get(name, {})
        kinds = [
            _kind(kind, int(line.get(kind, 0)), samples.get(kind, []))
            for kind in KINDS
            if line.get(kind)
        ]
        if kinds or line.get("reason"):
            is_held = bool(line.get("is_held"))
            found.append(TypeDiff(name.capitalize(), is_held, line.get("reason", ""), kinds))
    return found


def _most_changed_first(shadow: ShadowDiff) -> list[tuple[str, dict[str, Any]]]:
    def changes(named: tuple[str, dict[str, Any]]) -> tuple[int, str]:
        name, line = named
        return -sum(int(line.get(kind, 0)) for kind in KINDS), name

    return sorted(shadow.counts.items(), key=changes)


def _kind(kind: str, count: int, samples: list[dict[str, Any]]) -> Kind:
    label, tone, _ = SHOWN[kind]
    return Kind(
        label=label,
        tone=tone,
        count=display.number(count),
        shown=len(samples),
        is_cut=len(samples) < count,
        is_open=kind == "updated",
        changes=[_change(sample) for sample in samples],
    )


def _change(sample: dict[str, Any]) -> Change:
    lines = sample.get("fields", [])
    fields = [(line[0], line[1] if len(line) > 2 else "", line[-1]) for line in lines]
    kind = sample.get("type", "").replace("_", " ")
    return Change(
        title=sample.get("title") or sample["id"],
        source_id=sample["id"],
        address=address_of(Record, sample["record"]) if "record" in sample else "",
        note=sample.get("reason") or kind,
        fields=fields,
    )
