"""Gmail's rows of one mailbox: labels, and messages in threads with their part trees."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, formataddr
from random import Random
from typing import Any

from integrations.sandbox.business import Contact, staff, stamps
from integrations.sandbox.letters import Letter, letter, mailbox_owner
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

MESSAGES = 150
FIRST_HISTORY_ID = 880_000
SYSTEM_LABELS = (
    *("INBOX", "SENT", "DRAFT", "TRASH", "SPAM", "UNREAD", "STARRED", "IMPORTANT"),
    *("CATEGORY_PERSONAL", "CATEGORY_PROMOTIONS", "CATEGORY_UPDATES"),
)
USER_LABELS = ("Kunden", "Angebote", "Reklamation", "Suppliers", "À traiter", "2025/Archiv")
HIDDEN = frozenset({"TRASH", "SPAM"})


class GmailRows(Builder):
    """Builds rows; `history_id` counts every change of the mailbox."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.owner = mailbox_owner(account.organisation, account.id)
        self.colleagues = staff(setting.seed, account.organisation, 12)
        self.history_id = FIRST_HISTORY_ID
        self.messages = 0
        self.labels = 0

    def all(self) -> dict[str, list[Row]]:
        """Every entity of the mailbox; history ids follow the order of change."""
        labels = [self.system_label(name) for name in SYSTEM_LABELS]
        labels += [self.user_label(name, self.setting.base_time - 1) for name in USER_LABELS]
        pairs = stamps(self.rng, self.setting.base_time, self.setting.scaled(MESSAGES))
        rows: list[Row] = []
        for sent, changed in sorted(pairs):
            parent = self.rng.choice(rows) if rows and self.rng.random() < 0.4 else None
            row = self.message(sent, parent)
            row.stamp = float(changed)
            rows.append(row)
        for row in sorted(rows, key=lambda row: row.stamp):
            row.data["historyId"] = self.next_history_id()
        return {"labels": labels, "messages": rows}

    def next_history_id(self) -> str:
        self.history_id += self.rng.randrange(1, 9)
        return str(self.history_id)

    def system_label(self, name: str) -> Row:
        data: Json = {"id": name, "name": name, "type": "system"}
        if name in HIDDEN:
            data |= {"messageListVisibility": "hide", "labelListVisibility": "labelHide"}
        return Row(name, float(self.setting.base_time), data)

    def user_label(self, name: str, stamp: float) -> Row:
        self.labels += 1
        data = {
            "id": f"Label_{self.labels}",
            "name": name,
            "messageListVisibility": "show",
            "labelListVisibility": "labelShow",
            "type": "user",
        }
        return Row(data["id"], stamp, data)

    def message(self, sent: int, parent: Row | None = None) -> Row:
        """A message taken at that second; with `parent` an answer in its thread."""
        self.messages += 1
        id = f"19{self.account.number + 1:x}{self.messages:05x}{self.rng.randrange(16**8):08x}"
        written = letter(self.rng, self.owner, self.colleagues, self.businesses)
        taken_ms = sent * 1000 + self.rng.randrange(1000)
        headers = _headers(written, id, sent)
        if parent is not None:
            subject = _header_of(parent.data, "Subject")
            headers["Subject"] = subject if subject.startswith("Re: ") else f"Re: {subject}"
        payload = self._payload(written, headers)
        data: Json = {
            "id": id,
            "threadId": parent.data["threadId"] if parent else id,
            "labelIds": self._labels(written),
            "snippet": written.preview,
            "historyId": "",
            "internalDate": str(taken_ms),
            "sizeEstimate": len(written.html) + 1200,
            "payload": payload,
        }
        return Row(id, float(sent), data, visible=HIDDEN.isdisjoint(data["labelIds"]))

    def _labels(self, written: Letter) -> list[str]:
        chance = self.rng.random()
        if chance < 0.03 and not written.is_sent:
            return ["SPAM", "UNREAD"]
        if chance < 0.06:
            return ["TRASH"]
        if written.is_sent:
            return ["DRAFT"] if chance < 0.12 else ["SENT"]
        labels = ["INBOX", "CATEGORY_PERSONAL"] if chance < 0.8 else []
        labels += ["UNREAD"] if chance < 0.2 else []
        if self.rng.random() < 0.4:
            labels.append(f"Label_{self.rng.randrange(1, len(USER_LABELS) + 1)}")
        return labels

    def _payload(self, written: Letter, headers: Mapping[str, str]) -> Json:
        """Plain alone, HTML alone, both, or both beside a file."""
        chance = self.rng.random()
        if chance < 0.2:
            charset = "utf-8" if not _is_latin(written.text) else "iso-8859-1"
            return _part("", "text/plain", written.text, charset=charset, headers=headers)
        if chance < 0.35:
            return _part("", "text/html", written.html, headers=headers)
        if chance < 0.8:
            return _multipart("", "alternative", _both(written, ""), headers)
        inner = _multipart("0", "alternative", _both(written, "0."), {})
        return _multipart("", "mixed", [inner, self._file()], headers)

    def _file(self) -> Json:
        name = "Angebot übersicht.pdf"
        attachment = f"ANGjdJ{self.rng.randrange(16**12):012x}"
        body = {"attachmentId": attachment, "size": self.rng.randrange(10**4, 10**6)}
        headers = [{"name": "Content-Type", "value": f'application/pdf; name="{name}"'}]
        part = {"partId": "1", "mimeType": "application/pdf", "filename": name}
        return {**part, "headers": headers, "body": body}


def _headers(written: Letter, id: str, sent: int) -> dict[str, str]:
    made = {
        "From": _named(written.sender),
        "To": ", ".join(map(_named, written.recipients)),
        "Subject": written.subject,
        "Date": format_datetime(datetime.fromtimestamp(sent, UTC)),
        "Message-ID": f"<{id}@{written.sender.email.rpartition('@')[2]}>",
    }
    if written.copied:
        made["Cc"] = ", ".join(map(_named, written.copied))
    return made


def _named(contact: Contact) -> str:
    name, address = contact.name, contact.email
    return formataddr((name, address)) if name.isascii() else f'"{name}" <{address}>'


def _both(written: Letter, within: str) -> list[Json]:
    return [
        _part(f"{within}0", "text/plain", written.text),
        _part(f"{within}1", "text/html", written.html),
    ]


def _part(
    part_id: str, kind: str, text: str, *, charset: str = "utf-8", headers: Mapping[str, str] = {}
) -> Json:
    raw = text.encode(charset)
    named = {**headers, "Content-Type": f'{kind}; charset="{charset}"'}
    return {
        "partId": part_id,
        "mimeType": kind,
        "filename": "",
        "headers": [{"name": name, "value": value} for name, value in named.items()],
        "body": {"size": len(raw), "data": urlsafe_b64encode(raw).decode()},
    }


def _multipart(part_id: str, kind: str, parts: list[Json], headers: Mapping[str, str]) -> Json:
    named = {**headers, "Content-Type": f"multipart/{kind}"}
    return {
        "partId": part_id,
        "mimeType": f"multipart/{kind}",
        "filename": "",
        "headers": [{"name": name, "value": value} for name, value in named.items()],
        "body": {"size": 0},
        "parts": parts,
    }


def _header_of(data: Json, name: str) -> str:
    return next(str(one["value"]) for one in data["payload"]["headers"] if one["name"] == name)


def _is_latin(text: str) -> bool:
    try:
        text.encode("iso-8859-1")
    except UnicodeEncodeError:
        return False
    return True
