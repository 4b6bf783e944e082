"""Gmail: labels and messages, listed newest first and then followed through the history.

Source: Gmail API v1, discovery revision 20261005, read in November 2026. Lists hold ids only, so
every message is asked for by itself; 100 of them a page, because a message costs 20 quota units
of 6,000 a minute. History ids work for a week, sometimes for hours: a forgotten one is answered
404 and everything is read again. What lies in Trash or Spam counts as deleted, and comes back
when it is taken out. `sent_at` is when Gmail took the message; a Date header may say anything.

Unverified: what a message costs in older projects (5 units is said), with which reason an old page
token is refused (any bad request behind one begins the list again), and whether revoking an access
token ends the whole grant.
"""

from collections.abc import Iterator
from dataclasses import replace
from email.utils import parseaddr
from functools import partial

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import CursorPages, SinglePage
from integrations.records import (
    Message,
    NormalizedRecord,
    Option,
    addresses,
    dig,
    mapped,
    mime_text,
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
    Payload,
    Provider,
)

ME = "/users/me"
PAGE = {"maxResults": 100}
Pages = partial(CursorPages, cursor="nextPageToken", param="pageToken")
HIDDEN = {"TRASH", "SPAM"}
THROTTLED = ("rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded")
MESSAGE = {"thread": "messages:threadId", "sent_at": "internalDate", "labels": "labels:labelIds"}


@register
class GmailConnector(Declared, Connector):
    provider = Provider(
        slug="gmail",
        label="Gmail",
        base_url="https://gmail.googleapis.com/gmail/v1",
        auth=(
            OAuth2(
                authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
                token_url="https://oauth2.googleapis.com/token",
                revoke_url="https://oauth2.googleapis.com/revoke",
                scopes=("https://www.googleapis.com/auth/gmail.readonly",),
                authorize_params={"access_type": "offline", "prompt": "consent"},
            ),
        ),
        identity=Identity(f"{ME}/profile", id="emailAddress", label="emailAddress"),
        limits=(Limit(6000, 60, path="*/messages/*", cost=20), Limit(6000, 60, cost=5)),
        errors=ErrorCodes(
            code="error.errors.reason",
            refresh=("authError",),
            retry=(*THROTTLED, "backendError"),
            not_found=("notFound",),
            unavailable=("insufficientPermissions",),
            restart_list=("invalidArgument", "badRequest"),
            operator=("accessNotConfigured", "domainPolicy"),
        ),
    )
    entity_types = (
        EntityType("labels", Option),
        EntityType("messages", Message, after=("labels",), deletions="signal"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: {"messages": [{"id": "19cb", "threadId": "19cb"}], "nextPageToken": "0987"}."""
        declared, start = self.entity_type(entity_type), since.at() if since else {}
        if entity_type == "labels":
            return SinglePage(self.http, f"{ME}/labels", "labels").entities(declared, start)
        if "feed" in start:
            changes = Pages(self.http, f"{ME}/history", rows=_told, params=PAGE)
            found = changes.feed(declared, start, "startHistoryId", "historyId")
        else:
            floor = since.not_before if since else None
            asked = {**PAGE, "q": f"after:{floor.timestamp():.0f}"} if floor else PAGE
            listed = Pages(self.http, f"{ME}/messages", rows=_told, params=asked)
            found = listed.entities(declared, start, self._now)
        return map(_shown, self.details(found, f"{ME}/messages/{{id}}", start, format="full"))

    def _now(self) -> Cursor:
        return {"feed": self.http.get(f"{ME}/profile").body["historyId"]}

    def transform(self, raw: Entity) -> NormalizedRecord:
        """The messages of a thread, its first one included, name the first as their thread."""
        item = raw.data
        if raw.entity_type == "labels":
            return Option(name=item["name"], kind=item["type"])
        author, sender = parseaddr(_header(item, "from"))
        return Message(
            subject=_header(item, "subject"),
            text=mime_text(item["payload"]),
            author_name=author,
            sender=sender,
            recipients=addresses(_header(item, "to", "cc", "bcc")),
            kind="draft" if "DRAFT" in item.get("labelIds", ()) else "email",
            **mapped(Message, item, MESSAGE),
        )


def _told(body: Payload) -> list[tuple[str, Payload, bool]]:
    """Each message of a page once, with the last word on it. Either page leaves out empty lists.

    Page of the history: {"history": [{"messages": [{"id": "19cb", …}], "messagesDeleted":
    [{"message": {"id": "19aa", …}}]}], "historyId": "884230"}.
    """
    told: dict[str, tuple[str, Payload, bool]] = {}
    for change in body.get("history", [body]):
        gone = [event["message"] for event in change.get("messagesDeleted", ())]
        told |= {one["id"]: (one["id"], one, False) for one in change.get("messages", ())}
        told |= {one["id"]: (one["id"], one, True) for one in gone}
    return list(told.values())


def _shown(entity: Entity) -> Entity:
    labels = dig(entity.payload, "labelIds") or ()
    return replace(entity, deleted=entity.deleted or not HIDDEN.isdisjoint(labels))


def _header(item: Payload, *names: str) -> str:
    """What the headers of these names say, one after the other; Gmail gives them decoded."""
    headers = item["payload"].get("headers", ())
    return ", ".join(one["value"] for one in headers if one["name"].lower() in names)
