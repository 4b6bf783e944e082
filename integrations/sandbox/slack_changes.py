"""What the control endpoint can do to a Slack workspace: edit, add and delete as members would."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from integrations.sandbox.part import Json
from integrations.sandbox.rows import Row, Table, by_id
from integrations.sandbox.slack_rows import SlackRows, count_replies


def touch(rows: SlackRows, entity: str, row: Row, stamp: float, rng: Random) -> None:
    """An edited message, a member with a new title, a channel with a new topic."""
    row.stamp = stamp
    if entity == "messages":
        row.data["text"] = f"{row.data['text']} (edit {rng.randrange(1000)})"
        editor = row.data.get("user", rows.bot_user)
        row.data["edited"] = {"user": editor, "ts": f"{stamp:.6f}"}
    elif entity == "users":
        row.data["profile"]["title"] = f"Team lead {rng.randrange(1000)}"
        row.data["updated"] = int(stamp)
        row.stamp = float(int(stamp))
    else:
        row.data["topic"]["value"] = f"Topic {rng.randrange(1000)} 🧭"
        row.data["updated"] = int(stamp * 1000)


def create(
    rows: SlackRows, tables: Mapping[str, Table], entity: str, stamp: float, wishes: Json
) -> Row:
    """A new row; a message goes to the `channel` wished for, as a reply with `thread_ts`."""
    if entity == "messages":
        return _message(rows, tables, stamp, wishes)
    table = tables[entity]
    number = len(table) + len(table.deleted) + 1
    if entity == "channels":
        row = rows.channel(number, f"neu-{number}")
        row.data["created"] = row.data["purpose"]["last_set"] = int(stamp)
        row.data["updated"] = int(stamp * 1000)
        row.stamp = stamp
        return row
    data = rows.user(1 + number % len(rows.staff))
    data |= {"id": rows.user_id(number), "name": f"neu{number}", "updated": int(stamp)}
    data["profile"]["email"] = f"neu{number}@{rows.account.organisation.domain}"
    data["deleted"] = False
    return Row(data["id"], float(int(stamp)), data)


def delete(tables: Mapping[str, Table], entity: str, row: Row, stamp: float) -> None:
    """Members stay, marked; a thread's parent stays as a tombstone; the rest vanishes."""
    table = tables[entity]
    if entity == "users":
        row.data |= {"deleted": True, "updated": int(stamp)}
        row.stamp = float(int(stamp))
        table.put(row)
    elif entity == "messages" and row.data.get("reply_count"):
        for key in set(row.data) - {"type", "ts", "thread_ts", "reply_count", "latest_reply"}:
            del row.data[key]
        row.data |= {"subtype": "tombstone", "text": "", "user": "USLACKBOT", "hidden": True}
        row.stamp = stamp
        table.put(row)
    else:
        table.remove(row.id, stamp)
        if entity == "channels":
            messages = tables["messages"]
            for message in list(messages.in_scope(row.id)):
                messages.remove(message.id, stamp)
        parent = table.find(f"{row.scope}:{row.data.get('thread_ts')}") if row.scope else None
        if parent is not None:
            count_replies(parent, -1, latest="")
            table.put(parent)


def _message(rows: SlackRows, tables: Mapping[str, Table], stamp: float, wishes: Json) -> Row:
    channels, messages = tables["channels"], tables["messages"]
    open_to_bot = [row for row in channels.ordered("id", by_id) if row.data["is_member"]]
    channel = channels.find(str(wishes.get("channel", ""))) or rows.rng.choice(open_to_bot)
    ts, thread = rows.ts(stamp), wishes.get("thread_ts")
    if thread is None:
        return rows.message(channel, ts)
    parent = messages.find(f"{channel.id}:{thread}")
    if parent is None:
        raise ValueError(f"no message {thread} in {channel.id}")
    row = rows.reply(channel, parent, ts)
    messages.put(parent)
    return row
