"""Gmail's API (v1) as callers see it: ids in lists, quota units, a history that is forgotten.

Facts: Google's discovery document and developer pages, as collected in November 2026. Chosen
here because no recording was seen: the words that refuse a page token and a search the sandbox
does not know (it knows `after:` and `before:` in epoch seconds), 404 also for a history id of the
future, 400 above 500 rows a page. Deleting moves to Trash; deleting what lies there is for good.
Not offered: `format=raw`, threads, attachments, batch, writes.
"""

from __future__ import annotations

import re
from collections import deque
from random import Random
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.gmail_answers import (
    allow_only,
    bad_request,
    failed,
    number_in,
    page_after,
    refused,
    token_for,
)
from integrations.sandbox.gmail_history import History
from integrations.sandbox.gmail_rows import HIDDEN, GmailRows
from integrations.sandbox.oauth import Client, Grant, OAuthRefusedError
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

API = "/gmail/api/gmail/v1/users/{user}"
READONLY = "https://www.googleapis.com/auth/gmail.readonly"
SCOPES = (READONLY, "https://www.googleapis.com/auth/gmail.labels", "openid", "email", "profile")
UNITS_PER_MINUTE = 6000
LIST_UNITS, GET_UNITS, HISTORY_UNITS, SMALL_UNITS = 5, 20, 2, 1
MAX_RESULTS = 500
_TERM = re.compile(r"(after|before):(\d+)\Z")


