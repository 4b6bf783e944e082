"""Slack's rows of one workspace: members, conversations, messages with threads."""

from __future__ import annotations

from random import Random
from typing import Any

from integrations.sandbox.business import SPAN_SECONDS, ascii_slug, staff
from integrations.sandbox.names import CHANNELS, MESSAGES, REPLIES
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

USERS = 40
BOTS = 3
ROOT_MESSAGES = 640
THREADS = 60
REPLIES_PER_THREAD = (1, 2, 3, 4, 5, 6, 8)
EMOJI = ("thumbsup", "tada", "eyes", "white_check_mark", "coffee")
PRIVATE, FOREIGN, ARCHIVED, HIDDEN = "geschäftsführung", "kantine", "projekt-2024", "personalrat"


class SlackRows(Builder):
    """Builds rows. The bot is in every channel but one public (`FOREIGN`) and one private."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.letter = "AB"[account.number]
        self.staff = staff(setting.seed, account.organisation, USERS - BOTS)
        names = (*CHANNELS[:8], PRIVATE, FOREIGN, ARCHIVED, HIDDEN)
        self.channel_names = dict(enumerate(names, start=1))
        self.taken: dict[int, int] = {}
        self.files = 0

    @property
    def bot_user(self) -> str:
        return self.user_id(USERS)

    def all(self) -> dict[str, list[Row]]:
        """Every entity of the workspace."""
        members = [self.user(number) for number in range(1, USERS + 1)]
        users = [Row(data["id"], float(data["updated"]), data) for data in members]
        channels = [self.channel(number, name) for number, name in self.channel_names.items()]
        return {"users": users, "channels": channels, "messages": self._messages(channels)}

    def user(self, number: int) -> Json:
        bot = number > USERS - BOTS
        org, rng = self.account.organisation, self.rng
        if bot:
            name = ("Deploy Bot", "Kalender", "Hub")[number - (USERS - BOTS) - 1]
            handle, email, title = ascii_slug(name), None, ""
        else:
            person = self.staff[number - 1]
            name, email, title = person.name, person.email, person.title
            handle = f"{ascii_slug(person.first) or 'user'}{number}"
        updated = self.setting.base_time - rng.randrange(1, SPAN_SECONDS)
        profile: Json = {
            "real_name": name,
            "display_name": handle,
            "title": title,
            "phone": "" if bot else person.phone,
            "image_192": f"https://avatars.{org.domain}/{number}.png",
            "team": self.account.id,
        }
        if email:
            profile["email"] = email
        return {
            "id": self.user_id(number),
            "team_id": self.account.id,
            "name": handle,
            "deleted": not bot and rng.random() < 0.08,
            "real_name": name,
            "tz": org.timezone,
            "profile": profile,
            "is_admin": number <= 2,
            "is_bot": bot,
            "is_app_user": False,
            "updated": updated,
        }

    def channel(self, number: int, name: str) -> Row:
        rng, private = self.rng, name in (PRIVATE, HIDDEN)
        created = self.setting.base_time - SPAN_SECONDS - number * 3600
        creator = self.user_id(1)
        topic = rng.choice(("", "Bitte Threads benutzen 🧵", "Daily at 9:15"))
        data: Json = {
            "id": self.channel_id(number),
            "name": name,
            "is_channel": not private,
            "is_group": private,
            "is_private": private,
            "is_archived": name == ARCHIVED,
            "is_general": number == 1,
            "is_member": name not in (FOREIGN, HIDDEN),
            "is_im": False,
            "is_mpim": False,
            "created": created,
            "updated": (self.setting.base_time - rng.randrange(1, SPAN_SECONDS)) * 1000,
            "creator": creator,
            "topic": {"value": topic, "creator": creator if topic else "", "last_set": 0},
            "purpose": {"value": name.title(), "creator": creator, "last_set": created},
            "num_members": rng.randrange(3, USERS),
        }
        return Row(data["id"], data["updated"] / 1000, data, visible=name != HIDDEN)

    def message(self, channel: Row, ts: str, **more: Any) -> Row:
        """A root message or, with `thread_ts` among `more`, a reply."""
        rng = self.rng
        text = rng.choice(REPLIES if "thread_ts" in more else MESSAGES).format(
            business=rng.choice(self.businesses).name,
            number=rng.randrange(1000, 9999),
            user=self._author(),
        )
        data: Json = {"type": "message", "user": self._author(), "text": text, "ts": ts, **more}
        if not more:
            self._vary(data)
        if rng.random() < 0.04:
            data["edited"] = {"user": data.get("user", self.bot_user), "ts": _later(ts, rng)}
        if rng.random() < 0.12:
            users = [self._author()]
            data["reactions"] = [{"name": rng.choice(EMOJI), "users": users, "count": 1}]
        return message_row(channel, data)

    def ts(self, epoch: float) -> str:
        """A time stamp nobody has yet, "1762419600.000100", at that second."""
        second = int(epoch)
        while self.taken.get(second, 0) >= 9_999:
            second += 1
        self.taken[second] = self.taken.get(second, 0) + 1
        return f"{second:010d}.{self.taken[second] * 100:06d}"

    def user_id(self, number: int) -> str:
        return f"U0{self.letter}{number:06d}"

    def channel_id(self, number: int) -> str:
        return f"C0{self.letter}{number:06d}"

    def _author(self) -> str:
        return self.user_id(self.rng.randrange(1, USERS - BOTS + 1))

    def _vary(self, data: Json) -> None:
        rng, chance = self.rng, self.rng.random()
        if chance < 0.05:
            del data["user"]
            data |= {"subtype": "bot_message", "bot_id": f"B0{self.letter}000001"}
            data["username"] = "Deploy Bot"
        elif chance < 0.08:
            data |= {"subtype": "channel_join", "text": f"<@{data['user']}> has joined"}
        elif chance < 0.14:
            self.files += 1
            id = f"F0{self.letter}{self.files:06d}"
            file: Json = {"id": id, "name": "Angebot übersicht.pdf", "mimetype": "application/pdf"}
            file |= {"size": rng.randrange(10**4, 10**6), "user": data["user"]}
            file["url_private"] = f"https://files.{self.account.organisation.domain}/{id}"
            data |= {"subtype": "file_share", "files": [file]}

    def _messages(self, channels: list[Row]) -> list[Row]:
        rng, base = self.rng, self.setting.base_time
        weights = [6, 5, 8, 8, 3, 3, 3, 3, 2, 1, 2, 1]
        count = self.setting.scaled(ROOT_MESSAGES)
        homes = [*channels, *rng.choices(channels, weights, k=max(0, count - len(channels)))]
        roots = []
        for channel in homes:
            age = rng.randrange(SPAN_SECONDS // 20, SPAN_SECONDS)
            roots.append(self.message(channel, self.ts(base - int(age * rng.random()) - 1)))
        plain = [row for row in roots if "subtype" not in row.data]
        by_channel = {channel.id: channel for channel in channels}
        replies: list[Row] = []
        for parent in rng.sample(plain, min(self.setting.scaled(THREADS), len(plain))):
            replies += self._thread(by_channel[parent.scope], parent)
        return roots + replies

    def _thread(self, channel: Row, parent: Row) -> list[Row]:
        replies: list[Row] = []
        moment = int(parent.data["ts"][:10])
        for _ in range(self.rng.choice(REPLIES_PER_THREAD)):
            moment = min(moment + self.rng.randrange(30, 7200), self.setting.base_time - 1)
            replies.append(self.reply(channel, parent, self.ts(moment)))
        return replies

    def reply(self, channel: Row, parent: Row, ts: str) -> Row:
        """A reply, counted at its parent; one in twelve is also shown in the channel."""
        more = {"thread_ts": parent.data["ts"], "parent_user_id": parent.data.get("user", "")}
        if self.rng.random() < 1 / 12:
            more["subtype"] = "thread_broadcast"
        row = self.message(channel, ts, **more)
        count_replies(parent, +1, latest=ts)
        if row.data["user"] not in parent.data.setdefault("reply_users", []):
            parent.data["reply_users"].append(row.data["user"])
        return row


def count_replies(parent: Row, change: int, *, latest: str) -> None:
    """Keep the parent's reply_count and latest_reply as Slack shows them."""
    data = parent.data
    data["thread_ts"] = data["ts"]
    data["reply_count"] = data.get("reply_count", 0) + change
    data["latest_reply"] = max(latest, data.get("latest_reply", ""))


def message_row(channel: Row, data: Json) -> Row:
    """A message as a row: its id is channel and ts, its stamp the edit or else the ts."""
    stamp = data["edited"]["ts"] if "edited" in data else data["ts"]
    visible = channel.visible and channel.data["is_member"]
    return Row(f"{channel.id}:{data['ts']}", float(stamp), data, scope=channel.id, visible=visible)


def is_reply(row: Row) -> bool:
    """True for everything in a thread but its parent."""
    return bool(row.data.get("thread_ts", row.data["ts"]) != row.data["ts"])


def _later(ts: str, rng: Random) -> str:
    return f"{int(ts[:10]) + rng.randrange(5, 600):010d}.000000"
