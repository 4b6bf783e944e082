"""Connections whose access Composio holds: a link to consent by, and the account behind it.

Whose account it is, Composio is not asked: the provider is, through the proxy, as for every other
connection. In a project that all tenants share, an account belongs to the tenant whose link made
it; a tenant with a project of its own may connect every account in it.
"""

from dataclasses import replace

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.connect.addresses import check_return_url
from hub.connect.models import ProviderApp
from hub.connect.provider_apps import find_provider_app, note_accepted, note_refused
from integrations.auth.composio import (
    BEARER_SCHEMES,
    ConnectedAccount,
    Link,
    create_link,
    fetch_account,
    not_bearer,
    toolkit_of,
    untold,
    values_of,
    why_not,
)
from integrations.connectors.base import Connector
from integrations.connectors.registry import get_connector
from integrations.errors import (
    AppRefusedError,
    InvalidInputError,
    ReauthorizationRequiredError,
    RefusedError,
)
from integrations.http.composio import LABEL, NAME, ComposioEgress, Gateway
from integrations.models import Connection
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.services.accounts import NOT_ACCEPTED, Access, account_behind, keep_account
from integrations.sync.credentials import app_secrets
from integrations.sync.outside import egress_of_settings, gateway_of_settings
from integrations.types import Account, Credentials, Provider, templates
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.decorators import requires_role
from tenants.roles import Role

CALL_SECONDS = 20.0


@requires_role(Role.OPERATOR)
def create_composio_link(
    *, provider: str, end_user: str = "", return_url: str = "", actor: Actor
) -> Link:
    """Return a page of Composio's on which somebody consents, and the account this will make.

    It lives ten minutes. What was consented to is connected by `connect_through_composio`. At the
    end the user is sent to `return_url`, if there is one and it is on the tenant's list.

    Raises:
        UnknownProviderError: there is no such provider.
        InvalidInputError: it cannot be read through Composio, or the address is not allowed.
        RefusedError: Composio is not set up here.
        AppRefusedError: Composio does not accept our key.
        RetryableError: Composio could not be asked.
    """
    if return_url:
        check_return_url(tenant=current_tenant(), url=return_url)
    return link_to_consent(
        provider=provider, end_user=end_user, callback_url=return_url, actor=actor
    )


@requires_role(Role.OPERATOR)
def link_to_consent(*, provider: str, end_user: str, callback_url: str, actor: Actor) -> Link:
    """The same with an address to come back to that nobody outside has chosen."""
    declared = get_connector(provider).provider
    _refuse("provider", why_not(declared))
    app, gateway = _project(actor, "link")
    try:
        link = create_link(
            gateway,
            toolkit_of(declared),
            user_id=f"{_owner()}{end_user}"[:200],
            callback_url=callback_url,
            egress=egress_of_settings(),
            deadline=Deadline.after(CALL_SECONDS, SystemClock()),
        )
    except AppRefusedError:
        note_refused(app, actor=actor)
        raise
    note_accepted(app, actor=actor)
    record_event(
        AuditAction.CONNECT_LINK_CREATED,
        actor=actor,
        target=app,
        detail={"providers": [provider], "end_user": end_user, "through": NAME},
        tenant_id=current_tenant().pk,
    )
    return replace(link, url=egress_of_settings().overridden(link.url))


@requires_role(Role.OPERATOR)
def connect_through_composio(
    *,
    provider: str,
    account: str,
    name: str | None = None,
    connection: Connection | None = None,
    actor: Actor,
) -> Connection:
    """Return the connection to what the connected account ("ca_…") opens, made now or reconnected.

    Nothing is saved until Composio and the provider have both answered. `connection` is the one to
    be reconnected, if it must be that one.

    Raises:
        UnknownProviderError: there is no such provider.
        InvalidInputError: it cannot be read through Composio, or this account cannot.
        AccountChangedError: it opens another account than `connection` reads.
        RefusedError: Composio is not set up here.
        AppRefusedError: Composio does not accept our key.
        RetryableError: Composio or the provider could not be asked.
    """
    connector = get_connector(provider)
    declared = connector.provider
    if not templates.is_plain(account):
        _refuse("account", f"Enter the id of an account at {LABEL}, such as ca_1a2b3c4d5e6f.")
    _refuse("provider", not_bearer(declared))
    app, gateway = _project(actor, "connect")
    try:
        found = _found(gateway, account)
        _check(found, declared, is_shared=app.tenant_id is None)
        extra = values_of(declared, found.revealed)
        opened = _identified(connector, gateway, found.id, extra)
    except AppRefusedError:
        note_refused(app, actor=actor)
        raise
    note_accepted(app, actor=actor)
    secrets = {"connected_account": found.id, "app": str(app.pk)}
    return keep_account(
        provider=declared,
        account=opened,
        access=Access(NAME, secrets, extra),
        name=name,
        expected=connection,
        actor=actor,
    )


def _project(actor: Actor, reason: str) -> tuple[ProviderApp, Gateway]:
    """The project's app and its opened key. Raises RefusedError: none is set up."""
    app = find_provider_app(NAME, current_tenant())
    if app is None:
        raise RefusedError(
            f"{LABEL} is not set up here yet: an operator enters its API key under Provider apps."
        )
    key = app_secrets(app, actor=actor, reason=reason).client_secret
    return app, gateway_of_settings(key)


def _owner() -> str:
    """How the users of this tenant are called in a project that several tenants share."""
    return f"hub:{current_tenant().pk}:"


def _found(gateway: Gateway, account: str) -> ConnectedAccount:
    try:
        return fetch_account(
            gateway,
            account,
            egress=egress_of_settings(),
            deadline=Deadline.after(CALL_SECONDS, SystemClock()),
        )
    except ReauthorizationRequiredError as exc:
        raise _problem("account", f"{LABEL} has no such account.") from exc


def _check(found: ConnectedAccount, provider: Provider, *, is_shared: bool) -> None:
    """Raise InvalidInputError unless the account is the tenant's, the provider's, and usable."""
    if is_shared and not found.user_id.startswith(_owner()):
        _refuse("account", f"{LABEL} has no such account.")
    if found.toolkit.lower() != toolkit_of(provider):
        _refuse("account", f"This is an account of {found.toolkit}, not of {provider.label}.")
    if found.is_pending:
        _refuse("account", f"Nobody has consented on {LABEL}'s page yet; open the link first.")
    if not found.is_usable:
        _refuse("account", f"{LABEL} holds no access for it: {found.trouble}. Make a new link.")
    if found.scheme and found.scheme not in BEARER_SCHEMES:
        problem = f"It is signed in to by {found.scheme}; only a Bearer token can be added."
        _refuse("account", problem)
    _refuse("account", untold(provider, found.revealed))


def _identified(
    connector: type[Connector], gateway: Gateway, account: str, extra: dict[str, str]
) -> Account:
    credentials = Credentials(extra=extra, held_by=NAME)
    context = connector().authenticate(credentials)
    egress = ComposioEgress.behind(
        egress_of_settings(), gateway, account, connector.provider, context.base_url
    )
    try:
        return account_behind(connector, credentials, egress)
    except NOT_ACCEPTED as exc:
        label = connector.provider.label
        raise _problem("account", f"{label} does not accept what {LABEL} holds.") from exc


def _refuse(field: str, problem: str) -> None:
    if problem:
        raise _problem(field, problem)


def _problem(field: str, problem: str) -> InvalidInputError:
    return InvalidInputError(problem, {field: [problem]})
