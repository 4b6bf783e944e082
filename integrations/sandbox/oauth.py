"""Codes, grants and tokens of one provider, whatever its wire format."""

from __future__ import annotations

import base64
import hashlib
import secrets
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.sandbox.part import Account, Request, Switches

CODE_SECONDS = 600


class OAuthRefusedError(Exception):
    """Says no to a token request."""

    def __init__(self, reason: str) -> None:
        """`reason`: client, secret, grant_type, code, redirect_uri, verifier, refresh_token."""
        super().__init__(reason)
        self.reason = reason

    @property
    def is_client(self) -> bool:
        """Whether it is the app that is not known."""
        return self.reason in ("client", "secret")

    @property
    def code(self) -> str:
        """The word that the OAuth standard has for it."""
        if self.reason == "grant_type":
            return "unsupported_grant_type"
        return "invalid_client" if self.is_client else "invalid_grant"


@dataclass(frozen=True, slots=True)
class Client:
    """An app registered at the provider; `account` is preselected on its consent page."""

    id: str
    secret: str
    account: str


@dataclass(slots=True)
class Grant:
    """What one click on "Allow" gave to one app."""

    client: Client
    account: Account
    scopes: tuple[str, ...]
    user_scopes: tuple[str, ...] = ()
    revoked: bool = False


@dataclass(slots=True)
class Code:
    grant: Grant
    redirect_uri: str
    expires_at: float
    challenge: str = ""
    challenge_method: str = ""


@dataclass(slots=True)
class AccessToken:
    """`kind` tells tokens of one grant apart (Slack: bot and user)."""

    grant: Grant
    kind: str
    expires_at: float | None
    requests_left: int | None = None
    revoked: bool = False

    @property
    def is_revoked(self) -> bool:
        """Whether it has ended, by itself or with its grant."""
        return self.revoked or self.grant.revoked


