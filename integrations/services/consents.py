"""The way back from a provider: a code becomes a connection, or waits for an account's choice."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.clock import database_now
from hub.connect.attempts import SpentAttempt
from hub.connect.choices import WaitingChoice, find_choice, spend_choice, wait_for_choice
from hub.connect.models import ConnectAttempt
from hub.connect.sessions import actor_of_session
from integrations.auth import (
    TokenAnswer,
    UndeclaredRefusalError,
    exchange,
    expiry,
    known_scopes,
    oauth_of,
    surplus_scopes,
)
from integrations.connectors.base import Connector
from integrations.connectors.registry import get_connector
from integrations.errors import (
    AccountChangedError,
    ConnectRefusedError,
    InvalidInputError,
    ReauthorizationRequiredError,
)
from integrations.models import Connection
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.services.accounts import (
    NOT_ACCEPTED,
    Access,
    OpenAccount,
    account_behind,
    accounts_open_to,
    keep_account,
)
from integrations.services.connections import find_connection
from integrations.sync.credentials import app_secrets
from integrations.sync.outside import egress_of_settings
from integrations.types import Account, Credentials, OAuth2, Provider

EXCHANGE_SECONDS = 20.0

_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,199}")


@dataclass(frozen=True)
class Choice:
    """The accounts of which the user is to pick one."""

    provider: Provider
    accounts: list[Account]
    waiting: WaitingChoice


def finish_oauth(*, spent: SpentAttempt, answer: Mapping[str, str]) -> Connection | None:
    """Return the connection for the code in the provider's `answer`, made now or reconnected.

    None if the consent opens several accounts: the attempt then waits for the user's choice. The
    code goes only to the token endpoint of the provider that the attempt was made for.

    Raises:
        ConnectRefusedError: consent was refused, the code is missing, of another issuer or not
            accepted, more was granted than is wanted, or the access does not open any account.
        AccountChangedError: another account than the one to be reconnected; nothing is changed.
        OperatorRequiredError: the provider does not accept our app.
        RetryableError: the provider could not be asked.
    """
    attempt = spent.attempt
    connector = get_connector(attempt.provider)
    declared = oauth_of(connector.provider)
    _check_issuer(answer, declared, connector.provider)
    code = _code_in(answer, connector.provider)
    tokens = _exchanged(spent, code, connector.provider)
    access = _access(tokens, declared, attempt, {**spent.entered, **_kept(answer, declared.keep)})
    _check_scopes(access, declared, connector.provider)
    expected = find_connection(attempt.session.connection_id)
    if connector.provider.accounts is None:
        account = _account(connector, access)
        return _connected(connector.provider, account, access, expected, attempt)
    found = _choosable(connector, access, expected)
    if len(found) > 1:
        wait_for_choice(attempt, _held(access, found))
        return None
    return _connected_to(connector, found[0], access, expected, attempt)


def choice_of(*, attempt_id: UUID, provider: str, browser: str) -> Choice:
    """What this browser's user may choose from.

    Raises:
        ConnectRefusedError: as `find_choice`.
    """
    waiting = find_choice(attempt_id=attempt_id, provider=provider, browser=browser)
    accounts = [Account(one["id"], one["label"]) for one in waiting.held["accounts"]]
    return Choice(get_connector(provider).provider, accounts, waiting)


def choose_account(choice: Choice, account_id: str) -> Connection:
    """Return the connection to the account that was chosen; the choice is then used up.

    Raises:
        InvalidInputError: it is none of those to choose from; the choice stays open.
        ConnectRefusedError, RetryableError: as `finish_oauth`.
    """
    held, attempt = choice.waiting.held, choice.waiting.attempt
    found = [one for one in held["accounts"] if one["id"] == account_id]
    if not found:
        problem = "Choose one of the accounts."
        raise InvalidInputError(problem, {"account": [problem]})
    connector = get_connector(attempt.provider)
    expected = find_connection(attempt.session.connection_id)
    spend_choice(choice.waiting)
    account = OpenAccount(Account(found[0]["id"], found[0]["label"]), found[0]["kept"])
    return _connected_to(connector, account, _released(held), expected, attempt)


def scopes_beyond(connection: Connection) -> list[str]:
    """What was granted to the connection though nobody asked for it, by the provider's names."""
    if connection.auth_kind != OAuth2.kind:
        return []
    declared = oauth_of(get_connector(connection.provider).provider)
    return surplus_scopes(declared, connection.granted_scopes)


def _check_issuer(answer: Mapping[str, str], declared: OAuth2, provider: Provider) -> None:
    """RFC 9207: an answer of another server, or of none, brings no code to the token endpoint."""
    said = answer.get("iss", "")
    if declared.issuer and (said or answer.get("code")) and said != declared.issuer:
        raise ConnectRefusedError(
            f"This answer does not come from {provider.label}. Please start again.", "other_issuer"
        )


