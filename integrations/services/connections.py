"""What people do with connections: connect, reconnect, pause, resume, rename, set the pace."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Least, Now
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.connect.attempts import SpentAttempt
from hub.connect.sessions import actor_of_session
from hub.fleet.models import Due
from integrations.auth import UndeclaredRefusalError, exchange, expiry, oauth_of
from integrations.connectors.base import Connector
from integrations.connectors.registry import get_connector
from integrations.errors import (
    AccessTokenRefusedError,
    ConnectionNotActiveError,
    ConnectRefusedError,
    EntityTypeUnavailableError,
    InvalidInputError,
    ReauthorizationRequiredError,
    RefusedError,
)
from integrations.models import Connection
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.services.accounts import Access, account_behind, keep_account
from integrations.sync.credentials import app_secrets
from integrations.sync.health import say_working
from integrations.sync.outside import egress_of_settings
from integrations.sync.status import publish
from integrations.types import Account, ApiKey, Basic, Credentials, Field, OAuth2, Provider
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role

EXCHANGE_SECONDS = 20.0
SHORTEST_INTERVAL_SECONDS = 5 * 60
LONGEST_INTERVAL_SECONDS = 7 * 24 * 3600
MAX_INPUT_LENGTH = 4000

_NOT_ACCEPTED = (AccessTokenRefusedError, ReauthorizationRequiredError, EntityTypeUnavailableError)
_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,199}")


@requires_role(Role.OPERATOR)
def connect_with_key(
    *,
    provider: str,
    secrets: Mapping[str, str],
    extra: Mapping[str, str] | None = None,
    name: str | None = None,
    actor: Actor,
    connection: Connection | None = None,
) -> Connection:
    """Return the connection to the account a key opens, made now or reconnected.

    `secrets` are the fields the provider's sign-in asks for, `extra` those of `Provider.fields`.
    The provider is asked whose account it is first, outside of any transaction; nothing is saved
    until it has answered. `connection` is the one to be reconnected, if it must be that one.

    Raises:
        UnknownProviderError: there is no such provider.
        RefusedError: the provider is connected by its button only.
        InvalidInputError: a field is missing or odd, or the provider does not accept them.
        AccountChangedError: they open another account than `connection` reads.
        RetryableError: the provider could not be asked.
    """
    connector = get_connector(provider)
    way = key_way(connector.provider)
    if way is None:
        raise RefusedError(
            f"{connector.provider.label} is connected with the button on its connect page; "
            "make a connect link instead."
        )
    checked = _checked(way.fields, secrets)
    kept = _checked(connector.provider.fields, extra or {})
    try:
        account = account_behind(connector, _as_credentials(checked, kept))
    except _NOT_ACCEPTED as exc:
        first_secret = next((one.name for one in way.fields if one.secret), way.fields[0].name)
        problem = f"{connector.provider.label} does not accept these credentials; check them."
        raise InvalidInputError(problem, {first_secret: [problem]}) from exc
    return keep_account(
        provider=connector.provider,
        account=account,
        access=Access(way.kind, checked, kept),
        name=name,
        expected=connection,
        actor=actor,
    )


def finish_oauth(*, spent: SpentAttempt, answer: Mapping[str, str]) -> Connection:
    """Return the connection for the code in the provider's `answer`, made now or reconnected.

    The code goes only to the token endpoint of the provider that the attempt was made for.

    Raises:
        ConnectRefusedError: consent was refused, the code is missing or not accepted, or the
            access does not open any account.
        AccountChangedError: another account than the one to be reconnected; nothing is changed.
        OperatorRequiredError: the provider does not accept our app.
        RetryableError: the provider could not be asked.
    """
    attempt = spent.attempt
    actor = actor_of_session(attempt.session)
    connector = get_connector(attempt.provider)
    declared = oauth_of(connector.provider)
    code = _code_in(answer, connector.provider)
    try:
        tokens = exchange(
            connector.provider,
            app_secrets(attempt.provider_app, actor=actor, reason="connect"),
            code=code,
            redirect_uri=attempt.redirect_uri,
            verifier=spent.verifier,
            egress=egress_of_settings(),
            deadline=Deadline.after(EXCHANGE_SECONDS, SystemClock()),
        )
    except (ReauthorizationRequiredError, UndeclaredRefusalError) as exc:
        raise ConnectRefusedError(
            f"{connector.provider.label} did not confirm this. Please start again.", "code_refused"
        ) from exc
    kept = {**_kept(answer, declared.keep), **tokens.kept}
    account = _account(connector, Credentials(access_token=tokens.access_token, extra=kept))
    return keep_account(
        provider=connector.provider,
        account=account,
        access=Access(
            declared.kind,
            {
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
                "app": str(attempt.provider_app_id),
            },
            kept,
            scopes=attempt.scopes if tokens.scopes is None else tokens.scopes,
            expires_at=expiry(
                tokens, declared, is_refreshable=bool(tokens.refresh_token), now=timezone.now()
            ),
        ),
        name=None,
        expected=find_connection(attempt.session.connection_id),
        actor=actor,
    )


def find_connection(connection_id: UUID | None) -> Connection | None:
    """The connection a link is to renew; None if it is for a new one.

    Raises:
        ConnectRefusedError: it was disconnected since the link was made.
    """
    if connection_id is None:
        return None
    found: Connection | None = Connection.objects.present().filter(pk=connection_id).first()
    if found is None:
        raise ConnectRefusedError("The connection to be renewed is gone.", "connection_gone")
    return found


def key_way(provider: Provider) -> ApiKey | Basic | None:
    """The provider's sign-in by a form, if it has one."""
    return next((way for way in provider.auth if isinstance(way, ApiKey | Basic)), None)


