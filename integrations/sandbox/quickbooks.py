"""QuickBooks Online (accounting API v3) as callers see it: queries, change data capture, faults.

Facts: Intuit's SDKs and developer pages and recorded answers, as collected in November 2026.
Chosen here because no recording was seen: the texts of query faults, the body of 429, a
`changedSince` beyond 30 days is a validation fault, a full CDC answer holds the oldest changes.
Not offered: writes, batch, reports, webhooks.
"""

from __future__ import annotations

import uuid
from random import Random
from typing import ClassVar

import orjson

from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.limits import RollingWindow
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
from integrations.sandbox.quickbooks_answers import (
    access_fault,
    authentication_xml,
    block_of,
    company_info,
    fault,
    moment_text,
    xml_of,
)
from integrations.sandbox.quickbooks_query import EMPTY, PROPERTIES, QueryError, matching, parse
from integrations.sandbox.quickbooks_rows import (
    QuickBooksRows,
    epoch_of,
    row_of,
    stamp_text,
)
from integrations.sandbox.rows import Row, by_id

COMPANY = "/quickbooks/api/v3/company/{realm}"
ACCOUNTING = "com.intuit.quickbooks.accounting"
SCOPES = (
    ACCOUNTING,
    "com.intuit.quickbooks.payment",
    "openid",
    "profile",
    "email",
    "phone",
    "address",
)
REFRESH_SECONDS = 8_726_400
PER_MINUTE_PER_REALM = 500
PER_SECOND_PER_REALM_AND_APP = 10
CDC_DAYS = 30
CDC_MAX_ROWS = 1000


