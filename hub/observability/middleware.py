"""The outermost middleware: a request id for logs, audit and answers."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from hub.fields import uuid7
from hub.observability import context

ACCEPTED_ID = re.compile(r"^[A-Za-z0-9._-]{8,40}$")


class RequestMiddleware:
    """Give the request an id, or take the caller's, and name it in the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.headers.get("X-Request-Id", "")
        request_id = asked if ACCEPTED_ID.match(asked) else uuid7().hex
        id_token = context.request_id.set(request_id)
        address_token = context.client_address.set(request.META.get("REMOTE_ADDR", ""))
        try:
            response = self.get_response(request)
        finally:
            context.request_id.reset(id_token)
            context.client_address.reset(address_token)
        response["X-Request-Id"] = request_id
        return response
