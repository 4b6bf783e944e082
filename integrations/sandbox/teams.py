"""Microsoft Teams through Graph (v1.0) as callers see it: threads, delta links, few a second.

Facts: Microsoft's documentation and type description, as collected in November 2026. Chosen here
because no recording was seen: the words of refusals, posts newest first, a forgotten link is 410
with `syncStateNotFound`, a reply leaves its post's own times as they are, links keep replies
expanded. One private channel is listed though its messages are not to be read (403). A deleted
message stays in its list, emptied and with its time; a deleted channel or team is gone with all
that is in it. Not offered: chats, notifications, `$select`, the question for an administrator's
consent, writes.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar
from urllib.parse import quote

from integrations.sandbox.business import Contact
from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.microsoft import MicrosoftPart, refused
from integrations.sandbox.oauth import Client
from integrations.sandbox.part import (
    Account,
    Json,
    Request,
    Response,
    Setting,
    demo_secret,
    json_response,
    route,
)
from integrations.sandbox.rows import Row, by_id
from integrations.sandbox.teams_pages import (
    Mark,
    Thread,
    changed_page,
    expanded,
    link,
    listing,
    mark_of,
    older_page,
)
from integrations.sandbox.teams_rows import CLOSED, TeamsRows, mark_deleted, moment

API = "/teams/graph/v1.0"
IN_CHANNEL = f"{API}/teams/{{team}}/channels/{{channel}}/messages"
LOGIN = "/teams/login/organizations/oauth2/v2.0"
SCOPES = (
    *("openid", "profile", "email", "offline_access", "User.Read", "Team.ReadBasic.All"),
    *("Channel.ReadBasic.All", "ChannelMessage.Read.All", "TeamMember.Read.All"),
)
A_SECOND, MESSAGES_A_SECOND, ON_ONE_PLACE = 30, 20, 4
KNOWN_MEMBERS = b'"messageType":"systemEventMessage"', b'"messageType":"unknownFutureValue"'


class Teams(MicrosoftPart[TeamsRows]):
    """Two organisations; each of the two apps preselects one of them on the consent page."""

    slug = "teams"
    origins: ClassVar[dict[str, str]] = {
        "https://graph.microsoft.com/v1.0/teams": f"{API}/teams",
        "https://graph.microsoft.com/v1.0/me/joinedTeams": f"{API}/me/joinedTeams",
        "https://graph.microsoft.com/v1.0/organization": f"{API}/organization",
        "https://login.microsoftonline.com/organizations": "/teams/login/organizations",
    }
    account_ids = (
        "7d1f5b0e-2c43-4c0c-8f0a-6b1c3a54e001",
        "7d1f5b0e-2c43-4c0c-8f0a-6b1c3a54e002",
    )
    authorize_path = f"{LOGIN}/authorize"
    token_path = f"{LOGIN}/token"
    consent_page = ConsentPage(label="Microsoft", account_word="Organisation", scopes=SCOPES)
    builds = TeamsRows
    refused_refresh = (50173, "The provided grant has expired because it was revoked.")

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.place = RollingWindow(ON_ONE_PLACE, 1)
        self.messages_asked = RollingWindow(MESSAGES_A_SECOND, 1)
        self.asked = RollingWindow(A_SECOND, 1)
        self._removed: dict[str, dict[str, Row]] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._number = 1

    def app(self, account: Account) -> Client:
        id = f"2c9d8a51-70b4-4e0e-9d7b-3f6a1e27d{account.number + 1:03d}"
        return Client(id, f"T~{demo_secret('teams', account.id, length=36)}", account.id)

    def generate(self, account: Account) -> dict[str, list[Row]]:
        rows = self.builder(account)
        tables = rows.all()
        self._removed[account.id] = {row.id: row for row in rows.removed}
        return tables

    def empty(self, account: Account) -> None:
        super().empty(account)
        self._removed[account.id].clear()

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        row.stamp = stamp
        if entity == "messages":
            content = f"<p>Korrigiert: {rng.randrange(1000)}</p>"
            row.data["body"] = {"contentType": "html", "content": content}
            row.data |= {"lastModifiedDateTime": moment(stamp), "lastEditedDateTime": moment(stamp)}
            row.data["etag"] = str(round(stamp * 1000))
            self._note(row)
        elif entity == "members":
            name = row.data["displayName"].partition(" (")[0]
            row.data["displayName"] = f"{name} ({rng.randrange(1000)})"
        else:
            row.data["description"] = f"Neu seit {rng.randrange(1000)}"

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        """A message may be wished for in a `channel`, and below a post (`reply_to`, its id)."""
        rows, tables = self.further_rows(account, rng), self.tables(account)
        if entity == "teams":
            return rows.team(f"Team {len(tables['teams']) + 1}", None, stamp)
        if entity != "messages":
            team = tables["teams"].ordered("id", by_id)[0]
            if entity == "channels":
                return rows.channel(team, f"Neu {len(tables['channels']) + 1}", stamp)
            number = len(tables["members"]) + 1
            email = f"neu{number}@{account.organisation.domain}"
            return rows.member(team, Contact("Neu", f"{number}", email, "", ""), stamp)
        wished = tables["channels"].find(str(wishes.get("channel", "")))
        open_ones = [row for row in tables["channels"].ordered("id", by_id) if _is_open(row)]
        row = rows.message(wished or rng.choice(open_ones), stamp, post=wishes.get("reply_to"))
        row.stamp = max(row.stamp, stamp)
        row.data["lastModifiedDateTime"] = moment(row.stamp)
        self._note(row)
        return row

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        tables = self.tables(account)
        tables[entity].remove(row.id, stamp)
        if entity == "messages":
            mark_deleted(row, stamp)
            self._removed[account.id][row.id] = row
            self._note(row)
        for below in {"teams": ("members", "channels"), "channels": ("messages",)}.get(entity, ()):
            for inside in list(tables[below].in_scope(row.id)):
                if below == "messages":
                    tables[below].remove(inside.id, stamp)
                else:
                    self.delete(account, below, inside, stamp)

    def _note(self, row: Row) -> None:
        """Its thread has changed."""
        self._number += 1
        self._numbers[(row.scope, row.data["replyToId"] or row.data["id"])] = self._number

    # The API.

    @route("GET", f"{API}/organization")
    def organization(self, request: Request) -> Response:
        """What a person's own profile scope shows of the organisation; the rest is null."""
        account = self._admitted(request, "User.Read")
        domain = {"name": account.organisation.domain, "isDefault": True, "isInitial": False}
        shown: Json = {"id": account.id, "displayName": account.name, "verifiedDomains": [domain]}
        return json_response({"value": [{**shown, "city": None, "tenantType": None}]})

    @route("GET", f"{API}/me/joinedTeams")
    def joined(self, request: Request) -> Response:
        account = self._admitted(request, "Team.ReadBasic.All")
        return self._whole(request, self.table(account, "teams").ordered("id", by_id))

    @route("GET", f"{API}/teams/{{team}}/channels")
    def channels(self, request: Request, team: str) -> Response:
        account = self._admitted(request, "Channel.ReadBasic.All", team)
        self._known(account, "teams", team)
        return self._whole(request, self.table(account, "channels").in_scope(team))

    @route("GET", f"{API}/teams/{{team}}/members")
    def members(self, request: Request, team: str) -> Response:
        account = self._admitted(request, "TeamMember.Read.All", team)
        self._known(account, "teams", team)
        return self._whole(request, self.table(account, "members").in_scope(team))

    @route("GET", IN_CHANNEL)
    def messages(self, request: Request, team: str, channel: str) -> Response:
        account = self._readable(request, team, channel)
        mark = self._mark(request, channel, {"$top", "$expand"})
        threads = {one.post.id: one for one in self._threads(account, channel)}
        page, older = older_page(mark, [one.post for one in threads.values()])
        path = _path(team, channel)
        items = self._items(request, [threads[row.id] for row in page], mark, path)
        return listing(items, next=link(path, older) if older else "")

    @route("GET", f"{IN_CHANNEL}/delta")
    def changes(self, request: Request, team: str, channel: str) -> Response:
        account = self._readable(request, team, channel)
        mark = self._mark(request, channel, {"$top", "$expand", "$filter"})
        page, name, then = changed_page(mark, self._threads(account, channel), self._number)
        path = _path(team, channel)
        items = self._items(request, page, mark, path)
        if name == "@odata.nextLink":
            return listing(items, next=link(f"{path}/delta", then))
        return listing(items, delta=link(f"{path}/delta", then, "$deltatoken"))

    @route("GET", f"{IN_CHANNEL}/{{post}}/replies")
    def replies(self, request: Request, team: str, channel: str, post: str) -> Response:
        account = self._readable(request, team, channel)
        mark = self._mark(request, channel, {"$top"})
        threads = [one for one in self._threads(account, channel) if one.post.data["id"] == post]
        if not threads:
            return self.not_found(request)
        page, older = older_page(mark, threads[0].replies)
        items = [_shown(request, row.encoded()) for row in page]
        path = f"{_path(team, channel)}/{post}/replies"
        return listing(items, next=link(path, older) if older else "")

    def _whole(self, request: Request, rows: list[Row]) -> Response:
        if request.query_string:
            raise refused(400, "BadRequest", "Query options are not supported here.")
        return listing([row.encoded() for row in rows])

    def _mark(self, request: Request, channel: str, options: set[str]) -> Mark:
        return mark_of(request, channel, self.switches.cursor_epoch, self.setting.now(), options)

    def _items(self, request: Request, page: list[Thread], mark: Mark, path: str) -> list[bytes]:
        shown = [expanded(one, mark, path) if mark.expand else one.post.encoded() for one in page]
        return [_shown(request, item) for item in shown]

    def _threads(self, account: Account, channel: str) -> list[Thread]:
        """Every thread of a channel, deleted messages included."""
        removed = [row for row in self._removed[account.id].values() if row.scope == channel]
        posts: dict[str, Row] = {}
        replies: dict[str, list[Row]] = {}
        for row in (*self.table(account, "messages").in_scope(channel), *removed):
            if row.data["replyToId"]:
                replies.setdefault(row.data["replyToId"], []).append(row)
            else:
                posts[row.data["id"]] = row
        return [
            Thread(post, replies.get(id, []), self._numbers.get((channel, id), 0))
            for id, post in posts.items()
        ]

    def _readable(self, request: Request, team: str, channel: str) -> Account:
        """The account, if the channel is the team's and the person is in it."""
        account = self._admitted(request, "ChannelMessage.Read.All", channel, is_message=True)
        row = self._known(account, "channels", channel)
        if row.scope != team:
            raise refused(404, "NotFound", "The channel is none of this team.")
        if not _is_open(row):
            raise refused(403, "Forbidden", "Caller is not in the roster of the channel.")
        return account

    def _known(self, account: Account, entity: str, id: str) -> Row:
        row = self.table(account, entity).find(id)
        if row is None:
            raise refused(404, "NotFound", f"No {entity[:-1]} found with id {id}.")
        return row

    def _admitted(
        self, request: Request, scope: str, place: str = "", *, is_message: bool = False
    ) -> Account:
        """The organisation the token opens, within its limits, or a refusal."""
        token = self.oauth.find_live(request.bearer)
        if token is None:
            message = "Access token has expired or is not yet valid."
            raise refused(401, "InvalidAuthenticationToken", message)
        account = token.grant.account
        if scope not in token.grant.scopes:
            raise refused(403, "Forbidden", f"Missing scope permissions: {scope}.")
        self.tables(account)
        window = self.messages_asked if is_message else self.asked
        is_within = self.has_room(window, account.id)
        if place:
            is_within = self.has_room(self.place, f"{account.id} {place}") and is_within
        if not is_within:
            refusal = refused(429, "TooManyRequests", "Too many requests; slow down.")
            refusal.response.headers["Retry-After"] = "1"
            raise refusal
        return account


def _is_open(channel: Row) -> bool:
    return bool(channel.data["displayName"] != CLOSED)


def _path(team: str, channel: str) -> str:
    return f"/teams/{team}/channels/{quote(channel, safe='')}/messages"


def _shown(request: Request, item: bytes) -> bytes:
    """Newer words of an enumeration are told only to those who say that they know them."""
    if "include-unknown-enum-members" in request.headers.get("prefer", ""):
        return item
    return item.replace(*KNOWN_MEMBERS)