def _code_in(answer: Mapping[str, str], provider: Provider) -> str:
    error = answer.get("error", "")
    if error == "access_denied":
        raise ConnectRefusedError(
            f"You did not allow access to {provider.label}, so nothing was connected.",
            "access_denied",
        )
    code = answer.get("code", "")
    if error or not code:
        raise ConnectRefusedError(
            f"{provider.label} sent you back without permission. Please start again.",
            "provider_error" if error else "missing_code",
        )
    return code


def _exchanged(spent: SpentAttempt, code: str, provider: Provider) -> TokenAnswer:
    attempt = spent.attempt
    actor = actor_of_session(attempt.session)
    try:
        return exchange(
            provider,
            app_secrets(attempt.provider_app, actor=actor, reason="connect"),
            code=code,
            redirect_uri=attempt.redirect_uri,
            verifier=spent.verifier,
            values=spent.entered,
            egress=egress_of_settings(),
            deadline=Deadline.after(EXCHANGE_SECONDS, SystemClock()),
        )
    except (ReauthorizationRequiredError, UndeclaredRefusalError) as exc:
        raise ConnectRefusedError(
            f"{provider.label} did not confirm this. Please start again.", "code_refused"
        ) from exc


def _access(
    tokens: TokenAnswer, declared: OAuth2, attempt: ConnectAttempt, extra: Mapping[str, str]
) -> Access:
    """What was given. An answer that names no scopes means those that were asked for."""
    granted = attempt.scopes if tokens.scopes is None else tokens.scopes
    is_refreshable = bool(tokens.refresh_token)
    return Access(
        declared.kind,
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "app": str(attempt.provider_app_id),
        },
        {**extra, **tokens.kept},
        scopes=known_scopes(declared, granted),
        expires_at=expiry(tokens, declared, is_refreshable=is_refreshable, now=database_now()),
    )


def _check_scopes(access: Access, declared: OAuth2, provider: Provider) -> None:
    if declared.exact_scopes and surplus_scopes(declared, access.scopes):
        raise ConnectRefusedError(
            f"More was allowed at {provider.label} than was asked for, so nothing was connected. "
            "Please start again and change nothing there.",
            "scopes_exceeded",
        )


def _kept(answer: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Values of the callback that stay. They went through a browser, so only plain ids are kept."""
    return {name: answer[name] for name in names if _PLAIN.fullmatch(answer.get(name, ""))}


def _credentials(access: Access) -> Credentials:
    return Credentials(access_token=access.secrets["access_token"], extra=access.extra)


def _account(connector: type[Connector], access: Access) -> Account:
    try:
        return account_behind(connector, _credentials(access))
    except NOT_ACCEPTED as exc:
        raise _unseen(connector.provider) from exc


def _choosable(
    connector: type[Connector], access: Access, expected: Connection | None
) -> list[OpenAccount]:
    """The accounts the consent opens; for a reconnect only the connection's own."""
    try:
        found = accounts_open_to(connector, _credentials(access))
    except NOT_ACCEPTED as exc:
        raise _unseen(connector.provider) from exc
    if not found:
        raise ConnectRefusedError(
            f"You have no account at {connector.provider.label} that can be read here.",
            "no_account",
        )
    if expected is None:
        return found
    own = [one for one in found if one.account.id == expected.account_id]
    if not own:
        raise AccountChangedError(
            f"This sign-in does not open {expected.account_label or expected.account_id}, which "
            "the connection reads. Nothing was changed."
        )
    return own


def _connected_to(
    connector: type[Connector],
    chosen: OpenAccount,
    access: Access,
    expected: Connection | None,
    attempt: ConnectAttempt,
) -> Connection:
    """Connect the chosen account, after one call that shows that it can really be read."""
    complete = Access(
        access.auth_kind,
        access.secrets,
        {**access.extra, **chosen.kept},
        scopes=access.scopes,
        expires_at=access.expires_at,
    )
    _account(connector, complete)
    return _connected(connector.provider, chosen.account, complete, expected, attempt)


def _connected(
    provider: Provider,
    account: Account,
    access: Access,
    expected: Connection | None,
    attempt: ConnectAttempt,
) -> Connection:
    return keep_account(
        provider=provider,
        account=account,
        access=access,
        name=None,
        expected=expected,
        actor=actor_of_session(attempt.session),
    )


def _held(access: Access, accounts: Iterable[OpenAccount]) -> dict[str, Any]:
    return {
        "auth_kind": access.auth_kind,
        "secrets": dict(access.secrets),
        "extra": dict(access.extra),
        "scopes": list(access.scopes),
        "expires_at": access.expires_at.isoformat() if access.expires_at else None,
        "accounts": [
            {"id": one.account.id, "label": one.account.label, "kept": dict(one.kept)}
            for one in accounts
        ],
    }


def _released(held: Mapping[str, Any]) -> Access:
    ends_at = held["expires_at"]
    return Access(
        held["auth_kind"],
        held["secrets"],
        held["extra"],
        scopes=held["scopes"],
        expires_at=datetime.fromisoformat(ends_at) if ends_at else None,
    )


def _unseen(provider: Provider) -> ConnectRefusedError:
    return ConnectRefusedError(
        f"{provider.label} did not let us see which account this is. Please start again.",
        "identity_refused",
    )
