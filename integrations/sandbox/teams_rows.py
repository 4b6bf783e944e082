"""Teams' rows of one organisation: teams, members, channels, and what is written in them."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from html import escape
from random import Random
from typing import Any
from urllib.parse import quote

from integrations.sandbox.business import DAY, Contact, staff, stamps
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

STAFF, POSTS = 14, 220
TEAMS: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
    ("Vertrieb", "Angebote, Kunden, Messen", ("Angebote", "Projekt Nordsee", "Preise")),
    ("Technik", None, ("Störungen", "Releases & Wartung", "Archiv 2024")),
    ("Verwaltung", "Personal, Buchhaltung, Räume", ("Personalrat", "Dienstleister")),
)
PRIVATE, SHARED, ARCHIVED = ("Preise", "Personalrat"), "Dienstleister", "Archiv 2024"
CLOSED = "Personalrat"
"""A private channel the person who agreed is no member of: listed, but its messages are not."""

TEXTS = (
    "Guten Morgen zusammen, {business} hat zugesagt 🎉",
    "Could somebody call {name} back before {hour} o'clock?",
    "Lieferung {number} ist unterwegs, Ankunft ca. {hour}:30",
    "Wer übernimmt den Termin bei {business}?",
    "Le devis {number} attend encore une signature.",
    "Stock count moved to week {week} – please plan for it",
    "3 < 5 & alles klar: Charge {number} ist freigegeben",
    "{business} の見積書 {number} を送りました",
)
ANSWERS = ("Mache ich.", "Done 👍", "Bis {hour} Uhr, danke!", "See {number}.", "C'est noté.")
SUBJECTS = ("Wochenplan", "Release {number}", "Messe in KW {week}")
REACTIONS = ("like", "heart", "laugh")


class TeamsRows(Builder):
    """Builds rows; `removed` are messages that were deleted, which Teams goes on showing."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.staff = staff(setting.seed, account.organisation, STAFF)
        self.users = {person.email: self.guid() for person in self.staff}
        self.removed: list[Row] = []
        self.taken: set[int] = set()

    def all(self) -> dict[str, list[Row]]:
        """Every entity of the organisation."""
        base = self.setting.base_time
        teams, members, channels = [], [], []
        for name, description, others in TEAMS:
            team = self.team(name, description, base - 700 * DAY)
            teams.append(team)
            inside = self.rng.sample(self.staff, self.rng.randrange(6, STAFF))
            members += [self.member(team, person, base - 700 * DAY) for person in inside]
            channels += [
                self.channel(team, other, base - 690 * DAY) for other in ("General", *others)
            ]
        messages = self._messages(channels)
        return {"teams": teams, "members": members, "channels": channels, "messages": messages}

    def team(self, name: str, description: str | None, stamp: float) -> Row:
        """As the list of joined teams shows it: three fields and no more."""
        id = self.guid()
        return Row(id, stamp, {"id": id, "displayName": name, "description": description})

    def member(self, team: Row, person: Contact, stamp: float) -> Row:
        user = self.users.setdefault(person.email, self.guid())
        membership = b64encode(f"##{team.id}##{user}".encode()).decode().rstrip("=")
        data: Json = {
            "@odata.type": "#microsoft.graph.aadUserConversationMember",
            "id": membership,
            "roles": ["owner"] if self.rng.random() < 0.2 else [],
            "displayName": person.name,
            "visibleHistoryStartDateTime": "0001-01-01T00:00:00Z",
            "userId": user,
            "email": person.email,
            "tenantId": self.account.id,
        }
        return Row(f"{team.id}/{user}", stamp, data, scope=team.id)

    def channel(self, team: Row, name: str, stamp: float) -> Row:
        id = f"19:{self.rng.randrange(16**32):032x}@thread.tacv2"
        kind = "private" if name in PRIVATE else "shared" if name == SHARED else "standard"
        data: Json = {
            "id": id,
            "createdDateTime": moment(stamp),
            "displayName": name,
            "description": None if name == "General" else f"Alles zu {name}",
            "isFavoriteByDefault": None,
            "email": "",
            "tenantId": self.account.id,
            "webUrl": f"https://teams.microsoft.com/l/channel/{quote(id, safe='')}/{quote(name)}",
            "membershipType": kind,
            "isArchived": name == ARCHIVED,
        }
        return Row(id, stamp, data, scope=team.id)

    def message(
        self, channel: Row, created: float, changed: float | None = None, post: str | None = None
    ) -> Row:
        """A post or, below `post`, a reply; changed later than it was written, it was edited."""
        rng = self.rng
        millisecond = self._millisecond(created)
        id = str(millisecond)
        stamp = millisecond / 1000
        is_edited = changed is not None and changed > stamp and rng.random() < 0.3
        stamp = float(changed) if is_edited and changed is not None else stamp
        is_html = rng.random() < 0.8
        text = self._text(ANSWERS if post else TEXTS)
        data: Json = {
            "id": id,
            "replyToId": post,
            "etag": str(round(stamp * 1000)),
            "messageType": "message",
            "createdDateTime": moment(millisecond / 1000),
            "lastModifiedDateTime": moment(stamp),
            "lastEditedDateTime": moment(stamp) if is_edited else None,
            "deletedDateTime": None,
            "subject": self._text(SUBJECTS) if not post and rng.random() < 0.1 else None,
            "summary": None,
            "chatId": None,
            "importance": "high" if rng.random() < 0.05 else "normal",
            "locale": "de-de",
            "webUrl": self._url(channel, id),
            "policyViolation": None,
            "eventDetail": None,
            "from": self._person(),
            "body": {
                "contentType": "html" if is_html else "text",
                "content": f"<p>{escape(text)}</p>" if is_html else text,
            },
            "channelIdentity": {"teamId": channel.scope, "channelId": channel.id},
            "attachments": [],
            "mentions": [],
            "reactions": [],
        }
        if not post:
            self._vary(data)
        visible = channel.data["displayName"] != CLOSED
        return Row(f"{channel.id}/{id}", stamp, data, scope=channel.id, visible=visible)

    def guid(self) -> str:
        digits = f"{self.rng.randrange(16**32):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _messages(self, channels: list[Row]) -> list[Row]:
        """Posts in every channel, threads below a third of them; some were deleted since."""
        rng, base = self.rng, self.setting.base_time
        rows: list[Row] = []
        weights = [6, 5, 4, 2, 6, 4, 4, 1, 3, 1, 2]
        pairs = sorted(stamps(rng, base, max(self.setting.scaled(POSTS), 2 * len(channels))))
        homes = [*channels, *rng.choices(channels, weights, k=len(pairs) - len(channels))]
        for channel, (created, changed) in zip(homes, pairs, strict=True):
            post = self.message(channel, created, changed)
            below = rng.choice((1, 1, 2, 3, 5)) if rng.random() < 0.35 else 0
            last = min(base - 1, created + below * 7200)
            replies = [
                self.message(channel, rng.uniform(created, last), post=post.data["id"])
                for _ in range(below)
            ]
            rows += [post, *replies]
        gone = {row.id for row in rows[5::61]}
        self.removed = [row for row in rows if row.id in gone]
        for row in self.removed:
            mark_deleted(row, row.stamp + 60)
        return [row for row in rows if row.id not in gone]

    def _vary(self, data: Json) -> None:
        """Some posts are by apps, some by the system itself, some carry a file or a mention."""
        rng, chance = self.rng, self.rng.random()
        if chance < 0.05:
            data["messageType"] = "systemEventMessage"
            data["from"] = None
            data["body"] = {"contentType": "html", "content": "<systemEventMessage/>"}
            kind = "#microsoft.graph.membersAddedEventMessageDetail"
            data["eventDetail"] = {"@odata.type": kind}
        elif chance < 0.11:
            app = {"id": "203a1e2c-26cc-47ca-83ae-be98f960b6b2", "displayName": "Build Bot"}
            data["from"] = {"application": app, "device": None, "user": None}
        elif chance < 0.18:
            file = self.guid()
            data["attachments"] = [
                {
                    "id": file,
                    "contentType": "reference",
                    "contentUrl": f"https://{self.account.organisation.key}.example/{file}.pdf",
                    "content": None,
                    "name": "Angebot übersicht.pdf",
                    "thumbnailUrl": None,
                }
            ]
        elif chance < 0.28:
            named = self._person()
            name = named["user"]["displayName"]
            data["mentions"] = [{"id": 0, "mentionText": name, "mentioned": named}]
            data["body"] = {
                "contentType": "html",
                "content": f'<div><at id="0">{escape(name)}</at>&nbsp;bitte prüfen</div>',
            }
        elif chance < 0.38:
            kind = rng.choice(REACTIONS)
            by = {"user": self._person()["user"]}
            at = data["createdDateTime"]
            data["reactions"] = [{"reactionType": kind, "createdDateTime": at, "user": by}]

    def _person(self) -> Json:
        person = self.rng.choice(self.staff)
        user = {
            "@odata.type": "#microsoft.graph.teamworkUserIdentity",
            "id": self.users[person.email],
            "displayName": person.name,
            "userIdentityType": "aadUser",
        }
        return {"application": None, "device": None, "user": user}

    def _text(self, choices: tuple[str, ...]) -> str:
        rng = self.rng
        business = rng.choice(self.businesses)
        return rng.choice(choices).format(
            business=business.name,
            name=business.contacts[0].name,
            number=rng.randrange(1000, 9999),
            hour=rng.randrange(8, 18),
            week=rng.randrange(1, 53),
        )

    def _url(self, channel: Row, id: str) -> str:
        at, asked = (
            quote(channel.id, safe=""),
            f"groupId={channel.scope}&tenantId={self.account.id}",
        )
        return f"https://teams.microsoft.com/l/message/{at}/{id}?{asked}"

    def _millisecond(self, epoch: float) -> int:
        """A creation time nobody has yet: it is the message's id."""
        at = int(epoch) * 1000 + self.rng.randrange(1000)
        while at in self.taken:
            at += 1
        self.taken.add(at)
        return at


def mark_deleted(row: Row, stamp: float) -> None:
    """Teams empties a deleted message and says when that was; the rest of it stays."""
    row.stamp = stamp
    row.data |= {"deletedDateTime": moment(stamp), "lastModifiedDateTime": moment(stamp)}
    row.data |= {"etag": str(round(stamp * 1000)), "attachments": [], "mentions": []}
    row.data["body"] = {"contentType": "html", "content": ""}
    row.forget_encoding()


def moment(epoch: float) -> str:
    """ "2025-11-06T09:00:00.123Z" """
    at = datetime.fromtimestamp(round(epoch * 1000) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
