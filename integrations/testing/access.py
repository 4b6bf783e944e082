"""Access to an account of the sandbox: a key is taken, a consent page is clicked, a token renewed.

The hub's own steps of OAuth 2 are used, so what a connector declares about them is tried too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations import auth
from integrations.connectors.base import Connector, auth_headers
from integrations.errors import FatalError, ReauthorizationRequiredError
from integrations.http.client import ProviderClient
from integrations.http.egress import Egress
from integrations.records import dig
from integrations.resilience.clock import Clock, SystemClock
from integrations.resilience.deadline import Deadline
from integrations.sandbox import Sandbox
from integrations.sandbox.visitor import Visitor
from integrations.types import AuthContext, ClientCredentials, Credentials, OAuth2

OAUTH_SECONDS = 20.0
STATE = "contract"
_NAMED = ("access_token", "key", "username", "password")


@dataclass(frozen=True, repr=False)
class Access:
    """What opens one account: credentials, and what renews them if anything does."""

    account_id: str
    credentials: Credentials
    refresh_token: str = ""
    app: auth.AppSecrets = field(default_factory=lambda: auth.AppSecrets("", ""))

    def secrets(self) -> list[str]:
        """The values that may stand in no address and no log line."""
        held = [getattr(self.credentials, name) for name in _NAMED if name != "username"]
        return [secret for secret in (*held, self.refresh_token) if len(secret) >= 8]


def egress_of(sandbox: Sandbox) -> Egress:
    """The door that leads to the sandbox instead of to the providers."""
    return Egress(addresses=sandbox.addresses(), allow=("127.0.0.1",))


def open_access(connector: type[Connector], sandbox: Sandbox, number: int = 0) -> Access:
    """Access to the provider's account `number`, as a customer would give it.

    Raises:
        FatalError: the sandbox offers nothing that the connector's declared ways could use.
    """
    offered = sandbox.world.credentials()[connector.provider.slug]
    if isinstance(offered, list):
        return _with_key(connector, sandbox, offered[number])
    return _by_consent(connector, sandbox, offered, number)


def renewed(connector: type[Connector], sandbox: Sandbox, access: Access) -> Access:
    """The same account's access after a renewal; without a refresh token it is given anew."""
    if not access.refresh_token:
        offered = sandbox.world.credentials()[connector.provider.slug]
        ids = [_id_of(entry) for entry in _accounts(offered)]
        return open_access(connector, sandbox, ids.index(access.account_id))
    values = access.credentials.values()
    answer = auth.refresh(
        connector.provider,
        access.app,
        access.refresh_token,
        egress=egress_of(sandbox),
        deadline=Deadline.after(OAUTH_SECONDS, SystemClock()),
        values=values,
    )
    extra = {**access.credentials.extra, **answer.kept}
    return replace(
        access,
        credentials=Credentials(access_token=answer.access_token, extra=extra),
        refresh_token=answer.refresh_token or access.refresh_token,
    )


def client_of(
    connector: type[Connector], sandbox: Sandbox, credentials: Credentials, clock: Clock
) -> ProviderClient:
    """A client that calls the sandbox with these credentials."""
    context = connector().authenticate(credentials)
    return ProviderClient(connector.provider, context, egress=egress_of(sandbox), clock=clock)


def _with_key(connector: type[Connector], sandbox: Sandbox, offered: Mapping[str, Any]) -> Access:
    values = {name: str(value) for name, value in offered.items()}
    if "access_token" in values:
        return Access(_id_of(offered), _credentials(values))
    for way in connector.provider.auth:
        names = [asked.name for asked in getattr(way, "fields", ())]
        if not names or any(name not in values for name in names):
            continue
        given = {name: values[name] for name in names}
        if isinstance(way, ClientCredentials):
            return _with_client(connector, sandbox, way, _id_of(offered), given)
        return Access(_id_of(offered), _credentials(given))
    raise FatalError(f"The sandbox offers no key that {connector.provider.label} would ask for.")


