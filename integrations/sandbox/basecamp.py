"""Basecamp (bc3 API) and Launchpad as callers see them: bare arrays, Link headers, no scopes.

Facts: the bc3-api pages and the official SDK's description, as collected in November 2026. Chosen
here because no recording was seen: an unknown parameter or kind is a 400; equal times follow the
id; recordings come with all fields of their kind; refreshing gives the same refresh token unless
rotation is switched on; 403, 404 and 429 have "error" in their body. Every sign-in opens its
account, one of an older product, and one that is not active any more. Not offered: comments,
documents, uploads, webhooks, conditional requests, writes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import ClassVar
from urllib.parse import urlencode

from integrations.sandbox.basecamp_rows import ABOUT, BasecampRows, iso
from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.oauth import OAuthRefusedError
from integrations.sandbox.oauth_part import OAuthPart
from integrations.sandbox.part import (
    Account,
    Json,
    RefusalError,
    Request,
    Response,
    Setting,
    Switches,
    json_response,
    route,
)
from integrations.sandbox.rows import Row, by_id, joined

API = "/basecamp/api/{account}"
PAD = "/basecamp/launchpad"
REQUESTS, PER_SECONDS = 50, 10
PAGE_SIZES = (15, 30, 50, 100)
STATUSES = ("active", "archived", "trashed")
KINDS = (
    *ABOUT.values(),
    "Comment",
    "Document",
    "Kanban::Card",
    "Kanban::Step",
    "Question::Answer",
    "Schedule::Entry",
    "Todolist",
    "Upload",
    "Vault",
)
OLDER, CLOSED = 1_000_000, 2_000_000
"""Added to an account's id: the account of an older product, and the one that is not active."""


class Basecamp(OAuthPart[BasecampRows]):
    """Two accounts; each of the two apps preselects one of them."""

    slug = "basecamp"
    origins: ClassVar[dict[str, str]] = {
        "https://3.basecampapi.com": "/basecamp/api",
        "https://launchpad.37signals.com": PAD,
    }
    account_ids = ("5550001", "5550002")
    authorize_path = f"{PAD}/authorization/new"
    token_path = f"{PAD}/authorization/token"
    consent_page = ConsentPage(label="Basecamp", account_word="Sign in at")
    builds = BasecampRows
    first_switches = Switches(token_lifetime=1_209_600)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.window = RollingWindow(REQUESTS, PER_SECONDS)

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        field = {"projects": "description", "todos": "description", "messages": "content"}
        row.data[field.get(entity, "title")] = f"Note {rng.randrange(10**6)} ✎"
        row.data["updated_at"], row.stamp = iso(stamp), stamp

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows = self.further_rows(account, rng)
        number, rows.counts[entity] = rows.counts[entity], rows.counts[entity] + 1
        return rows.build(entity, number, stamp, stamp)

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """To the trash, from which nothing is shown but on request; people just go."""
        if entity == "people":
            super().delete(account, entity, row, stamp)
            return
        if entity == "projects":
            for kind in ABOUT:
                for one in self.table(account, kind):
                    is_inside = one.data["bucket"]["id"] == row.data["id"]
                    one.visible = one.visible and not is_inside
        row.data |= {"status": "trashed", "updated_at": iso(stamp)}
        row.stamp, row.visible = stamp, False
        self.table(account, entity).put(row)

    def not_found(self, request: Request) -> Response:
        return json_response({"error": "Not found"}, 404)

    # Launchpad.

    def token(self, request: Request) -> Response:
        if not request.headers.get("user-agent"):
            return json_response({"error": "User-Agent is required"}, 400)
        try:
            redeemed = self.oauth.redeem(request, pkce=False)
        except OAuthRefusedError as refused:
            is_over = refused.reason == "refresh_token"
            said = "authorization_expired" if is_over else refused.code
            return json_response({"error": said}, 400)
        lifetime = self.switches.token_lifetime
        return json_response(
            {
                "access_token": self.oauth.issue_access(redeemed.grant, "BAhb", lifetime),
                "token_type": "Bearer",
                "expires_in": lifetime,
                "refresh_token": self.oauth.next_refresh(redeemed, "BAhb"),
            }
        )

    @route("GET", f"{PAD}/authorization.json")
    def authorization(self, request: Request) -> Response:
        account = self._signed_in(request)
        owner = self.builder(account).person(0, 0, 0)
        first, _, last = owner["name"].partition(" ")
        told = [
            _told(int(account.id) + OLDER, "bcx", f"{account.name} (2012)"),
            _told(int(account.id), "bc3", account.name),
            _told(int(account.id) + CLOSED, "bc3", f"{account.name} (closed)"),
        ]
        ends = self.setting.now() + self.switches.token_lifetime
        identity = {"id": 7_700_000 + account.number, "first_name": first, "last_name": last}
        return json_response(
            {
                "expires_at": datetime.fromtimestamp(ends, UTC).isoformat(),
                "identity": {**identity, "email_address": owner["email_address"]},
                "accounts": told,
            }
        )

    # The API.

    @route("GET", f"{API}/my/profile.json")
    def profile(self, request: Request, account: str) -> Response:
        return json_response(self.builder(self._admitted(request, account)).person(0, 0, 0))

    @route("GET", f"{API}/people.json")
    def people(self, request: Request, account: str) -> Response:
        found = self._admitted(request, account)
        _refuse_others(request, ("page",))
        return _page(request, sorted(self.table(found, "people"), key=by_id))

    @route("GET", f"{API}/projects.json")
    def projects(self, request: Request, account: str) -> Response:
        found = self._admitted(request, account)
        _refuse_others(request, ("status", "page"))
        status = _choice(request, "status", STATUSES)
        rows = [row for row in self.table(found, "projects") if row.data["status"] == status]
        return _page(request, sorted(rows, key=by_id, reverse=True))

    @route("GET", f"{API}/projects/recordings.json")
    def recordings(self, request: Request, account: str) -> Response:
        found, query = self._admitted(request, account), request.query
        _refuse_others(request, ("type", "bucket", "status", "sort", "direction", "page"))
        if query.get("type") not in KINDS:
            raise _refuse(400, "type is missing or unknown")
        status = _choice(request, "status", STATUSES)
        field = _choice(request, "sort", ("created_at", "updated_at"))
        is_down = _choice(request, "direction", ("desc", "asc")) == "desc"
        projects = self.table(found, "projects")
        active = [row.id for row in projects if row.data["status"] == "active"]
        named = query["bucket"].split(",") if "bucket" in query else active
        entity = next((one for one, kind in ABOUT.items() if kind == query["type"]), "")
        rows = [
            row
            for row in (self.table(found, entity) if entity else ())
            if row.data["status"] == status and str(row.data["bucket"]["id"]) in named
        ]
        rows = sorted(sorted(rows, key=by_id), key=lambda row: str(row.data[field]))
        return _page(request, rows[::-1] if is_down else rows)

    @route("GET", f"{API}/todos/{{id}}.json")
    def todo(self, request: Request, account: str, id: str) -> Response:
        return self._one(request, account, "todos", id)

    @route("GET", f"{API}/messages/{{id}}.json")
    def message(self, request: Request, account: str, id: str) -> Response:
        return self._one(request, account, "messages", id)

    def _one(self, request: Request, account: str, entity: str, id: str) -> Response:
        row = self.table(self._admitted(request, account), entity).find(id)
        return Response(200, row.encoded(), rows=1) if row else self.not_found(request)

    def _admitted(self, request: Request, account_id: str) -> Account:
        """The account in the path, if the sign-in opens it, within the limit, or a refusal."""
        account = self._signed_in(request)
        if account_id == str(int(account.id) + CLOSED):
            raise RefusalError(json_response({}, 404, Reason="Account Inactive"))
        if account_id != account.id:
            raise _refuse(404, "Not found")
        return account

    def _signed_in(self, request: Request) -> Account:
        if not request.headers.get("user-agent"):
            raise _refuse(400, "User-Agent is required")
        token = self.oauth.access.get(request.bearer)
        if token is None or token.is_revoked:
            raise _refuse(401, "OAuth token is not valid.")
        if self.oauth.is_expired(token):
            raise _refuse(401, "OAuth token expired (old age). Refresh your token.")
        if not self.has_room(self.window, "address"):
            said = {"error": "Rate limit exceeded."}
            raise RefusalError(json_response(said, 429, Retry_After=str(PER_SECONDS)))
        return token.grant.account


