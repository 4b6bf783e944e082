"""PandaDoc (public API v1) as callers see it: lists under "results", details one by one.

Facts: PandaDoc's API description 8.8.0 and developer pages, as collected in November 2026. Chosen
here because no recording was seen: an unknown parameter and a count beyond 100 are a 400; equal
sort values follow the id; refreshing keeps the refresh token unless rotation is switched on; a
code is redeemed with or without its redirect address. Not offered: filters by form, folder and
metadata, downloads, webhooks, writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, ClassVar

import orjson

from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.oauth import Client, Grant, OAuthRefusedError
from integrations.sandbox.oauth_part import OAuthPart
from integrations.sandbox.pandadoc_rows import (
    BINNED,
    LISTED,
    PROCESSING,
    PandaDocRows,
    iso,
)
from integrations.sandbox.part import (
    Account,
    Json,
    RefusalError,
    Request,
    Response,
    Setting,
    Switches,
    demo_secret,
    json_response,
    route,
)
from integrations.sandbox.rows import Row, joined

API = "/pandadoc/api/public/v1"
SCOPE = "read+write"
DEFAULT_COUNT = 50
MAX_COUNT = 100
LISTS_PER_MINUTE = 2000
DETAILS_PER_MINUTE = 600
STATUSES = (
    "draft",
    "sent",
    "completed",
    "uploaded",
    "error",
    "viewed",
    "waiting_approval",
    "approved",
    "rejected",
    "waiting_pay",
    "paid",
    "voided",
    "declined",
    "external_review",
    "scheduled",
)
"""The filter's number is the place in this list."""

ORDERS = {
    "name": "name",
    "date_created": "date_created",
    "date_status_changed": "date_modified",
    "date_of_last_action": "date_modified",
    "date_modified": "date_modified",
    "date_sent": "date_sent",
    "date_completed": "date_completed",
    "date_expiration": "expiration_date",
    "date_declined": "date_modified",
    "status": "status",
}
BOUNDS = {
    f"{short}_{side}": (f"date_{short}", side == "from")
    for short in ("created", "modified", "completed")
    for side in ("from", "to")
}
Filter = Callable[[Json, str], bool]
FILTERS: dict[str, Filter] = {
    "id": lambda data, wanted: data["id"] == wanted,
    "q": lambda data, wanted: wanted.lower() in str(data["name"]).lower(),
    "tag": lambda data, wanted: wanted in data.get("tags", ()),
    "template_id": lambda data, wanted: (data["template"] or {}).get("id") == wanted,
    "membership_id": lambda data, wanted: data["created_by"]["membership_id"] == wanted,
    "contact_id": lambda data, wanted: (
        wanted in [one.get("contact_id") for one in data["recipients"]]
    ),
}


