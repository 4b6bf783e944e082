"""How a visit to the connect pages ends: one calm page, or back where the user came from.

Every page may be framed by the tenant's own pages and by nobody else's, and keeps the window that
opened it, so that the last one can tell it the outcome.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from hub.connect.addresses import (
    embedding_origins,
    is_allowed_return_url,
    origin_of,
    with_outcome,
)
from hub.connect.models import ConnectSession
from integrations.models import Connection
from integrations.services.consents import scopes_beyond

FRAMES = ("iframe", "frame", "embed", "object", "fencedframe")


@dataclass
class Visit:
    """What is known of a visitor so far; enough to end the visit well whatever goes wrong."""

    session: ConnectSession | None = None
    display: str = "page"


def see_other(target: str) -> HttpResponse:
    """Go there with a GET."""
    response = HttpResponseRedirect(target)
    response.status_code = 303
    return response


def is_framed(request: HttpRequest) -> bool:
    """Whether the browser says that it shows this page inside of another."""
    return request.headers.get("Sec-Fetch-Dest", "") in FRAMES


def display_in(values: Any) -> str:
    """ "popup" where the page was opened in a window of its own, else "page"."""
    return "popup" if values.get("display") == "popup" else "page"


def end_connected(
    request: HttpRequest, visit: Visit, provider: str, connection: Connection
) -> HttpResponse:
    """Back to the tenant's address, or a page that says what is connected now."""
    shown = {"connection": connection, "beyond": scopes_beyond(connection)}
    outcome = {"status": "connected", "provider": provider, "connection": str(connection.pk)}
    return _end(request, visit, "connect/connected.html", outcome, shown)


def end_cancelled(request: HttpRequest, visit: Visit, provider: str, sentence: str) -> HttpResponse:
    """The user said no at the provider: back to the tenant's address, or one sentence."""
    outcome = {"status": "cancelled", "provider": provider}
    return _end(request, visit, "connect/refused.html", outcome, {"sentence": sentence}, 400)


def end_refused(request: HttpRequest, visit: Visit, provider: str, sentence: str) -> HttpResponse:
    """One sentence that says why, with a way back to the tenant's address."""
    outcome = {"status": "refused", "provider": provider}
    return _end(
        request, visit, "connect/refused.html", outcome, {"sentence": sentence}, 400, stays=True
    )


def way_back(session: ConnectSession | None, outcome: dict[str, str]) -> str:
    """The tenant's address with the outcome, or '' if there is none that is (still) allowed."""
    if session is None or not session.return_url:
        return ""
    if not is_allowed_return_url(session.tenant, session.return_url):
        return ""
    return with_outcome(session.return_url, {**outcome, "state": session.return_state})


def guarded(response: HttpResponse, session: ConnectSession | None) -> HttpResponse:
    """Say what the page may load and who may frame it."""
    origins = embedding_origins(session.tenant) if session else []
    ancestors = " ".join(("'self'", *origins))
    response["Content-Security-Policy"] = (
        f"default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors {ancestors}"
    )
    if origins:  # the older header knows no list of origins, and would forbid what is allowed
        response.xframe_options_exempt = True
    else:
        response["X-Frame-Options"] = "SAMEORIGIN"
    response["Cross-Origin-Opener-Policy"] = "unsafe-none"
    return response


def _end(
    request: HttpRequest,
    visit: Visit,
    template: str,
    outcome: dict[str, str],
    shown: dict[str, Any],
    status: int = 200,
    *,
    stays: bool = False,
) -> HttpResponse:
    session = visit.session
    back = way_back(session, outcome)
    if back and visit.display == "page" and not stays:
        return see_other(back)
    context = {
        **shown,
        "tenant": session and session.tenant,
        "outcome": {**outcome, "state": session.return_state if session else ""},
        "listeners": " ".join(_listeners(session, back)),
        "display": visit.display,
        "back": back,
        "back_host": urlsplit(back).netloc,
    }
    return render(request, template, context, status=status)


def _listeners(session: ConnectSession | None, back: str) -> Iterable[str]:
    """The origins that may hear of the outcome: where the user goes back to, else who may embed."""
    if session is None:
        return []
    return [origin_of(session.return_url)] if back else embedding_origins(session.tenant)
