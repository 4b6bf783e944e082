"""What an address does not know is refused, in the query and in the body: names and choices.

A filter that is misspelt would otherwise be no filter, and the caller would take everything for
what was asked for; an order to sync from a date would be one to sync as always.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.forms import ChoiceField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

ALWAYS_KNOWN = {"format"}  # which DRF itself reads


class UnknownParameterError(APIException):
    """The query names something that the address does not know; the sentence says what it does."""

    status_code = 400
    default_code = "unknown_parameter"


class KnownFilters(DjangoFilterBackend):  # type: ignore[misc]  # untyped library
    """The filters that a list declares, and its paging; one object has neither."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        if getattr(view, "detail", False):
            refuse_unknown(request, ())
            return queryset
        filterset = self.get_filterset_class(view, queryset)
        paging = view.paginator.get_schema_operation_parameters(view) if view.paginator else ()
        names = [each["name"] for each in paging]
        refuse_unknown(request, [*names, *(filterset.base_filters if filterset else ())])
        return super().filter_queryset(request, queryset, view)

    def get_filterset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        """With choices that say what there is to choose."""
        filterset = super().get_filterset(request, queryset, view)
        for field in filterset.form.fields.values() if filterset else ():
            if isinstance(field, ChoiceField):
                choices: Any = field.choices
                known = choose_one_of(value for value, _ in choices if value)
                field.error_messages["invalid_choice"] = known
        return filterset


def refuse_unknown(request: Request, known: Iterable[str]) -> None:
    """Return if the query names only what is `known`.

    Raises:
        UnknownParameterError: it names something else.
    """
    names = sorted(known)
    unknown = sorted(set(request.query_params) - set(names) - ALWAYS_KNOWN)
    if not unknown:
        return
    said = f"There is no parameter “{unknown[0][:60]}” here; "
    said += f"there are {', '.join(names)}." if names else "this address takes none."
    raise UnknownParameterError(said)


def choose_one_of(known: Iterable[object]) -> str:
    """The sentence that refuses a choice that is none."""
    return f"Choose one of: {', '.join(str(each) for each in known)}."


class Asked(serializers.Serializer[Any]):
    """The body of a request: a name that it does not know is refused, with those it knows."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With choices that say what there is to choose."""
        fields = super().get_fields()
        for field in fields.values():
            if isinstance(field, serializers.ChoiceField):
                field.error_messages["invalid_choice"] = choose_one_of(field.choices)
        return fields

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(sorted(self.fields))
            said = f"There is no such name here; there are {known}."
            raise ValidationError({name[:60]: [said] for name in unknown})
        return super().to_internal_value(data)
