"""Every error of the hub, grouped by who acts next.

    HubError
    ├── the engine waits, then asks for the same page again
    │   └── RetryableError                  retry_after: seconds, or None for the engine's back-off
    │       ├── RateLimitError              the provider asked for a pause
    │       │   └── BudgetSpentError        what all share is spent: nobody asks until there is more
    │       ├── CircuitOpenError            it failed too often: nobody asks until the pause is over
    │       ├── HubUnavailableError         our own database does not serve us: it costs time only
    │       └── ProviderUnavailableError    time-out, reset, 5xx, an answer nobody can read
    │           ├── TlsFailedError          certificate or handshake: never tried again at once
    │           └── GatewayUnavailableError what stands between us and the provider is down
    ├── the engine goes on another way
    │   ├── AccessTokenRefusedError         401: refresh once, then the same page again
    │   ├── RecordRejectedError             set this one entity aside, go on
    │   ├── NotFoundError                   the thing asked for is gone
    │   ├── ParentSkippedError              this parent may not be read; its records stay
    │   ├── EntityTypeUnavailableError      this type may not be read; the others go on
    │   ├── ListRestartError                the open list was lost: walk it again from page 1
    │   └── CheckpointExpiredError          start over in a new generation
    ├── the engine stops this run quietly
    │   ├── FencedError                     another worker has taken over
    │   ├── CancelledError                  somebody asked the run to stop
    │   └── StalledError                    too old and gets nowhere: it fails, a new one begins
    ├── nobody knows yet
    │   └── UnknownError                    tried again in two more runs, then like a FatalError
    ├── a person acts
    │   ├── ReauthorizationRequiredError    the customer reconnects
    │   ├── OperatorRequiredError           an operator settles it with the provider
    │   │   └── AppRefusedError             the provider does not accept our client id or secret
    │   ├── DestinationBlockedError         somebody repairs a table, a base or its access
    │   └── FatalError                      a developer looks
    │       ├── AnswerTooLargeError         larger than an answer may be
    │       └── EgressRefusedError          an address the hub does not talk to
    └── the caller is told
        ├── UnauthenticatedError            who are you?
        ├── PermissionRefusedError          you may not
        └── RefusedError                    the request or the state does not allow it
            ├── InvalidInputError           errors: {field: [sentence, …]}
            ├── NotFoundRefusedError        no such thing, or not yours
            │   ├── TenantNotFoundError
            │   └── UnknownProviderError
            ├── NameTakenError
            ├── CursorExpiredError          the reader of a feed begins again
            ├── TenantNotActiveError
            ├── ConnectionNotActiveError
            ├── ReadTooSoonError            the provider allows the type to be read later only
            ├── ConnectRefusedError         reason: why a link, a click or a callback led nowhere
            │   └── AccountChangedError     another account than the connection's own
            └── AlreadyRunningError

Catch the class, never text inside a message. A message is one sentence for the person who acts
next; it never holds a token, a full URL or an answer's body. `code` is the same error for
programs: stable, in problem details, run history and metrics.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class HubError(Exception):
    """Root of every error the hub raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message or self.code.replace("_", " ")


# The engine waits, then asks for the same page again.


class RetryableError(HubError):
    """Worth asking again after `retry_after` seconds; None leaves the wait to the engine."""

    code = "retryable"

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitError(RetryableError):
    """The provider asked for a pause."""

    code = "rate_limited"


class BudgetSpentError(RateLimitError):
    """We have spent what it allows; nothing was asked, so this is no failure."""

    code = "budget_spent"


class CircuitOpenError(RetryableError):
    """The provider failed several times in a row; nothing was asked, so this is no new failure."""

    code = "circuit_open"


class HubUnavailableError(RetryableError):
    """The hub's own database or store does not serve us; nobody was asked, nothing counts."""

    code = "hub_unavailable"


class ProviderUnavailableError(RetryableError):
    """No usable answer: time-out, reset, 5xx, a web page or half a document."""

    code = "provider_unavailable"


class TlsFailedError(ProviderUnavailableError):
    """The encrypted connection could not be trusted; asking again at once would not help."""

    code = "tls_failed"


class GatewayUnavailableError(ProviderUnavailableError):
    """The gateway that carries the call is down: known at once, so nothing waits for it here."""

    code = "gateway_unavailable"


# The engine goes on another way.


class AccessTokenRefusedError(HubError):
    """401: refresh once and ask again; the second time in a row a person must reconnect."""

    code = "access_token_refused"


class RecordRejectedError(HubError):
    """This one entity cannot become a record; it is set aside with this reason."""

    code = "record_rejected"


