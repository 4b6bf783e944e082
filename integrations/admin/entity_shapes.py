"""Field changes inside a tenant: what a provider sends differently than before, type by type."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db import models

from hub import display, sites
from integrations.admin.base import ConnectionFilter, link_to
from integrations.models import Connection, EntityShape
from tenants.admin.base import TenantModelAdmin

KINDS = {
    "new": "a new field",
    "gone": "gone",
    "renamed": "renamed",
    "back": "there again",
    "type": "another type",
    "null": "empty for the first time",
    "value": "a new value",
}


@admin.register(EntityShape, site=sites.tenant)
class EntityShapeAdmin(TenantModelAdmin):
    """What the entities of each type look like, and how that has changed. Written by the engine."""

    place = 42
    list_display = ("entity_type", "connection_link", "newest", "changed", "known")
    list_filter = (ConnectionFilter,)
    list_select_related = ("connection",)
    search_fields = ("entity_type", "connection__name")
    search_help_text = "Entity type or connection."
    ordering = (models.F("changed_at").desc(nulls_last=True), "entity_type")
    sortable_by = ()
    fields = ("connection_link", "changes_shown", "fields_shown")

    @admin.display(description="connection")
    def connection_link(self, shape: EntityShape) -> str:
        return link_to(shape.connection)

    @admin.display(description="last change")
    def newest(self, shape: EntityShape) -> str:
        return _sentence(shape.changes[0]) if shape.changes else display.NONE

    @admin.display(description="when")
    def changed(self, shape: EntityShape) -> str:
        return display.ago(shape.changed_at)

    @admin.display(description="fields")
    def known(self, shape: EntityShape) -> str:
        return display.number(len(shape.fields))

    @admin.display(description="changes")
    def changes_shown(self, shape: EntityShape) -> str:
        return display.table(
            ("When", "Field", "Change", "Before", "Now"),
            [
                (
                    display.ago(datetime.fromisoformat(change["at"])),
                    change["path"],
                    KINDS[change["kind"]],
                    _listed(change.get("was")),
                    _listed(change.get("value") or change.get("now")),
                )
                for change in shape.changes
            ],
        )

    @admin.display(description="fields")
    def fields_shown(self, shape: EntityShape) -> str:
        return display.table(
            ("Field", "Types", "Presence", "Choices"),
            [
                (path, _listed(entry["types"]), _presence(entry), _choices(entry))
                for path, entry in sorted(shape.fields.items())
            ],
        )


def drift_of(connection: Connection) -> dict[str, Any]:
    """What last changed of each entity type of the connection, with a link; {} if nothing did."""
    changed = connection.entity_shapes.filter(changed_at__isnull=False).defer("fields")
    return {
        shape.entity_type: display.with_note(
            link_to(shape, _sentence(shape.changes[0])), display.ago(shape.changed_at)
        )
        for shape in changed
    }


def _sentence(change: dict[str, Any]) -> str:
    return f"{change['path']}: {KINDS[change['kind']]}"


def _listed(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else value or display.NONE


def _presence(entry: dict[str, Any]) -> str:
    if "gone" in entry:
        return "gone"
    return "always" if entry["always"] else "sometimes"


def _choices(entry: dict[str, Any]) -> str:
    return _listed(entry["values"] or None) if entry["types"] != ["null"] else display.NONE
