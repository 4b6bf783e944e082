"""Who may call a service: the one place where a role is asked for."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_now
from integrations.errors import PermissionRefusedError
from tenants.actor import Actor
from tenants.roles import Role

P = ParamSpec("P")
R = TypeVar("R")


def requires_role(role: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse the call, and audit the refusal, unless the keyword `actor` has at least `role`."""

    def decorate(service: Callable[P, R]) -> Callable[P, R]:
        @wraps(service)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            actor: Any = kwargs["actor"]
            if not isinstance(actor, Actor) or actor.role is None or not actor.role.includes(role):
                refuse(actor, service.__name__, role)
            return service(*args, **kwargs)

        checked.required_role = role  # type: ignore[attr-defined]
        return checked

    return decorate


def refuse(actor: Actor, what: str, role: Role) -> None:
    """Audit and raise the refusal of `what` to `actor`."""
    record_now(
        AuditAction.ACCESS_REFUSED,
        actor=actor,
        outcome=Outcome.REFUSED,
        detail={"asked_for": what, "needs": role.value},
    )
    raise PermissionRefusedError(f"This needs the role {role.label.lower()} in the tenant.")
