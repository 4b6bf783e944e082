"""Calls of token endpoints: they meet the breakers that a connection's other calls meet."""

from collections.abc import Iterator
from contextlib import contextmanager

from integrations.errors import EgressRefusedError, HubError, ProviderUnavailableError
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
        gate.failed(exc.message)
        raise
    except EgressRefusedError:
        gate.gave_up()
        raise
    except HubError:
        gate.answered({})
        raise
    except BaseException:
        gate.gave_up()
        raise
    gate.answered({})