def _with_client(
    connector: type[Connector],
    sandbox: Sandbox,
    way: ClientCredentials,
    account_id: str,
    given: Mapping[str, str],
) -> Access:
    app = auth.AppSecrets(given["client_id"], given["client_secret"])
    answer = auth.token_for_client(
        connector.provider,
        way,
        app,
        egress=egress_of(sandbox),
        deadline=Deadline.after(OAUTH_SECONDS, SystemClock()),
        values=given,
    )
    extra = {**given, **answer.kept}
    return Access(account_id, Credentials(access_token=answer.access_token, extra=extra))


def _by_consent(
    connector: type[Connector], sandbox: Sandbox, offered: Mapping[str, Any], number: int
) -> Access:
    provider, way = connector.provider, auth.oauth_of(connector.provider)
    client, account = offered["clients"][number], offered["accounts"][number]
    app = auth.AppSecrets(client["client_id"], client["client_secret"])
    known = {**client, **account}
    values = {asked.name: str(known[asked.name]) for asked in provider.fields}
    redirect_uri, verifier = f"{sandbox.url}/_callback", auth.new_verifier()
    page = auth.authorize_url(
        provider, app, redirect_uri=redirect_uri, state=STATE, verifier=verifier, values=values
    )
    callback = _consented(egress_of(sandbox).overridden(page), redirect_uri)
    if callback.get("state") != STATE or not callback.get("code"):
        raise FatalError(f"{provider.label} gave no code: {callback.get('error', 'no callback')}.")
    answer = auth.exchange(
        provider,
        app,
        code=callback["code"],
        redirect_uri=redirect_uri,
        verifier=verifier,
        egress=egress_of(sandbox),
        deadline=Deadline.after(OAUTH_SECONDS, SystemClock()),
        values=values,
    )
    kept = {name: callback[name] for name in way.keep if name in callback}
    credentials = Credentials(answer.access_token, extra={**values, **kept, **answer.kept})
    chosen = _chosen(connector, sandbox, credentials, _id_of(account))
    return Access(_id_of(account), chosen, answer.refresh_token, app)


def _consented(page_url: str, redirect_uri: str) -> dict[str, str]:
    """What the callback is given once "Allow" is pressed, by redirect or by a form."""
    visitor = Visitor()
    page = visitor.press(visitor.open(page_url), "Allow")
    for form in page.forms:
        if form.action == redirect_uri:
            return form.values
    if not page.url.startswith(redirect_uri):
        raise FatalError("The consent page did not lead back to the hub.")
    return dict(parse_qsl(urlsplit(page.url).query))


def _chosen(
    connector: type[Connector], sandbox: Sandbox, credentials: Credentials, account_id: str
) -> Credentials:
    """The credentials with what the chosen account brings, where a person has to choose one."""
    declared = connector.provider.accounts
    if declared is None:
        return credentials
    values, parts = credentials.values(), urlsplit(declared.path)
    context = AuthContext(
        auth=auth_headers(connector.provider, credentials, values),
        base_url=f"{parts.scheme}://{parts.netloc}" if parts.scheme else "",
        extra=values,
    )
    if not context.base_url:
        context = connector().authenticate(credentials)
    with ProviderClient(connector.provider, context, egress=egress_of(sandbox)) as client:
        connector(client)
        items = dig(client.get(declared.path, rows_at=None).body, declared.items) or ()
    for item in items:
        if str(dig(item, declared.id)) == account_id:
            kept = {name: str(dig(item, name) or "") for name in declared.keep}
            return replace(credentials, extra={**credentials.extra, **kept})
    raise ReauthorizationRequiredError(f"{connector.provider.label} does not list {account_id}.")


def _credentials(given: Mapping[str, str]) -> Credentials:
    named = {name: given[name] for name in _NAMED if name in given}
    return Credentials(**named, extra={k: v for k, v in given.items() if k not in _NAMED})


def _accounts(offered: Any) -> list[Mapping[str, Any]]:
    return list(offered if isinstance(offered, list) else offered["accounts"])


def _id_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("account_id") or entry.get("id") or "")


def has_oauth(connector: type[Connector]) -> bool:
    return any(isinstance(way, OAuth2) for way in connector.provider.auth)
