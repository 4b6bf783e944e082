"""What people call the things that stand as slugs in the tables, in columns and in filters."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from integrations.connectors.registry import get_connector
from integrations.destinations.registry import get_destination_type
from integrations.errors import NotFoundRefusedError

Row = TypeVar("Row")


def provider_label(slug: str) -> str:
    """ "Acme CRM" for "acme"; the slug itself if no connector has it (any more)."""
    try:
        return get_connector(slug).provider.label
    except NotFoundRefusedError:
        return slug


def destination_label(slug: str) -> str:
    try:
        return get_destination_type(slug).label
    except NotFoundRefusedError:
        return slug


def as_declared(slug: str, rows: Iterable[Row], name_of: Callable[[Row], str]) -> list[Row]:
    """The rows about entity types in the order in which the provider's are declared and read.

    Types that the connector has no longer come last.
    """
    try:
        names = [each.name for each in get_connector(slug).entity_types]
    except NotFoundRefusedError:
        return list(rows)
    places = {name: place for place, name in enumerate(names)}
    return sorted(rows, key=lambda row: places.get(name_of(row), len(places)))


def plain_label(slug: str) -> str:
    """ "Sync run" for "sync_run"."""
    return slug.replace("_", " ").capitalize()


class LabelFilter(admin.SimpleListFilter):
    """Rows by a column of slugs; offered are those that occur, by what people call them."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        column = str(self.parameter_name)
        rows = model_admin.model._default_manager.exclude(**{column: ""}).order_by()
        found = rows.values_list(column, flat=True).distinct()
        return sorted(((slug, self.label(slug)) for slug in found), key=lambda pair: pair[1])

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        wanted = {str(self.parameter_name): self.value()}
        return queryset.filter(**wanted) if self.value() else queryset

    def label(self, slug: str) -> str:
        return plain_label(slug)


class ProviderFilter(LabelFilter):
    title = parameter_name = "provider"

    def label(self, slug: str) -> str:
        return provider_label(slug)


class DestinationTypeFilter(LabelFilter):
    title = parameter_name = "type"

    def label(self, slug: str) -> str:
        return destination_label(slug)


class RecordTypeFilter(LabelFilter):
    title, parameter_name = "record type", "record_type"


class LaneFilter(LabelFilter):
    title = parameter_name = "lane"


class LastRunFilter(LabelFilter):
    title, parameter_name = "last run", "last_run_state"
