"""Copper CRM (developer API v1) as callers see it: POST searches, four headers, bare arrays.

Facts: Copper's developer pages on authentication, search and limits, and recorded answers, as
collected in November 2026. Chosen here because no recording was seen: 401, 429 and 400 have the
shape of the recorded 422; a page beyond the first 100,000 matches is empty; equal sort values
follow the id. Not offered: activities, projects, webhooks, writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, NoReturn

import orjson

from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.copper_rows import COUNTS, CopperRows, row_of
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.oauth import OAuthRefusedError
from integrations.sandbox.oauth_part import KeyedPart
from integrations.sandbox.part import (
    Account,
    Json,
    RefusalError,
    Request,
    Response,
    Setting,
    demo_secret,
    json_response,
    route,
)
from integrations.sandbox.rows import Row, Table, by_id, joined

API = "/copper/api/developer_api/v1"
APPLICATION = "developer_api"
OAUTH_SCOPE = "developer/v1/all"
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 200
REACHABLE_ROWS = 100_000
REQUESTS_PER_MINUTE = 180
STATUS_IDS = {"Open": 0, "Won": 1, "Lost": 2, "Abandoned": 3}
LISTS = (
    "pipelines",
    "pipeline_stages",
    "activity_types",
    "contact_types",
    "customer_sources",
    "lead_statuses",
    "loss_reasons",
    "custom_field_definitions",
    "tags",
)


@dataclass(frozen=True, slots=True)
class Search:
    """What a search body may hold for one resource."""

    sorts: tuple[str, ...]
    lists: tuple[str, ...] = ("ids", "tags", "assignee_ids")


_DATES = ("date_modified", "date_created")
SEARCHES: dict[str, Search] = {
    "companies": Search(("name", "city", "assignee", *_DATES)),
    "people": Search(
        ("name", "title", "company_name", *_DATES), ("ids", "tags", "assignee_ids", "company_ids")
    ),
    "opportunities": Search(
        ("name", "monetary_value", "status", *_DATES),
        ("ids", "tags", "assignee_ids", "company_ids", "status_ids"),
    ),
    "leads": Search(
        ("name", "company_name", "status", *_DATES), ("ids", "tags", "assignee_ids", "status_ids")
    ),
    "tasks": Search(("name", "due_date", "status", *_DATES)),
    "users": Search(("name",), ("ids",)),
}
PAGING = {"page_number": int, "page_size": int, "sort_by": str, "sort_direction": str}
BOUNDS = (
    "minimum_modified_date",
    "maximum_modified_date",
    "minimum_created_date",
    "maximum_created_date",
)


class Copper(KeyedPart[CopperRows]):
    """Two accounts, each opened by its own key and e-mail address, or by OAuth."""

    slug = "copper"
    origins: ClassVar[dict[str, str]] = {
        "https://api.copper.com": "/copper/api",
        "https://app.copper.com": "/copper/app",
    }
    account_ids = ("710001", "710002")
    authorize_path = "/copper/app/oauth/authorize"
    token_path = "/copper/app/oauth/token"
    consent_page = ConsentPage(
        label="Copper",
        account_word="Account",
        scopes=(OAUTH_SCOPE,),
        callback_by_post=True,
    )
    builds = CopperRows

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.keys = {demo_secret("copper", "key", id): id for id in self.accounts}
        self.window = RollingWindow(REQUESTS_PER_MINUTE, 60)

    def credentials(self) -> list[Json]:
        said = super().credentials()
        for entry in said:
            entry["user_email"] = self.owner_email(self.accounts[entry["account_id"]])
        return said

    def owner_email(self, account: Account) -> str:
        """The address that must accompany the account's key."""
        return f"integrations@{account.organisation.domain}"

    def account_of(self, request: Request) -> str:
        token = self.oauth.access.get(request.bearer)
        if token is not None:
            return token.grant.account.id
        return self.keys.get(request.headers.get("x-pw-accesstoken", ""), "")

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        if entity in COUNTS:
            row.data["details"] = f"Note {rng.randrange(10**6)} ✎"
            row.data["date_modified"] = int(stamp)
            row.stamp = float(int(stamp))
        else:
            row.data["name"] = f"{row.data['name']} {rng.randrange(1000)}"

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        if entity not in COUNTS:
            raise ValueError(f"rows of {entity} cannot be added")
        rows = self.further_rows(account, rng)
        number, rows.counts[entity] = rows.counts[entity], rows.counts[entity] + 1
        build: Callable[[int, int, int], Json] = {
            "companies": rows.company,
            "people": rows.person,
            "opportunities": rows.opportunity,
            "leads": rows.lead,
            "tasks": rows.task,
        }[entity]
        return row_of(build(number, int(stamp), int(stamp)))

    # OAuth, for apps that Copper registered.

    def token(self, request: Request) -> Response:
        form = request.form
        try:
            client = self.oauth.client_of(request, in_body=True)
            if form.get("grant_type") != "authorization_code":
                return json_response({"error": "unsupported_grant_type"}, 400)
            grant = self.oauth.redeem_code(
                form.get("code", ""), client, form.get("redirect_uri", "")
            )
        except OAuthRefusedError as refused:
            return json_response({"error": refused.code}, 401 if refused.is_client else 400)
        request.account = grant.account.id
        access = self.oauth.issue_access(grant, "", None)
        return json_response({"access_token": access, "token_type": "Bearer", "scope": OAUTH_SCOPE})

    # The API.

    @route("GET", f"{API}/account")
    def account(self, request: Request) -> Response:
        account = self._admitted(request)
        return json_response(
            {
                "id": int(account.id),
                "name": account.name,
                "primary_timezone": account.organisation.timezone,
                "settings": {"enable_leads": True},
            }
        )

    @route("POST", f"{API}/{{resource}}/search")
    def search(self, request: Request, resource: str) -> Response:
        account = self._admitted(request)
        if resource not in SEARCHES:
            return self.not_found(request)
        body = _checked(request, SEARCHES[resource])
        matches = _matching(self.table(account, resource), body)
        size, number = body.get("page_size", DEFAULT_PAGE_SIZE), body.get("page_number", 1)
        page = matches[(number - 1) * size : min(number * size, REACHABLE_ROWS)]
        headers = {"X-PW-TOTAL": str(len(matches))}
        return Response(200, joined(page), headers=headers, rows=len(page))

    @route("GET", f"{API}/{{resource}}")
    def reference_list(self, request: Request, resource: str) -> Response:
        account = self._admitted(request)
        if resource not in LISTS:
            return self.not_found(request)
        rows = self.table(account, resource).ordered("id", by_id)
        return Response(200, joined(rows), rows=len(rows))

    @route("GET", f"{API}/{{resource}}/{{id}}")
    def read(self, request: Request, resource: str, id: str) -> Response:
        account = self._admitted(request)
        row = self.table(account, resource).find(id) if resource in SEARCHES else None
        return Response(200, row.encoded(), rows=1) if row else self.not_found(request)

    def _admitted(self, request: Request) -> Account:
        """The account behind key or token, within its limit, or a refusal."""
        headers = request.headers
        account = self.accounts.get(request.account)
        token = self.oauth.access.get(request.bearer)
        if account is None or account.id in self.revoked or not headers.get("content-type"):
            _refuse(401, "Unauthorized")
        if token is not None:
            if token.grant.revoked:
                _refuse(401, "Unauthorized")
        elif headers.get("x-pw-application") != APPLICATION or headers.get(
            "x-pw-useremail", ""
        ).lower() != self.owner_email(account):
            _refuse(401, "Unauthorized")
        if not self.has_room(self.window, account.id):
            _refuse(429, "Too many requests")
        return account


