"""The connect page, the click, and the way back from the provider; without JavaScript.

Whoever comes here is not signed in: the link's token, this browser's cookie and the state of the
attempt are what counts. Everything that goes wrong ends in one calm page and one audit event.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_now
from hub.connect.attempts import keep_answer, spend_attempt
from hub.connect.models import ConnectSession
from hub.connect.sessions import actor_of_session, bind_session, new_secret, session_of
from hub.marks import mark_of
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
from integrations.oauth.forms import CredentialsForm, DeclaredForm
from integrations.oauth.pages import (
    Visit,
    display_in,
    end_cancelled,
    end_connected,
    end_refused,
    guarded,
    is_framed,
    see_other,
    way_back,
)
from integrations.services.connect_links import Offer, begin_oauth, offer_of, offers_of
from integrations.services.connections import connect_with_key, find_connection
from integrations.services.consents import Choice, choice_of, choose_account, finish_oauth
from integrations.services.through_composio import (
    begin_through_composio,
    finish_through_composio,
)
from tenants.actor import Actor
from tenants.context import in_tenant

log = logging.getLogger(__name__)

BROWSER_COOKIE = "hub_connect"
BROWSER_SECONDS = 3600
LONGEST_ANSWER = 4000  # characters of one value a provider sends back

View = Callable[..., HttpResponse]


def calm(view: View) -> View:
    """Turn every error of ours into one page with one sentence, and audit it."""

    @never_cache
    @wraps(view)
    def calmly(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        visit = Visit()
        try:
            response = view(request, visit, **kwargs)
        except HubError as exc:
            response = _refusal(request, visit, exc, kwargs.get("provider", ""))
        return guarded(response, visit.session)

    return calmly


def clicked_here(view: View) -> View:
    """Let a POST through only from a page of ours.

    Inside somebody's page browsers keep no cookie of ours, so the browser's own word that the click
    was made on our page counts as much as Django's token; no other site can make it say so.
    """
    with_token = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin"
        return view(request, **kwargs) if is_ours else with_token(request, **kwargs)

    return checked


@require_GET
@calm
def connect_page(request: HttpRequest, visit: Visit, *, token: str) -> HttpResponse:
    """A button, a way to a form, or both for each provider. Opening it changes nothing."""
    session = visit.session = session_of(token, browser=_browser(request))
    with in_tenant(session.tenant):
        connection = find_connection(session.connection_id)
    offers = [offer for offer in offers_of(session) if offer.is_possible]
    context = {
        "tenant": session.tenant,
        "token": token,
        "entries": [(offer, mark_of(offer.provider.slug)) for offer in offers],
        "connection": connection,
        "gateway": next((offer.through for offer in offers if offer.through), ""),
        "is_framed": is_framed(request),
        "back": way_back(session, {"status": "cancelled"}),
    }
    return render(request, "connect/page.html", context)


@clicked_here
@require_http_methods(["GET", "POST"])
@calm
def connect_provider(
    request: HttpRequest, visit: Visit, *, token: str, provider: str
) -> HttpResponse:
    """POST leaves for the provider; GET asks for what must be entered before, if anything."""
    session = visit.session = session_of(token, browser=_browser(request))
    offer = offer_of(session, provider)
    form = DeclaredForm(offer.provider, _sent(request))
    asks = offer.asks_first and (request.method != "POST" or not form.is_valid())
    if is_framed(request) or (request.method != "POST" and not asks):
        return see_other(reverse("connect", args=[token]))
    if asks:
        return _form(request, session, token, offer, form)
    browser = _browser(request) or new_secret()
    if offer.through:
        display = display_in(request.POST)
        with in_tenant(session.tenant):
            target = begin_through_composio(
                session=session, provider=provider, browser=browser, display=display
            )
        return _remembered(request, see_other(target), browser)
    try:
        target = begin_oauth(
            session=session,
            provider=provider,
            browser=browser,
            entered=form.extra() if offer.asks_first else {},
            display=display_in(request.POST),
        )
    except InvalidInputError as exc:
        form.refuse(exc.errors, str(exc))
        return _form(request, session, token, offer, form)
    return _remembered(request, see_other(target), browser)


@clicked_here
@require_http_methods(["GET", "POST"])
@calm
def connect_key(request: HttpRequest, visit: Visit, *, token: str, provider: str) -> HttpResponse:
    """GET shows the form of the provider's key; POST tries what was entered at the provider."""
    session = visit.session = session_of(token, browser=_browser(request))
    offer = offer_of(session, provider)
    if not offer.has_form:
        return see_other(reverse("connect", args=[token]))
    form = CredentialsForm(offer.provider, _sent(request))
    if request.method != "POST":
        return _form(request, session, token, offer, form)
    visit.display = display_in(request.POST)
    browser = _browser(request) or new_secret()
    bind_session(session, browser=browser)
    response = _try_key(request, visit, session, offer, form)
    response = response or _form(request, session, token, offer, form)
    return _remembered(request, response, browser)