class PandaDoc(OAuthPart[PandaDocRows]):
    """Two workspaces; each of the two apps preselects one of them, and each has an API key."""

    slug = "pandadoc"
    origins: ClassVar[dict[str, str]] = {
        "https://api.pandadoc.com": "/pandadoc/api",
        "https://app.pandadoc.com": "/pandadoc/app",
    }
    account_ids = ("nordlichtWorkspace23ab", "harbourValeWorkspace4c")
    authorize_path = "/pandadoc/app/oauth2/authorize"
    token_path = "/pandadoc/api/oauth2/access_token"
    consent_page = ConsentPage(
        label="PandaDoc",
        account_word="Workspace",
        scopes=("read", "write"),
        separators=" +",
    )
    builds = PandaDocRows
    first_switches = Switches(token_lifetime=31_535_999)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.keys = {demo_secret("pandadoc", "key", id, length=40): id for id in self.accounts}
        self.lists = RollingWindow(LISTS_PER_MINUTE, 60)
        self.details = RollingWindow(DETAILS_PER_MINUTE, 60)

    def app(self, account: Account) -> Client:
        id = demo_secret("pandadoc", "client", account.id, length=20)
        return Client(id, demo_secret("pandadoc", "secret", account.id), account.id)

    def credentials(self) -> Json:
        return {**super().credentials(), "keys": list(self.keys)}

    def account_of(self, request: Request) -> str:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        return self.keys.get(key, "") if kind == "API-Key" else super().account_of(request)

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        field = {"contacts": "job_title", "members": "role"}.get(entity, "name")
        row.data[field] = f"Note {rng.randrange(10**6)} ✎"
        row.stamp = stamp
        if "date_modified" in row.data:
            row.data["date_modified"] = iso(stamp)

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        if entity == "members" or entity in BINNED:
            raise ValueError(f"rows of {entity} cannot be added")
        return self.further_rows(account, rng).build(entity, stamp, stamp)

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """Documents and templates go to the list of deleted ones, unchanged."""
        super().delete(account, entity, row, stamp)
        for binned, of in BINNED.items():
            if of == entity:
                self.table(account, binned).put(Row(row.id, row.stamp, row.data))

    def not_found(self, request: Request) -> Response:
        return _failed(404, "request_error", "Not found")

    def fault_in_200(self, request: Request) -> Response:
        return _failed(200, "throttled", "Request was throttled.")

    # OAuth.

    def token(self, request: Request) -> Response:
        form, kept = request.form, ""
        try:
            client = self.oauth.client_of(request, in_body=True)
            if form.get("grant_type") == "authorization_code":
                code = form.get("code", "")
                asked = self.oauth.codes.get(code)
                back = form.get("redirect_uri") or (asked.redirect_uri if asked else "")
                grant = self.oauth.redeem_code(code, client, back)
            elif form.get("grant_type") == "refresh_token":
                kept = "" if self.switches.rotation else form.get("refresh_token", "")
                grant = self.oauth.redeem_refresh(form.get("refresh_token", ""), client).grant
            else:
                return json_response({"error": "unsupported_grant_type"}, 400)
        except OAuthRefusedError as refused:
            return json_response({"error": refused.code}, 401 if refused.is_client else 400)
        request.account = grant.account.id
        return json_response(self._tokens(grant, kept))

    def _tokens(self, grant: Grant, kept: str) -> Json:
        lifetime = self.switches.token_lifetime
        return {
            "access_token": self.oauth.issue_access(grant, "", lifetime),
            "token_type": "Bearer",
            "expires_in": lifetime,
            "scope": SCOPE,
            "refresh_token": kept or self.oauth.issue_refresh(grant, ""),
        }

    # The API.

    @route("GET", f"{API}/members/current")
    def itself(self, request: Request) -> Response:
        account = self._admitted(request, self.lists)
        owner = self.builder(account).members[0].data
        return json_response({**owner, "workspace": account.id})

    @route("GET", f"{API}/members")
    def members(self, request: Request) -> Response:
        account = self._admitted(request, self.lists)
        _refuse_others(request.query, ())
        return _results(list(self.table(account, "members")))

    @route("GET", f"{API}/contacts")
    def contacts(self, request: Request) -> Response:
        account = self._admitted(request, self.lists)
        _refuse_others(request.query, ("email",))
        wanted = request.query.get("email")
        rows = list(self.table(account, "contacts"))
        return _results([row for row in rows if wanted in (None, row.data["email"])])

    @route("GET", f"{API}/templates")
    def templates(self, request: Request) -> Response:
        account, query = self._admitted(request, self.lists), request.query
        _refuse_others(query, ("count", "page", "deleted", "q", "id"))
        table = self.table(account, "deleted_templates" if _is_deleted(query) else "templates")
        rows = sorted(table, key=lambda row: str(row.data["date_created"]))
        return _results(_paged(_filtered(rows, query), query))

    @route("GET", f"{API}/documents")
    def documents(self, request: Request) -> Response:
        account, query = self._admitted(request, self.lists), request.query
        others = ("count", "page", "order_by", "deleted", "status", "status__ne")
        _refuse_others(query, (*others, *BOUNDS, *FILTERS))
        table = self.table(account, "deleted_documents" if _is_deleted(query) else "documents")
        rows = _in_status(_within(_filtered(list(table), query), query), query)
        page = _paged(_ordered(rows, query.get("order_by", "date_status_changed")), query)
        shown = [{name: row.data.get(name) for name in LISTED} for row in page]
        return Response(200, orjson.dumps({"results": shown}), rows=len(page))

    @route("GET", f"{API}/documents/{{id}}")
    def document_status(self, request: Request, id: str) -> Response:
        account = self._admitted(request, self.lists)
        row = self.table(account, "documents").find(id)
        if row is None:
            return self.not_found(request)
        return json_response({**{name: row.data.get(name) for name in LISTED}, "uuid": id})

    @route("GET", f"{API}/documents/{{id}}/details")
    def document(self, request: Request, id: str) -> Response:
        account = self._admitted(request, self.details)
        row = self.table(account, "documents").find(id)
        if row is None:
            return self.not_found(request)
        if row.data.get("status") == PROCESSING:
            waiting = {"id": id, "status": PROCESSING, "info_message": "Still being processed."}
            return json_response(waiting, 409)
        return Response(200, row.encoded(), rows=1)

    def _admitted(self, request: Request, window: RollingWindow) -> Account:
        """The workspace behind token or key, within the endpoint's limit, or a refusal."""
        if not request.headers.get("authorization"):
            raise _refuse(
                401, "authentication_error", "Authentication credentials were not provided."
            )
        account = self.accounts.get(request.account)
        token = self.oauth.access.get(request.bearer)
        is_dead = token is not None and (token.is_revoked or self.oauth.is_expired(token))
        is_key = request.headers["authorization"].startswith("API-Key ")
        if account is None or is_dead or (is_key and account.id in self.revoked):
            raise _refuse(401, "authentication_error", "Token is invalid or expired.")
        if not is_key and token is None:
            raise _refuse(401, "authentication_error", "Token is invalid or expired.")
        endpoint = f"{account.id} {request.path.split('/')[4]}"
        if not self.has_room(window, endpoint):
            raise _refuse(429, "throttled", "Request was throttled.")
        return account


