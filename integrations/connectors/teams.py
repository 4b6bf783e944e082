"""Microsoft Teams: teams, their members and channels, and the posts and replies in them.

Source: Microsoft Graph v1.0, read in November 2026. A channel is listed in full once; changes since
then come by a delta walk, which begins with a date and goes on with links. It reaches back eight
months and names whole threads: the post and the replies below it, a thousand of them at once. A
link that is forgotten (410) means reading everything again. What is deleted says when. Microsoft
allows to look for changes once a day. A channel that may not be read is passed over. Personal
accounts have no teams; the account is the organisation, of which the teams of the person who agreed
are read. No address revokes a token.

Unverified: that reading messages and members needs an administrator's consent, that a channel's id
is unique without its team's, that a delta link goes on naming threads by their replies and showing
these, how the granted scopes are written in a token answer, and the codes of refused access: where
no team may be read at all, the answer may be that of a single closed channel. Limits are from 2023.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from urllib.parse import quote

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import ExpandedPages, UrlPages
from integrations.records import (
    Channel,
    Message,
    NormalizedRecord,
    Team,
    User,
    dig,
    html_text,
    mapped,
    ref,
)
from integrations.types import (
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Identity,
    Limit,
    OAuth2,
    Provider,
    Ref,
)

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com/organizations/oauth2/v2.0"
SCOPES = ("User.Read", "Team.ReadBasic.All", "Channel.ReadBasic.All", "ChannelMessage.Read.All")
OPTIONAL = ("offline_access", "TeamMember.Read.All")
WITH_REPLIES = {"$top": "50", "$expand": "replies"}
CHANGES = "{}/delta?$top=50&$expand=replies&$filter=lastModifiedDateTime%20gt%20{}"
REACH, OVERLAP, SECOND = timedelta(days=240), timedelta(minutes=5), "%Y-%m-%dT%H:%M:%SZ"
Listed = partial(UrlPages, items="value", next="@odata.nextLink")
Expanded = partial(ExpandedPages, items="value", below="replies", gone=("deletedDateTime", None))
Threads = partial(Expanded, next="@odata.nextLink", delta="@odata.deltaLink")
Daily = partial(EntityType, min_interval=timedelta(days=1))
Written = partial(Daily, changed_at="lastModifiedDateTime", deletions="signal", lifetime=REACH)
IN_CHANNEL, MESSAGES = "/teams/{}/channels/{}/messages", "*/messages*"
TEAM = {"name": "displayName", "description": "description"}
CHANNEL = {"name": "displayName", "topic": "description", "is_archived": "isArchived"}
TIMES = {"sent_at": "createdDateTime", "edited_at": "lastEditedDateTime"}
MESSAGE = {**TIMES, "subject": "subject", "url": "webUrl"}


@register
class TeamsConnector(Declared, Connector):
    provider = Provider(
        slug="teams",
        label="Microsoft Teams",
        base_url=f"{GRAPH}/v1.0",
        auth=(
            OAuth2(
                authorize_url=f"{LOGIN}/authorize",
                token_url=f"{LOGIN}/token",
                scopes=SCOPES,
                optional_scopes=OPTIONAL,
                scope_aliases={f"{GRAPH}/{scope}": scope for scope in (*SCOPES, *OPTIONAL)},
                remove_at="My Apps",
                dead=("invalid_grant", "interaction_required", "consent_required"),
            ),
        ),
        headers={"Prefer": "include-unknown-enum-members"},
        identity=Identity("/organization", id="value.0.id", label="value.0.displayName"),
        limits=(
            Limit(4, 1, path="/teams/*"),
            Limit(20, 1, per="account", path=MESSAGES),
            Limit(30, 1, per="account"),
            Limit(200, 1, per="app", path=MESSAGES),
            Limit(300, 1, per="app"),
        ),
        errors=ErrorCodes(
            code="error.code",
            refresh=("InvalidAuthenticationToken",),
            reauthorize=("insufficient_claims",),
            retry=("TooManyRequests", "serviceNotAvailable", "http:409", "http:412"),
            not_found=("NotFound",),
            skip_parent=("Forbidden",),
            unavailable=("Authorization_RequestDenied",),
            expired=("http:410", "syncStateNotFound", "SyncStateNotFound", "resyncRequired"),
        ),
    )
    entity_types = (
        Daily("teams", Team, path="/me/joinedTeams"),
        Daily("members", User, parent="teams", path="/teams/{}/members", key="{scope}/{userId}"),
        Daily("channels", Channel, parent="teams", path="/teams/{}/channels"),
        Written("messages", Message, parent="channels", path=IN_CHANNEL, key="{scope}/{id}"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: {"value": [{"id": "172b0cce-…", "displayName": "Vertrieb", …}, …]}."""
        declared = self.entity_type(entity_type)
        if declared.parent is None:
            return self._listed(declared, Entity("", ""), since.at() if since else {})
        walk = self._messages if entity_type == "messages" else partial(self._listed, declared)
        return self.per_parent(declared.parent, since, walk)

    def _listed(self, declared: EntityType, team: Entity, start: Cursor) -> Iterator[Entity]:
        scope = team.source_id
        pages = Listed(self.http, declared.path.format(scope), key=declared.key, scope=scope)
        return pages.entities(declared, start)

    def _messages(self, channel: Entity, start: Cursor) -> Iterator[Entity]:
        """Page: {"value": [{"id": "1762419600123", "replies": […], …}, …], "@odata.nextLink": "…"};
        the changes since a date are asked for, and then those since a link."""
        declared, scope = self.entity_type("messages"), channel.source_id
        path = declared.path.format(channel.scope, quote(scope, safe=""))
        pages = Threads(self.http, path, key=declared.key, params=WITH_REPLIES, scope=scope)
        since, begun = start.get("not_before", ""), self.run.started_at
        if since > f"{begun - REACH:{SECOND}}":
            start = {"feed": CHANGES.format(path, since)}
        if "feed" in start:
            return pages.feed(declared, start)
        changes = CHANGES.format(path, f"{begun - OVERLAP:{SECOND}}")
        return pages.entities(declared, start, partial(dict, feed=changes))

    def transform(self, raw: Entity) -> NormalizedRecord:
        """A message's author is a member of its team; apps and events of the system are none."""
        item, scope = raw.data, raw.scope
        if raw.entity_type == "teams":
            return Team(**mapped(Team, item, TEAM))
        if raw.entity_type == "members":
            return User(name=item["displayName"] or raw.source_id, email=item.get("email"))
        if raw.entity_type == "channels":
            flags = {"kind": "channel", "is_private": item["membershipType"] != "standard"}
            return Channel(team=Ref("teams", scope), **flags, **mapped(Channel, item, CHANNEL))
        post, text = item.get("replyToId"), dig(item, "body.content")
        team, user = dig(item, "channelIdentity.teamId"), dig(item, "from.user.id")
        return Message(
            text=html_text(text) if dig(item, "body.contentType") == "html" else text,
            author=ref("members", user and f"{team}/{user}"),
            author_name=dig(item, f"from.{'user' if user else 'application'}.displayName"),
            channel=Ref("channels", scope),
            thread=ref("messages", post and f"{scope}/{post}"),
            kind="event" if item.get("eventDetail") else "reply" if post else "post",
            **mapped(Message, item, MESSAGE),
        )
