"""Records inside a tenant: found by words in their title, shown with where they came from."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest

from hub import display, sites
from hub.audit.admin import CappedPaginator
from integrations.admin.base import ConnectionFilter, HappenedFilter, is_list, link_to
from integrations.admin.labels import LabelFilter, plain_label
from integrations.connectors.registry import all_connectors
from integrations.models import Connection, EntityTypeStatus, Record, SyncRun
from integrations.services.freshness import OVERDUE, PROVIDER_DOWN, Freshness, with_freshness
from tenants.admin.base import TenantModelAdmin

LINKS_SHOWN = 50
# Why nothing newer is to be had, where that is not the connection's status.
STALE = {PROVIDER_DOWN: "Provider away", OVERDUE: "Sync is late"}


class AgedList(ChangeList):
    """A list whose records know how old they are, in three statements."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = with_freshness(self.result_list)


class RecordTypeFilter(LabelFilter):
    """By shared shape. Offers what connectors make: asking the table would read all of it."""

    title = "record type"
    parameter_name = "record_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        offered = {
            made.record_type
            for connector in all_connectors()
            for entity_type in connector.entity_types
            for made in entity_type.record_types
        }
        return [(slug, plain_label(slug)) for slug in sorted(offered)]


class EntityTypeFilter(LabelFilter):
    """By the provider's own type; offered are those that some connection reads."""

    title = "entity type"
    parameter_name = "entity_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        read = EntityTypeStatus.objects.order_by("entity_type").values_list(
            "entity_type", flat=True
        )
        return [(name, plain_label(name)) for name in read.distinct()]


class PresenceFilter(HappenedFilter):
    """Deleted at the provider, or still there. Shows those still there unless asked otherwise."""

    title = "presence"
    parameter_name = "presence"

    time_field = "deleted_at"
    first_label = "Present"
    option = ("deleted", "Deleted")


@admin.register(Record, site=sites.tenant)
class RecordAdmin(TenantModelAdmin):
    """What entities became. Written by the engine alone."""

    place = 30
    nothing_yet = "No record yet. They arrive with the first sync of a connection."
    paginator = CappedPaginator
    list_display = ("name", "kind", "source", "source_id", "changed", "last_read")
    list_filter = (PresenceFilter, RecordTypeFilter, EntityTypeFilter, ConnectionFilter)
    search_fields = ("title",)  # shows the box; `Record.objects.search` answers
    search_help_text = "Words of the title, or the whole source id."
    ordering = ("-change_seq",)
    sortable_by = ()
    change_form_template = "admin/record.html"
    fieldsets = (
        (None, {"fields": ("kind", "last_read", "data_shown")}),
        (
            "Provenance",
            {
                "fields": (
                    "connection_shown",
                    "source_system",
                    "entity_type",
                    "source_id",
                    "scope",
                    "source_changed_at",
                    "first_seen_at",
                    "changed_at",
                    "deleted_at",
                    "run_shown",
                    "change_seq",
                )
            },
        ),
        ("As the provider sent it", {"fields": ("raw_shown",)}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.defer("data", "raw", "content_hash") if is_list(request) else rows

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AgedList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        words = search_term.replace("\x00", "").strip()
        return (queryset.search(words) if words else queryset), False

    @admin.display(description="title")
    def name(self, record: Record) -> str:
        return str(record)

    @admin.display(description="record type")
    def kind(self, record: Record) -> str:
        return plain_label(record.record_type)

    @admin.display(description="from")
    def source(self, record: Record) -> str:
        return display.with_note(record.entity_type, record.source_system)

    @admin.display(description="changed")
    def changed(self, record: Record) -> str:
        return display.ago(record.changed_at)

    @admin.display(description="last read")
    def last_read(self, record: Record) -> str:
        """When its type was last read, and why nothing newer is to be had."""
        known: Freshness | None = getattr(record, "freshness", None)
        age = known or with_freshness([record])[0].freshness
        shown = display.ago(age.as_of)
        return display.with_note(shown, _why_stale(age)) if age.is_stale else shown

    @admin.display(description="data")
    def data_shown(self, record: Record) -> str:
        return display.fields_table(record.data)

    @admin.display(description="raw")
    def raw_shown(self, record: Record) -> str:
        return display.folded("Show JSON", display.pretty_json(record.raw))

    @admin.display(description="connection")
    def connection_shown(self, record: Record) -> str:
        found = Connection.objects.filter(pk=record.connection_id).first()
        return link_to(found) if found else str(record.connection_id)

    @admin.display(description="run that last changed it")
    def run_shown(self, record: Record) -> str:
        run = SyncRun.objects.filter(pk=record.run_id).first()
        return link_to(run, "Open the run") if run else str(record.run_id)

    def detail_of(self, request: HttpRequest, record: Record) -> dict[str, Any]:
        return _related(record)


def _why_stale(age: Freshness) -> str:
    label = STALE.get(age.reason) or Connection.Status(age.reason).label
    return display.badge("limited", label)


def _related(record: Record) -> dict[str, Any]:
    """Tables of the records this one names, and of those that name it."""
    names = record.links.select_related("target").order_by("field", "position")[:LINKS_SHOWN]
    named_by = record.linked_from.select_related("record").order_by("field", "pk")[:LINKS_SHOWN]
    return {
        "names": display.table(
            ("Field", "Record", "Entity type", "Source id"),
            [
                (
                    link.field.replace("_", " "),
                    link_to(link.target) if link.target else "not here (yet)",
                    link.target_type,
                    link.target_source_id,
                )
                for link in names
            ],
        ),
        "named_by": display.table(
            ("Record", "Entity type", "As"),
            [
                (link_to(link.record), link.record.entity_type, link.field.replace("_", " "))
                for link in named_by
            ],
        ),
    }