def _failed(status: int, kind: str, detail: Any) -> Response:
    return json_response({"type": kind, "detail": detail}, status)


def _refuse(status: int, kind: str, detail: Any) -> RefusalError:
    return RefusalError(_failed(status, kind, detail))


def _invalid(name: str, message: str) -> RefusalError:
    return _refuse(400, "validation_error", {name: [message]})


def _refuse_others(query: dict[str, str], known: Sequence[str]) -> None:
    for name in query:
        if name not in known:
            raise _invalid(name, "Unknown parameter.")


def _results(rows: list[Row]) -> Response:
    return Response(200, b'{"results":' + joined(rows) + b"}", rows=len(rows))


def _is_deleted(query: dict[str, str]) -> bool:
    if query.get("deleted", "false") not in ("true", "false"):
        raise _invalid("deleted", "Must be a valid boolean.")
    return query.get("deleted") == "true"


def _filtered(rows: list[Row], query: dict[str, str]) -> list[Row]:
    for name in query:
        if name in FILTERS:
            rows = [row for row in rows if FILTERS[name](row.data, query[name])]
    return rows


def _within(rows: list[Row], query: dict[str, str]) -> list[Row]:
    """A lower bound includes its own moment, an upper one does not."""
    for name in query:
        if name in BOUNDS:
            field, is_low = BOUNDS[name]
            edge = _moment(name, query[name])
            rows = [
                row
                for row in rows
                if row.data.get(field) and (str(row.data[field]) >= edge) == is_low
            ]
    return rows


def _moment(name: str, text: str) -> str:
    """The moment in the form the rows have it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(name, "Enter a valid date/time.") from None
    return iso((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _in_status(rows: list[Row], query: dict[str, str]) -> list[Row]:
    for name, is_wanted in (("status", True), ("status__ne", False)):
        if name in query:
            number = _whole(query, name, 0)
            if number >= len(STATUSES):
                raise _invalid(name, "value is not a valid choice.")
            wanted = f"document.{STATUSES[number]}"
            rows = [row for row in rows if (row.data["status"] == wanted) == is_wanted]
    return rows


def _ordered(rows: list[Row], order: str) -> list[Row]:
    field = ORDERS.get(order.removeprefix("-"))
    if field is None:
        raise _invalid("order_by", "value is not a valid choice.")
    rows = sorted(rows, key=lambda row: row.id)
    return sorted(rows, key=lambda row: str(row.data.get(field)), reverse=order.startswith("-"))


def _paged(rows: list[Row], query: dict[str, str]) -> list[Row]:
    count, page = _whole(query, "count", DEFAULT_COUNT), _whole(query, "page", 1)
    if not 1 <= count <= MAX_COUNT:
        raise _invalid("count", "Ensure this value is between 1 and 100.")
    if page < 1:
        raise _invalid("page", "Ensure this value is greater than or equal to 1.")
    return rows[(page - 1) * count : page * count]


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise _invalid(name, "A valid integer is required.")
    return int(text)