def button_way(provider: Provider) -> OAuth2 | None:
    """The provider's sign-in by a button, if it has one."""
    return next((way for way in provider.auth if isinstance(way, OAuth2)), None)


@requires_role(Role.OPERATOR)
@transaction.atomic
def pause_connection(*, connection: Connection, actor: Actor) -> None:
    """Nothing is read until somebody resumes; an open run ends at its next position.

    Pausing what is paused changes nothing.

    Raises:
        ConnectionNotActiveError: it does not work at present anyway.
    """
    row = _locked(connection)
    if row.status == Connection.Status.PAUSED:
        return
    if not row.can_sync:
        raise ConnectionNotActiveError(f"{row} is {row.get_status_display().lower()}.")
    row.status = connection.status = Connection.Status.PAUSED
    row.save(update_fields=["status", "updated_at"])
    Due.objects.for_object(row).filter(run_id=None).update(due_at=None, parked_reason="paused")
    publish(row)
    record_event(AuditAction.CONNECTION_PAUSED, actor=actor, target=row)


@requires_role(Role.OPERATOR)
@transaction.atomic
def resume_connection(*, connection: Connection, actor: Actor) -> None:
    """Read again, from now on; what is missing is caught up. Resuming what runs changes nothing.

    Raises:
        ConnectionNotActiveError: it must be reconnected, or is disconnected.
    """
    row = _locked(connection)
    if row.can_sync:
        return
    if row.status not in (Connection.Status.PAUSED, Connection.Status.BROKEN):
        raise ConnectionNotActiveError(f"{row} must be connected again first.")
    say_working(row)
    row.save()
    connection.status = row.status
    Due.objects.for_object(row).update(due_at=Now(), parked_reason="", failures=0, attempts=0)
    publish(row)
    record_event(AuditAction.CONNECTION_RESUMED, actor=actor, target=row)