@csrf_exempt  # a provider that answers by POST comes from its own site; the state protects
@require_http_methods(["GET", "POST"])
@calm
def callback(request: HttpRequest, visit: Visit, *, provider: str) -> HttpResponse:
    """The way back. What came by POST is kept and asked for again by GET, with the cookie."""
    if request.method == "POST":
        state = request.POST.get("state", "")
        keep_answer(state=state, provider=provider, answer=_answer(request.POST))
        return see_other(f"{reverse('oauth_callback', args=[provider])}?state={state}")
    spent = spend_attempt(
        state=request.GET.get("state", ""), provider=provider, browser=_browser(request)
    )
    attempt = spent.attempt
    visit.session, visit.display = attempt.session, attempt.display
    with in_tenant(attempt.tenant):
        if attempt.is_through_gateway:
            connection: Connection | None = finish_through_composio(spent)
        else:
            connection = finish_oauth(spent=spent, answer=spent.answer or _answer(request.GET))
    if connection is None:
        return see_other(reverse("oauth_accounts", args=[provider, attempt.pk]))
    return end_connected(request, visit, provider, connection)


@clicked_here
@require_http_methods(["GET", "POST"])
@calm
def choose(request: HttpRequest, visit: Visit, *, provider: str, attempt: UUID) -> HttpResponse:
    """GET shows the accounts a consent opens; POST connects the one that was chosen."""
    choice = choice_of(attempt_id=attempt, provider=provider, browser=_browser(request))
    made_for = choice.waiting.attempt
    visit.session, visit.display = made_for.session, made_for.display
    if request.method != "POST":
        return _accounts(request, visit, choice)
    try:
        with in_tenant(made_for.tenant):
            connection = choose_account(choice, request.POST.get("account", ""))
    except InvalidInputError as exc:
        return _accounts(request, visit, choice, problem=str(exc))
    return end_connected(request, visit, provider, connection)


def _try_key(
    request: HttpRequest,
    visit: Visit,
    session: ConnectSession,
    offer: Offer,
    form: CredentialsForm,
) -> HttpResponse | None:
    """The end of the visit, or None if the form has to be shown again with what is wrong."""
    slug = offer.provider.slug
    if not form.is_valid():
        return None
    try:
        with in_tenant(session.tenant):
            connection = connect_with_key(
                provider=slug,
                secrets=form.secrets(),
                extra=form.extra(),
                actor=actor_of_session(session),
                connection=find_connection(session.connection_id),
            )
    except InvalidInputError as exc:
        form.refuse(exc.errors, str(exc))
        _record(session, exc.code, slug)
        return None
    return end_connected(request, visit, slug, connection)


def _form(
    request: HttpRequest, session: ConnectSession, token: str, offer: Offer, form: DeclaredForm
) -> HttpResponse:
    context = {
        "tenant": session.tenant,
        "token": token,
        "offer": offer,
        "mark": mark_of(offer.provider.slug),
        "form": form,
        "display": display_in(request.POST if request.method == "POST" else request.GET),
    }
    status = 400 if form.is_bound else 200
    return render(request, "connect/form.html", context, status=status)


def _accounts(
    request: HttpRequest, visit: Visit, choice: Choice, problem: str = ""
) -> HttpResponse:
    context = {
        "tenant": visit.session and visit.session.tenant,
        "provider": choice.provider,
        "accounts": choice.accounts,
        "problem": problem,
    }
    return render(request, "connect/accounts.html", context, status=400 if problem else 200)


def _refusal(request: HttpRequest, visit: Visit, exc: HubError, provider: str) -> HttpResponse:
    if isinstance(exc, FatalError):
        log.error("connecting failed", extra={"provider": provider, "error": str(exc)})
    reason = exc.reason if isinstance(exc, ConnectRefusedError) else exc.code
    tenant_id = exc.tenant_id if isinstance(exc, ConnectRefusedError) else None
    _record(visit.session, reason, provider, tenant_id=tenant_id)
    end = end_cancelled if reason == "access_denied" else end_refused
    return end(request, visit, provider, _sentence(exc))


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


def _sent(request: HttpRequest) -> dict[str, str] | None:
    return request.POST.dict() if request.method == "POST" else None


def _answer(values: Any) -> dict[str, str]:
    return {
        name: value
        for name, value in values.items()
        if name != "state" and len(value) <= LONGEST_ANSWER
    }