def _refuse(status: int, message: str) -> NoReturn:
    raise RefusalError(
        json_response({"success": False, "status": status, "message": message}, status)
    )


def _invalid(message: str) -> NoReturn:
    _refuse(422, f"Invalid input: Validation errors: {message}")


def _checked(request: Request, search: Search) -> Json:
    """The search body, if Copper would take it."""
    if request.media_type != "application/json":
        _refuse(400, "Invalid input: the body must be JSON")
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        _refuse(400, "Invalid input: the body is not JSON")
    if not isinstance(body, dict):
        _refuse(400, "Invalid input: the body must be an object")
    known = (*PAGING, *BOUNDS, *search.lists, "name", "custom_fields")
    if unknown := [key for key in body if key not in known]:
        _invalid(f"Base: Unrecognized attributes specified: {', '.join(unknown)}")
    for key, kind in {**PAGING, **dict.fromkeys(BOUNDS, int), "name": str}.items():
        if key in body and (not isinstance(body[key], kind) or isinstance(body[key], bool)):
            _invalid(f"{key}: is invalid")
    for key in (*search.lists, "custom_fields"):
        if not isinstance(body.get(key, []), list):
            _invalid(f"{key}: is invalid")
    if not 1 <= body.get("page_size", 1) <= MAX_PAGE_SIZE:
        _invalid(f"Page size: must be between 1 and {MAX_PAGE_SIZE}")
    if body.get("page_number", 1) < 1:
        _invalid("Page number: must be greater than 0")
    if body.get("sort_by", "name") not in search.sorts:
        _invalid("Sort by: is not included in the list")
    if body.get("sort_direction", "asc") not in ("asc", "desc"):
        _invalid("Sort direction: is not included in the list")
    return body


