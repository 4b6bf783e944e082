"""Outlook's rows of one mailbox: folders, messages, events with series, contacts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from integrations.sandbox.business import DAY, Contact, staff, stamps
from integrations.sandbox.letters import Letter, letter, mailbox_owner
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

MESSAGES, EVENTS, SERIES, CONTACTS = 240, 60, 3, 90
OCCURRENCES = 6
ROOT_FOLDER = "AQMkADroot"
FOLDERS = ("Inbox", "Sent Items", "Drafts", "Archive", "Deleted Items", "Junk Email")
OWN_FOLDERS = ("Kunden", "Angebote & Verträge", "Fournisseurs", "展示会")
WEIGHTS = (30, 14, 3, 12, 4, 3, 12, 8, 8, 2)
MEETINGS = ("Kickoff", "Review mit {name}", "Lieferantengespräch", "Site visit", "Jour fixe")
ROOMS = ("Raum 3", "Meeting room 2", "Salle B", "Teams", "")


class OutlookRows(Builder):
    """Builds rows; ids are those of the immutable kind, growing with each new thing."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        organisation = account.organisation
        self.owner = mailbox_owner(organisation, f"office@{organisation.domain}")
        self.colleagues = staff(setting.seed, organisation, 12)
        self.made: dict[str, int] = {}

    def all(self) -> dict[str, list[Row]]:
        """Every entity of the mailbox."""
        base = self.setting.base_time
        folders = [self.folder(name, base - 600 * DAY) for name in (*FOLDERS, *OWN_FOLDERS)]
        pairs = stamps(self.rng, base, self.setting.scaled(MESSAGES))
        homes = self.rng.choices(folders, WEIGHTS, k=len(pairs))
        messages = [
            self.message(home, *pair) for home, pair in zip(homes, sorted(pairs), strict=True)
        ]
        for folder in folders:
            count(folder, [row for row in messages if row.scope == folder.id])
        events = [self.event(base - 1) for _ in range(self.setting.scaled(EVENTS))]
        for _ in range(SERIES):
            events += self.series(base - 1)
        contacts = [self.contact(base - 1) for _ in range(self.setting.scaled(CONTACTS))]
        return {"folders": folders, "messages": messages, "events": events, "contacts": contacts}

    def folder(self, name: str, stamp: float) -> Row:
        id = self._id("F")
        data: Json = {
            "id": id,
            "displayName": name,
            "parentFolderId": ROOT_FOLDER,
            "childFolderCount": 0,
            "unreadItemCount": 0,
            "totalItemCount": 0,
            "isHidden": False,
        }
        return Row(id, stamp, data)

    def message(self, folder: Row, created: int, changed: float) -> Row:
        rng, id = self.rng, self._id("M")
        written = letter(rng, self.owner, self.colleagues, self.businesses)
        is_html = rng.random() < 0.7
        preview = written.preview
        data: Json = {
            "@odata.etag": f'W/"CQAAA{rng.randrange(16**8):08x}"',
            "id": id,
            "createdDateTime": moment(created),
            "lastModifiedDateTime": moment(changed),
            "changeKey": f"CQAAA{rng.randrange(16**8):08x}",
            "categories": ["Wichtig"] if rng.random() < 0.1 else [],
            "receivedDateTime": moment(created),
            "sentDateTime": moment(created - 3),
            "hasAttachments": rng.random() < 0.15,
            "internetMessageId": f"<{id}@{written.sender.email.rpartition('@')[2]}>",
            "subject": written.subject,
            "bodyPreview": preview,
            "importance": "normal",
            "parentFolderId": folder.id,
            "conversationId": f"AAQkC{rng.randrange(10**6):06d}=",
            "isRead": rng.random() < 0.7,
            "isDraft": folder.data["displayName"] == "Drafts",
            "webLink": f"https://outlook.office365.com/owa/?ItemID={id}",
            "body": _body(written, is_html),
            **_people(written),
        }
        return Row(id, float(changed), data, scope=folder.id)

    def event(self, stamp: float, **fixed: Any) -> Row:
        """A meeting within three hundred days of the base time."""
        rng, id = self.rng, self._id("E")
        contact = rng.choice(rng.choice(self.businesses).contacts)
        day = self.setting.base_time + rng.randrange(-300, 300) * DAY
        begins = day + rng.randrange(7, 17) * 3600
        ends = begins + rng.choice((1800, 3600, 7200))
        is_all_day = rng.random() < 0.1
        if is_all_day:
            begins, ends = day, day + DAY
        data: Json = {
            "@odata.etag": f'W/"EQAAA{rng.randrange(16**8):08x}"',
            "id": id,
            "createdDateTime": moment(self.setting.base_time - 310 * DAY),
            "lastModifiedDateTime": moment(stamp),
            "iCalUId": f"040000008200E{rng.randrange(16**8):08X}",
            "type": "singleInstance",
            "seriesMasterId": None,
            "subject": rng.choice(MEETINGS).format(name=contact.name),
            "bodyPreview": "Agenda folgt",
            "body": {"contentType": "html", "content": "<p>Agenda folgt</p>"},
            "isAllDay": is_all_day,
            "isCancelled": rng.random() < 0.05,
            "start": zoned(begins),
            "end": zoned(ends),
            "location": {"displayName": rng.choice(ROOMS), "locationType": "default"},
            "organizer": _recipient(self.owner),
            "attendees": [self._attendee(contact)],
            "webLink": f"https://outlook.office365.com/owa/?itemid={id}&path=/calendar/item",
            **fixed,
        }
        return Row(id, float(stamp), data)

    def series(self, stamp: float) -> list[Row]:
        """A weekly meeting: the master and its occurrences."""
        master = self.event(stamp, type="seriesMaster", isAllDay=False, isCancelled=False)
        rows = [master]
        begins = datetime.fromisoformat(master.data["start"]["dateTime"][:19])
        for week in range(1, OCCURRENCES + 1):
            at = (begins.replace(tzinfo=UTC) + timedelta(weeks=week)).timestamp()
            occurrence = self.event(
                stamp,
                type="occurrence",
                seriesMasterId=master.id,
                subject=master.data["subject"],
                isAllDay=False,
                start=zoned(at),
                end=zoned(at + 3600),
            )
            rows.append(occurrence)
        return rows

    def contact(self, stamp: float) -> Row:
        rng, id = self.rng, self._id("C")
        business = rng.choice(self.businesses)
        person = rng.choice(business.contacts)
        data: Json = {
            "@odata.etag": f'W/"FQAAA{rng.randrange(16**8):08x}"',
            "id": id,
            "createdDateTime": moment(stamp - 30 * DAY),
            "lastModifiedDateTime": moment(stamp),
            "parentFolderId": "AQMkADcontacts",
            "displayName": person.name if rng.random() < 0.95 else "",
            "givenName": person.first,
            "surname": person.last,
            "jobTitle": person.title,
            "companyName": business.name,
            "emailAddresses": [{"name": person.name, "address": person.email}],
            "mobilePhone": person.phone if rng.random() < 0.6 else None,
            "businessPhones": [business.phone],
            "homePhones": [],
            "businessAddress": {
                "street": business.street,
                "city": business.city,
                "countryOrRegion": business.country,
                "postalCode": business.postal_code,
            },
            "homeAddress": {},
        }
        return Row(id, float(stamp), data)

    def _attendee(self, contact: Contact) -> Json:
        answer = self.rng.choice(("accepted", "tentativelyAccepted", "declined", "none"))
        status = {"response": answer, "time": moment(self.setting.base_time - DAY)}
        return {"type": "required", "status": status, **_recipient(contact)}

    def _id(self, kind: str) -> str:
        self.made[kind] = self.made.get(kind, 0) + 1
        number = self.account.number + 1
        return f"AAkALg{number}{kind}{self.made[kind]:06d}-{self.rng.randrange(16**6):06x}_A="


def moment(epoch: float) -> str:
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def zoned(epoch: float) -> Json:
    at = datetime.fromtimestamp(int(epoch), UTC)
    return {"dateTime": f"{at:%Y-%m-%dT%H:%M:%S}.0000000", "timeZone": "UTC"}


def count(folder: Row, messages: Iterable[Row]) -> None:
    """Let the folder say how many messages it holds, and how many are unread."""
    inside = list(messages)
    folder.data["totalItemCount"] = len(inside)
    folder.data["unreadItemCount"] = sum(not row.data["isRead"] for row in inside)


def _body(written: Letter, is_html: bool) -> Json:
    if is_html:
        return {"contentType": "html", "content": written.html}
    return {"contentType": "text", "content": written.text}


def _people(written: Letter) -> Json:
    return {
        "sender": _recipient(written.sender),
        "from": _recipient(written.sender),
        "toRecipients": [_recipient(one) for one in written.recipients],
        "ccRecipients": [_recipient(one) for one in written.copied],
        "bccRecipients": [],
        "replyTo": [],
    }


def _recipient(contact: Contact) -> Json:
    return {"emailAddress": {"name": contact.name, "address": contact.email}}
