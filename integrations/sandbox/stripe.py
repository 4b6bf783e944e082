"""Stripe (API v1) as callers see it: lists newest first, events as the only word on changes.

Facts: Stripe's SDK, its sample objects and pages, as collected in November 2026. Chosen here
because no recording was seen: an event's id or time is never changed afterwards; a page behind a
missing object is a 400; objects and events made in the same second follow each other by id; an
unknown version is a 400. Events of the last 30 days exist from the start, one per object changed
in that time. Not offered: writes, search, test clocks, webhooks, prices, subscriptions.
"""

from __future__ import annotations

import base64
import uuid
from copy import deepcopy
from random import Random
from typing import ClassVar

import orjson

from integrations.sandbox.business import DAY
from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.oauth import Client, OAuthRefusedError
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
from integrations.sandbox.rows import Row, Table, joined
from integrations.sandbox.stripe_params import (
    asked_of,
    error,
    limit_of,
    matching,
    page_of,
    refuse,
)
from integrations.sandbox.stripe_rows import StripeRows

API = "/stripe/api/v1"
VERSION = "2026-10-28.endive"
OLDER_VERSIONS = ("2025-03-31.basil", "2022-11-15")
KINDS = ("products", "customers", "invoices", "charges")
EVENT_DAYS = 30
PER_SECOND = 100
PER_SECOND_AND_ENDPOINT = 25
FIRST_EVENT = {"charges": "succeeded"}


