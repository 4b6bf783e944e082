"""HubSpot (CRM API 2026-03) as callers see it: lists, search, associations, archived objects.

Facts: HubSpot's developer pages, change log and SDK, as collected in November 2026. Chosen here
because no recording was seen: a list goes on at the id its mark names; rows without associations
come as errors beside the others under 207; unknown parameters and properties are passed over; the
search knows every change at once. Not offered: writes, v1 and v4 paths, tickets, property lists,
webhooks, uninstalling.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar

import orjson

from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.hubspot_rows import HubSpotRows, restamp, stamp_text
from integrations.sandbox.hubspot_search import (
    CORRELATION,
    KEYS,
    body_of,
    error,
    found,
    page_of,
    refuse,
)
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

VERSION = "2026-03"
API = "/hubspot/api"
TOKEN = f"{API}/oauth/{VERSION}/token"
OBJECTS = f"{API}/crm/objects/{VERSION}/{{kind}}"
KINDS = ("companies", "contacts", "deals")
SINGULAR = {"companies": "company", "contacts": "contact", "deals": "deal"}
SCOPES = ("oauth", *(f"crm.objects.{kind}.read" for kind in (*KINDS, "owners")))
MOST_ROWS = 100
MOST_OWNERS = 500
MOST_INPUTS = 1000
PER_TEN_SECONDS = 110
SEARCHES_PER_SECOND = 5
ALWAYS = ("createdate", "hs_object_id", "lastmodifieddate", "hs_lastmodifieddate")


class HubSpot(OAuthPart[HubSpotRows]):
    """Two accounts; each of the two apps preselects one of them on the consent page."""

    slug = "hubspot"
    origins: ClassVar[dict[str, str]] = {
        "https://api.hubapi.com": "/hubspot/api",
        "https://app.hubspot.com": "/hubspot/app",
    }
    account_ids = ("4710001", "4710002")
    authorize_path = "/hubspot/app/oauth/authorize"
    token_path = TOKEN
    consent_page = ConsentPage(
        label="HubSpot",
        account_word="Account",
        scopes=SCOPES,
        response_type_needed=False,
    )
    builds = HubSpotRows
    first_switches = Switches(token_lifetime=1800)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.calls = RollingWindow(PER_TEN_SECONDS, 10)
        self.searches = RollingWindow(SEARCHES_PER_SECOND, 1)
        self._bins: dict[tuple[str, str], dict[str, Row]] = {}

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        number = rng.randrange(10**6)
        if entity == "deals":
            row.data["properties"]["amount"] = f"{number / 100:.2f}"
        elif entity in KINDS:
            row.data["properties"]["phone"] = f"+49555{number:06d}"
        else:
            name = "lastName" if entity == "owners" else "label"
            row.data[name] = f"{row.data[name].split(' #')[0]} #{number}"
        restamp(row, stamp)

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows = self.further_rows(account, rng)
        number = rows.made[entity]
        if entity == "pipelines":
            row = rows.pipeline(f"p{number}", f"Pipeline {number}", int(stamp))
        elif entity == "stages":
            row = rows.stage(f"s{number}", f"Stage {number}", "0.5", int(stamp))
        else:
            builds = {
                "owners": rows.owner,
                "companies": rows.company,
                "contacts": rows.contact,
                "deals": rows.deal,
            }
            row = builds[entity](number, int(stamp), int(stamp))
        restamp(row, stamp)
        return row

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """Archived: no list and no search shows it, but the list of archived ones."""
        row.data["archived"] = True
        row.data["archivedAt"] = stamp_text(stamp)
        row.forget_encoding()
        self._bins.setdefault((account.id, entity), {})[row.id] = row
        super().delete(account, entity, row, stamp)

    def empty(self, account: Account) -> None:
        super().empty(account)
        self._bins.clear()

    def not_found(self, request: Request) -> Response:
        return error(404, "OBJECT_NOT_FOUND", "resource not found")

    def fault_in_200(self, request: Request) -> Response:
        return json_response({"status": "error", "message": "internal error"})

    # OAuth.

    def token(self, request: Request) -> Response:
        try:
            redeemed = self.oauth.redeem(request)
        except OAuthRefusedError as refused:
            return _refused_token(*_REASONS[refused.reason])
        lifetime = self.switches.token_lifetime
        return json_response(
            {
                "token_use": "access_token",
                "token_type": "bearer",
                "access_token": self.oauth.issue_access(redeemed.grant, "CPj", lifetime),
                "refresh_token": self.oauth.next_refresh(redeemed, "eu1-"),
                "expires_in": lifetime,
                "hub_id": int(redeemed.grant.account.id),
                "user_id": 293_199,
                "scopes": list(redeemed.grant.scopes),
            }
        )

    @route("POST", f"{TOKEN}/revoke")
    def revoke_token(self, request: Request) -> Response:
        """The refresh token goes; access tokens given out so far run out by themselves."""
        try:
            client = self.oauth.client_of(request, in_body=True)
        except OAuthRefusedError as refused:
            return _refused_token(*_REASONS[refused.reason])
        token = self.oauth.refresh.get(request.form.get("token", ""))
        if token is None or token.grant.client != client:
            return _refused_token("invalid_token", "unknown token")
        request.account = token.grant.account.id
        del self.oauth.refresh[request.form["token"]]
        return Response(204)

    # The API.

    @route("GET", f"{API}/account-info/v3/details")
    def account_info(self, request: Request) -> Response:
        account = self._admitted(request, "oauth")
        return json_response(
            {
                "portalId": int(account.id),
                "accountType": "STANDARD",
                "timeZone": account.organisation.timezone,
                "companyCurrency": account.organisation.currency,
                "additionalCurrencies": [],
                "uiDomain": "app-eu1.hubspot.com",
                "dataHostingLocation": "eu1",
            }
        )

    @route("GET", f"{API}/crm/owners/{VERSION}")
    @route("GET", f"{API}/crm/owners/{VERSION}/")
    def owners(self, request: Request) -> Response:
        account = self._admitted(request, "crm.objects.owners.read")
        page, paging = self._listed(request, account, "owners", MOST_OWNERS, 100)
        return _answer([_sent(row, row.data) for row in page], paging)

    @route("GET", f"{API}/crm/v3/pipelines/deals")
    def pipelines(self, request: Request) -> Response:
        account = self._admitted(request, "crm.objects.deals.read")
        stages = self.table(account, "stages")
        body = []
        for row in self.table(account, "pipelines").ordered("id", by_id):
            below = joined(stages.in_scope(row.id))
            body.append(row.encoded()[:-1] + b',"stages":' + below + b"}")
        return Response(200, b'{"results":[' + b",".join(body) + b"]}", rows=len(body))

    @route("GET", OBJECTS)
    def listed(self, request: Request, kind: str) -> Response:
        account = self._admitted_to(request, kind)
        page, paging = self._listed(request, account, kind, MOST_ROWS, 10)
        wanted = request.query.get("properties", "").split(",")
        others = [name for name in request.query.get("associations", "").split(",") if name]
        sent = []
        for row in page:
            links = {other: _linked(kind, other, row) for other in others if _ids(row, other)}
            held = _object(row, wanted)
            sent.append(_sent(row, {**held, "associations": links} if links else held))
        return _answer(sent, paging)

    @route("POST", f"{OBJECTS}/search")
    def search(self, request: Request, kind: str) -> Response:
        account = self._admitted_to(request, kind, is_search=True)
        body = body_of(request, KEYS)
        rows = found(self.table(account, kind).ordered("id", by_id), body)
        page, paging = page_of(rows, body)
        sent = [_sent(row, _object(row, body.get("properties", ()))) for row in page]
        return _answer(sent, {"total": len(rows), **paging})

    @route("POST", f"{API}/crm/associations/{VERSION}/{{kind}}/{{other}}/batch/read")
    def associations(self, request: Request, kind: str, other: str) -> Response:
        account = self._admitted_to(request, kind)
        inputs = body_of(request, {"inputs": list}).get("inputs", [])
        if other not in KINDS or not 1 <= len(inputs) <= MOST_INPUTS:
            raise refuse(f"inputs: between 1 and {MOST_INPUTS} are read")
        results, missing = [], []
        for asked in inputs:
            row = self.table(account, kind).find(str(asked.get("id")))
            if row is None or not _ids(row, other):
                missing.append(str(asked.get("id")))
                continue
            types = [{"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}]
            to = [{"toObjectId": id, "associationTypes": types} for id in _ids(row, other)]
            results.append({"from": {"id": row.id}, "to": to})
        answer: Json = {"status": "COMPLETE", "results": results}
        if missing:
            said = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "none found"}
            answer |= {"numErrors": 1, "errors": [{**said, "context": {"fromObjectId": missing}}]}
        return json_response(answer, 207 if missing else 200)

    def _admitted_to(self, request: Request, kind: str, *, is_search: bool = False) -> Account:
        if kind not in KINDS:
            raise RefusalError(self.not_found(request))
        return self._admitted(request, f"crm.objects.{kind}.read", is_search=is_search)

    def _admitted(self, request: Request, scope: str, *, is_search: bool = False) -> Account:
        """The account the token opens, within its limits, or a refusal."""
        token = self.oauth.access.get(request.bearer)
        if token is None or token.is_revoked:
            raise refuse("Authentication credentials not found.", 401, "INVALID_AUTHENTICATION")
        if self.oauth.is_expired(token):
            said = "The OAuth token used to make this call expired 4 second(s) ago."
            raise refuse(said, 401, "EXPIRED_AUTHENTICATION")
        if scope not in token.grant.scopes:
            said = "This app hasn't been granted all required scopes to make this call."
            raise refuse(said, 403, "MISSING_SCOPES")
        account = token.grant.account
        window, policy = (
            (self.searches, "SECONDLY") if is_search else (self.calls, "TEN_SECONDLY_ROLLING")
        )
        if not self.has_room(window, account.id):
            raise RefusalError(_too_many(policy))
        return account

    def _listed(
        self, request: Request, account: Account, kind: str, most: int, usual: int
    ) -> tuple[list[Row], Json]:
        """One page by id, beginning at the id that `after` names. Raises RefusalError."""
        asked = request.query
        limit, after = asked.get("limit", str(usual)), asked.get("after", "0")
        if not limit.isdecimal() or not 1 <= int(limit) <= most:
            raise refuse(f"limit must be between 1 and {most}")
        if not after.isdecimal():
            raise refuse("after is not a mark of this list")
        if asked.get("archived", "false") == "true":
            rows = sorted(self._bins.get((account.id, kind), {}).values(), key=by_id)
        else:
            rows = self.table(account, kind).ordered("id", by_id)
        rows = [row for row in rows if int(row.id) >= int(after)]
        page, rest = rows[: int(limit)], rows[int(limit) :]
        return page, {"paging": {"next": {"after": rest[0].id}}} if rest else {}


_REASONS = {
    "grant_type": ("unsupported_grant_type", "unknown grant type"),
    "client": ("invalid_client", "missing or unknown client id"),
    "secret": ("invalid_client", "client secret does not match"),
    "code": ("invalid_grant", "missing or unknown auth code"),
    "redirect_uri": ("invalid_grant", "redirect URI does not match"),
    "verifier": ("invalid_grant", "code verifier does not match"),
    "refresh_token": ("invalid_grant", "missing or invalid refresh token"),
}


def _object(row: Row, wanted: object) -> Json:
    """What lists and searches show of an object: the properties asked for, and a few always."""
    held = row.data["properties"]
    names = {*ALWAYS, *(wanted if isinstance(wanted, list) else ())} & set(held)
    shown = {name: value for name, value in row.data.items() if name != "links"}
    return {**shown, "properties": {name: held[name] for name in held if name in names}}


def _sent(row: Row, data: Json) -> Row:
    sent = Row(row.id, row.stamp, data)
    sent.poison = row.poison
    return sent


def _ids(row: Row, other: str) -> list[str]:
    ids: list[str] = row.data["links"].get(other, [])
    return ids


def _linked(kind: str, other: str, row: Row) -> Json:
    """Each association twice: by its first kind and as one without a label."""
    type = f"{SINGULAR[kind]}_to_{SINGULAR[other]}"
    kinds = (type, f"{type}_unlabeled")
    return {"results": [{"id": id, "type": each} for id in _ids(row, other) for each in kinds]}


def _answer(rows: list[Row], more: Json) -> Response:
    tail = orjson.dumps(more)[1:] if more else b"}"
    body = b'{"results":' + joined(rows) + (b"," if more else b"") + tail
    return Response(200, body, rows=len(rows))


def _too_many(policy: str) -> Response:
    said = {"status": "error", "message": f"You have reached your {policy.lower()} limit."}
    more = {"errorType": "RATE_LIMIT", "correlationId": CORRELATION, "policyName": policy}
    return json_response({**said, **more}, 429)


def _refused_token(code: str, said: str) -> Response:
    answer = {"status": "error", "message": said, "correlationId": CORRELATION}
    return json_response({**answer, "error": code, "error_description": said}, 400)