class QuickBooks(OAuthPart[QuickBooksRows]):
    """Two companies; each of the two apps preselects one of them on the consent page."""

    slug = "quickbooks"
    origins: ClassVar[dict[str, str]] = {
        "https://quickbooks.api.intuit.com": "/quickbooks/api",
        "https://appcenter.intuit.com": "/quickbooks/appcenter",
        "https://oauth.platform.intuit.com": "/quickbooks/oauth",
        "https://developer.api.intuit.com": "/quickbooks/developer",
    }
    account_ids = ("9130350000000101", "9130350000000202")
    authorize_path = "/quickbooks/appcenter/connect/oauth2"
    token_path = "/quickbooks/oauth/oauth2/v1/tokens/bearer"
    consent_page = ConsentPage(
        label="QuickBooks",
        account_word="Company",
        scopes=SCOPES,
        callback_extra=lambda account: {"realmId": account.id},
    )
    builds = QuickBooksRows
    first_switches = Switches(rotation=True, token_lifetime=3600)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.minute = RollingWindow(PER_MINUTE_PER_REALM, 60)
        self.second = RollingWindow(PER_SECOND_PER_REALM_AND_APP, 1)

    def app(self, account: Account) -> Client:
        id = demo_secret("quickbooks", "client", account.id, length=40)
        secret = demo_secret("quickbooks", "secret", account.id, length=40)
        return Client(id, secret, account.id)

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        note = "Notes" if "Active" in PROPERTIES[entity] else "PrivateNote"
        row.data[note] = f"Note {rng.randrange(10**6)} ✎"
        _restamp(row, stamp)

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows, moment = self.further_rows(account, rng), int(stamp)
        if entity in ("Customer", "Vendor"):
            data = rows.business(entity, rows.counts[entity], moment, moment)
            data["Active"] = True
            rows.counts[entity] += 1
        elif entity == "Invoice":
            data = rows.invoice(moment, moment)
        elif entity == "Payment":
            table = self.table(account, "Invoice")
            open_invoices = [row for row in table.ordered("id", by_id) if row.data["Balance"]]
            if not open_invoices:
                raise ValueError("no invoice is open, so there is nothing to pay")
            invoice = rng.choice(open_invoices)
            cents = round(invoice.data["Balance"] * 100)
            data = rows.payment(moment, moment, [(invoice.data, cents)])
            _restamp(invoice, stamp)
            table.put(invoice)
        else:
            raise ValueError(f"rows of {entity} cannot be added")
        return row_of(data)

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """List entities are made inactive; transactions go, and only CDC tells."""
        if "Active" not in row.data:
            super().delete(account, entity, row, stamp)
            return
        for name in ("DisplayName", "FullyQualifiedName", "Name"):
            if name in row.data and not row.data[name].endswith(" (deleted)"):
                row.data[name] += " (deleted)"
        row.data["Active"] = False
        _restamp(row, stamp)
        self.table(account, entity).put(row)

    def not_found(self, request: Request) -> Response:
        return fault(500, "Unsupported Operation", "This operation is not supported.", status=400)

    def fault_in_200(self, request: Request) -> Response:
        detail = "An unexpected error occurred while reading the company."
        return fault(10000, "System Failure Error", detail, kind="SystemFault", status=200)

    # OAuth.

    def token(self, request: Request) -> Response:
        try:
            redeemed = self.oauth.redeem(request, in_body=False, pkce=False)
        except OAuthRefusedError as refused:
            return _refused_token(refused)
        lifetime = self.switches.token_lifetime
        return json_response(
            {
                "token_type": "bearer",
                "access_token": self.oauth.issue_access(redeemed.grant, "eyJ", lifetime),
                "expires_in": lifetime,
                "refresh_token": self.oauth.next_refresh(redeemed, "RT1-"),
                "x_refresh_token_expires_in": REFRESH_SECONDS,
            }
        )

    @route("POST", "/quickbooks/developer/v2/oauth2/tokens/revoke")
    def revoke_token(self, request: Request) -> Response:
        try:
            client = self.oauth.client_of(request, in_body=False)
            token = orjson.loads(request.body)["token"]
        except OAuthRefusedError as refused:
            return _refused_token(refused)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return json_response({"error": "invalid_request"}, 400)
        grant = self.oauth.find_grant(str(token))
        if grant is None or grant.client != client or grant.revoked:
            return json_response({"error": "invalid_grant"}, 400)
        request.account = grant.account.id
        grant.revoked = True
        return Response(200)

    # The API.

    @route("GET", f"{COMPANY}/query")
    @route("POST", f"{COMPANY}/query")
    def query(self, request: Request, realm: str) -> Response:
        account = self._admitted(request, realm)
        if request.method == "POST" and request.media_type != "application/text":
            return fault(500, "Unsupported Operation", "Send the query as application/text.")
        statement = request.query.get("query", "") or request.body.decode("utf-8", "replace")
        try:
            asked = parse(statement)
            if asked.entity in EMPTY:
                return self._said(b"{}")
            if asked.entity not in PROPERTIES:
                raise QueryError("4001", f"entity {asked.entity} is not known")
            rows = matching(asked, self.table(account, asked.entity), PROPERTIES[asked.entity])
        except QueryError as refused:
            return fault(int(refused.code), "Invalid query", str(refused))
        if asked.counts:
            return self._said(b'{"totalCount":%d}' % len(rows))
        page = rows[asked.start - 1 : asked.start - 1 + asked.limit]
        if not page:
            return self._said(b"{}")
        if asked.select:
            page = [_sparse(row, asked.select) for row in page]
        return self._said(block_of(asked.entity, page, asked.start), len(page))

    @route("GET", f"{COMPANY}/cdc")
    def change_data_capture(self, request: Request, realm: str) -> Response:
        account = self._admitted(request, realm)
        entities = [name.strip() for name in request.query.get("entities", "").split(",")]
        for name in entities:
            if name not in PROPERTIES and name not in EMPTY:
                return fault(2030, "Invalid ID", f"entity {name} is not offered here")
        try:
            since = epoch_of(request.query.get("changedSince", ""))
        except ValueError:
            return fault(2010, "Request has invalid or unsupported property", "changedSince")
        now = self.setting.now()
        if since < now - CDC_DAYS * 86_400:
            return fault(2170, "Invalid value", f"changedSince is over {CDC_DAYS} days ago")
        blocks, total = [], 0
        for name in entities:
            block = b"{}"
            if name in PROPERTIES:
                found = self._changes(account, name, since)[: CDC_MAX_ROWS - total]
                block = block_of(name, found, 1) if found else block
                total += len(found)
            blocks.append(block)
        body = b'{"CDCResponse":[{"QueryResponse":[%s]}],"time":%s}' % (
            b",".join(blocks),
            orjson.dumps(moment_text(now)),
        )
        return Response(200, body, rows=total)

    @route("GET", f"{COMPANY}/{{entity}}/{{id}}")
    def read(self, request: Request, realm: str, entity: str, id: str) -> Response:
        account = self._admitted(request, realm)
        time = orjson.dumps(moment_text(self.setting.now()))
        if entity == "companyinfo":
            body = orjson.dumps(company_info(account.organisation))
            return Response(200, b'{"CompanyInfo":%s,"time":%s}' % (body, time))
        name = next((name for name in PROPERTIES if name.lower() == entity), "")
        row = self.table(account, name).find(id) if name else None
        if row is None:
            return fault(610, "Object Not Found", f"{entity} {id} was not found or is inactive.")
        return Response(200, b'{"%s":%s,"time":%s}' % (name.encode(), row.encoded(), time), rows=1)

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if request.path.startswith("/quickbooks/api/"):
            response.headers["intuit_tid"] = f"1-{uuid.uuid4()}"
            if not _wants_json(request) and response.media_type == "application/json":
                response.body = xml_of(response.body)
                response.media_type = "application/xml;charset=UTF-8"
        return response

    def _admitted(self, request: Request, realm: str) -> Account:
        """The company the token opens, within its limits, or a refusal."""
        now = self.setting.now()
        token = self.oauth.access.get(request.bearer)
        if token is None or token.is_revoked:
            raise _barred(401, "AuthenticationFailed", "003200", "Token invalid", now)
        if self.oauth.is_expired(token):
            detail = f"Token expired: {request.bearer[:3]}..."
            raise _barred(401, "AuthenticationFailed", "003200", detail, now)
        if ACCOUNTING not in token.grant.scopes:
            raise _barred(403, "ApplicationAuthorizationFailed", "003100", "Scope missing", now)
        if token.grant.account.id != realm:
            raise RefusalError(authentication_xml(moment_text(now)))
        app = f"{realm}:{token.grant.client.id}"
        if not (self.has_room(self.second, app) and self.has_room(self.minute, realm)):
            raise _barred(429, "ThrottleExceeded", "003001", "Too many requests", now)
        return token.grant.account

    def _changes(self, account: Account, entity: str, since: int) -> list[Row]:
        table = self.table(account, entity)
        gone = [_stub(id, stamp) for id, stamp in table.deleted.items() if int(stamp) >= since]
        changed = table.changed_between(since, None)
        return sorted([*changed, *gone], key=lambda row: row.stamp) if gone else changed

    def _said(self, block: bytes, rows: int = 0) -> Response:
        time = orjson.dumps(moment_text(self.setting.now()))
        return Response(200, b'{"QueryResponse":%s,"time":%s}' % (block, time), rows=rows)


def _restamp(row: Row, stamp: float) -> None:
    row.data["SyncToken"] = str(int(row.data["SyncToken"]) + 1)
    row.data["MetaData"]["LastUpdatedTime"] = stamp_text(stamp)
    row.stamp = float(int(stamp))


def _stub(id: str, stamp: float) -> Row:
    meta = {"LastUpdatedTime": stamp_text(stamp)}
    return Row(id, stamp, {"domain": "QBO", "status": "Deleted", "Id": id, "MetaData": meta})


def _sparse(row: Row, names: tuple[str, ...]) -> Row:
    kept = {name: row.data[name] for name in names if name in row.data}
    return Row(row.id, row.stamp, {**kept, "domain": "QBO", "sparse": True})


def _barred(status: int, what: str, code: str, detail: str, now: float) -> RefusalError:
    return RefusalError(access_fault(status, what, code, detail, now))


def _refused_token(refused: OAuthRefusedError) -> Response:
    said = {"error": refused.code}
    if refused.code == "invalid_grant":
        what = "refresh token" if refused.reason == "refresh_token" else "authorization code"
        said["error_description"] = f"Incorrect or invalid {what}"
    return json_response(said, 401 if refused.is_client else 400)


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")
