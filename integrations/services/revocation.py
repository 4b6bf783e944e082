"""Telling a provider that a connection's access is to end, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from integrations.auth import oauth_of, revoke
from integrations.auth.addresses import filled
from integrations.auth.composio import delete_account
from integrations.connectors.registry import get_connector
from integrations.errors import (
    FencedError,
    HubError,
    OperatorRequiredError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.http import composio
from integrations.models import Connection, Disconnection
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.sync.credentials import open_to_revoke
from integrations.sync.outside import egress_of_settings, gateway_of_settings
from integrations.types import ApiKey, OAuth2, Provider
from tenants.actor import Actor

CALL_SECONDS = 15.0

Outcome = Disconnection.Outcome


@dataclass(frozen=True)
class Revoked:
    """How it ended, with a sentence for the operator."""

    outcome: Disconnection.Outcome
    sentence: str


def revoke_access(
    connection: Connection, *, actor: Actor, before: Callable[[], None] = lambda: None
) -> Revoked:
    """End the access at the provider, or say why that cannot be done. Safe to call again.

    `before` is called when all is ready and nothing is left but the call. It may raise.

    Raises:
        FencedError: what `before` raises leaves here as it is.
        RetryableError: the provider could not be asked, or its answer is not known.
        OperatorRequiredError: credentials or provider app cannot be used until somebody acts.
    """
    if connection.credentials is None:
        return Revoked(Outcome.NOT_NEEDED, "There were no credentials to be ended.")
    try:
        provider = get_connector(connection.provider).provider
    except HubError as exc:
        return Revoked(Outcome.FAILED, f"{exc} Remove the access at {connection.provider} itself.")
    if connection.auth_kind == composio.NAME:
        return _deleted(connection, actor, before)
    declared = oauth_of(provider) if connection.auth_kind == OAuth2.kind else None
    if declared is None or not declared.revoke_url:
        sentence = f"{provider.label} cannot be told from here to end the access."
        return Revoked(Outcome.NOT_POSSIBLE, f"{sentence} {_by_hand(provider, connection)}")
    try:
        return _asked(connection, provider, declared, actor, before)
    except (FencedError, RetryableError, OperatorRequiredError):
        raise
    except HubError as exc:
        return failed(connection, exc)


def failed(connection: Connection, exc: HubError) -> Revoked:
    """What is said once nobody tries any more."""
    provider = get_connector(connection.provider).provider
    return Revoked(Outcome.FAILED, f"{exc} {_by_hand(provider, connection)}")


def _asked(
    connection: Connection,
    provider: Provider,
    declared: OAuth2,
    actor: Actor,
    before: Callable[[], None],
) -> Revoked:
    ended_before = Revoked(Outcome.DONE, f"{provider.label} had ended the access already.")
    by_access_token = declared.revoke_style == "bearer"
    try:
        held = open_to_revoke(connection, actor=actor, by_access_token=by_access_token)
    except ReauthorizationRequiredError:
        return ended_before
    if held is None:
        return Revoked(Outcome.NOT_NEEDED, "There were no credentials to be ended.")
    app, token = held
    address = filled(provider, declared.revoke_url, connection.extra)
    before()
    has_ended = revoke(
        provider,
        declared,
        app,
        token,
        address=address,
        egress=egress_of_settings(),
        deadline=Deadline.after(CALL_SECONDS, SystemClock()),
    )
    if not has_ended:
        return ended_before
    return Revoked(Outcome.DONE, f"{provider.label} has ended the access.")


def _deleted(connection: Connection, actor: Actor, before: Callable[[], None]) -> Revoked:
    """Composio deletes the account, and ends the access it holds at the provider."""
    held = open_to_revoke(connection, actor=actor, by_access_token=False)
    if held is None:
        return Revoked(Outcome.NOT_NEEDED, "There were no credentials to be ended.")
    app, account = held
    before()
    was_there = delete_account(
        gateway_of_settings(app.client_secret),
        account,
        egress=egress_of_settings(),
        deadline=Deadline.after(CALL_SECONDS, SystemClock()),
    )
    if not was_there:
        return Revoked(Outcome.DONE, f"{composio.LABEL} had deleted the account already.")
    sentence = f"{composio.LABEL} has deleted the account and ends its access."
    return Revoked(Outcome.DONE, sentence)


def _by_hand(provider: Provider, connection: Connection) -> str:
    """Where people at the customer do it themselves."""
    if connection.auth_kind == composio.NAME:
        return f"In {composio.LABEL}'s dashboard, the connected account is deleted by hand."
    for way in provider.auth:
        if way.kind == connection.auth_kind and isinstance(way, OAuth2 | ApiKey):
            what = "the key is deleted" if isinstance(way, ApiKey) else "the app is removed"
            where = f" under {way.remove_at}" if way.remove_at else ""
            return f"At {provider.label}, {what} by hand{where}."
    return f"At {provider.label}, the access is removed by hand."
