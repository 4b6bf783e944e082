"""Salesforce (REST API v62.0) as callers see it: SOQL, next pages, the recycle bin, quotas.

Facts: Salesforce's REST guide, limit sheets and client libraries, as collected in November 2026.
Chosen here because no recording was seen: pages hold 200 rows, the fewest a caller may meet;
a query's rows are settled when it is made and sent as they are by then; users and stages are made
inactive instead of deleted; a day's calls are never forgotten. Not offered: writes, relationships
in queries, bulk, composite, getUpdated and getDeleted, leads and tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import orjson

from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.oauth import Client, OAuthRefusedError
from integrations.sandbox.oauth_part import OAuthPart
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
from integrations.sandbox.salesforce_rows import (
    KINDS,
    PREFIXES,
    SalesforceRows,
    organization,
    record_id,
    restamp,
    row_of,
)
from integrations.sandbox.salesforce_soql import Query, SoqlError, matching, parse, picked

VERSION = "v62.0"
LOGIN = "/salesforce/login/services/oauth2"
ORG = "/salesforce/org/{org}/services"
DATA = f"{ORG}/data/{VERSION}"
SCOPES = ("api", "refresh_token", "offline_access", "openid", "id", "profile", "email", "full")
CALLS_A_DAY = 100_000
PAGE_ROWS = 200
MOST_PAGE_ROWS = 2000
OPEN_QUERIES = 100
DAYS_IN_BIN = 15
DAY = 86_400


@dataclass(frozen=True, slots=True)
class OpenQuery:
    """A query somebody may ask further pages of."""

    account: Account
    query: Query
    rows: list[Row]
    page_rows: int
    epoch: int


class Salesforce(OAuthPart[SalesforceRows]):
    """Two organizations, each with its own domain; one log-in page for both."""

    slug = "salesforce"
    origins: ClassVar[dict[str, str]] = {
        "https://login.salesforce.com": "/salesforce/login",
        "https://nordlicht.my.salesforce.com": "/salesforce/org/nordlicht",
        "https://harbour.my.salesforce.com": "/salesforce/org/harbour",
    }
    account_ids = tuple(record_id(PREFIXES["Organization"], number, 1) for number in range(2))
    authorize_path = f"{LOGIN}/authorize"
    token_path = f"{LOGIN}/token"
    consent_page = ConsentPage(label="Salesforce", account_word="Organization", scopes=SCOPES)
    builds = SalesforceRows
    first_switches = Switches(token_lifetime=7200)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.hidden: set[tuple[str, str]] = set()
        self.used = dict.fromkeys(self.accounts, 0)
        self._bins: dict[tuple[str, str], dict[str, Row]] = {}
        self._open: dict[str, OpenQuery] = {}
        self._asked = 0

    def app(self, account: Account) -> Client:
        id = f"3MVG9{demo_secret('salesforce', account.id)}"
        return Client(id, demo_secret("salesforce", "s", account.id), account.id)

    def credentials(self) -> Any:
        said = super().credentials()
        for entry in said["accounts"]:
            entry["login_host"] = "login.salesforce.com"
        return said

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        if "Phone" in row.data:
            row.data["Phone"] = f"+49555{rng.randrange(10**6):06d}"
        elif "Amount" in row.data:
            row.data["Amount"] = float(rng.randrange(1000, 90_000))
        else:
            row.data["DefaultProbability"] = float(rng.randrange(100))
        restamp(row, stamp)

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows, moment = self.further_rows(account, rng), int(stamp)
        number = rows.made[entity]
        if entity == "OpportunityStage":
            return row_of(entity, rows.stage(f"Stage {number}", number + 1, moment, moment))
        builds = {
            "User": rows.user,
            "Account": rows.company,
            "Contact": rows.contact,
            "Opportunity": rows.opportunity,
        }
        return row_of(entity, builds[entity](number, moment, moment))

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """Into the recycle bin; users and stages are made inactive."""
        restamp(row, stamp)
        row.forget_encoding()
        if "IsDeleted" not in row.data:
            row.data["IsActive"] = False
            self.table(account, entity).put(row)
            return
        row.data["IsDeleted"] = True
        self._bins.setdefault((account.id, entity), {})[row.id] = row
        super().delete(account, entity, row, stamp)

    def empty(self, account: Account) -> None:
        super().empty(account)
        self._bins.clear()

    def not_found(self, request: Request) -> Response:
        return _error(404, "NOT_FOUND", "The requested resource does not exist")

    def fault_in_200(self, request: Request) -> Response:
        return _error(200, "SERVER_UNAVAILABLE", "We're down for maintenance.")

    # OAuth.

    def authorize(self, request: Request) -> Response:
        asked = {**request.query, **request.form}
        if not asked.get("code_challenge") or asked.get("code_challenge_method", "S256") != "S256":
            said = "missing required code challenge"
            return json_response({"error": "invalid_request", "error_description": said}, 400)
        return self.consent.answer(request)

    def token(self, request: Request) -> Response:
        try:
            redeemed = self.oauth.redeem(request)
        except OAuthRefusedError as refused:
            return _refused_token(*_REASONS[refused.reason])
        grant = redeemed.grant
        answer: Json = {
            "access_token": self.oauth.issue_access(
                grant, f"{grant.account.id[:15]}!AQ", self.switches.token_lifetime
            ),
            "signature": "c2lnbmVk",
            "scope": " ".join(grant.scopes),
            "instance_url": self._domain(grant.account),
            "id": f"https://login.salesforce.com/id/{grant.account.id}/{self._user(grant.account)}",
            "token_type": "Bearer",
            "issued_at": str(int(self.setting.now() * 1000)),
        }
        is_lasting = bool({"refresh_token", "offline_access"} & set(grant.scopes))
        if self.switches.rotation if redeemed.refresh_token else is_lasting:
            answer["refresh_token"] = self.oauth.issue_refresh(grant, "5Aep861")
        return json_response(answer)

    @route("POST", f"{LOGIN}/revoke")
    def revoke_token(self, request: Request) -> Response:
        grant = self.oauth.find_grant(request.form.get("token", ""))
        if grant is None or grant.revoked:
            return json_response({"error": "invalid_token"}, 400)
        request.account = grant.account.id
        grant.revoked = True
        return Response(200)

    # The API.

    @route("GET", f"{ORG}/data")
    @route("GET", f"{ORG}/data/")
    def versions(self, request: Request, org: str) -> Response:
        number = VERSION.removeprefix("v")
        return json_response(
            [{"label": "Winter '25", "url": f"/services/data/{VERSION}", "version": number}]
        )

    @route("GET", f"{DATA}/limits")
    def limits(self, request: Request, org: str) -> Response:
        account = self._admitted(request, org)
        left = CALLS_A_DAY - self.used[account.id]
        return json_response({"DailyApiRequests": {"Max": CALLS_A_DAY, "Remaining": left}})

    @route("GET", f"{DATA}/sobjects/{{entity}}/describe")
    def describe(self, request: Request, org: str, entity: str) -> Response:
        kinds = self._kinds(self._admitted(request, org), entity)
        if not kinds:
            return self.not_found(request)
        fields = [
            {"name": name, "type": kind, "label": name, "nillable": kind != "id", "custom": False}
            for name, kind in kinds.items()
        ]
        return json_response({"name": entity, "queryable": True, "custom": False, "fields": fields})

    @route("GET", f"{DATA}/query")
    def query(self, request: Request, org: str) -> Response:
        return self._queried(request, org, with_bin=False)

    @route("GET", f"{DATA}/queryAll")
    def query_all(self, request: Request, org: str) -> Response:
        return self._queried(request, org, with_bin=True)

    @route("GET", f"{DATA}/query/{{locator}}")
    @route("GET", f"{DATA}/queryAll/{{locator}}")
    def more(self, request: Request, org: str, locator: str) -> Response:
        account = self._admitted(request, org)
        name, _, place = locator.partition("-")
        found = self._open.get(name)
        is_here = found is not None and found.epoch == self.switches.cursor_epoch
        if found is None or not is_here or found.account != account or not place.isdecimal():
            return _error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(name, found, int(place))

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if request.account and "/services/data/" in request.path:
            used = f"api-usage={self.used[request.account]}/{CALLS_A_DAY}"
            response.headers["Sforce-Limit-Info"] = used
        return response

    def _admitted(self, request: Request, org: str) -> Account:
        """The organization the session is one of, within its calls, or a refusal."""
        if not request.bearer:
            raise RefusalError(_error(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"))
        token = self.oauth.find_live(request.bearer)
        if token is None or token.grant.account.organisation.key != org:
            raise RefusalError(_error(401, "INVALID_SESSION_ID", "Session expired or invalid"))
        if not {"api", "full"} & set(token.grant.scopes):
            said = "This session is not valid for use with the specified REST API endpoint"
            raise RefusalError(_error(401, "INVALID_SESSION_ID", said))
        account, switches = token.grant.account, self.switches
        if switches.limits and self.used[account.id] >= CALLS_A_DAY * switches.limits_scale:
            said = "TotalRequests Limit exceeded."
            raise RefusalError(_error(403, "REQUEST_LIMIT_EXCEEDED", said))
        self.used[account.id] += 1
        return account

    def _queried(self, request: Request, org: str, *, with_bin: bool) -> Response:
        account = self._admitted(request, org)
        try:
            query = parse(request.query.get("q", ""))
            kinds = self._kinds(account, query.entity)
            if not kinds:
                said = f"sObject type '{query.entity}' is not supported."
                raise SoqlError("INVALID_TYPE", said)
            rows = matching(query, self._rows(account, query.entity, with_bin), kinds)
            page_rows = _page_rows(request)
        except SoqlError as refused:
            return _error(400, refused.code, str(refused))
        self._asked += 1
        name = f"01gQx{self._asked:013d}"
        epoch = self.switches.cursor_epoch
        self._open[name] = OpenQuery(account, query, rows, page_rows, epoch)
        if len(self._open) > OPEN_QUERIES:
            del self._open[next(iter(self._open))]
        return self._page(name, self._open[name], 0)

    def _page(self, name: str, found: OpenQuery, place: int) -> Response:
        query, kinds = found.query, self._kinds(found.account, found.query.entity)
        url = f"/services/data/{VERSION}/sobjects/{query.entity}"
        end = place + found.page_rows
        page = [
            picked(row, query.entity, query.fields, kinds, url) for row in found.rows[place:end]
        ]
        head: Json = {"totalSize": len(found.rows), "done": end >= len(found.rows)}
        if not head["done"]:
            head["nextRecordsUrl"] = f"/services/data/{VERSION}/query/{name}-{end}"
        body = orjson.dumps(head)[:-1] + b',"records":' + joined(page) + b"}"
        return Response(200, body, rows=len(page))

    def _rows(self, account: Account, entity: str, with_bin: bool) -> list[Row]:
        if entity == "Organization":
            return [organization(account)]
        rows = list(self.table(account, entity))
        if with_bin:
            since = self.setting.now() - DAYS_IN_BIN * DAY
            kept = self._bins.get((account.id, entity), {})
            rows += [row for row in kept.values() if row.stamp >= since]
        return rows

    def _kinds(self, account: Account, entity: str) -> Mapping[str, str]:
        """The fields the organization has and shows; empty for an object nobody knows."""
        kinds = dict(KINDS.get(entity, {}))
        if entity in ("Account", "Opportunity") and self.builder(account).has_currencies:
            kinds["CurrencyIsoCode"] = "picklist"
        return {name: kind for name, kind in kinds.items() if (entity, name) not in self.hidden}

    def _domain(self, account: Account) -> str:
        return f"https://{account.organisation.key}.my.salesforce.com"

    def _user(self, account: Account) -> str:
        return record_id(PREFIXES["User"], account.number, 0)


_REASONS = {
    "grant_type": ("unsupported_grant_type", "grant type not supported"),
    "client": ("invalid_client_id", "client identifier invalid"),
    "secret": ("invalid_client", "invalid client credentials"),
    "code": ("invalid_grant", "invalid authorization code"),
    "redirect_uri": ("redirect_uri_mismatch", "redirect_uri must match configuration"),
    "verifier": ("invalid_grant", "invalid code verifier"),
    "refresh_token": ("invalid_grant", "expired access/refresh token"),
}


def _page_rows(request: Request) -> int:
    """What the header wishes for, between 200 and 2,000."""
    name, _, wish = request.headers.get("sforce-query-options", "").partition("=")
    if name.strip().lower() != "batchsize" or not wish.strip().isdecimal():
        return PAGE_ROWS
    return min(max(int(wish), PAGE_ROWS), MOST_PAGE_ROWS)


def _error(status: int, code: str, message: str) -> Response:
    return json_response([{"message": message, "errorCode": code}], status)


def _refused_token(code: str, said: str) -> Response:
    return json_response({"error": code, "error_description": said}, 400)
