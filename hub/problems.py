"""The one shape of every refusal and failure under /api/: RFC 9457 problem details.

    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no such …",
     "code": "not_found", "request_id": "0199…", "errors": {}}

`code` is stable and meant for programs, `detail` is a sentence for people, `errors` says per field
what is wrong. Middleware, views and the handlers of hub.api all answer through `problem()`.
"""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from django.http import HttpResponse, JsonResponse

from hub.observability import context
from integrations.errors import (
    CursorExpiredError,
    HubError,
    InvalidInputError,
    NotFoundRefusedError,
    PermissionRefusedError,
    RefusedError,
    RetryableError,
    TenantNotActiveError,
    UnauthenticatedError,
)

CONTENT_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="hub"'
RETRY_AFTER = 5.0  # seconds, when whoever failed named no time

# The status of an error is that of the nearest class named here.
STATUSES: dict[type[HubError], HTTPStatus] = {
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    PermissionRefusedError: HTTPStatus.FORBIDDEN,
    TenantNotActiveError: HTTPStatus.FORBIDDEN,
    NotFoundRefusedError: HTTPStatus.NOT_FOUND,
    CursorExpiredError: HTTPStatus.GONE,
    InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusedError: HTTPStatus.CONFLICT,
    RetryableError: HTTPStatus.SERVICE_UNAVAILABLE,
    HubError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def problem(
    status: int,
    code: str,
    *,
    detail: str = "",
    errors: Mapping[str, Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the answer that says what went wrong, never why inside."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        "request_id": context.request_id.get(),
        "errors": errors or {},
    }
    response = JsonResponse(body, status=int(status), headers=headers, content_type=CONTENT_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers.setdefault("WWW-Authenticate", CHALLENGE)
    return response


def problem_of(error: HubError) -> HttpResponse:
    """Return the problem that tells the caller about `error`; of our own mistakes only the code."""
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem(status, error.code, detail="The hub could not do this; it is looked into.")
    headers = {}
    if isinstance(error, RetryableError):
        wait = RETRY_AFTER if error.retry_after is None else error.retry_after
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    errors = error.errors if isinstance(error, InvalidInputError) else None
    return problem(status, error.code, detail=str(error), errors=errors, headers=headers)


def not_found(what: str = "There is nothing under this address.") -> HttpResponse:
    """Return the 404 that an unknown thing and another tenant's thing have in common."""
    return problem(HTTPStatus.NOT_FOUND, NotFoundRefusedError.code, detail=what)
