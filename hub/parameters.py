"""Query parameters that an address does not know are refused.

A filter that is misspelt would otherwise be no filter, and the caller would take everything for
what was asked for.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import APIException
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
