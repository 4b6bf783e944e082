"""What operators do with rate budgets: pause them for a while, and let calls go on at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast
from uuid import UUID

from django.db.models.functions import Now

from hub.fleet.limits import RateBudget
from hub.fleet.models import Due
from integrations.errors import InvalidInputError, RefusedError
from integrations.resilience.budget import Budget
from integrations.resilience.store import Document, Documents, Scope, Subject
from integrations.sync.shared import store_of_settings
from integrations.types import Limit
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role

LONGEST_SECONDS = 86_400


@requires_role(Role.ADMIN)
def pause_budget(*, budget: RateBudget, seconds: int, actor: Actor) -> None:
    """Nothing is asked from the budget for `seconds`, from the next second on.

    A pause that ends later stays as it is.

    Raises:
        InvalidInputError: `seconds` is not 1 to 86,400.
        RefusedError: it counts requests at one time, which nobody can put off.
    """
    if not 1 <= seconds <= LONGEST_SECONDS:
        problem = "A pause takes a second to a day."
        raise InvalidInputError(problem, {"seconds": [problem]})
    if budget.kind != RateBudget.Kind.BUDGET:
        raise RefusedError(f"{budget} counts requests at one time; it cannot be paused.")
    _change(budget, lambda known, now: known.paused(now + seconds), actor)


@requires_role(Role.ADMIN)
def end_pause(*, budget: RateBudget, actor: Actor) -> None:
    """Calls pass again, as far as the limit allows; syncs that are named as waiting are due now.

    Raises:
        RefusedError: it is not paused.
    """
    if budget.paused_until is None:
        raise RefusedError(f"{budget} is not paused.")
    _change(budget, lambda known, now: known.resumed(), actor)
    waiting = [UUID(who) for who in budget.waiting]
    begun = Due.objects.free().filter(object_id__in=waiting, run_id__isnull=False)
    begun.filter(due_at__gt=Now()).update(due_at=Now())


def _change(budget: RateBudget, step: Callable[[Budget, float], Budget], actor: Actor) -> None:
    """Take the step for all processes, at the store's time."""

    def change(documents: Documents, now: float) -> dict[str, Document]:
        return {
            name: step(Budget.of_document(kept), now).as_document()
            for name, kept in documents.items()
        }

    store_of_settings(actor=actor).change([_subject(budget)], change)


def _subject(budget: RateBudget) -> Subject:
    """What all processes know the row by; the rest of its name is the pool."""
    limit = Limit(
        budget.requests, budget.per_seconds, path=budget.path, concurrent=budget.concurrent
    )
    subject = Subject(
        "slots" if budget.kind == RateBudget.Kind.SLOTS else "budget",
        cast(Scope, budget.scope),
        budget.owner,
        budget.provider,
        str(budget.tenant_id or ""),
        limit,
    )
    return replace(subject, pool=budget.name.removeprefix(subject.name).removeprefix(":"))