def _told(id: int, product: str, name: str) -> Json:
    host = "3.basecampapi.com" if product == "bc3" else "basecamp.com"
    app = f"https://3.basecamp.com/{id}" if product == "bc3" else f"https://basecamp.com/{id}"
    shown = {"href": f"https://{host}/{id}", "app_href": app}
    return {"product": product, "id": id, "name": name, **shown}


def _refuse(status: int, said: str) -> RefusalError:
    return RefusalError(json_response({"error": said}, status))


def _refuse_others(request: Request, known: tuple[str, ...]) -> None:
    for name in request.query:
        if name not in known:
            raise _refuse(400, f"{name} is not known")


def _choice(request: Request, name: str, allowed: tuple[str, ...]) -> str:
    value = request.query.get(name, allowed[0])
    if value not in allowed:
        raise _refuse(400, f"{name} is not valid")
    return value


def _page(request: Request, rows: list[Row]) -> Response:
    """One page; they grow from 15 to 100 rows. The next one is named in full."""
    text = request.query.get("page", "1")
    number = int(text) if text.isdecimal() and int(text) > 0 else 1
    first = sum(_size(before) for before in range(1, number))
    page, end = rows[first : first + _size(number)], first + _size(number)
    response = Response(200, joined(page), headers={"X-Total-Count": str(len(rows))})
    response.rows = len(page)
    if end < len(rows):
        path = request.path.removeprefix("/basecamp/api")
        query = urlencode({**request.query, "page": number + 1})
        response.headers["Link"] = f'<https://3.basecampapi.com{path}?{query}>; rel="next"'
    return response


def _size(number: int) -> int:
    return PAGE_SIZES[min(number, len(PAGE_SIZES)) - 1]
