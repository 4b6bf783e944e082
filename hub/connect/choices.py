"""An attempt whose consent opens several accounts: its tokens wait, sealed, for the user's choice.

The choice is made in the browser that clicked, within ten minutes, and once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from hub.clock import database_now
from hub.connect.attempts import AGAIN, ATTEMPT_LIFETIME, DONE
from hub.connect.models import ConnectAttempt
from hub.connect.sessions import actor_of_session, is_same_browser
from integrations.errors import ConnectRefusedError
from tenants.keys import open_for, seal_for


@dataclass(frozen=True, repr=False)
class WaitingChoice:
    """What waits for the choice, opened: whatever `wait_for_choice` was given."""

    attempt: ConnectAttempt
    held: Mapping[str, Any]


@transaction.atomic
def wait_for_choice(attempt: ConnectAttempt, held: Mapping[str, Any]) -> None:
    """Keep `held`, sealed, until the user has chosen; ten minutes from now it is of no use."""
    attempt.choice = seal_for(attempt, "choice", dict(held), tenant_id=attempt.tenant_id)
    attempt.expires_at = database_now() + ATTEMPT_LIFETIME
    attempt.save(update_fields=["choice", "expires_at"])


def find_choice(*, attempt_id: UUID, provider: str, browser: str) -> WaitingChoice:
    """What waits for this browser's choice; looking at it changes nothing.

    Raises:
        ConnectRefusedError: there is none, it is too old, another browser's or made already, or
            the tenant is not active.
    """
    attempts = ConnectAttempt.objects.select_related("tenant", "session__tenant", "provider_app")
    attempt = attempts.filter(pk=attempt_id, provider=provider).exclude(used_at=None).first()
    if attempt is None or attempt.browser_hash is None:
        raise ConnectRefusedError(f"There is nothing to choose here. {AGAIN}", "unknown_choice")
    if not is_same_browser(attempt.browser_hash, browser):
        raise _refused(attempt, f"This was started in another browser. {AGAIN}", "other_browser")
    if attempt.choice is None:
        raise _refused(attempt, DONE, "reused_choice")
    if attempt.expires_at <= database_now():
        raise _refused(attempt, f"This took longer than ten minutes. {AGAIN}", "expired_choice")
    if not attempt.tenant.is_active:
        raise _refused(attempt, "Nothing can be connected here at present.", "tenant_not_active")
    held = open_for(
        attempt,
        "choice",
        tenant_id=attempt.tenant_id,
        actor=actor_of_session(attempt.session),
        reason="connect",
    )
    return WaitingChoice(attempt, held)


def spend_choice(waiting: WaitingChoice) -> None:
    """The choice is made; nobody can make it again, whatever follows.

    Raises:
        ConnectRefusedError: it was made in another tab a moment ago.
    """
    mine = ConnectAttempt.objects.filter(pk=waiting.attempt.pk, choice__isnull=False)
    if not mine.update(choice=None):
        raise _refused(waiting.attempt, DONE, "reused_choice")


def _refused(attempt: ConnectAttempt, message: str, reason: str) -> ConnectRefusedError:
    return ConnectRefusedError(message, reason, tenant_id=attempt.tenant_id)