class Gmail(OAuthPart[GmailRows]):
    """Two mailboxes; each of the two apps preselects one of them on the consent page."""

    slug = "gmail"
    origins: ClassVar[dict[str, str]] = {
        "https://gmail.googleapis.com": "/gmail/api",
        "https://accounts.google.com": "/gmail/accounts",
        "https://oauth2.googleapis.com": "/gmail/oauth2",
    }
    account_ids = ("kontakt@nordlicht.example", "office@harbourvale.example")
    authorize_path = "/gmail/accounts/o/oauth2/v2/auth"
    token_path = "/gmail/oauth2/token"
    consent_page = ConsentPage(label="Google", account_word="Account", scopes=SCOPES)
    builds = GmailRows
    first_switches = Switches(token_lifetime=3599)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._offline_codes: set[str] = set()
        self._spent: dict[str, deque[tuple[float, int]]] = {}
        self._histories: dict[str, History] = {}

    def app(self, account: Account) -> Client:
        id = f"{account.number + 1:012d}.apps.googleusercontent.example"
        secret = demo_secret("gmail", account.id, length=28)
        return Client(id, f"GOCSPX-{secret}", account.id)

    def history(self, account: Account) -> History:
        """What changed in the mailbox since its rows were made."""
        self.tables(account)
        if account.id not in self._histories:
            self._histories[account.id] = History(self.builder(account))
        return self._histories[account.id]

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        """A label is shown or not; a message gets a star or mark, or loses it."""
        row.stamp = stamp
        if entity == "labels":
            is_shown = row.data.get("labelListVisibility", "labelShow") == "labelShow"
            row.data["labelListVisibility"] = "labelHide" if is_shown else "labelShow"
            return
        label, labels = rng.choice(("UNREAD", "STARRED")), row.data["labelIds"]
        kind = "labelsRemoved" if label in labels else "labelsAdded"
        row.data["labelIds"] = [one for one in labels if one != label]
        row.data["labelIds"] += [label] if kind == "labelsAdded" else []
        self.history(account).note(kind, row, label)

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows, history = self.further_rows(account, rng), self.history(account)
        if entity == "labels":
            return rows.user_label(f"Neu {rows.labels + 1}", stamp)
        row = rows.message(int(stamp))
        row.data["labelIds"] = ["INBOX", "UNREAD"]
        row.visible = True
        history.note("messagesAdded", row)
        return row

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        history, table = self.history(account), self.table(account, entity)
        if entity == "labels":
            if row.data["type"] == "system":
                raise ValueError("Gmail's own labels stay")
            table.remove(row.id, stamp)
        elif row.data["labelIds"] == ["TRASH"]:
            table.remove(row.id, stamp)
            history.note("messagesDeleted", row)
        else:
            row.data["labelIds"], row.stamp, row.visible = ["TRASH"], stamp, False
            history.note("labelsAdded", row, "TRASH")
            table.put(row)

    def not_found(self, request: Request) -> Response:
        return failed(404, "notFound", "Requested entity was not found.", "NOT_FOUND")

    def fault_in_200(self, request: Request) -> Response:
        return failed(500, "backendError", "Backend Error", "INTERNAL", sent_as=200)

    # OAuth.

    def authorize(self, request: Request) -> Response:
        response = self.consent.answer(request)
        if {**request.query, **request.form}.get("access_type") == "offline":
            back = parse_qs(urlsplit(response.headers.get("Location", "")).query)
            self._offline_codes |= set(back.get("code", ()))
        return response

    def token(self, request: Request) -> Response:
        try:
            redeemed = self.oauth.redeem(request)
        except OAuthRefusedError as refused:
            return _refused_token(refused)
        is_offline = request.form.get("code") in self._offline_codes
        is_refreshable = self.switches.rotation if redeemed.refresh_token else is_offline
        return json_response(self._tokens(redeemed.grant, is_refreshable))

    def _tokens(self, grant: Grant, is_refreshable: bool) -> Json:
        lifetime = self.switches.token_lifetime
        answer = {
            "access_token": self.oauth.issue_access(grant, "ya29.", lifetime),
            "expires_in": lifetime,
            "scope": " ".join(grant.scopes),
            "token_type": "Bearer",
        }
        if is_refreshable:
            answer["refresh_token"] = self.oauth.issue_refresh(grant, "1//0")
        return answer

    @route("POST", "/gmail/oauth2/revoke")
    def revoke_token(self, request: Request) -> Response:
        grant = self.oauth.find_grant(request.form.get("token", request.query.get("token", "")))
        if grant is None or grant.revoked:
            return json_response({"error": "invalid_token"}, 400)
        request.account = grant.account.id
        grant.revoked = True
        return json_response({})

    # The API.

    @route("GET", f"{API}/profile")
    def profile(self, request: Request, user: str) -> Response:
        account = self._admitted(request, user, SMALL_UNITS)
        rows = list(self.table(account, "messages"))
        body = {
            "emailAddress": account.id,
            "messagesTotal": len(rows),
            "threadsTotal": len({row.data["threadId"] for row in rows}),
            "historyId": str(self.history(account).newest(self.switches.cursor_epoch)),
        }
        return json_response(body)

    @route("GET", f"{API}/labels")
    def labels(self, request: Request, user: str) -> Response:
        account = self._admitted(request, user, SMALL_UNITS)
        rows = self.table(account, "labels").ordered("name", lambda row: row.data["name"])
        return Response(200, b'{"labels":%s}' % joined(rows), rows=len(rows))

    @route("GET", f"{API}/messages")
    def messages(self, request: Request, user: str) -> Response:
        account = self._admitted(
            request,
            user,
            LIST_UNITS,
            "maxResults",
            "pageToken",
            "q",
            "labelIds",
            "includeSpamTrash",
        )
        wanted = set(parse_qs(request.query_string).get("labelIds", ()))
        shows_all = request.query.get("includeSpamTrash", "").lower() == "true"
        low, high = _bounds(request.query.get("q", ""))
        rows = [
            row
            for row in self.table(account, "messages").ordered("taken", _taken, descending=True)
            if (shows_all or HIDDEN.isdisjoint(row.data["labelIds"]))
            and wanted <= set(row.data["labelIds"])
            and low <= _taken(row) < high
        ]
        keys = [f"{_taken(row):015d}:{row.id}" for row in rows]
        epoch, size = self.switches.cursor_epoch, number_in(request, "maxResults", 100, MAX_RESULTS)
        start = page_after(keys, request, epoch, descending=True)
        page, keys = rows[start : start + size], keys[start : start + size]
        body: Json = {"resultSizeEstimate": len(rows)}
        if page:
            body["messages"] = [{key: row.data[key] for key in ("id", "threadId")} for row in page]
        if start + size < len(rows):
            body["nextPageToken"] = token_for(keys[-1], epoch)
        return Response(200, orjson.dumps(body), rows=len(page))

    @route("GET", f"{API}/messages/{{id}}")
    def message(self, request: Request, user: str, id: str) -> Response:
        account = self._admitted(request, user, GET_UNITS, "format", "metadataHeaders")
        row = self.table(account, "messages").find(id)
        if row is None:
            return self.not_found(request)
        shape = request.query.get("format", "full")
        if shape == "full":
            return Response(200, row.encoded(), rows=1)
        if shape not in ("minimal", "metadata"):
            return bad_request(f"Invalid value for format: {shape}")
        data = dict(row.data)
        payload = data.pop("payload")
        if shape == "metadata":
            data["payload"] = {key: payload[key] for key in ("mimeType", "headers")}
        return Response(200, orjson.dumps(data), rows=1)

    @route("GET", f"{API}/history")
    def changes(self, request: Request, user: str) -> Response:
        account = self._admitted(
            request, user, HISTORY_UNITS,
            "startHistoryId", "maxResults", "pageToken", "labelId", "historyTypes",
        )  # fmt: skip
        since = request.query.get("startHistoryId", "")
        if not since.isdecimal():
            return bad_request("Missing or invalid startHistoryId")
        history, epoch = self.history(account), self.switches.cursor_epoch
        newest = history.newest(epoch)
        if not history.oldest <= int(since) <= newest:
            return self.not_found(request)
        kinds = parse_qs(request.query_string).get("historyTypes", [])
        found = history.since(int(since), kinds, request.query.get("labelId", ""))
        keys = [f"{int(entry['id']):015d}" for entry in found]
        size = number_in(request, "maxResults", 100, MAX_RESULTS)
        start = page_after(keys, request, epoch)
        page = found[start : start + size]
        body: Json = {"historyId": str(newest)}
        if page:
            body["history"] = page
        if start + size < len(found):
            body["nextPageToken"] = token_for(keys[start + size - 1], epoch)
        return Response(200, orjson.dumps(body), rows=len(page))

    def _admitted(self, request: Request, user: str, units: int, *params: str) -> Account:
        """The mailbox the token opens, within its quota, or a refusal."""
        token = self.oauth.find_live(request.bearer)
        if token is None:
            raise refused(401, "authError", "Invalid Credentials", "UNAUTHENTICATED")
        if READONLY not in token.grant.scopes:
            sentence = "Request had insufficient authentication scopes."
            raise refused(403, "insufficientPermissions", sentence, "PERMISSION_DENIED")
        account = token.grant.account
        if user not in ("me", account.id):
            sentence = f"Delegation denied for {account.id}"
            raise refused(403, "forbidden", sentence, "PERMISSION_DENIED")
        allow_only(request, params)
        if self.switches.limits and not self._pays(account, units):
            sentence = "Quota exceeded for quota metric 'Queries' per minute per user"
            raise refused(403, "rateLimitExceeded", sentence, "RESOURCE_EXHAUSTED")
        return account

    def _pays(self, account: Account, units: int) -> bool:
        """True if so many quota units are left of the last minute's."""
        now, spent = self.setting.now(), self._spent.setdefault(account.id, deque())
        while spent and spent[0][0] <= now - 60:
            spent.popleft()
        if sum(cost for _, cost in spent) + units > UNITS_PER_MINUTE * self.switches.limits_scale:
            return False
        spent.append((now, units))
        return True


def _taken(row: Row) -> int:
    return int(row.data["internalDate"])


def _bounds(query: str) -> tuple[int, int]:
    """Milliseconds between which `after:` and `before:` lie."""
    low, high = 0, 10**15
    for term in query.split():
        match = _TERM.match(term)
        if match is None:
            raise RefusalError(bad_request(f"The sandbox does not know the search term {term}"))
        if match[1] == "after":
            low = int(match[2]) * 1000
        else:
            high = int(match[2]) * 1000
    return low, high


def _refused_token(refused: OAuthRefusedError) -> Response:
    said = "Bad Request"
    if refused.is_client:
        said = "The OAuth client was not found."
    elif refused.reason == "refresh_token":
        said = "Token has been expired or revoked."
    status = 401 if refused.is_client else 400
    return json_response({"error": refused.code, "error_description": said}, status)
