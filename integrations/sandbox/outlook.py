"""Outlook through Microsoft Graph (v1.0) as callers see it: delta links, partial changes, 410.

Facts: Microsoft's documentation and type description, as collected in November 2026. Chosen here
because no recording was seen: the words of refusals, a forgotten link is 410 with
`syncStateNotFound`, and ids are of the immutable kind only, so that a request without that
preference is refused. A changed read mark shows only itself, a changed folder only its counts. A
message moves by a changed `parentFolderId`; a folder deleted takes its messages along. Not
offered: plain lists, `$select`, attachments, writes.
"""

from __future__ import annotations

import re
from random import Random
from typing import ClassVar
from urllib.parse import parse_qs, urlencode

import orjson

from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.microsoft import MicrosoftPart, failed, refused
from integrations.sandbox.oauth import Client
from integrations.sandbox.outlook_delta import Journal, Mark, page_of
from integrations.sandbox.outlook_rows import OutlookRows, count, moment
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
from integrations.sandbox.rows import Row, by_id

GRAPH = "https://graph.microsoft.com"
API = "/outlook/graph/v1.0/me"
LOGIN = "/outlook/login/common/oauth2/v2.0"
SCOPES = (
    *("openid", "profile", "email", "offline_access", "User.Read"),
    *("Mail.Read", "Mail.ReadBasic", "Calendars.Read", "Contacts.Read"),
)
NEEDED = {
    "folders": "Mail.Read",
    "messages": "Mail.Read",
    "events": "Calendars.Read",
    "contacts": "Contacts.Read",
}
REQUESTS, PER_SECONDS, RETRY_AFTER = 10_000, 600, 30
DEFAULT_PAGE, LARGEST_PAGE = 10, 1000
_FLOOR = re.compile(r"receivedDateTime (?:ge|gt) (\S+)\Z")