class NotFoundError(HubError):
    """The provider knows nothing under this path or id (any more)."""

    code = "not_found_at_provider"


class ParentSkippedError(HubError):
    """This parent may not be read; its records stay and its sweep is incomplete."""

    code = "parent_skipped"


class EntityTypeUnavailableError(HubError):
    """This entity type may not be read; the others go on and the connection is limited."""

    code = "entity_type_unavailable"


class ListRestartError(HubError):
    """The provider lost the open list; walk it again from its first page."""

    code = "list_restart"


class CheckpointExpiredError(HubError):
    """Nothing can be read from this checkpoint any more: start over in a new generation."""

    code = "checkpoint_expired"


# The engine stops this run quietly.


class FencedError(HubError):
    """Another worker has taken over; whatever this one still holds must not be written."""

    code = "fenced"


class CancelledError(HubError):
    """Somebody asked the run to stop; what was committed stays."""

    code = "cancelled"


# Nobody knows yet.


class UnknownError(HubError):
    """Something nobody has classed; what it is shows when it stays: in three runs in a row.

    `fingerprint` is the same for the same cause and holds nothing a provider said.
    """

    code = "unknown_error"

    def __init__(self, message: str = "", fingerprint: str = "") -> None:
        super().__init__(message)
        self.fingerprint = fingerprint


class StalledError(HubError):
    """The run is too old and gets nowhere; it fails, and what was committed stays."""

    code = "stalled"


# A person acts.


class ReauthorizationRequiredError(HubError):
    """The customer must reconnect before anything can be read again."""

    code = "reauthorization_required"


class OperatorRequiredError(HubError):
    """An operator must settle something with the provider (a plan, an app, a policy)."""

    code = "operator_required"


class AppRefusedError(OperatorRequiredError):
    """The provider does not accept our registration there; no customer can do anything about it."""

    code = "app_refused"


class DestinationBlockedError(HubError):
    """Nothing can be written there until somebody repairs it; the message says what."""

    code = "destination_blocked"


class FatalError(HubError):
    """Our mistake, or a provider that broke its own rules: a developer looks."""

    code = "fatal"


class AnswerTooLargeError(FatalError):
    """The answer is larger than the hub reads; asking for smaller pages is the way out."""

    code = "too_large"


class EgressRefusedError(FatalError):
    """The address is not one the hub talks to (private, loopback, another host, not https)."""

    code = "egress_refused"


# The caller is told.


class UnauthenticatedError(HubError):
    """Nobody is signed in, or the key or token is not valid here."""

    code = "unauthenticated"


class PermissionRefusedError(HubError):
    """Signed in, but the role does not allow it."""

    code = "permission_refused"


class RefusedError(HubError):
    """The request or the present state does not allow it; nothing was changed."""

    code = "refused"


class InvalidInputError(RefusedError):
    """What was sent cannot be used; `errors` says per field why."""

    code = "invalid_input"

    def __init__(
        self, message: str = "", errors: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(message)
        self.errors: dict[str, list[str]] = {
            name: list(said) for name, said in (errors or {}).items()
        }


class NotFoundRefusedError(RefusedError):
    """There is no such thing, or it belongs to somebody else; the answer is the same."""

    code = "not_found"


class TenantNotFoundError(NotFoundRefusedError):
    """No tenant has this name."""

    code = "tenant_not_found"


class UnknownProviderError(NotFoundRefusedError):
    """No connector is registered under this name."""

    code = "unknown_provider"


class NameTakenError(RefusedError):
    """The name already belongs to something else."""

    code = "name_taken"


class CursorExpiredError(RefusedError):
    """What lies behind the cursor is not known any more; reading begins again without one."""

    code = "cursor_expired"


class TenantNotActiveError(RefusedError):
    """The tenant is suspended or being closed."""

    code = "tenant_not_active"


class ConnectionNotActiveError(RefusedError):
    """The connection is paused, or waits for a person to reconnect it."""

    code = "connection_not_active"


class ReadTooSoonError(RefusedError):
    """The provider does not allow the entity type to be read again yet."""

    code = "read_too_soon"


class ConnectRefusedError(RefusedError):
    """A link, a click or a callback of connecting is not accepted; `reason` is for the audit."""

    code = "connect_refused"

    def __init__(self, message: str = "", reason: str = "", tenant_id: object = None) -> None:
        super().__init__(message)
        self.reason = reason or self.code
        self.tenant_id = tenant_id


class AccountChangedError(ConnectRefusedError):
    """Somebody signed in to another account than the one the connection reads."""

    code = "account_changed"


class AlreadyRunningError(RefusedError):
    """It is already going on; a second one is not started."""

    code = "already_running"
