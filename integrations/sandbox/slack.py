"""Slack's Web API as callers see it: OAuth v2, short cursors, `ok: false` with status 200.

Facts: Slack's own API description, SDKs and pages, as collected in November 2026. Chosen here:
a bucket that saves up five minutes' worth of each tier stands for "bursts tolerated"; the parent
of a thread comes on the first page of its replies only. The bot of the demo is not a member of
one public channel (`not_in_channel`) and one private channel is hidden from it
(`channel_not_found`). Not offered: Events API, direct messages, writes.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import ClassVar

from integrations.sandbox import slack_changes
from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.limits import Bucket
from integrations.sandbox.oauth import AccessToken, Client, Grant, OAuthRefusedError
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
from integrations.sandbox.rows import Row, by_id
from integrations.sandbox.slack_pages import (
    Paging,
    bound,
    failed,
    listed,
    metadata,
    page_of,
    refused,
)
from integrations.sandbox.slack_rows import SlackRows, is_reply

SCOPES = (
    "team:read", "users:read", "users:read.email", "channels:read", "groups:read",
    "channels:history", "groups:history", "im:read", "im:history", "mpim:read", "mpim:history",
    "channels:join", "files:read", "reactions:read", "pins:read", "bookmarks:read", "emoji:read",
    "usergroups:read", "users.profile:read",
)  # fmt: skip
TYPE_SCOPES = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "im": "im:read",
    "mpim": "mpim:read",
}
TIERS = {
    "users.list": 20,
    "conversations.list": 20,
    "users.conversations": 50,
    "conversations.history": 50,
    "conversations.replies": 50,
    "team.info": 50,
}
BURST_MINUTES = 5
MAX_LIST_LIMIT = 1000
MAX_HISTORY_LIMIT = 999
UNPAGED_USERS = 1000


class Slack(OAuthPart[SlackRows]):
    """Two workspaces; each of the two apps preselects one of them on the consent page."""

    slug = "slack"
    origins: ClassVar[dict[str, str]] = {"https://slack.com": "/slack"}
    account_ids = ("T0NORDLICH", "T0HARBOURV")
    authorize_path = "/slack/oauth/v2/authorize"
    token_path = "/slack/api/oauth.v2.access"
    consent_page = ConsentPage(
        label="Slack",
        account_word="Workspace",
        scopes=SCOPES,
        separators=",",
        user_scopes=True,
        response_type_needed=False,
    )
    builds = SlackRows
    first_switches = Switches(token_lifetime=43_200)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.buckets = {name: Bucket(tier, BURST_MINUTES) for name, tier in TIERS.items()}

    def app(self, account: Account) -> Client:
        id = f"1111111111.{account.number + 1:010d}"
        return Client(id, demo_secret("slack", "secret", account.id), account.id)

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        slack_changes.touch(self.builder(account), entity, row, stamp, rng)

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows = self.further_rows(account, rng)
        return slack_changes.create(rows, self.tables(account), entity, stamp, wishes)

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        slack_changes.delete(self.tables(account), entity, row, stamp)

    def not_found(self, request: Request) -> Response:
        return failed("unknown_method", req_method=request.path.rpartition("/")[2])

    def fault_in_200(self, request: Request) -> Response:
        return failed("internal_error")

    # OAuth.

    def token(self, request: Request) -> Response:
        try:
            redeemed = self.oauth.redeem(request, default="authorization_code")
        except OAuthRefusedError as refused:
            return failed(_TOKEN_ERRORS[refused.reason])
        if not redeemed.refresh_token:
            return json_response(self._installed(redeemed.grant))
        fresh = self._tokens(redeemed.grant, redeemed.kind, redeemed.refresh_token)
        return json_response({"ok": True, **fresh, **self._team(redeemed.grant)})

    def _installed(self, grant: Grant) -> Json:
        rows = self.builder(grant.account)
        authed_user: Json = {"id": rows.user_id(1)}
        if grant.user_scopes:
            authed_user |= self._tokens(grant, "user")
        answer: Json = {"ok": True, "authed_user": authed_user, **self._team(grant)}
        if grant.scopes:
            answer |= self._tokens(grant, "bot") | {"bot_user_id": rows.bot_user}
        return answer

    def _team(self, grant: Grant) -> Json:
        return {
            "app_id": f"A0APP{grant.client.id[-4:]}",
            "team": {"id": grant.account.id, "name": grant.account.name},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _tokens(self, grant: Grant, kind: str, refresh: str = "") -> Json:
        prefix = "xoxb-" if kind == "bot" else "xoxp-"
        scopes = grant.scopes if kind == "bot" else grant.user_scopes
        said: Json = {"token_type": kind, "scope": ",".join(scopes)}
        if not self.switches.rotation and not refresh:
            return said | {"access_token": self.oauth.issue_access(grant, prefix, None, kind)}
        lifetime = self.switches.token_lifetime
        rotating = f"xoxe.{prefix}1-"
        if self.switches.rotation:
            refresh = self.oauth.issue_refresh(grant, "xoxe-1-", kind)
        return said | {
            "access_token": self.oauth.issue_access(grant, rotating, lifetime, kind),
            "expires_in": lifetime,
            "refresh_token": refresh,
        }

    # The Web API.

    @route("GET", "/slack/api/{method}")
    @route("POST", "/slack/api/{method}")
    def call(self, request: Request, method: str) -> Response:
        serve = _METHODS.get(method)
        if serve is None:
            return self.not_found(request)
        if request.method == "POST" and request.media_type == "application/json":
            return failed("invalid_post_type")
        asked = {**request.query, **request.form}
        token = self._admitted(request, method)
        return serve(self, token, asked)

    def _admitted(self, request: Request, method: str) -> AccessToken:
        if not request.bearer:
            raise refused("not_authed")
        token = self.oauth.access.get(request.bearer)
        if token is None:
            raise refused("invalid_auth")
        if token.is_revoked:
            raise refused("token_revoked")
        if self.oauth.is_expired(token):
            raise refused("token_expired")
        bucket = self.buckets.get(method)
        if bucket and self.switches.limits:
            key = f"{token.grant.account.id}:{token.grant.client.id}"
            wait = bucket.wait(key, self.setting.now(), self.switches.limits_scale)
            if wait:
                body = {"ok": False, "error": "ratelimited"}
                raise RefusalError(json_response(body, 429, Retry_After=str(wait)))
        return token

    def _auth_test(self, token: AccessToken, asked: dict[str, str]) -> Response:
        account = token.grant.account
        rows = self.builder(account)
        said: Json = {
            "ok": True,
            "url": f"https://{account.organisation.key}.slack.com/",
            "team": account.name,
            "team_id": account.id,
        }
        if token.kind == "bot":
            said |= {"user": "hub", "user_id": rows.bot_user, "bot_id": f"B0{rows.letter}000001"}
        else:
            said |= {"user": "owner", "user_id": rows.user_id(1)}
        return json_response(said)

    def _auth_revoke(self, token: AccessToken, asked: dict[str, str]) -> Response:
        if asked.get("test") in ("1", "true"):
            return json_response({"ok": True, "revoked": False})
        self.oauth.revoke_token(token)
        return json_response({"ok": True, "revoked": True})

    def _team_info(self, token: AccessToken, asked: dict[str, str]) -> Response:
        _need(token, "team:read")
        account = token.grant.account
        domain, email = account.organisation.key, account.organisation.domain
        team = {"id": account.id, "name": account.name, "domain": domain, "email_domain": email}
        return json_response({"ok": True, "team": team})

    def _users_list(self, token: AccessToken, asked: dict[str, str]) -> Response:
        _need(token, "users:read")
        rows = self.table(token.grant.account, "users").ordered("id", by_id)
        if "limit" not in asked and len(rows) > UNPAGED_USERS:
            return failed("limit_required")
        page, cursor = page_of(rows, asked, "user", self._paging(len(rows), MAX_LIST_LIMIT))
        if "users:read.email" not in _scopes(token):
            page = [_without_email(row) for row in page]
        tail = b',"cache_ts":%d' % int(self.setting.now())
        return listed(b"members", page, tail + metadata(cursor))

    def _conversations_list(self, token: AccessToken, asked: dict[str, str]) -> Response:
        return self._conversations(token, asked, members_only=False)

    def _users_conversations(self, token: AccessToken, asked: dict[str, str]) -> Response:
        return self._conversations(token, asked, members_only=True)

    def _conversations(
        self, token: AccessToken, asked: dict[str, str], *, members_only: bool
    ) -> Response:
        types = [name.strip() for name in asked.get("types", "public_channel").split(",")]
        for name in types:
            if name not in TYPE_SCOPES:
                return failed("invalid_types")
            _need(token, TYPE_SCOPES[name])
        no_archived = asked.get("exclude_archived", "").lower() in ("1", "true")
        rows = [
            row
            for row in self.table(token.grant.account, "channels").ordered("id", by_id)
            if row.visible
            and ("private_channel" if row.data["is_private"] else "public_channel") in types
            and not (no_archived and row.data["is_archived"])
            and (row.data["is_member"] or not members_only)
        ]
        page, cursor = page_of(rows, asked, "team", self._paging(100, MAX_LIST_LIMIT))
        return listed(b"channels", page, metadata(cursor))

    def _history(self, token: AccessToken, asked: dict[str, str]) -> Response:
        channel = self._readable(token, asked)
        rows = [
            row
            for row in reversed(self._messages(token, channel, asked))
            if not is_reply(row) or row.data.get("subtype") == "thread_broadcast"
        ]
        page, cursor = page_of(rows, asked, "next_ts", self._paging(100, MAX_HISTORY_LIMIT))
        more = b',"has_more":%s,"pin_count":0' % (b"true" if cursor else b"false")
        return listed(b"messages", page, more + (metadata(cursor) if cursor else b""))

    def _replies(self, token: AccessToken, asked: dict[str, str]) -> Response:
        channel = self._readable(token, asked)
        table = self.table(token.grant.account, "messages")
        found = table.find(f"{channel.id}:{asked.get('ts', '')}")
        if found is None:
            return failed("thread_not_found")
        thread_ts = found.data.get("thread_ts", found.data["ts"])
        parent = table.find(f"{channel.id}:{thread_ts}")
        replies = [
            row
            for row in self._messages(token, channel, asked)
            if is_reply(row) and row.data["thread_ts"] == thread_ts
        ]
        rows = [parent, *replies] if parent else replies
        page, cursor = page_of(
            rows, asked, "reply_ts", self._paging(MAX_LIST_LIMIT, MAX_LIST_LIMIT)
        )
        more = b',"has_more":%s' % (b"true" if cursor else b"false")
        return listed(b"messages", page, more + (metadata(cursor) if cursor else b""))

    def _readable(self, token: AccessToken, asked: dict[str, str]) -> Row:
        """The channel asked for, if this token may read its messages."""
        row = self.table(token.grant.account, "channels").find(asked.get("channel", ""))
        if row is None or not row.visible:
            raise refused("channel_not_found")
        _need(token, "groups:history" if row.data["is_private"] else "channels:history")
        if token.kind == "bot" and not row.data["is_member"]:
            raise refused("not_in_channel")
        return row

    def _messages(self, token: AccessToken, channel: Row, asked: dict[str, str]) -> list[Row]:
        """Messages between `oldest` and `latest`, oldest first."""
        low = bound(asked.get("oldest") or "0", "invalid_ts_oldest")
        high = bound(asked.get("latest") or "9999999999", "invalid_ts_latest")
        inclusive = asked.get("inclusive", "").lower() in ("1", "true")
        return [
            row
            for row in self.table(token.grant.account, "messages").in_scope(channel.id)
            if low < row.data["ts"] < high or (inclusive and row.data["ts"] in (low, high))
        ]

    def _paging(self, default: int, largest: int) -> Paging:
        return Paging(default, largest, self.switches.cursor_epoch)


_METHODS: dict[str, Callable[[Slack, AccessToken, dict[str, str]], Response]] = {
    "auth.test": Slack._auth_test,
    "auth.revoke": Slack._auth_revoke,
    "team.info": Slack._team_info,
    "users.list": Slack._users_list,
    "users.conversations": Slack._users_conversations,
    "conversations.list": Slack._conversations_list,
    "conversations.history": Slack._history,
    "conversations.replies": Slack._replies,
}
_TOKEN_ERRORS = {
    "client": "invalid_client_id",
    "grant_type": "invalid_grant_type",
    "secret": "bad_client_secret",
    "code": "invalid_code",
    "verifier": "invalid_code",
    "redirect_uri": "bad_redirect_uri",
    "refresh_token": "invalid_refresh_token",
}


def _scopes(token: AccessToken) -> tuple[str, ...]:
    return token.grant.scopes if token.kind == "bot" else token.grant.user_scopes


def _need(token: AccessToken, scope: str) -> None:
    if scope not in _scopes(token):
        raise refused("missing_scope", needed=scope, provided=",".join(_scopes(token)))


def _without_email(row: Row) -> Row:
    profile = {key: value for key, value in row.data["profile"].items() if key != "email"}
    return Row(row.id, row.stamp, {**row.data, "profile": profile})
