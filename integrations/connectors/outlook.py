"""Outlook: mail folders, messages, events and contacts, each followed by delta links.

Source: Microsoft Graph v1.0, read in November 2026. A delta walk begins with the list and ends with
the address of what changes next; an address that is forgotten (410) means reading everything again.
Ids are asked for in the form that survives moves, so what leaves a folder for another keeps its id.
Changes may come with only some fields; such an item is asked for again. Events are those within a
year of the first read, each occurrence of a series by itself; the window moves every 30 days. Times
are asked for in UTC. Microsoft has no address that revokes a token.

Unverified: `/me/contacts/delta`, which reads the contacts of the default folder only; the codes of
refused access; how the granted scopes are written in a token answer.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import UrlPages
from integrations.records import (
    Address,
    Event,
    Folder,
    Message,
    NormalizedRecord,
    Person,
    dig,
    dig_all,
    found,
    html_text,
    mapped,
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
    Ref,
)

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com/common/oauth2/v2.0"
SCOPES = ("User.Read", "Mail.Read", "Calendars.Read", "Contacts.Read")
IN_FOLDER = "/me/mailFolders/{scope}/messages/delta"
WINDOW, DAY = timedelta(days=365), "%Y-%m-%dT00:00:00Z"
Delta = partial(UrlPages, items="value", next="@odata.nextLink", delta="@odata.deltaLink")
REMOVED = ("@removed", None)
MARKS = ("@odata.context", "@odata.etag", "@odata.type")
Told = partial(EntityType, deletions="signal", changed_at="lastModifiedDateTime", ignore=MARKS)
DATED: dict[str, Any] = {"lifetime": timedelta(days=30), "window": True}
LISTS = {"folders": "mailFolders"}
WHOLE = {"folders": {"displayName", "parentFolderId"}}
FOLDER = {"name": "displayName", "parent": "folders:parentFolderId", "item_count": "totalItemCount"}
FROM = {"sender": "from.emailAddress.address", "author_name": "from.emailAddress.name"}
MESSAGE = {**FROM, "subject": "subject", "sent_at": "sentDateTime", "url": "webLink"}
READERS = [f"{name}Recipients.emailAddress.address" for name in ("to", "cc", "bcc")]
WHEN = {"starts_at": "start.dateTime", "ends_at": "end.dateTime", "is_all_day": "isAllDay"}
WHERE = {"location": "location.displayName", "attendees": "attendees.emailAddress.address"}
WHAT = {"title": "subject", "kind": "type", "is_cancelled": "isCancelled", "url": "webLink"}
EVENT = {**WHEN, **WHERE, **WHAT}
WORK = {"title": "jobTitle", "company_name": "companyName", "emails": "emailAddresses.address"}
CONTACT = {**WORK, "first_name": "givenName", "last_name": "surname"}
ADDRESS = ("street", "city", "state", "postalCode", "countryOrRegion")


@register
class OutlookConnector(Declared, Connector):
    provider = Provider(
        slug="outlook",
        label="Outlook",
        base_url=f"{GRAPH}/v1.0",
        auth=(
            OAuth2(
                authorize_url=f"{LOGIN}/authorize",
                token_url=f"{LOGIN}/token",
                scopes=SCOPES,
                optional_scopes=("offline_access",),
                scope_aliases={f"{GRAPH}/{scope}": scope for scope in SCOPES},
                remove_at="My Apps, or the privacy page of a personal Microsoft account",
                dead=("invalid_grant", "interaction_required", "consent_required"),
            ),
        ),
        headers={"Prefer": 'IdType="ImmutableId", odata.maxpagesize=100, outlook.timezone="UTC"'},
        identity=Identity("/me", id="id", label="userPrincipalName"),
        limits=(Limit(10_000, 600, concurrent=4),),
        errors=ErrorCodes(
            code="error.code",
            refresh=("InvalidAuthenticationToken",),
            reauthorize=("insufficient_claims",),
            retry=("ApplicationThrottled", "TooManyRequests", "serviceNotAvailable"),
            not_found=("ErrorItemNotFound",),
            unavailable=("ErrorAccessDenied", "MailboxNotEnabledForRESTAPI", "extensionError"),
            expired=("http:410", "syncStateNotFound", "SyncStateNotFound", "resyncRequired"),
        ),
    )
    entity_types = (
        Told("folders", Folder, path="/me/mailFolders/delta", scopes=("Mail.Read",)),
        Told("messages", Message, parent="folders", path=IN_FOLDER, orphans="delete"),
        Told("events", Event, path="/me/calendarView/delta", **DATED),
        Told("contacts", Person, path="/me/contacts/delta", scopes=("Contacts.Read",)),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Every type is one walk, but messages: they are one walk per folder."""
        walk = partial(self._walk, self.entity_type(entity_type))
        if entity_type == "messages":
            return self.per_parent("folders", since, walk)
        return walk(None, since.at() if since else {})

    def _walk(self, declared: EntityType, folder: Entity | None, start: Cursor) -> Iterator[Entity]:
        """Page: {"value": [{"id": "AAk", …}, {"id": "AAl", "@removed": {"reason": "deleted"}}],
        "@odata.nextLink": "https://…"}, the last one with "@odata.deltaLink"."""
        scope = folder.source_id if folder else ""
        asked, path = self._asked(declared.name, start), declared.path.format(scope=scope)
        pages = Delta(self.http, path, params=asked, scope=scope, gone=REMOVED)
        listed = pages.feed if "feed" in start else pages.entities
        one = f"/me/{LISTS.get(declared.name, declared.name)}/{{id}}"
        return self.details(listed(declared, start), one, start, _is_partial)

    def _asked(self, entity_type: str, start: Cursor) -> Payload:
        """What bounds a first walk; the links it leads to keep it in mind."""
        if entity_type == "events":
            first, last = self.run.started_at - WINDOW, self.run.started_at + WINDOW
            return {"startDateTime": f"{first:{DAY}}", "endDateTime": f"{last:{DAY}}"}
        if entity_type == "messages" and "not_before" in start:
            return {"$filter": f"receivedDateTime ge {start['not_before']}"}
        return {}

    def transform(self, raw: Entity) -> NormalizedRecord:
        """Events and contacts are of the account's own calendar and address book."""
        item = raw.data
        if raw.entity_type == "folders":
            return Folder(kind="mail", **mapped(Folder, item, FOLDER))
        if raw.entity_type == "events":
            return Event(description=_text(item), **mapped(Event, item, EVENT))
        if raw.entity_type == "messages":
            return Message(
                text=_text(item),
                recipients=found(*(one for path in READERS for one in dig_all(item, path))),
                channel=Ref("folders", raw.scope),
                kind="draft" if item.get("isDraft") else "email",
                **mapped(Message, item, MESSAGE),
            )
        names = (item["displayName"], *dig_all(item, "emailAddresses.address"), raw.source_id)
        return Person(
            name=found(*names)[0],
            phones=found(item.get("mobilePhone"), *dig_all(item, "businessPhones")),
            address=Address.of(item.get("businessAddress"), ADDRESS),
            **mapped(Person, item, CONTACT),
        )


def _is_partial(entity: Entity) -> bool:
    """What is created when never changes, so only a whole item says it; folders never say it."""
    needed = WHOLE.get(entity.entity_type, {"createdDateTime"})
    return isinstance(entity.payload, dict) and not needed <= entity.payload.keys()


def _text(item: Payload) -> str:
    text = dig(item, "body.content") or ""
    return html_text(text) if dig(item, "body.contentType") == "html" else text