@dataclass(slots=True)
class RefreshToken:
    grant: Grant
    kind: str
    used_at: float | None = None


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The grant behind a token request; the refresh token is empty if it came with a code."""

    grant: Grant
    refresh_token: str = ""
    kind: str = "bot"


@dataclass(slots=True)
class Counters:
    """What checkers want to know about the token endpoint."""

    codes_redeemed: int = 0
    refreshed: int = 0
    reuse_refused: int = 0
    refused: int = 0


@dataclass(slots=True)
class OAuth:
    """The memory of an authorization server."""

    clients: tuple[Client, ...]
    switches: Switches
    now: Callable[[], float]
    counters: Counters = field(default_factory=Counters)
    codes: dict[str, Code] = field(default_factory=dict)
    access: dict[str, AccessToken] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)

    def find_client(self, client_id: str) -> Client | None:
        return next((client for client in self.clients if client.id == client_id), None)

    def client_of(self, request: Request, *, in_body: bool) -> Client:
        """The app that speaks, by HTTP Basic or, where allowed, by form fields."""
        client_id, secret = _basic(request)
        if in_body and not client_id:
            form = request.form
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        client = self.find_client(client_id)
        if client is None:
            raise self._refused("client")
        if not secrets.compare_digest(client.secret.encode(), secret.encode()):
            raise self._refused("secret")
        return client

    def issue_code(
        self, grant: Grant, redirect_uri: str, challenge: str = "", challenge_method: str = ""
    ) -> str:
        """A code for one use within ten minutes."""
        code = secrets.token_urlsafe(24)
        self.codes[code] = Code(
            grant, redirect_uri, self.now() + CODE_SECONDS, challenge, challenge_method
        )
        return code

    def redeem_code(
        self, code: str, client: Client, redirect_uri: str, verifier: str | None = None
    ) -> Grant:
        """The grant behind the code, which is used up even when this call is refused."""
        found = self.codes.pop(code, None)
        if found is None or found.expires_at < self.now() or found.grant.client != client:
            raise self._refused("code")
        if found.redirect_uri != redirect_uri:
            raise self._refused("redirect_uri")
        if verifier is not None and found.challenge and not _proves(found, verifier):
            raise self._refused("verifier")
        self.counters.codes_redeemed += 1
        return found.grant

    def redeem(
        self, request: Request, *, in_body: bool = True, pkce: bool = True, default: str = ""
    ) -> Redeemed:
        """What the code or refresh token of a token request stands for, used up by this.

        `default` is the kind of grant of a request that names none.

        Raises:
            OAuthRefusedError: the app, the code or the token is not known, or no longer good.
        """
        client, form = self.client_of(request, in_body=in_body), request.form
        kind = form.get("grant_type", default)
        if kind == "authorization_code":
            verifier = form.get("code_verifier", "") if pkce else None
            back = form.get("redirect_uri", "")
            redeemed = Redeemed(self.redeem_code(form.get("code", ""), client, back, verifier))
        elif kind == "refresh_token":
            token = form.get("refresh_token", "")
            found = self.redeem_refresh(token, client)
            redeemed = Redeemed(found.grant, token, found.kind)
        else:
            raise OAuthRefusedError("grant_type")
        request.account = redeemed.grant.account.id
        return redeemed

    def next_refresh(self, redeemed: Redeemed, prefix: str) -> str:
        """The refresh token to go on with: a new one for a code or with rotation on."""
        if redeemed.refresh_token and not self.switches.rotation:
            return redeemed.refresh_token
        return self.issue_refresh(redeemed.grant, prefix, redeemed.kind)

    def issue_access(
        self, grant: Grant, prefix: str, lifetime: int | None, kind: str = "bot"
    ) -> str:
        """A new access token; `lifetime` in seconds, None for ever."""
        token = prefix + secrets.token_urlsafe(32)
        expires_at = None if lifetime is None else self.now() + lifetime
        self.access[token] = AccessToken(
            grant, kind, expires_at, self.switches.token_requests or None
        )
        return token

    def issue_refresh(self, grant: Grant, prefix: str, kind: str = "bot") -> str:
        token = prefix + secrets.token_urlsafe(32)
        self.refresh[token] = RefreshToken(grant, kind)
        return token

    def redeem_refresh(self, token: str, client: Client) -> RefreshToken:
        """The live refresh token; with rotation on it is used up by this.

        A used one is refused and counted, except within the grace time. With `reuse_revokes` its
        reuse also ends the grant.
        """
        found = self.refresh.get(token)
        if found is None or found.grant.client != client or found.grant.revoked:
            raise self._refused("refresh_token")
        now = self.now()
        if found.used_at is not None:
            grace = self.switches.refresh_grace_seconds
            if not grace or now - found.used_at > grace:
                self.counters.reuse_refused += 1
                found.grant.revoked |= self.switches.reuse_revokes
                raise self._refused("refresh_token")
        elif self.switches.rotation:
            found.used_at = now
        self.counters.refreshed += 1
        return found

    def find_live(self, token: str) -> AccessToken | None:
        """The access token if it is good for this request, which is counted."""
        found = self.access.get(token)
        is_dead = found is None or found.is_revoked or self.is_expired(found)
        return None if is_dead else found

    def is_expired(self, token: AccessToken) -> bool:
        """Whether the time of the token is over, or its number of requests; counts this one."""
        if token.requests_left is not None:
            token.requests_left -= 1
            if token.requests_left < 0:
                return True
        return token.expires_at is not None and token.expires_at <= self.now()

    def end_access(self, grant: Grant) -> None:
        """The access tokens given out for the grant so far stop working."""
        for token in self.access.values():
            token.revoked |= token.grant is grant

    def expire_all(self) -> None:
        """Every access token that can expire has expired."""
        for token in self.access.values():
            if token.expires_at is not None:
                token.expires_at = self.now()

    def revoke_token(self, token: AccessToken) -> None:
        """This access token and its refresh tokens stop working; the grant's others do not."""
        token.revoked = True
        for name, found in list(self.refresh.items()):
            if found.grant is token.grant and found.kind == token.kind:
                del self.refresh[name]

    def find_grant(self, token: str) -> Grant | None:
        """The grant of an access or refresh token, or None."""
        found = self.access.get(token) or self.refresh.get(token)
        return found.grant if found else None

    def revoke_account(self, account: Account) -> None:
        """Every grant of the account ends."""
        grants = [token.grant for token in self.access.values()]
        grants += [token.grant for token in self.refresh.values()]
        for grant in grants:
            grant.revoked |= grant.account.id == account.id

    def _refused(self, reason: str) -> OAuthRefusedError:
        self.counters.refused += 1
        return OAuthRefusedError(reason)


def _basic(request: Request) -> tuple[str, str]:
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (Base64Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _proves(code: Code, verifier: str) -> bool:
    if code.challenge_method == "plain":
        return secrets.compare_digest(code.challenge.encode(), verifier.encode())
    digest = hashlib.sha256(verifier.encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return secrets.compare_digest(code.challenge.encode(), expected.encode())