def _matching(table: Table, body: Json) -> list[Row]:
    """All rows the body asks for, in its order."""
    field, descending = body.get("sort_by", "name"), body.get("sort_direction") == "desc"
    low, high = body.get("minimum_modified_date"), body.get("maximum_modified_date")
    if field == "date_modified" and not descending:
        rows = table.changed_between(low, high)
    else:
        rows = table.ordered(field, _sort_key(field), descending=descending)
        if low is not None or high is not None:
            rows = [row for row in rows if _within(row.stamp, low, high)]
    for key in body:
        if key in _FILTERS:
            rows = [row for row in rows if _FILTERS[key](row.data, body[key])]
        elif key == "custom_fields":
            rows = [row for row in rows if _has_custom_fields(row.data, body[key])]
    return rows


def _sort_key(field: str) -> Callable[[Row], Any]:
    name = {"city": "address", "assignee": "assignee_id"}.get(field, field)

    def key(row: Row) -> tuple[bool, bool, Any]:
        # A test may have put text where Copper has a number: text goes last, nothing at the end.
        value = row.data.get(name)
        value = value.get("city") if isinstance(value, dict) else value
        if isinstance(value, int | float):
            return False, False, value
        return value is None, True, str(value)

    return key


def _within(value: float, low: int | None, high: int | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _one_of(value: Any, wanted: list[Any]) -> bool:
    """-2 stands for "empty"."""
    return value in wanted or (value is None and -2 in wanted)


def _has_custom_fields(data: Json, wanted: list[Any]) -> bool:
    held = {
        entry["custom_field_definition_id"]: entry["value"]
        for entry in data.get("custom_fields", ())
    }
    return all(held.get(want["custom_field_definition_id"]) == want["value"] for want in wanted)


_FILTERS: dict[str, Callable[[Json, Any], bool]] = {
    "ids": lambda data, wanted: data["id"] in wanted,
    "name": lambda data, wanted: wanted.lower() in str(data.get("name")).lower(),
    "tags": lambda data, wanted: any(tag in data.get("tags", ()) for tag in wanted),
    "assignee_ids": lambda data, wanted: _one_of(data.get("assignee_id"), wanted),
    "company_ids": lambda data, wanted: _one_of(data.get("company_id"), wanted),
    "status_ids": lambda data, wanted: (
        data.get("status_id", STATUS_IDS.get(data.get("status", ""))) in wanted
    ),
    "minimum_created_date": lambda data, wanted: data["date_created"] >= wanted,
    "maximum_created_date": lambda data, wanted: data["date_created"] <= wanted,
}