class Outlook(MicrosoftPart[OutlookRows]):
    """Two mailboxes; each of the two apps preselects one of them on the consent page."""

    slug = "outlook"
    origins: ClassVar[dict[str, str]] = {
        GRAPH: "/outlook/graph",
        "https://login.microsoftonline.com/common": "/outlook/login/common",
    }
    account_ids = (
        "48d31887-5fad-4d73-a9f5-3c356e68a001",
        "48d31887-5fad-4d73-a9f5-3c356e68a002",
    )
    authorize_path = f"{LOGIN}/authorize"
    token_path = f"{LOGIN}/token"
    consent_page = ConsentPage(label="Microsoft", account_word="Account", scopes=SCOPES)
    builds = OutlookRows

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.window = RollingWindow(REQUESTS, PER_SECONDS)
        self._journals: dict[str, Journal] = {}

    def app(self, account: Account) -> Client:
        id = f"6731de76-14a6-49ae-97bc-6eba69143{account.number + 1:03d}"
        return Client(id, f"Q~{demo_secret('outlook', account.id, length=36)}", account.id)

    def journal(self, account: Account) -> Journal:
        return self._journals.setdefault(account.id, Journal())

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        fields: tuple[str, ...] = ()
        if entity == "messages":
            row.data["isRead"] = not row.data["isRead"]
            fields = ("@odata.etag", "isRead", "lastModifiedDateTime")
        elif entity == "events":
            row.data["location"] = {"displayName": f"Raum {rng.randrange(1000)}"}
        elif entity == "contacts":
            row.data["jobTitle"] = f"Team lead {rng.randrange(1000)}"
        else:
            row.data["displayName"] = f"{row.data['displayName'].split(' · ')[0]} · {rng.random()}"
        if entity != "folders":
            row.data["@odata.etag"] = f'W/"{rng.randrange(16**10):010x}"'
            row.data["lastModifiedDateTime"] = moment(stamp)
        row.stamp = stamp
        self.journal(account).note(entity, row, fields)

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows, tables = self.further_rows(account, rng), self.tables(account)
        if entity == "folders":
            row = rows.folder(f"Neu {len(tables['folders']) + 1}", stamp)
        elif entity == "messages":
            wished = tables["folders"].find(str(wishes.get("folder", "")))
            folder = wished or next(iter(tables["folders"].ordered("id", by_id)))
            row = rows.message(folder, int(stamp), stamp)
            self._recount(account, folder, row)
        elif entity == "events":
            row = rows.event(stamp)
        else:
            row = rows.contact(stamp)
        self.journal(account).note(entity, row)
        return row

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        tables, journal = self.tables(account), self.journal(account)
        self._settle_moves(account)
        if entity == "folders":
            for message in list(tables["messages"].in_scope(row.id)):
                tables["messages"].remove(message.id, stamp)
        tables[entity].remove(row.id, stamp)
        journal.note(entity, row, is_removed=True)
        folder = tables["folders"].find(row.scope) if entity == "messages" else None
        if folder is not None:
            self._recount(account, folder)

    def _settle_moves(self, account: Account) -> None:
        """Messages that were given another `parentFolderId` are removed there and new here."""
        table, journal = self.table(account, "messages"), self.journal(account)
        for row in [row for row in table if row.data["parentFolderId"] != row.scope]:
            journal.note("messages", row, is_removed=True)
            row.scope = row.data["parentFolderId"]
            journal.note("messages", row)
            table.put(row)

    def _recount(self, account: Account, folder: Row, *new: Row) -> None:
        count(folder, [*self.table(account, "messages").in_scope(folder.id), *new])
        self.table(account, "folders").put(folder)
        fields = ("totalItemCount", "unreadItemCount")
        self.journal(account).note("folders", folder, fields)

    def not_found(self, request: Request) -> Response:
        return failed(404, "ErrorItemNotFound", "The specified object was not found in the store.")

    # The API.

    @route("GET", API)
    def me(self, request: Request) -> Response:
        account = self._admitted(request, "User.Read")
        body: Json = {
            "@odata.context": f"{GRAPH}/v1.0/$metadata#users/$entity",
            "id": account.id,
            "displayName": account.name,
            "mail": None,
            "userPrincipalName": f"office@{account.organisation.domain}",
            "businessPhones": [],
        }
        return json_response(body)

    @route("GET", f"{API}/mailFolders/delta")
    def folders(self, request: Request) -> Response:
        return self._delta(request, "folders", "mailFolders/delta")

    @route("GET", f"{API}/mailFolders/{{folder}}/messages/delta")
    def messages(self, request: Request, folder: str) -> Response:
        return self._delta(request, "messages", f"mailFolders/{folder}/messages/delta", folder)

    @route("GET", f"{API}/calendarView/delta")
    def events(self, request: Request) -> Response:
        return self._delta(request, "events", "calendarView/delta")

    @route("GET", f"{API}/contacts/delta")
    def contacts(self, request: Request) -> Response:
        return self._delta(request, "contacts", "contacts/delta")

    @route("GET", f"{API}/{{kind}}/{{id}}")
    def one(self, request: Request, kind: str, id: str) -> Response:
        entity = "folders" if kind == "mailFolders" else kind
        if entity not in NEEDED:
            return failed(400, "BadRequest", f"Resource not found for the segment '{kind}'.")
        account = self._admitted(request, NEEDED[entity])
        row = self.table(account, entity).find(id)
        if row is None:
            return self.not_found(request)
        context = orjson.dumps(f"{GRAPH}/v1.0/$metadata#users('me')/{kind}/$entity")
        return Response(200, b'{"@odata.context":%s,%s' % (context, row.encoded()[1:]), rows=1)

    def _delta(self, request: Request, entity: str, path: str, scope: str = "") -> Response:
        account = self._admitted(request, NEEDED[entity])
        if scope and self.table(account, "folders").find(scope) is None:
            return self.not_found(request)
        self._settle_moves(account)
        mark = self._mark(request, entity, scope)
        table, size = self.table(account, entity), _page_size(request)

        def is_inside(row: Row) -> bool:
            if entity == "messages":
                return bool(row.data["receivedDateTime"] >= mark.low)
            if entity == "events":
                at: str = row.data["start"]["dateTime"]
                return mark.low <= at < mark.high
            return True

        page = page_of(mark, table, self.journal(account), size, is_inside)
        links: list[tuple[str, str]] = []
        if page.following is not None:
            links = [("@odata.nextLink", urlencode({"$skiptoken": page.following.text()}))]
        if page.delta is not None:
            links = [("@odata.deltaLink", urlencode({"$deltatoken": page.delta.text()}))]
        said = {name: f"{GRAPH}/v1.0/me/{path}?{query}" for name, query in links}
        context = orjson.dumps(f"{GRAPH}/v1.0/$metadata#Collection({entity})")
        body = b'{"@odata.context":%s,"value":[%s],%s' % (
            context,
            b",".join(page.items),
            orjson.dumps(said)[1:],
        )
        applied = {"Preference-Applied": f"odata.maxpagesize={size}"}
        return Response(200, body, headers=applied, rows=len(page.items))

    def _mark(self, request: Request, entity: str, scope: str) -> Mark:
        """Where the walk is: from a link's token, or the beginning with its bounds."""
        asked = {name: values[-1] for name, values in parse_qs(request.query_string).items()}
        token = asked.pop("$skiptoken", "") or asked.pop("$deltatoken", "")
        epoch = self.switches.cursor_epoch
        if token:
            try:
                mark = Mark.of(token)
            except ValueError:
                raise refused(400, "BadRequest", "Badly formed token.") from None
            if asked or (mark.entity, mark.scope) != (entity, scope):
                raise refused(400, "BadRequest", "Follow the link as it is.")
            if mark.epoch != epoch:
                raise refused(410, "syncStateNotFound", "The sync state is gone.")
            return mark
        low, high = asked.pop("startDateTime", ""), asked.pop("endDateTime", "")
        if entity == "events" and not low < high:
            message = "The query parameters startDateTime and endDateTime are needed."
            raise refused(400, "ErrorInvalidParameter", message)
        if entity == "messages" and "$filter" in asked:
            match = _FLOOR.match(asked.pop("$filter"))
            if match is None:
                raise refused(400, "ErrorInvalidUrlQueryFilter", "Not supported.")
            low = match[1]
        if asked or (entity not in ("events", "messages") and (low or high)):
            raise refused(400, "BadRequest", "A query option is not supported here.")
        return Mark(epoch, entity, scope, low, high)

    def _admitted(self, request: Request, scope: str) -> Account:
        """The mailbox the token opens, within its limit, or a refusal."""
        token = self.oauth.find_live(request.bearer)
        if token is None:
            message = "Access token has expired or is not yet valid."
            raise refused(401, "InvalidAuthenticationToken", message)
        account = token.grant.account
        if scope not in token.grant.scopes:
            message = "Access is denied. Check credentials and try again."
            raise refused(403, "ErrorAccessDenied", message)
        if "immutableid" not in request.headers.get("prefer", "").lower():
            raise refused(400, "BadRequest", 'Send Prefer: IdType="ImmutableId".')
        if not self.has_room(self.window, account.id):
            message = "Application is over its MailboxConcurrency limit."
            response = failed(429, "ApplicationThrottled", message)
            response.headers["Retry-After"] = str(RETRY_AFTER)
            raise RefusalError(response)
        return account


def _page_size(request: Request) -> int:
    match = re.search(r"odata\.maxpagesize=(\d+)", request.headers.get("prefer", ""))
    return min(int(match[1]), LARGEST_PAGE) if match else DEFAULT_PAGE