@requires_role(Role.OPERATOR)
@transaction.atomic
def rename_connection(*, connection: Connection, name: str, actor: Actor) -> None:
    """Call the connection `name`.

    Raises:
        InvalidInputError: the name is empty or longer than 200 characters.
    """
    name = name.strip()
    if not 1 <= len(name) <= 200 or not name.isprintable():
        problem = "Enter a name of 1 to 200 characters."
        raise InvalidInputError(problem, {"name": [problem]})
    row = _locked(connection)
    before = row.name
    row.name = connection.name = name
    row.save(update_fields=["name", "updated_at"])
    record_event(
        AuditAction.CONNECTION_CHANGED,
        actor=actor,
        target=row,
        detail={"name": {"old": before, "new": name}},
    )


@requires_role(Role.OPERATOR)
@transaction.atomic
def change_interval(*, connection: Connection, seconds: int, actor: Actor) -> None:
    """Sync every `seconds` from now on; a shorter interval also brings the next sync forward.

    Raises:
        InvalidInputError: it is shorter than five minutes or longer than a week.
    """
    if not SHORTEST_INTERVAL_SECONDS <= seconds <= LONGEST_INTERVAL_SECONDS:
        problem = "Choose an interval between five minutes and seven days."
        raise InvalidInputError(problem, {"interval_seconds": [problem]})
    row = _locked(connection)
    before = row.interval_seconds
    row.interval_seconds = connection.interval_seconds = seconds
    row.save(update_fields=["interval_seconds", "updated_at"])
    work = Due.objects.for_object(row).filter(kind=Due.Kind.SYNC)
    work.update(interval_seconds=seconds)
    latest = timezone.now() + timedelta(seconds=seconds)
    work.filter(due_at__isnull=False).update(due_at=Least("due_at", latest))
    record_event(
        AuditAction.CONNECTION_CHANGED,
        actor=actor,
        target=row,
        detail={"interval_seconds": {"old": before, "new": seconds}},
    )


def _locked(connection: Connection) -> Connection:
    row: Connection = Connection.objects.select_for_update().get(pk=connection.pk)
    return row


def _checked(fields: Iterable[Field], given: Mapping[str, str]) -> dict[str, str]:
    """What was entered, stripped, by field name; fields left empty are left out."""
    declared = {one.name: one for one in fields}
    errors = {
        name: ["This is not asked for; leave it out."] for name in given if name not in declared
    }
    checked: dict[str, str] = {}
    for name, one in declared.items():
        value = given.get(name, "")
        problem = _problem(one, value)
        if problem:
            errors[name] = [problem]
        elif value.strip():
            checked[name] = value.strip()
    if errors:
        named = "; ".join(f"{name}: {said[0]}" for name, said in errors.items())
        raise InvalidInputError(f"The credentials are not complete. {named}", errors)
    return checked


def _problem(declared: Field, value: object) -> str:
    if not isinstance(value, str):
        return f"{declared.label} must be text."
    value = value.strip()
    if not value:
        return f"Enter {declared.label}." if declared.required else ""
    if len(value) > MAX_INPUT_LENGTH or not value.isprintable():
        return f"{declared.label} is too long or holds characters that cannot be sent."
    if declared.pattern and not re.fullmatch(declared.pattern, value):
        return f"{declared.label} does not look right; check it."
    return ""


def _as_credentials(secrets: Mapping[str, str], extra: Mapping[str, str]) -> Credentials:
    named = {k: v for k, v in secrets.items() if k in ("key", "username", "password")}
    others = {k: v for k, v in secrets.items() if k not in named}
    return Credentials(**named, extra={**extra, **others})


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


def _kept(answer: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Values of the callback that stay. They went through a browser, so only plain ids are kept."""
    return {name: answer[name] for name in names if _PLAIN.fullmatch(answer.get(name, ""))}


def _account(connector: type[Connector], credentials: Credentials) -> Account:
    try:
        return account_behind(connector, credentials)
    except _NOT_ACCEPTED as exc:
        raise ConnectRefusedError(
            f"{connector.provider.label} did not let us see which account this is. "
            "Please start again.",
            "identity_refused",
        ) from exc
