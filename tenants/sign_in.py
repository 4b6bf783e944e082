"""Auditing who signs in and out, and who tried to."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_now
from tenants.actor import Actor
from tenants.models import User


@receiver(user_logged_in)
def audit_sign_in(user: User, **_: Any) -> None:
    record_now(AuditAction.LOGIN, actor=Actor.user(user), target=user)


@receiver(user_logged_out)
def audit_sign_out(user: User | None, **_: Any) -> None:
    if user is not None:  # somebody whose session had ended already
        record_now(AuditAction.LOGOUT, actor=Actor.user(user), target=user)


@receiver(user_login_failed)
def audit_failed_sign_in(credentials: dict[str, Any], **_: Any) -> None:
    tried = str(credentials.get("username") or credentials.get("email") or "")[:254]
    record_now(
        AuditAction.LOGIN_FAILED,
        actor=Actor.stranger(tried),
        outcome=Outcome.FAILED,
        detail={"email": tried},
    )
