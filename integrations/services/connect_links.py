"""Connect links: what a tenant hands to an end user, what the page offers, and the click."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.connect.addresses import check_return_url
from hub.connect.attempts import begin_attempt
from hub.connect.models import ConnectSession
from hub.connect.provider_apps import find_provider_app, provider_app_for
from hub.connect.sessions import open_session
from integrations.auth import AppSecrets, authorize_url, new_verifier
from integrations.auth.composio import why_not
from integrations.connectors.base import Connector
from integrations.connectors.registry import all_connectors, get_connector
from integrations.errors import (
    ConnectRefusedError,
    InvalidInputError,
    TenantNotActiveError,
    UnknownProviderError,
)
from integrations.http.composio import LABEL, NAME
from integrations.models import Connection
from integrations.services.connections import button_way, key_way
from integrations.services.entered import checked_fields
from integrations.sync.outside import egress_of_settings
from integrations.types import Provider
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.models import Tenant
from tenants.roles import Role

MAX_STATE_LENGTH = 500
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Offer:
    """One provider on the connect page: by its button, by a form, by both, or not yet at all."""

    provider: Provider
    reads: tuple[str, ...]
    has_button: bool
    has_form: bool
    through: str = ""  # the gateway behind the button, where there is no app of our own

    @property
    def is_possible(self) -> bool:
        return self.is_clicked or self.has_form

    @property
    def is_clicked(self) -> bool:
        """Whether a button leads to a page on which the user consents."""
        return self.has_button or bool(self.through)

    @property
    def asks_first(self) -> bool:
        """Whether something must be entered before the button leads to the provider."""
        return self.has_button and bool(self.provider.fields)


@requires_role(Role.OPERATOR)
@transaction.atomic
def create_connect_session(
    *,
    tenant: Tenant,
    actor: Actor,
    providers: Sequence[str] = (),
    end_user: str = "",
    connection: Connection | None = None,
    return_url: str = "",
    state: str = "",
    is_mailed: bool = False,
) -> tuple[ConnectSession, str]:
    """Return a link's session and its token: the page is `connect_url(token)`, for 30 minutes.

    `providers` are slugs, none means all. With `connection` the link can only reconnect that one.
    At the end the user is sent to `return_url`, if there is one, with the outcome and `state` as
    query parameters. A link that is mailed names its `end_user` and may wait 24 hours for the
    first click, which makes it that browser's; from then on it has its 30 minutes.

    Raises:
        InvalidInputError: a provider is unknown, `return_url` is not on the tenant's list, `state`
            is too long or no plain text, or nobody is named for a link that is mailed.
        TenantNotActiveError: nothing can be connected there at present.
    """
    if not tenant.is_active:
        raise TenantNotActiveError(f"The tenant {tenant.slug} is {tenant.get_state_display()}.")
    if return_url:
        check_return_url(tenant=tenant, url=return_url)
    if len(state) > MAX_STATE_LENGTH or not (state.isascii() and state.isprintable()):
        problem = f"The state is at most {MAX_STATE_LENGTH} printable ASCII characters."
        raise InvalidInputError(problem, {"state": [problem]})
    if is_mailed and not end_user.strip():
        problem = "Name the end user the link is mailed to."
        raise InvalidInputError(problem, {"end_user": [problem]})
    if len(end_user) > 200 or not (end_user.isprintable()):
        problem = "Name the end user in at most 200 characters."
        raise InvalidInputError(problem, {"end_user": [problem]})
    slugs = [connection.provider] if connection is not None else list(dict.fromkeys(providers))
    try:
        for slug in slugs:
            get_connector(slug)
    except UnknownProviderError as exc:
        raise InvalidInputError(str(exc), {"providers": [str(exc)]}) from exc
    session, token = open_session(
        tenant=tenant,
        actor=actor,
        providers=slugs,
        end_user=end_user,
        connection_id=connection.pk if connection is not None else None,
        return_url=return_url,
        return_state=state,
        is_mailed=is_mailed,
    )
    record_event(
        AuditAction.CONNECT_LINK_CREATED,
        actor=actor,
        target=session,
        detail={"providers": slugs, "end_user": end_user, "mailed": is_mailed},
        tenant_id=tenant.pk,
    )
    return session, token


def connect_url(token: str) -> str:
    """The address of the connect page."""
    return f"{settings.HUB_PUBLIC_URL.rstrip('/')}/connect/{token}/"


def callback_url(provider: str) -> str:
    """The address to be registered at the provider: one each, for all tenants."""
    return f"{settings.HUB_PUBLIC_URL.rstrip('/')}/oauth/{provider}/callback/"


def offers_of(session: ConnectSession) -> list[Offer]:
    """What the link may connect, by label."""
    allowed = [
        connector
        for connector in all_connectors()
        if not session.providers or connector.provider.slug in session.providers
    ]
    gateway = LABEL if find_provider_app(NAME, session.tenant) is not None else ""
    offers = [_offer(connector, session.tenant, gateway) for connector in allowed]
    return sorted(offers, key=lambda offer: offer.provider.label.lower())


def offer_of(session: ConnectSession, provider: str) -> Offer:
    """What the link may connect under this slug.

    Raises:
        ConnectRefusedError: the link is not for this provider, or it cannot be connected yet.
    """
    found = next((one for one in offers_of(session) if one.provider.slug == provider), None)
    if found is None:
        raise ConnectRefusedError(
            "This link is not for that provider.", "provider_not_allowed", session.tenant_id
        )
    if not found.is_possible:
        raise ConnectRefusedError(
            f"{found.provider.label} is not set up here yet. Please tell whoever sent the link.",
            "no_provider_app",
            session.tenant_id,
        )
    return found


def begin_oauth(
    *,
    session: ConnectSession,
    provider: str,
    browser: str,
    entered: Mapping[str, str] = NOTHING,
    display: str = "page",
) -> str:
    """Return the consent page's address for one click; the link is this browser's from now on.

    `entered` are the fields the provider asks for before consent. `display` is "popup" where a
    window of its own was opened for the click.

    Raises:
        ConnectRefusedError: the link is another browser's, or not for this provider.
        InvalidInputError: a field is missing or odd.
    """
    offer = offer_of(session, provider)
    declared = button_way(offer.provider)
    if declared is None or not offer.has_button:
        raise ConnectRefusedError(
            f"{offer.provider.label} is connected with a key.", "no_button", session.tenant_id
        )
    values = checked_fields(offer.provider.fields, entered)
    app = provider_app_for(provider, session.tenant)
    verifier = new_verifier()
    attempt, state = begin_attempt(
        session=session,
        app=app,
        redirect_uri=callback_url(provider),
        scopes=[*declared.scopes, *declared.optional_scopes],
        verifier=verifier,
        browser=browser,
        entered=values,
        display=display,
    )
    target = authorize_url(
        offer.provider,
        AppSecrets(app.client_id, client_secret=""),
        redirect_uri=attempt.redirect_uri,
        state=state,
        verifier=verifier,
        values=values,
    )
    return egress_of_settings().overridden(target)


def _offer(connector: type[Connector], tenant: Tenant, gateway: str) -> Offer:
    """By button where the tenant has an app for it, or else through the gateway, if it has that and
    the provider can be read through it; by form where the provider has one.
    """
    provider = connector.provider
    reads = tuple(one.name.replace("_", " ") for one in connector.entity_types)
    button, form = button_way(provider), key_way(provider)
    has_button = button is not None and find_provider_app(provider.slug, tenant) is not None
    through = "" if has_button or why_not(provider) else gateway
    return Offer(provider, reads, has_button, form is not None, through)
