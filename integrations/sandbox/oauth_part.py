"""A provider whose accounts are opened by OAuth: its apps, its consent page, what builds its rows.

A provider declares what differs; what its token address answers is its own.
"""

from __future__ import annotations

from dataclasses import asdict
from random import Random
from typing import Any, ClassVar, Generic, TypeVar

from integrations.sandbox.consent import Consent, ConsentPage
from integrations.sandbox.oauth import Client, OAuth
from integrations.sandbox.part import (
    Account,
    Builder,
    Json,
    Part,
    Request,
    Response,
    Setting,
    demo_secret,
)
from integrations.sandbox.rows import Row

B = TypeVar("B", bound=Builder)


class OAuthPart(Part, Generic[B]):
    """A provider whose accounts are opened by OAuth; for each there is an app of its own, whose
    consent page preselects it."""

    consent_page: ClassVar[ConsentPage]
    authorize_path: ClassVar[str]
    token_path: ClassVar[str]
    builds: type[B]

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        clients = tuple(self.app(account) for account in self.accounts.values())
        self.oauth = OAuth(clients, self.switches, setting.now)
        self.consent = Consent(self.consent_page, self.oauth, self.accounts)
        self._builders: dict[str, B] = {}
        self.serve("GET", self.authorize_path, self.authorize)
        self.serve("POST", self.authorize_path, self.authorize)
        self.serve("POST", self.token_path, self.token)

    def app(self, account: Account) -> Client:
        """The app registered for the account, with a made-up id and secret."""
        id, secret = demo_secret(self.slug, "app", account.id), demo_secret(self.slug, account.id)
        return Client(id, secret, account.id)

    def builder(self, account: Account) -> B:
        """What builds the account's rows; one for all that is ever asked of it."""
        if account.id not in self._builders:
            rng = self.rng(account, "rows")
            self._builders[account.id] = self.builds(self.setting, account, rng)
        return self._builders[account.id]

    def further_rows(self, account: Account, rng: Random) -> B:
        """The builder, which makes rows from `rng` from now on; the account's own are made."""
        self.tables(account)
        builder = self.builder(account)
        builder.rng = rng
        return builder

    def generate(self, account: Account) -> dict[str, list[Row]]:
        return self.builder(account).all()

    def authorize(self, request: Request) -> Response:
        return self.consent.answer(request)

    def token(self, request: Request) -> Response:
        """What the provider's token address answers to a code or a refresh token."""
        raise NotImplementedError

    def credentials(self) -> Any:
        return {
            "clients": [
                {"client_id": client.id, "client_secret": client.secret, "account": client.account}
                for client in self.oauth.clients
            ],
            "accounts": [
                {"id": account.id, "name": account.name} for account in self.accounts.values()
            ],
        }

    def account_of(self, request: Request) -> str:
        grant = self.oauth.find_grant(request.bearer)
        return grant.account.id if grant else ""

    def revoke(self, account: Account) -> None:
        super().revoke(account)
        self.oauth.revoke_account(account)

    def expire_tokens(self) -> None:
        self.oauth.expire_all()

    def state(self) -> Json:
        return {"tokens": asdict(self.oauth.counters)}


class KeyedPart(OAuthPart[B]):
    """A provider whose accounts are opened by a key each, and by OAuth besides."""

    keys: dict[str, str]
    """Key → account id."""

    def credentials(self) -> list[Json]:
        clients = {client.account: client for client in self.oauth.clients}
        return [
            {
                "account": self.accounts[id].name,
                "account_id": id,
                "key": key,
                "client_id": clients[id].id,
                "client_secret": clients[id].secret,
            }
            for key, id in self.keys.items()
        ]
