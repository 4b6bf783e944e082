"""Composio's API (v3.1) as callers see it: links, connected accounts, and a proxy to the others.

Facts: Composio's v3 description, its client's v3.1 fields and pages, as collected in November
2026. It holds an app at every provider here that is opened by OAuth, and its tokens; the proxy
hands a call on with one of them, so each provider answers as it would answer the hub. Chosen here
because no recording was seen: the words of errors, `data` as a text for what is no JSON, a file's
address, an account that expires at the provider's first 401. Not offered: tools, triggers, accounts
with keys.

Orders that mean something here: `fault` (Composio is down: `count` null, `status` 503), `revoke`
(an organisation's connected accounts expire), `set` (limits, latency). `GET /_state` names the
API keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from random import Random
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson

from integrations.sandbox.composio_proxy import answer_of, failed, handed_on, moment
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.oauth import Client, Grant
from integrations.sandbox.oauth_part import KeyedPart, OAuthPart
from integrations.sandbox.part import (
    Account,
    Json,
    Part,
    RefusalError,
    Request,
    Response,
    Setting,
    demo_secret,
    json_response,
    route,
)
from integrations.sandbox.rows import Row

API = "/composio/api/v3.1"
LINK_SECONDS = 600
PER_MINUTE = 2000
CONNECT = "https://connect.composio.dev"
FILES = "https://files.composio.dev"


@dataclass(slots=True)
class Held:
    """One connected account; without a token while nobody has consented."""

    id: str
    part: OAuthPart[Any]
    user_id: str
    link: str
    callback_url: str
    made_at: float
    status: str = "INITIATED"
    reason: str | None = None
    owner: str = ""
    token: str = ""
    is_disabled: bool = False


@dataclass(slots=True)
class File:
    """Bytes that an answer does not hold itself."""

    body: bytes
    media_type: str = field(default="application/octet-stream")


class Composio(Part):
    """One project; what it holds depends on who has consented."""

    slug = "composio"
    origins: ClassVar[dict[str, str]] = {
        "https://backend.composio.dev": "/composio",
        CONNECT: "/composio/connect",
        FILES: "/composio/files",
    }
    account_ids = ("nordlicht", "harbour")

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.key = f"ak_{demo_secret('composio', 'key', length=24)}"
        self.key_without_proxy = f"ak_{demo_secret('composio', 'unscoped', length=24)}"
        self.held: dict[str, Held] = {}
        self.configs: dict[str, str] = {}
        self.files: dict[str, File] = {}
        self.window = RollingWindow(PER_MINUTE, 60)

    # A gateway has no rows of its own.

    def credentials(self) -> Any:
        return None

    def account_of(self, request: Request) -> str:
        return ""

    def generate(self, account: Account) -> dict[str, list[Row]]:
        return {}

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        raise ValueError("Composio holds no rows")

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        raise ValueError("Composio holds no rows")

    def revoke(self, account: Account) -> None:
        for held in self.held.values():
            if held.owner == account.organisation.key and held.status == "ACTIVE":
                held.status, held.reason = "EXPIRED", "the connection has expired"

    def state(self) -> Json:
        return {
            "api_key": self.key,
            "api_key_without_proxy": self.key_without_proxy,
            "accounts": {held.id: held.status for held in self.held.values()},
        }

    def not_found(self, request: Request) -> Response:
        return failed(404, "Not found")

    # Apps and links.

    @route("GET", f"{API}/auth_configs")
    def list_configs(self, request: Request) -> Response:
        self._admit(request)
        wanted = request.query.get("toolkit_slug")
        items = [
            {
                "id": id,
                "name": slug,
                "status": "ENABLED",
                "type": "default",
                "auth_scheme": "OAUTH2",
                "is_composio_managed": True,
                "toolkit": {"slug": slug, "logo": ""},
            }
            for slug, id in self.configs.items()
            if wanted in (None, slug)
        ]
        return json_response(_listed(items))

    @route("POST", f"{API}/auth_configs")
    def make_config(self, request: Request) -> Response:
        self._admit(request)
        asked = _body(request)
        slug = asked.get("toolkit", {}).get("slug", "")
        if asked.get("auth_config", {}).get("type") != "use_composio_managed_auth":
            return failed(400, "auth_config.type is not offered here")
        if slug not in self._toolkits():
            return failed(400, f"Toolkit {slug} not found")
        self.configs[slug] = f"ac_{demo_secret('composio', slug, length=10)}"
        config = {
            "id": self.configs[slug],
            "auth_scheme": "OAUTH2",
            "is_composio_managed": True,
            "restrict_to_following_tools": [],
        }
        return json_response({"toolkit": {"slug": slug}, "auth_config": config}, 201)

    @route("POST", f"{API}/connected_accounts/link")
    def make_link(self, request: Request) -> Response:
        self._admit(request)
        asked = _body(request)
        slug = next((s for s, id in self.configs.items() if id == asked.get("auth_config_id")), "")
        if not slug or not asked.get("user_id"):
            return failed(400, "auth_config_id and user_id are needed")
        number = len(self.held) + 1
        held = Held(
            id=f"ca_{demo_secret('composio', 'account', number, length=12)}",
            part=self._toolkits()[slug],
            user_id=str(asked["user_id"]),
            link=f"lt_{demo_secret('composio', 'link', number, length=16)}",
            callback_url=str(asked.get("callback_url", "")),
            made_at=self.setting.now(),
        )
        self.held[held.id] = held
        said = {
            "link_token": held.link,
            "redirect_url": f"{CONNECT}/link/{held.link}",
            "expires_at": moment(held.made_at + LINK_SECONDS),
            "connected_account_id": held.id,
        }
        return json_response(said, 201)

    @route("GET", "/composio/connect/link/{token}")
    def show_link(self, request: Request, token: str) -> Response:
        held = self._open_link(token)
        choices = "".join(
            f'<label><input type="radio" name="account" value="{escape(account.id)}"'
            f"{' checked' if account.number == 0 else ''}> {escape(account.name)}</label> "
            for account in held.part.accounts.values()
        )
        return _page(
            f"<h1>Connect {escape(held.part.slug)} through Composio</h1>"
            f'<form method="post" action="{escape(request.path)}">{choices}'
            '<button type="submit">Allow</button></form>'
        )

    @route("POST", "/composio/connect/link/{token}")
    def consent(self, request: Request, token: str) -> Response:
        held = self._open_link(token)
        account = held.part.accounts.get(request.form.get("account", ""))
        if account is None:
            return _page("<h1>Nothing was chosen</h1>", 400)
        app = Client(f"composio-{held.part.slug}", "", account.id)
        scopes = tuple(held.part.consent_page.scopes)
        grant = Grant(app, account, scopes)
        held.token = held.part.oauth.issue_access(grant, "held-by-composio-", None)
        held.status, held.owner = "ACTIVE", account.organisation.key
        if not held.callback_url:
            return _page("<h1>Connected</h1><p>You can close this window.</p>")
        joint = "&" if "?" in held.callback_url else "?"
        said = urlencode({"status": "success", "connected_account_id": held.id})
        location = f"{held.callback_url}{joint}{said}"
        return Response(302, media_type="text/html", headers={"Location": location})

    def _open_link(self, token: str) -> Held:
        held = next((held for held in self.held.values() if held.link == token), None)
        if held is None or held.status != "INITIATED":
            raise RefusalError(_page("<h1>This link does not work</h1>", 404))
        if held.made_at + LINK_SECONDS < self.setting.now():
            held.status, held.reason = "EXPIRED", "the link is older than 10 minutes"
            raise RefusalError(_page("<h1>This link has expired</h1>", 410))
        return held

    # Connected accounts.

    @route("GET", f"{API}/connected_accounts")
    def list_accounts(self, request: Request) -> Response:
        self._admit(request)
        return json_response(_listed([self._shown(held) for held in self.held.values()]))

    @route("GET", f"{API}/connected_accounts/{{id}}")
    def show_account(self, request: Request, id: str) -> Response:
        self._admit(request)
        return json_response(self._shown(self._found(id)))

    @route("PATCH", f"{API}/connected_accounts/{{id}}/status")
    def switch_account(self, request: Request, id: str) -> Response:
        self._admit(request)
        self._found(id).is_disabled = not _body(request).get("enabled", True)
        return json_response({"success": True})

    @route("DELETE", f"{API}/connected_accounts/{{id}}")
    def delete_account(self, request: Request, id: str) -> Response:
        self._admit(request)
        held = self._found(id)
        del self.held[id]
        access = held.part.oauth.access.get(held.token)
        if access and request.query.get("revoke_on_delete") == "true":
            access.revoked = access.grant.revoked = True
        return json_response({"success": True})

    def _found(self, id: str) -> Held:
        if id not in self.held:
            raise RefusalError(failed(404, "Connected account not found"))
        return self.held[id]

    def _shown(self, held: Held) -> Json:
        val: Json = {"status": held.status}
        if held.token:
            val["access_token"] = "REDACTED"
        return {
            "id": held.id,
            "user_id": held.user_id,
            "toolkit": {"slug": held.part.slug},
            "auth_config": {
                "id": self.configs.get(held.part.slug, ""),
                "auth_scheme": "OAUTH2",
                "is_composio_managed": True,
                "is_disabled": False,
            },
            "status": held.status,
            "status_reason": held.reason,
            "is_disabled": held.is_disabled,
            "state": {"authScheme": "OAUTH2", "val": val},
            "created_at": moment(held.made_at),
            "updated_at": moment(held.made_at),
        }

    # The proxy.

    @route("POST", f"{API}/tools/execute/proxy")
    def proxy(self, request: Request) -> Response:
        self._admit(request, for_proxy=True)
        asked = _body(request)
        held = self._found(str(asked.get("connected_account_id", "")))
        if held.status != "ACTIVE" or held.is_disabled:
            return failed(422, f"Connected account is {held.status}")
        inner = handed_on(held.part, held.token, asked)
        delivery = self.world.serve(inner)
        request.account = inner.account
        if delivery.reset or delivery.truncate is not None:
            return failed(502, "The upstream closed the connection")
        if delivery.response.status == 401:
            held.status, held.reason = "EXPIRED", "the provider refuses the access"
        return answer_of(delivery.response, self._stored)

    def _stored(self, response: Response) -> Json:
        name = f"f{len(self.files) + 1}"
        self.files[name] = File(response.body, response.media_type)
        return {
            "url": f"{FILES}/{name}",
            "content_type": response.media_type,
            "size": len(response.body),
            "expires_at": moment(self.setting.now() + LINK_SECONDS),
        }

    @route("GET", "/composio/files/{name}")
    def file(self, request: Request, name: str) -> Response:
        if "x-api-key" in request.headers or name not in self.files:
            return failed(403, "Signed addresses only")
        return Response(body=self.files[name].body, media_type=self.files[name].media_type)

    def _admit(self, request: Request, *, for_proxy: bool = False) -> None:
        key = request.headers.get("x-api-key", "")
        if key not in (self.key, self.key_without_proxy):
            raise RefusalError(failed(401, "Invalid API key"))
        if for_proxy and key != self.key:
            raise RefusalError(failed(403, "The key lacks the scope proxy_execute"))
        if not self.has_room(self.window, key):
            said = {"message": f"Rate limit exceeded. Limit: {PER_MINUTE}"}
            raise RefusalError(json_response(said, 429, Retry_After="30"))

    def _toolkits(self) -> dict[str, OAuthPart[Any]]:
        return {
            slug: part
            for slug, part in self.world.parts.items()
            if isinstance(part, OAuthPart) and not isinstance(part, KeyedPart)
        }


def _body(request: Request) -> Json:
    try:
        found = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise RefusalError(failed(400, "The body is no JSON object"))
    return found


def _listed(items: list[Json]) -> Json:
    pages = {"next_cursor": None, "total_pages": 1, "current_page": 1, "total_items": len(items)}
    return {"items": items, **pages}


def _page(body: str, status: int = 200) -> Response:
    html = f"<!doctype html><html lang=en><title>Composio</title><body><main>{body}</main></html>"
    return Response(status, html.encode(), media_type="text/html; charset=utf-8")
