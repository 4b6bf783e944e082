"""Three outside connectors, and the loopback server that is their providers.

Shops asks for the shop's name before consent, names itself as `iss` and allows exactly what was
asked for. Projects has one sign-in for several accounts. Ledger is opened by client credentials.
What the server answers is in `Outside`, which tests change.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.records import NormalizedRecord, Option
from integrations.types import (
    Accounts,
    Checkpoint,
    ClientCredentials,
    Entity,
    EntityType,
    Field,
    Identity,
    OAuth2,
    Provider,
)

ISSUER = "https://shops.example"


class Outsider(Declared, Connector):
    entity_types = (EntityType("items", Option),)

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        return iter(())

    def transform(self, raw: Entity) -> NormalizedRecord:
        return Option(name=raw.data["name"])


@register
class ShopsConnector(Outsider):
    provider = Provider(
        slug="shops",
        label="Shops",
        base_url="https://{shop}.shops.example/api",
        auth=(
            OAuth2(
                authorize_url="https://{shop}.shops.example/authorize",
                token_url="https://{shop}.shops.example/token",
                scopes=("items:read", "orders:read"),
                scope_aliases={"read_items": "items:read"},
                exact_scopes=True,
                issuer=ISSUER,
            ),
        ),
        identity=Identity("/me", "id", "name"),
        hosts=("*.shops.example",),
        fields=(Field("shop", "Name of your shop", pattern=r"[a-z0-9][a-z0-9-]{1,30}"),),
    )


@register
class ProjectsConnector(Outsider):
    provider = Provider(
        slug="projects",
        label="Projects",
        base_url="{href}",
        auth=(
            OAuth2(
                authorize_url="https://login.projects.example/authorize",
                token_url="https://login.projects.example/token",
                scopes=("read",),
            ),
        ),
        identity=Identity("/me", "id", "name"),
        accounts=Accounts(
            path="https://login.projects.example/accounts.json",
            items="accounts",
            id="id",
            label="name",
            only={"product": "three"},
            keep=("href",),
        ),
        hosts=("*.projects.example",),
    )


@register
class LedgerConnector(Outsider):
    provider = Provider(
        slug="ledger",
        label="Ledger",
        base_url="https://ledger.example/api",
        auth=(ClientCredentials(token_url="https://ledger.example/token", scopes=("read",)),),
        identity=Identity("/me", "id", "name"),
    )


@dataclass
class Outside:
    """What the providers answer, and what they were asked: [("POST", "/shop/token", {…}), …]."""

    url: str = ""
    scope: str | None = None
    lifetime: int | None = None
    client_secret: str = "right"
    number: int = 0
    accounts: list[dict[str, Any]] = field(
        default_factory=lambda: [
            account(7, "Nordlicht"),
            account(8, "Südwind"),
            {**account(9, "An older product"), "product": "two"},
        ]
    )
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def addresses(self) -> dict[str, str]:
        return {
            "https://ada.shops.example": f"{self.url}/shop",
            "https://login.projects.example": f"{self.url}/login",
            "https://three.projects.example": f"{self.url}/three",
            "https://ledger.example": f"{self.url}/ledger",
        }

    def token_calls(self) -> list[dict[str, str]]:
        return [form for method, path, form in self.asked if path.endswith("/token")]

    def answer(self, path: str, form: dict[str, str], bearer: str) -> tuple[int, Any]:
        if path.endswith("/token"):
            return self._token(path, form)
        if not bearer.startswith("Bearer token-"):
            return 401, {"error": "no token"}
        if path == "/login/accounts.json":
            return 200, {"accounts": self.accounts}
        if path.endswith("/me"):
            return 200, {"id": "me-1", "name": "Ada's"}
        return 404, {"error": "not found"}

    def _token(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        if path == "/ledger/token" and form.get("client_secret") != self.client_secret:
            return 401, {"error": "invalid_client"}
        self.number += 1
        said: dict[str, Any] = {"access_token": f"token-{self.number}", "token_type": "bearer"}
        if self.scope is not None:
            said["scope"] = self.scope
        if self.lifetime is not None:
            said["expires_in"] = self.lifetime
        return 200, said


def account(number: int, name: str) -> dict[str, Any]:
    href = f"https://three.projects.example/{number}"
    return {"product": "three", "id": number, "name": name, "href": href}


def consented(target: str, **changed: str) -> str:
    """The address a browser is sent back to from the consent page at `target`."""
    asked = {name: found[0] for name, found in parse_qs(urlsplit(target).query).items()}
    answer = {"code": "c-1", "state": asked["state"], **changed}
    kept = {name: value for name, value in answer.items() if value}
    return f"{asked['redirect_uri']}?{urlencode(kept)}"


class OutsideServer:
    """`with OutsideServer() as outside:` serves an `Outside` on a port of loopback."""

    def __enter__(self) -> Outside:
        outside = Outside()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = parse_qs(self.rfile.read(length).decode())
                form = {name: found[0] for name, found in sent.items()}
                path = urlsplit(self.path).path
                outside.asked.append((self.command, path, form))
                status, said = outside.answer(path, form, self.headers.get("Authorization", ""))
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        outside.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return outside

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
