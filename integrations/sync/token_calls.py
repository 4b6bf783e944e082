"""Calls of token endpoints: they meet the breakers that a connection's other calls meet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from integrations.errors import (
    EgressRefusedError,
    HubError,
    ProviderUnavailableError,
    RetryableError,
)
from integrations.models import Connection
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.sync.guards import token_guard_for
from integrations.types import Provider


@contextmanager
def token_call(
    connection: Connection, provider: Provider, deadline: Deadline, *, is_last: bool
) -> Iterator[None]:
    """Around the one call that renews the access: how it goes counts for the app's breaker.

    While that is open, nothing is asked and nothing lost: whoever needs the token comes again.
    `is_last` is for who does not: the call is made all the same.

    Raises:
        CircuitOpenError: the provider is not asked at present; retry_after says how long.
    """
    gate = token_guard_for(connection, provider, clock=SystemClock())
    if not is_last:
        gate.admit("", deadline)
    try:
        yield
    except ProviderUnavailableError as exc:
        reason = exc.message
        _note(lambda: gate.failed(reason))
        raise
    except EgressRefusedError:
        _note(gate.gave_up)
        raise
    except HubError:
        _note(lambda: gate.answered({}))
        raise
    except BaseException:
        _note(gate.gave_up)
        raise
    _note(lambda: gate.answered({}))


def _note(how_it_went: Callable[[], None]) -> None:
    """Tell the breakers, if they can be told.

    What the call brought counts for more: a refresh token that is not saved is lost for good.
    """
    with suppress(RetryableError):
        how_it_went()
