"""Connect links: made for one end user of one tenant, short-lived, bound to the first browser.

Opening a link changes nothing, because mail scanners open links too; the first click binds it. A
link that is sent by mail waits a day for that click, and from then on lives as briefly as others.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Least

from hub.clock import database_now
from hub.connect.models import ConnectSession
from integrations.errors import ConnectRefusedError
from tenants.actor import Actor
from tenants.models import Tenant
from tenants.roles import Role

LINK_LIFETIME = timedelta(minutes=30)
MAILED_LIFETIME = timedelta(hours=24)


def digest(secret: str) -> bytes:
    """What is stored instead of a random secret of 256 bits."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """256 random bits as 43 characters that stand in any address."""
    return secrets.token_urlsafe(32)


def open_session(
    *,
    tenant: Tenant,
    actor: Actor,
    providers: Sequence[str],
    end_user: str,
    connection_id: UUID | None,
    return_url: str = "",
    return_state: str = "",
    is_mailed: bool = False,
) -> tuple[ConnectSession, str]:
    """Return a new session and its token, which is shown once and stored as a hash only."""
    token = new_secret()
    session = ConnectSession.objects.create(
        tenant=tenant,
        token_hash=digest(token),
        end_user=end_user,
        providers=list(providers),
        connection_id=connection_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label[:200],
        return_url=return_url,
        return_state=return_state,
        expires_at=database_now() + (MAILED_LIFETIME if is_mailed else LINK_LIFETIME),
    )
    return session, token


def session_of(token: str, *, browser: str) -> ConnectSession:
    """The session behind a link, opened in `browser` ('' for one that is not known yet).

    Raises:
        ConnectRefusedError: the link is unknown, too old or another browser's, or its tenant is
            not active.
    """
    session = (
        ConnectSession.objects.select_related("tenant").filter(token_hash=digest(token)).first()
    )
    if session is None:
        raise ConnectRefusedError(
            "This link is not valid. Ask for a new one where you got it.", "unknown_link"
        )
    if session.expires_at <= database_now():
        raise _refused(session, "This link is too old. Ask for a new one.", "expired_link")
    if session.browser_hash is not None and not is_same_browser(session.browser_hash, browser):
        raise _refused(
            session,
            "This link is already in use in another browser. Go on there, or ask for a new one.",
            "other_browser",
        )
    if not session.tenant.is_active:
        raise _refused(session, "Nothing can be connected here at present.", "tenant_not_active")
    return session


def bind_session(session: ConnectSession, *, browser: str) -> None:
    """Make the link this browser's. Of two browsers that click at once, one wins.

    Raises:
        ConnectRefusedError: another browser was first.
    """
    mine, now = digest(browser), database_now()
    is_mine = ConnectSession.objects.filter(
        Q(browser_hash=None) | Q(browser_hash=mine), pk=session.pk
    ).update(browser_hash=mine, used_at=now, expires_at=Least("expires_at", now + LINK_LIFETIME))
    if not is_mine:
        raise _refused(
            session,
            "This link is already in use in another browser. Go on there, or ask for a new one.",
            "other_browser",
        )


def actor_of_session(session: ConnectSession) -> Actor:
    """Who acts through the link: the end user, with what an operator of the tenant handed on."""
    return Actor(
        kind="connect_session",
        id=str(session.pk),
        label=session.end_user or session.actor_label,
        role=Role.OPERATOR,
    )


def is_same_browser(stored: bytes | memoryview, browser: str) -> bool:
    return bool(browser) and secrets.compare_digest(bytes(stored), digest(browser))


def _refused(session: ConnectSession, message: str, reason: str) -> ConnectRefusedError:
    return ConnectRefusedError(message, reason, tenant_id=session.tenant_id)
