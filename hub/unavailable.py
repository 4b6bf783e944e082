"""What a request is told when the hub's own database does not serve it: 503, never 500.

Programs get a problem, people a page with one sentence; both are told when to come back. Nothing
here asks the database.
"""

import logging
import math
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from hub.database_faults import code_of, unavailable
from hub.problems import RETRY_AFTER, problem_of
from tenants.middleware import API

CONTENT_POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'"

logger = logging.getLogger("hub.unavailable")


class DatabaseFaultMiddleware:
    """Answer for views that met a fault of the database; hub.api.handler500 does for the rest."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exc: Exception) -> HttpResponse | None:
        return answer_to(request, exc)


def answer_to(request: HttpRequest, exc: BaseException | None) -> HttpResponse | None:
    """Return the 503 for a fault of the database that passes; None for any other error."""
    error = unavailable(exc)
    if error is None or exc is None:
        return None
    logger.warning("database fault", extra={"sqlstate": code_of(exc), "said": str(error)})
    if request.path_info.startswith(API):
        return problem_of(error)
    response = HttpResponse(
        render_to_string("unavailable.html", {"sentence": str(error)}), status=503
    )
    wait = RETRY_AFTER if error.retry_after is None else error.retry_after
    response["Retry-After"] = str(max(1, math.ceil(wait)))
    response["Cache-Control"] = "no-store"
    response["Content-Security-Policy"] = CONTENT_POLICY
    # A connect page may stand in the tenant's own; which that is stands in the database. There is
    # nothing to click here.
    response.xframe_options_exempt = True
    return response
