"""Which door a connection's calls leave by: the hub's own, or Composio's behind it."""

from integrations.http import composio
from integrations.http.composio import ComposioEgress
from integrations.http.egress import Egress
from integrations.models import Connection
from integrations.sync.credentials import app_secrets, provider_app_of
from integrations.sync.outside import egress_of_settings, gateway_of_settings
from integrations.types import AuthContext, Provider
from tenants.actor import Actor


def egress_for(
    connection: Connection, provider: Provider, context: AuthContext, *, actor: Actor, reason: str
) -> Egress:
    """Return the door by which this connection is called; opening the gateway's key is audited.

    Raises:
        OperatorRequiredError: the key is missing or does not open.
    """
    egress = egress_of_settings()
    if connection.auth_kind != composio.NAME:
        return egress
    app = provider_app_of(composio.NAME, context.extra.get("app", ""))
    key = app_secrets(app, actor=actor, reason=reason).client_secret
    account = context.extra["connected_account"]
    return ComposioEgress.behind(
        egress, gateway_of_settings(key), account, provider, context.base_url
    )
