"""Columns and fields that every admin page shows alike: times, wherever a model has one."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models

Shown = Callable[[Any], Any]
Show = Callable[[datetime | None], Any]


def with_times(model: type[models.Model], names: Iterable[Any], show: Show) -> list[Any]:
    """The names of fields or columns; each that is a time gives way to what shows it."""
    return [_shown(model, name, show) for name in names]


def _shown(model: type[models.Model], name: Any, show: Show) -> Any:
    if isinstance(name, list | tuple):  # several in one line
        return with_times(model, name, show)
    try:
        field = model._meta.get_field(name) if isinstance(name, str) else None
    except FieldDoesNotExist:  # a method of the page
        return name
    return _time_of(field, show) if isinstance(field, models.DateTimeField) else name


@cache
def _time_of(field: "models.DateTimeField[Any, Any]", show: Show) -> Shown:
    """The same function for the same field each time: Django compares them."""

    @admin.display(description=field.verbose_name, ordering=field.name)
    def shown(row: Any) -> Any:
        return show(getattr(row, field.name))

    shown.__name__ = field.name
    return shown
