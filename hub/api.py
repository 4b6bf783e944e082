"""How Django REST Framework is wired: who asks, pages, the one exception handler."""

import base64
import logging
import sys
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.pagination import BasePagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from hub.database_faults import code_of, unavailable
from hub.problems import CHALLENGE, not_found, problem, problem_of
from hub.unavailable import answer_to
from integrations.errors import HubError, InvalidInputError, PermissionRefusedError
from tenants.actor import Actor
from tenants.middleware import API

if TYPE_CHECKING:  # it reads the settings that name this module
    from rest_framework.views import APIView

logger = logging.getLogger("hub.api")

INSTEAD: dict[type[exceptions.APIException], str] = {
    exceptions.NotAcceptable: "Answers are JSON; send Accept: application/json, or no such header.",
    exceptions.UnsupportedMediaType: "Send JSON, with the header Content-Type: application/json.",
}


class MiddlewareAuthentication(BaseAuthentication):
    """Take over whom AuthMiddleware has found."""

    def authenticate(self, request: Request) -> tuple[Actor, None] | None:
        actor: Actor | None = getattr(request._request, "actor", None)
        return (actor, None) if actor is not None and actor.role is not None else None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class IsTenantMember(BasePermission):
    """Somebody with a role in the tenant that is entered; the services ask for more."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return getattr(request._request, "role", None) is not None


class CursorPages(BasePagination):
    """Pages that begin after an id: no counting, no page skipped or doubled while rows arrive.

    A view says `cursor_order = "-id"` for newest first. The cursor is opaque to callers.
    """

    page_size = 100
    max_page_size = 1000

    def paginate_queryset(
        self, queryset: Any, request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        order = getattr(view, "cursor_order", "id")
        size = self._page_size(request.query_params.get("page_size"))
        rows = queryset.order_by(order)
        if cursor := request.query_params.get("cursor"):
            side = "lt" if order.startswith("-") else "gt"
            rows = rows.filter(**{f"id__{side}": _after(cursor, queryset.model)})
        page = list(rows[: size + 1])
        self.next_cursor = _cursor_at(page[size - 1]) if len(page) > size else None
        return page[:size]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next_cursor": self.next_cursor})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next_cursor"],
            "properties": {
                "results": schema,
                "next_cursor": {
                    "type": "string",
                    "nullable": True,
                    "description": "Send it as `cursor` for the next page; null on the last one.",
                },
            },
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": self.max_page_size}
        return [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "`next_cursor` of the page before.",
                "schema": {"type": "string"},
            },
            {
                "name": "page_size",
                "in": "query",
                "required": False,
                "schema": {**size, "default": self.page_size},
            },
        ]

    def _page_size(self, asked: str | None) -> int:
        if asked is None:
            return self.page_size
        if not (asked.isascii() and asked.isdigit()) or not 1 <= int(asked) <= self.max_page_size:
            said = f"Choose 1 to {self.max_page_size}."
            raise InvalidInputError("The page size cannot be used.", {"page_size": [said]})
        return int(asked)


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse:
    """Return the problem that tells the caller about `exc`; what nobody expected is logged."""
    if isinstance(exc, HubError):
        response = problem_of(exc)
        if response.status_code == 500:
            logger.error("api_failed", exc_info=exc)
        return response
    if isinstance(exc, Http404):
        return not_found()
    if isinstance(exc, PermissionDenied):
        return problem(403, PermissionRefusedError.code, detail="This is not allowed.")
    if isinstance(exc, exceptions.ValidationError):
        return problem(
            422,
            InvalidInputError.code,
            detail="What was sent cannot be used; see errors.",
            errors=_errors_of(exc.detail),
        )
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return problem(401, "unauthenticated", detail="Send an API key or an access token.")
    if isinstance(exc, exceptions.APIException):
        wait = getattr(exc, "wait", None)
        return problem(
            exc.status_code,
            exc.default_code,
            detail=_sentence(exc, context.get("view")),
            headers={"Retry-After": str(int(wait) + 1)} if wait is not None else None,
        )
    if (error := unavailable(exc)) is not None:
        logger.warning("database fault", extra={"sqlstate": code_of(exc), "said": str(error)})
        return problem_of(error)
    logger.error("api_failed", exc_info=exc)
    return server_error()


def server_error() -> HttpResponse:
    return problem(
        500, "internal_error", detail="Something went wrong here. Quote the request id to us."
    )


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path_info.startswith(API):
        return defaults.bad_request(request, exception)
    return problem(400, "bad_request", detail="The request cannot be understood.")


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path_info.startswith(API):
        return defaults.permission_denied(request, exception)
    return problem(403, PermissionRefusedError.code, detail="This is not allowed.")


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path_info.startswith(API):
        return defaults.page_not_found(request, exception)
    return not_found()


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer for what no view has met: the error is the one being handled."""
    if (answer := answer_to(request, sys.exception())) is not None:
        return answer
    if not request.path_info.startswith(API):
        return defaults.server_error(request)
    return server_error()


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """Answer everything under /api/ that no route names, in debug mode too."""
    if request.path_info.endswith("/"):
        return not_found()
    return not_found("There is nothing under this address; addresses end in a slash.")


def _sentence(exc: exceptions.APIException, view: Any) -> str:
    """What to send instead, where the framework says only what is wrong."""
    if isinstance(exc, exceptions.MethodNotAllowed):
        return f"This address takes {', '.join(view.allowed_methods)}." if view else str(exc)
    return INSTEAD.get(type(exc), str(exc.detail))


def _errors_of(detail: Any, at: str = "") -> dict[str, list[str]]:
    """{"mode": ["…"], "entity_types.0": ["…"], "": ["about the whole"]}"""
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for name, inner in detail.items():
            place = "" if name == "non_field_errors" else str(name)
            found |= _errors_of(inner, ".".join(filter(None, (at, place))))
        return found
    if isinstance(detail, list) and any(isinstance(part, dict | list) for part in detail):
        return _errors_of({str(number): part for number, part in enumerate(detail) if part}, at)
    return {at: [str(part) for part in detail] if isinstance(detail, list) else [str(detail)]}


def _cursor_at(row: Model) -> str:
    return base64.urlsafe_b64encode(str(row.pk).encode()).decode().rstrip("=")


def _after(cursor: str, model: type[Model]) -> Any:
    """Return the id that the cursor names.

    Raises:
        InvalidInputError: it is not one of ours.
    """
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        return model._meta.pk.to_python(text)
    except (ValueError, ValidationError) as exc:
        said = "Send next_cursor of the page before, unchanged."
        raise InvalidInputError("The cursor cannot be used.", {"cursor": [said]}) from exc
