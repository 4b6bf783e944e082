"""What the pages inside a tenant share: links from one to the other, and two filters."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from hub import display
from integrations.models import Connection

RUNS_PER_QUESTION = 60


class ConnectionFilter(admin.SimpleListFilter):
    """Rows of one connection, by its name."""

    title = "connection"
    parameter_name = "connection"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        found = Connection.objects.present().values_list("pk", "name")
        return [(str(pk), name) for pk, name in found]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        try:
            asked = UUID(self.value() or "")
        except ValueError:
            return queryset.none() if self.value() else queryset
        return queryset.filter(connection_id=asked)


class HappenedFilter(admin.SimpleListFilter):
    """Rows to which something has not happened yet, unless those where it has are asked for.

    `time_field` says when it happened; `first_label` names those that are shown unasked, `option`
    is value and label of the others.
    """

    time_field: str
    first_label: str
    option: tuple[str, str]

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [self.option, ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": self.first_label}
        yield from others

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        if self.value() == "all":
            return queryset
        has_happened = self.value() == self.option[0]
        return queryset.filter(**{f"{self.time_field}__isnull": not has_happened})


def is_list(request: HttpRequest) -> bool:
    """Whether a list is asked for, or an action on rows of one, and not the page of one row."""
    found = request.resolver_match
    return found is not None and (found.url_name or "").endswith("changelist")


def ids_asked_for(request: HttpRequest) -> list[UUID]:
    """The ids of `?run=<id>&run=<id>`; what is no id is left out."""
    found = []
    for text in request.GET.getlist("run")[:RUNS_PER_QUESTION]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def link_to(row: models.Model, text: object = None) -> SafeString:
    """A link to the row's own page."""
    return display.link(address_of(type(row), row.pk), row if text is None else text)


def address_of(model: type[models.Model], pk: object) -> str:
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[pk])
