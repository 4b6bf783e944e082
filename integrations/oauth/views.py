"""The connect page, the click, and the way back from the provider; without JavaScript.

Whoever comes here is not signed in: the link's token, this browser's cookie and the state of the
attempt are what counts. Everything that goes wrong ends in one calm page and one audit event.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_now
from hub.connect.attempts import keep_answer, spend_attempt
from hub.connect.models import ConnectSession
from hub.connect.sessions import actor_of_session, bind_session, new_secret, session_of
from integrations.errors import (
    ConnectRefusedError,
    FatalError,
    HubError,
    InvalidInputError,
    OperatorRequiredError,
    RefusedError,
    RetryableError,
)
from integrations.models import Connection
from integrations.oauth.forms import CredentialsForm
from integrations.services.connect_links import Offer, begin_oauth, offer_of, offers_of
from integrations.services.connections import connect_with_key, find_connection, finish_oauth
from tenants.actor import Actor
from tenants.context import in_tenant

log = logging.getLogger(__name__)

BROWSER_COOKIE = "hub_connect"
BROWSER_SECONDS = 3600
LONGEST_ANSWER = 4000  # characters of one value a provider sends back


@dataclass
class Visit:
    """What is known of a visitor so far, for the audit of what goes wrong."""

    session: ConnectSession | None = None


View = Callable[..., HttpResponse]


def calm(view: View) -> View:
    """Turn every error of ours into one page with one sentence, and audit it."""

    @never_cache
    @wraps(view)
    def calmly(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        visit = Visit()
        try:
            return view(request, visit, **kwargs)
        except HubError as exc:
            return _refusal(request, visit, exc, kwargs.get("provider", ""))

    return calmly


@require_GET
@calm
def connect_page(request: HttpRequest, visit: Visit, *, token: str) -> HttpResponse:
    """A button or a way to a form for each provider. Opening it changes nothing."""
    session = visit.session = session_of(token, browser=_browser(request))
    offers = offers_of(session)
    context = {
        "tenant": session.tenant,
        "token": token,
        "offers": [offer for offer in offers if offer.way],
        "is_reconnect": session.connection_id is not None,
    }
    return render(request, "connect/page.html", context)


@require_http_methods(["GET", "POST"])
@calm
def connect_provider(
    request: HttpRequest, visit: Visit, *, token: str, provider: str
) -> HttpResponse:
    """POST begins at the provider, or tries the key that was entered; GET shows the form."""
    session = visit.session = session_of(token, browser=_browser(request))
    offer = offer_of(session, provider)
    if offer.is_button:
        if request.method != "POST":
            return HttpResponseRedirect(reverse("connect", args=[token]))
        browser = _browser(request) or new_secret()
        target = begin_oauth(session=session, provider=provider, browser=browser)
        response: HttpResponse = HttpResponseRedirect(target)
        response.status_code = 303
        return _remembered(request, response, browser)
    if request.method != "POST":
        return _form(request, session, token, offer, CredentialsForm(offer.provider))
    return _try_key(request, session, token, offer)


@csrf_exempt  # a provider that answers by POST comes from its own site; the state protects
@require_http_methods(["GET", "POST"])
@calm
def callback(request: HttpRequest, visit: Visit, *, provider: str) -> HttpResponse:
    """The way back. What came by POST is kept and asked for again by GET, with the cookie."""
    if request.method == "POST":
        state = request.POST.get("state", "")
        keep_answer(state=state, provider=provider, answer=_answer(request.POST))
        here = reverse("oauth_callback", args=[provider])
        response = HttpResponseRedirect(f"{here}?state={state}")
        response.status_code = 303
        return response
    spent = spend_attempt(
        state=request.GET.get("state", ""), provider=provider, browser=_browser(request)
    )
    session = visit.session = spent.attempt.session
    with in_tenant(spent.attempt.tenant):
        connection = finish_oauth(spent=spent, answer=spent.answer or _answer(request.GET))
    return _connected(request, session, connection)


def _try_key(
    request: HttpRequest, session: ConnectSession, token: str, offer: Offer
) -> HttpResponse:
    browser = _browser(request) or new_secret()
    bind_session(session, browser=browser)
    form = CredentialsForm(offer.provider, request.POST.dict())
    if form.is_valid():
        try:
            with in_tenant(session.tenant):
                connection = connect_with_key(
                    provider=offer.provider.slug,
                    secrets=form.secrets(),
                    extra=form.extra(),
                    actor=actor_of_session(session),
                    connection=find_connection(session.connection_id),
                )
            return _remembered(request, _connected(request, session, connection), browser)
        except InvalidInputError as exc:
            form.refuse(exc.errors, str(exc))
            _record(session, exc.code, offer.provider.slug)
    response = _form(request, session, token, offer, form)
    response.status_code = 400
    return _remembered(request, response, browser)


def _form(
    request: HttpRequest, session: ConnectSession, token: str, offer: Offer, form: CredentialsForm
) -> HttpResponse:
    context = {"tenant": session.tenant, "token": token, "offer": offer, "form": form}
    return render(request, "connect/form.html", context)


def _connected(
    request: HttpRequest, session: ConnectSession, connection: Connection
) -> HttpResponse:
    context = {"tenant": session.tenant, "connection": connection}
    return render(request, "connect/connected.html", context)


def _refusal(request: HttpRequest, visit: Visit, exc: HubError, provider: str) -> HttpResponse:
    if isinstance(exc, FatalError):
        log.error("connecting failed", extra={"provider": provider, "error": str(exc)})
    reason = exc.reason if isinstance(exc, ConnectRefusedError) else exc.code
    tenant_id = exc.tenant_id if isinstance(exc, ConnectRefusedError) else None
    _record(visit.session, reason, provider, tenant_id=tenant_id)
    context = {"sentence": _sentence(exc), "tenant": visit.session and visit.session.tenant}
    return render(request, "connect/refused.html", context, status=400)


def _sentence(exc: HubError) -> str:
    """What the end user is told; what an operator must settle stands in the audit log."""
    if isinstance(exc, RefusedError):
        return str(exc)
    if isinstance(exc, RetryableError):
        return "The provider did not answer properly just now. Please try again in a few minutes."
    if isinstance(exc, OperatorRequiredError):
        return "This provider is not set up correctly here. Please tell whoever sent the link."
    return "This could not be connected. Please tell whoever sent you the link."


def _record(
    session: ConnectSession | None, reason: str, provider: str, *, tenant_id: Any = None
) -> None:
    record_now(
        AuditAction.CONNECT_REFUSED,
        actor=actor_of_session(session) if session else Actor.stranger("connect page"),
        outcome=Outcome.REFUSED,
        target=session,
        detail={"reason": reason, "provider": provider[:40]},
        tenant_id=session.tenant_id if session else tenant_id,
    )


def _browser(request: HttpRequest) -> str:
    return request.COOKIES.get(BROWSER_COOKIE, "")


def _remembered(request: HttpRequest, response: HttpResponse, browser: str) -> HttpResponse:
    """Give the browser the secret by which it is known when it comes back from the provider."""
    response.set_cookie(
        BROWSER_COOKIE,
        browser,
        max_age=BROWSER_SECONDS,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",  # comes along when a provider sends the browser back by GET
    )
    return response


def _answer(values: Any) -> dict[str, str]:
    return {
        name: value
        for name, value in values.items()
        if name != "state" and len(value) <= LONGEST_ANSWER
    }
