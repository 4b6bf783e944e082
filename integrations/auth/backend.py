"""A provider's declaration as a social-core backend.

social-core composes the requests: parameters of the consent page, PKCE, code for token, refresh.
Its sessions, its tables, its pipeline and its way to the network are not used: a state is a
ConnectAttempt, which binds tenant, browser and provider and is spent by one UPDATE, and every
call leaves through our egress. What is left of a strategy is therefore a holder of values.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

from social_core.backends.oauth import BaseOAuth2PKCE
from social_core.strategy import BaseStrategy

from hub.observability.known_secrets import remember
from integrations.auth.addresses import filled
from integrations.auth.tokens import AppSecrets, TokenAnswer, read_tokens
from integrations.errors import FatalError
from integrations.http.egress import Egress
from integrations.resilience.deadline import Deadline
from integrations.resilience.provider_clock import answered_at, hear
from integrations.types import OAuth2, Provider

_SECRET_FIELDS = {"client_secret", "code", "code_verifier", "refresh_token"}


@dataclass(frozen=True, repr=False)
class Flow:
    """The values one step of an authorization needs; steps without network leave out the door."""

    app: AppSecrets
    redirect_uri: str = ""
    state: str = ""
    verifier: str = ""
    code: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    egress: Egress | None = field(default=None)
    deadline: Deadline | None = field(default=None)

    def __repr__(self) -> str:
        return "Flow(•••)"


class FlowStrategy(BaseStrategy[Any]):
    """Answers social-core's questions from one Flow; it has no session and no storage."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def get_setting(self, name: str) -> Any:
        return {"KEY": self.flow.app.client_id, "SECRET": self.flow.app.client_secret}[name]

    def get_request_data(self, merge: bool = True) -> dict[str, Any]:
        return {"code": self.flow.code, "state": self.flow.state}

    def build_absolute_uri(self, path: str | None = None) -> str:
        return path or ""

    def session_get(self, name: str, default: Any = None) -> NoReturn:
        raise FatalError("An authorization keeps nothing in a session.")

    def session_set(self, name: str, value: Any) -> NoReturn:
        self.session_get(name)

    def session_pop(self, name: str) -> NoReturn:
        self.session_get(name)


@dataclass(frozen=True, repr=False)
class _Answered:
    """The part of a response that social-core reads: the document, already judged by us."""

    document: dict[str, Any]

    def json(self) -> dict[str, Any]:
        return self.document


class DeclaredBackend(BaseOAuth2PKCE[Any]):
    """Base of all backends made by `backend_for`."""

    provider: ClassVar[Provider]
    declared: ClassVar[OAuth2]
    REDIRECT_STATE = False
    answer: TokenAnswer | None = None

    def __init__(self, flow: Flow) -> None:
        super().__init__(FlowStrategy(flow), flow.redirect_uri)
        self.flow = flow

    def auth_url(self) -> str:
        """The consent page's address. social-core's own would leave parameters unquoted."""
        social: Any = self  # social-core leaves these methods without types
        params = {
            **self.declared.authorize_params,
            **social.get_scope_argument(),
            **social.auth_params(self.flow.state),
        }
        page = urlsplit(self.authorization_url())
        query = "&".join(part for part in (page.query, urlencode(params)) if part)
        return urlunsplit(page._replace(query=query))

    def authorization_url(self) -> str:
        return self._address(self.declared.authorize_url)

    def access_token_url(self) -> str:
        return self._address(self.declared.token_url)

    def refresh_token_url(self) -> str:
        return self.access_token_url()

    def create_code_verifier(self, state: str | None = None) -> str:
        return self.flow.verifier

    def get_code_verifier(self, state: str | None = None) -> str:
        return self.flow.verifier

    def tokens_for_code(self) -> TokenAnswer:
        """Trade the code of the callback for tokens."""
        social: Any = self
        self.request_access_token(
            self.access_token_url(),
            method="POST",
            headers=self.auth_headers(),
            data=social.auth_complete_params(self.flow.state),
            auth=social.auth_complete_credentials(),
        )
        return self._answered()

    def tokens_for_refresh(self, refresh_token: str) -> TokenAnswer:
        """Trade a refresh token for a new access token."""
        self.refresh_token(refresh_token)
        return self._answered()

    def tokens_for_client(self) -> TokenAnswer:
        """Trade the client's own id and secret for a token that nobody had to consent to."""
        social: Any = self
        asked = {"grant_type": "client_credentials", **social.get_scope_argument()}
        if not self.use_basic_auth():
            asked |= {
                "client_id": self.flow.app.client_id,
                "client_secret": self.flow.app.client_secret,
            }
        self.request(
            self.access_token_url(),
            method="POST",
            headers=self.auth_headers(),
            data=asked,
            auth=social.auth_complete_credentials(),
        )
        return self._answered()

    def refresh_token_params(self, token: str, *args: Any, **kwargs: Any) -> dict[str, str]:
        params: dict[str, str] = super().refresh_token_params(token, *args, **kwargs)
        if self.use_basic_auth():
            del params["client_id"], params["client_secret"]
        return params

    def refresh_token_auth(self) -> Any:
        social: Any = self
        return social.auth_complete_credentials()

    def request(  # type: ignore[override]  # the answer is ours, not one of `requests`
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, Any] | None = None,
        data: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        **_: Any,
    ) -> _Answered:
        """Send through the hub's own door, and judge the answer by the provider's declaration."""
        if self.flow.egress is None or self.flow.deadline is None:
            raise FatalError("This step of an authorization does not call the provider.")
        sent = dict(headers or {})
        remember(*(text for name, text in (data or {}).items() if name in _SECRET_FIELDS))
        if auth is not None:
            remember(auth[1], _basic(*auth).partition(" ")[2])
            sent["Authorization"] = _basic(*auth)
        with self.flow.egress.open() as session:
            wire = session.send(method, url, deadline=self.flow.deadline, headers=sent, form=data)
        hear(self.provider.slug, wire.headers)
        now = answered_at(wire.headers) or datetime.now(UTC)
        self.answer = read_tokens(wire, self.provider, self.declared, now)
        remember(self.answer.access_token, self.answer.refresh_token)
        return _Answered({"access_token": self.answer.access_token})

    def _address(self, declared: str) -> str:
        if not declared:
            raise FatalError(f"{self.provider.label} declares no address for this step of OAuth 2.")
        return filled(self.provider, declared, self.flow.values)

    def _answered(self) -> TokenAnswer:
        if self.answer is None:
            raise FatalError(f"{self.provider.label}: no token was asked for.")
        return self.answer


def backend_for(provider: Provider, declared: OAuth2) -> type[DeclaredBackend]:
    """The backend that speaks OAuth 2 as `declared`, with its addresses written out."""
    return type(
        f"{provider.slug.title()}Backend",
        (DeclaredBackend,),
        {
            "provider": provider,
            "declared": declared,
            "name": provider.slug,
            "DEFAULT_SCOPE": [*declared.scopes, *declared.optional_scopes],
            "SCOPE_SEPARATOR": declared.separator,
            "USE_BASIC_AUTH": declared.token_auth == "basic",
            "DEFAULT_USE_PKCE": declared.pkce,
        },
    )


def _basic(user: str, password: str) -> str:
    """Both are form-encoded first (RFC 6749, section 2.3.1): a secret may hold + or :."""
    pair = f"{quote_plus(user)}:{quote_plus(password)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
