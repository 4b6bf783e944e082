"""Slack: users, channels, messages and their replies.

Source: docs.slack.dev, Web API, read in November 2026. Nearly every error comes with status 200
and "ok": false. Histories are read newest first by the time of the last message, because cursors
live briefly. Polling sees edits only within the last day, replies only below messages it comes
past, and no deletions. A free plan shows the messages of 90 days only, so what is not listed any
more stays.
"""

from collections.abc import Iterator
from functools import partial

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import CursorPages, LastIdPages
from integrations.records import Channel, Message, NormalizedRecord, User, mapped
from integrations.types import (
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Identity,
    Limit,
    OAuth2,
    Payload,
    Provider,
    Ref,
)

PAGE_SIZE = 200
REREAD_SECONDS = 86_400
PRIVATE = ("groups:read", "groups:history")
CHANNELS = {"limit": PAGE_SIZE, "types": "public_channel,private_channel"}
HISTORIES = dict.fromkeys(("/conversations.history", "/conversations.replies"), 50)
PER_MINUTE = {**HISTORIES, "/users.list": 20, "*": 20}
DEAD = ("invalid_auth", "not_authed", "token_revoked", "account_inactive", "org_login_required")
PARAMS: dict[str, Payload] = {"users": {"limit": PAGE_SIZE}, "channels": CHANNELS}
Listed = partial(CursorPages, cursor="response_metadata.next_cursor")
Replies = partial(Listed, items="messages", key="{scope}:{ts}")
History = partial(LastIdPages, items="messages", key="{scope}:{ts}", param="latest", field="ts")
USER = {"email": "profile.email", "title": "profile.title", "phone": "profile.phone"}
CHANNEL = {"name": "name", "topic": "topic.value", "member_count": "num_members"}
MESSAGE = {
    "text": "text",
    "author": "users:user",
    "sent_at": "ts",
    "edited_at": "edited.ts",
    "kind": "subtype",
}


@register
class SlackConnector(Declared, Connector):
    provider = Provider(
        slug="slack",
        label="Slack",
        base_url="https://slack.com/api",
        auth=(
            OAuth2(
                authorize_url="https://slack.com/oauth/v2/authorize",
                token_url="https://slack.com/api/oauth.v2.access",
                revoke_url="https://slack.com/api/auth.revoke",
                revoke_style="bearer",
                scopes=("users:read", "channels:read", "channels:history", *PRIVATE),
                optional_scopes=("users:read.email", "team:read"),
                separator=",",
                token_auth="basic",
                dead=("invalid_grant", "invalid_refresh_token", "token_revoked"),
            ),
        ),
        identity=Identity("/auth.test", id="team_id", label="team"),
        limits=tuple(Limit(calls, 60, "account", path) for path, calls in PER_MINUTE.items()),
        errors=ErrorCodes(
            refresh=("token_expired",),
            reauthorize=DEAD,
            retry=("ratelimited", "internal_error", "fatal_error", "request_timeout"),
            not_found=("thread_not_found", "message_not_found", "user_not_found"),
            skip_parent=("not_in_channel", "channel_not_found", "is_archived"),
            unavailable=("missing_scope", "method_not_supported_for_channel_type"),
            restart_list=("invalid_cursor",),
            operator=("access_denied", "accesslimited", "enterprise_is_restricted"),
        ),
    )
    entity_types = (
        EntityType("users", User, path="/users.list", items="members", changed_at="updated"),
        EntityType("channels", Channel, ("users",), path="/conversations.list", items="channels"),
        EntityType("messages", Message, parent="channels", changed_at="edited.ts", window=True),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: {"ok": true, "members": [...], "response_metadata": {"next_cursor": "dXNl"}}."""
        if entity_type == "messages":
            return self.per_parent("channels", since, self._messages)
        declared, asked = self.entity_type(entity_type), PARAMS[entity_type]
        pages = Listed(self.http, declared.path, declared.items, params=asked)
        return pages.entities(declared, since.at() if since else None)

    def _messages(self, channel: Entity, start: Cursor) -> Iterator[Entity]:
        """Page: {"ok": true, "messages": [{"ts": "1762419600.000100", …}], "has_more": true}."""
        scope = channel.source_id
        asked = {"channel": scope, "limit": PAGE_SIZE}
        path, more = "/conversations.history", "has_more"
        pages = History(self.http, path, params=asked, scope=scope, more=more)
        return pages.newest_first(
            self.entity_type("messages"),
            start,
            stamp="ts",
            floor_param="oldest",
            overlap=REREAD_SECONDS,
            children=self._replies,
            first="0",
        )

    def _replies(self, parent: Entity, high: str | None, start: Cursor) -> Iterator[Entity]:
        """What was written below a message since `high`, the message itself coming first."""
        item, scope = parent.data, parent.scope
        if not item.get("reply_count") or (high and item["latest_reply"] <= high):
            return iter(())
        asked = {"channel": scope, "ts": item["ts"], "oldest": high or "0", "limit": PAGE_SIZE}
        pages = Replies(self.http, "/conversations.replies", params=asked, scope=scope)
        return pages.entities(self.entity_type("messages"), start)

    def transform(self, raw: Entity) -> NormalizedRecord:
        """A message's id is its channel's and its time's; replies name their thread."""
        item = raw.data
        if raw.entity_type == "users":
            flags = {"is_active": not item.get("deleted"), "is_bot": item.get("is_bot", False)}
            name = item.get("real_name") or item["name"]
            return User(name=name, **flags, **mapped(User, item, USER))
        if raw.entity_type == "channels":
            kind = "direct" if item.get("is_im") else "group" if item.get("is_mpim") else "channel"
            flags = {name: item.get(name, False) for name in ("is_private", "is_archived")}
            return Channel(kind=kind, **flags, **mapped(Channel, item, CHANNEL))
        thread = item.get("thread_ts", item["ts"])
        return Message(
            author_name=item.get("username") or item.get("bot_id"),
            channel=Ref("channels", raw.scope),
            thread=Ref("messages", f"{raw.scope}:{thread}") if thread != item["ts"] else None,
            **mapped(Message, item, MESSAGE),
        )
