"""Connect attempts: one click on a provider's button, and the callback that answers it.

The state is 256 random bits, stored as a hash. It is spent by one UPDATE when the callback comes,
before anything else is looked at, so no answer is ever used twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from hub.connect.models import ConnectAttempt, ConnectSession, ProviderApp
from hub.connect.sessions import (
    actor_of_session,
    bind_session,
    digest,
    is_same_browser,
    new_secret,
)
from hub.crypto import EncryptionKeyError, SealBrokenError
from integrations.errors import ConnectRefusedError
from tenants.keys import open_for, seal_for

ATTEMPT_LIFETIME = timedelta(minutes=10)
AGAIN = "Nothing was connected. Please open your link and start again."
DONE = "This was answered already. If an account is still missing, open your link and start again."


@dataclass(frozen=True, repr=False)
class SpentAttempt:
    """An attempt whose state was just spent, with what was sealed in it.

    `entered` are the fields asked for before consent. `answer` is what the provider posted, if it
    calls back by POST: {"code": "…"}.
    """

    attempt: ConnectAttempt
    verifier: str
    entered: Mapping[str, str] = field(default_factory=dict)
    answer: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def begin_attempt(
    *,
    session: ConnectSession,
    app: ProviderApp,
    redirect_uri: str,
    scopes: list[str],
    verifier: str,
    browser: str,
    entered: Mapping[str, str],
    display: str = "page",
    provider: str = "",
) -> tuple[ConnectAttempt, str]:
    """Return a new attempt and its state; the session belongs to `browser` from now on.

    Several attempts of one session may be open at once, as in several tabs. `provider` is what is
    connected, if `app` is not its own but a gateway's.

    Raises:
        ConnectRefusedError: the session belongs to another browser.
    """
    bind_session(session, browser=browser)
    state = new_secret()
    attempt = ConnectAttempt(
        session=session,
        tenant=session.tenant,
        provider=provider or app.provider,
        provider_app=app,
        state_hash=digest(state),
        redirect_uri=redirect_uri,
        scopes=scopes,
        browser_hash=digest(browser),
        expires_at=database_now() + ATTEMPT_LIFETIME,
        display=display,
    )
    _seal(attempt, {"verifier": verifier, "entered": dict(entered)})
    attempt.save(force_insert=True)
    record_event(
        AuditAction.CONNECT_STARTED,
        actor=actor_of_session(session),
        target=attempt,
        detail={"provider": attempt.provider},
        tenant_id=session.tenant_id,
    )
    return attempt, state


@transaction.atomic
def keep_answer(*, state: str, provider: str, answer: Mapping[str, str]) -> None:
    """Keep what a provider posted until the browser comes by GET with the cookie that proves it.

    Raises:
        ConnectRefusedError: the state is unknown, spent, too old or of another provider, or has
            an answer already.
    """
    attempt = _attempt_of(state, ConnectAttempt.objects.select_for_update())
    _check(attempt, provider)
    if attempt.used_at is not None:
        raise _refused(attempt, DONE, "reused_state")
    kept = _open(attempt)
    if "answer" in kept:
        raise _refused(attempt, DONE, "reused_state")
    _seal(attempt, {**kept, "answer": dict(answer)})
    attempt.save(update_fields=["pkce_verifier"])


def spend_attempt(*, state: str, provider: str, browser: str) -> SpentAttempt:
    """Return the attempt of a callback's state; nobody can use the state again, whatever follows.

    Raises:
        ConnectRefusedError: the state is missing, unknown, spent, too old, of another provider or
            of another browser, or the tenant is not active.
    """
    attempt = _attempt_of(state, ConnectAttempt.objects.select_related("tenant", "session"))
    spent = ConnectAttempt.objects.filter(pk=attempt.pk, used_at=None).update(
        used_at=database_now()
    )
    if not spent:
        raise _refused(attempt, DONE, "reused_state")
    _check(attempt, provider)
    if attempt.browser_hash is None or not is_same_browser(attempt.browser_hash, browser):
        raise _refused(attempt, f"This was started in another browser. {AGAIN}", "other_browser")
    if not attempt.tenant.is_active:
        raise _refused(attempt, "Nothing can be connected here at present.", "tenant_not_active")
    opened = _open(attempt)
    return SpentAttempt(
        attempt,
        str(opened["verifier"]),
        dict(opened.get("entered", {})),
        dict(opened.get("answer", {})),
    )


def _attempt_of(state: str, attempts: QuerySet[ConnectAttempt]) -> ConnectAttempt:
    if not state:
        raise ConnectRefusedError(f"The answer came without its state. {AGAIN}", "missing_state")
    attempt = attempts.filter(state_hash=digest(state)).first()
    if attempt is None:
        raise ConnectRefusedError(f"The answer belongs to nothing. {AGAIN}", "unknown_state")
    return attempt


def _check(attempt: ConnectAttempt, provider: str) -> None:
    if attempt.provider != provider:
        raise _refused(attempt, f"Another provider was asked. {AGAIN}", "other_provider")
    if attempt.expires_at <= database_now():
        raise _refused(attempt, f"This took longer than ten minutes. {AGAIN}", "expired_state")


def _refused(attempt: ConnectAttempt, message: str, reason: str) -> ConnectRefusedError:
    return ConnectRefusedError(message, reason, tenant_id=attempt.tenant_id)


def _seal(attempt: ConnectAttempt, value: dict[str, Any]) -> None:
    attempt.pkce_verifier = seal_for(attempt, "pkce_verifier", value, tenant_id=attempt.tenant_id)


def _open(attempt: ConnectAttempt) -> dict[str, Any]:
    try:
        return open_for(
            attempt,
            "pkce_verifier",
            tenant_id=attempt.tenant_id,
            actor=actor_of_session(attempt.session),
            reason="connect",
        )
    except (SealBrokenError, EncryptionKeyError) as exc:
        said = f"What was kept of your click cannot be read any more. {AGAIN}"
        raise _refused(attempt, said, "unreadable_state") from exc