class Stripe(KeyedPart[StripeRows]):
    """Two accounts, each opened by its own restricted key, or by Connect."""

    slug = "stripe"
    origins: ClassVar[dict[str, str]] = {
        "https://api.stripe.com": "/stripe/api",
        "https://connect.stripe.com": "/stripe/connect",
    }
    account_ids = ("acct_1NordlichtGmbH01", "acct_1HarbourValeLtd2")
    authorize_path = "/stripe/connect/oauth/authorize"
    token_path = "/stripe/connect/oauth/token"
    consent_page = ConsentPage(
        label="Stripe",
        account_word="Account",
        scopes=("read_only", "read_write"),
    )
    builds = StripeRows

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.keys = {f"rk_live_{demo_secret('stripe', id)}": id for id in self.accounts}
        self.all_calls = RollingWindow(PER_SECOND, 1)
        self.endpoint_calls = RollingWindow(PER_SECOND_AND_ENDPOINT, 1)
        self.event_version = VERSION
        self._events: dict[str, list[tuple[Row, Row | None]]] = {}

    def app(self, account: Account) -> Client:
        id = f"ca_{demo_secret('stripe', 'app', account.id)}"
        return Client(id, demo_secret("stripe", "sk", account.id), account.id)

    def account_of(self, request: Request) -> str:
        key = _secret(request)
        token = self.oauth.access.get(key)
        return token.grant.account.id if token else self.keys.get(key, "")

    def generate(self, account: Account) -> dict[str, list[Row]]:
        made = self.builder(account).all()
        self._events[account.id] = []
        since = self.setting.base_time - EVENT_DAYS * DAY
        for kind in KINDS:
            for row in made[kind]:
                if row.stamp >= since:
                    is_new = row.data["created"] >= since
                    change = FIRST_EVENT.get(kind, "created") if is_new else "updated"
                    self._record(account, kind, row, row.stamp, change)
        return made

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        self._keep_snapshots(account, row)
        note = f"Note {rng.randrange(10**6)} ✎"
        row.data["metadata"] = {"note": note}
        row.data["description"] = note
        if entity == "products":
            row.data["updated"] = int(stamp)
        row.stamp = stamp
        self._record(account, entity, row, stamp, "updated")

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows, moment = self.further_rows(account, rng), int(stamp)
        if entity == "products":
            data = rows.product(rng.randrange(100, 10**6), moment) | {"updated": moment}
        elif entity == "customers":
            data = rows.customer(rng.randrange(100, 10**6), moment)
            rows.customers.append(data)
        else:
            data = rows.invoice(moment) if entity == "invoices" else rows.charge(moment)
        row = Row(data["id"], stamp, data)
        self._record(account, entity, row, stamp, FIRST_EVENT.get(entity, "created"))
        return row

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """Customers, products and drafts go; other invoices are voided; charges stay for ever."""
        if entity == "charges":
            raise ValueError("charges are never deleted")
        self._keep_snapshots(account, row)
        if entity == "invoices" and row.data["status"] != "draft":
            row.data |= {"status": "void", "amount_remaining": 0}
            row.data["status_transitions"]["voided_at"] = int(stamp)
            row.stamp = stamp
            self.table(account, entity).put(row)
            self._record(account, entity, row, stamp, "voided")
            return
        self._record(account, entity, row, stamp, "deleted")
        self._keep_snapshots(account, row)
        super().delete(account, entity, row, stamp)

    def not_found(self, request: Request) -> Response:
        return error(404, f"Unrecognized request URL ({request.method}: {request.path}).")

    def fault_in_200(self, request: Request) -> Response:
        return json_response({"error": {"type": "api_error", "code": "lock_timeout"}})

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if request.path.startswith("/stripe/api/"):
            response.headers["Request-Id"] = f"req_{uuid.uuid4().hex[:14]}"
            response.headers["Stripe-Version"] = VERSION
        return response

    # Connect.

    def token(self, request: Request) -> Response:
        form = request.form
        try:
            client = self._platform(request)
            if form.get("grant_type") == "authorization_code":
                # Stripe compares no return address here; the code alone is the proof.
                code = form.get("code", "")
                known = self.oauth.codes.get(code)
                grant = self.oauth.redeem_code(code, client, known.redirect_uri if known else "")
                refresh = self.oauth.issue_refresh(grant, "rt_")
            elif form.get("grant_type") == "refresh_token":
                refresh = form.get("refresh_token", "")
                grant = self.oauth.redeem_refresh(refresh, client).grant
            else:
                return _oauth_error(400, "unsupported_grant_type")
        except OAuthRefusedError as refused:
            return _oauth_error(401 if refused.is_client else 400, refused.code)
        request.account = grant.account.id
        return json_response(
            {
                "access_token": self.oauth.issue_access(grant, "sk_live_", None),
                "refresh_token": refresh,
                "token_type": "bearer",
                "scope": " ".join(grant.scopes),
                "livemode": True,
                "stripe_user_id": grant.account.id,
                "stripe_publishable_key": f"pk_live_{demo_secret('stripe', grant.account.id)}",
            }
        )

    @route("POST", "/stripe/connect/oauth/deauthorize")
    def deauthorize(self, request: Request) -> Response:
        form = request.form
        account = self.accounts.get(form.get("stripe_user_id", ""))
        client = self.oauth.find_client(form.get("client_id", ""))
        if account is None or client is None or _secret(request) != client.secret:
            return _oauth_error(401, "invalid_client")
        self.oauth.revoke_account(account)
        return json_response({"stripe_user_id": account.id})

    # The API.

    @route("GET", f"{API}/account")
    def about_account(self, request: Request) -> Response:
        account = self._admitted(request, "account")
        dashboard = {"display_name": account.name, "timezone": account.organisation.timezone}
        return json_response(
            {
                "id": account.id,
                "object": "account",
                "business_profile": {"name": account.name, "url": None},
                "country": account.organisation.country,
                "default_currency": account.organisation.currency.lower(),
                "settings": {"dashboard": dashboard},
                "type": "standard",
            }
        )

    @route("GET", f"{API}/{{kind}}")
    def listed(self, request: Request, kind: str) -> Response:
        account = self._admitted(request, kind)
        if kind not in (*KINDS, "events"):
            return self.not_found(request)
        asked = asked_of(request.query_string, kind)
        rows = matching(self._newest_first(account, kind), asked)
        page, has_more = page_of(rows, asked, limit_of(asked))
        tail = b',"has_more":%s,"url":"/v1/%s"}' % (str(has_more).lower().encode(), kind.encode())
        body = b'{"object":"list","data":' + joined(page) + tail
        return Response(200, body, rows=len(page))

    @route("GET", f"{API}/{{kind}}/{{id}}")
    def read(self, request: Request, kind: str, id: str) -> Response:
        account = self._admitted(request, kind)
        if kind not in KINDS:
            return self.not_found(request)
        table = self.table(account, kind)
        if id in table.deleted:
            return json_response({"id": id, "object": kind[:-1], "deleted": True})
        row = table.find(id)
        if row is None:
            return error(404, f"No such {kind[:-1]}: '{id}'", "resource_missing", "id")
        return Response(200, row.encoded(), rows=1)

    def _admitted(self, request: Request, endpoint: str) -> Account:
        """The account a key or token opens, within its limits, or a refusal."""
        account = self.accounts.get(request.account)
        key = _secret(request)
        if account is None:
            shown = f"{key[:8]}*****{key[-4:]}" if key else ""
            refuse(401, f"Invalid API Key provided: {shown}")
        token = self.oauth.access.get(key)
        if token is None and account.id in self.revoked:
            refuse(401, f"Expired API Key provided: {key[:8]}***{key[-4:]}", "api_key_expired")
        if token is not None and token.grant.revoked:
            refuse(403, "The account has revoked this application's access.", "account_invalid")
        version = request.headers.get("stripe-version", VERSION)
        if version not in (VERSION, *OLDER_VERSIONS):
            refuse(400, f"Invalid Stripe API version: {version}")
        if not (
            self.has_room(self.endpoint_calls, f"{account.id}:{endpoint}")
            and self.has_room(self.all_calls, account.id)
        ):
            limited = error(429, "Request rate limit exceeded.", "rate_limit")
            limited.headers["Stripe-Rate-Limited-Reason"] = "endpoint-rate"
            raise RefusalError(limited)
        return account

    def _platform(self, request: Request) -> Client:
        """The platform whose secret key speaks, as Bearer or as form field."""
        secret = request.bearer or request.form.get("client_secret", "")
        client = next((one for one in self.oauth.clients if one.secret == secret), None)
        if client is None:
            raise OAuthRefusedError("secret")
        return client

    def _newest_first(self, account: Account, kind: str) -> list[Row]:
        if kind != "events":
            return self.table(account, kind).ordered("created", _created, descending=True)
        self.tables(account)
        since = self.setting.now() - EVENT_DAYS * DAY
        events = [(event, row) for event, row in self._events[account.id] if event.stamp >= since]
        self._events[account.id] = events
        return Table(_as_sent(event, row) for event, row in events).ordered(
            "created", _created, descending=True
        )

    def _record(self, account: Account, kind: str, row: Row, stamp: float, change: str) -> None:
        """One event, which shows the row as it stands until the row changes again."""
        data: Json = {
            "id": self.builder(account).event_id(),
            "object": "event",
            "api_version": self.event_version,
            "created": int(stamp),
            "data": {"object": {}},
            "livemode": True,
            "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
            "type": f"{kind[:-1]}.{change}",
        }
        self._events[account.id].append((Row(data["id"], stamp, data), row))

    def _keep_snapshots(self, account: Account, row: Row) -> None:
        """What events have shown of the row so far is what they go on showing."""
        self.tables(account)
        self._events[account.id] = [
            (_as_sent(event, shown), None) if shown is row else (event, shown)
            for event, shown in self._events[account.id]
        ]


def _as_sent(event: Row, shown: Row | None) -> Row:
    if shown is None:
        return event
    data = {**event.data, "data": {"object": deepcopy(shown.data)}}
    return Row(event.id, event.stamp, data)


def _created(row: Row) -> tuple[int, str]:
    return row.data["created"], row.id


def _secret(request: Request) -> str:
    """The key, sent as Bearer or as user name of HTTP Basic."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return request.bearer
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def _oauth_error(status: int = 400, code: str = "invalid_grant") -> Response:
    body = {"error": code, "error_description": "The request was refused."}
    return Response(status, orjson.dumps(body))
