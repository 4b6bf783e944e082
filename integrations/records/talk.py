"""Record types for what people write to each other."""

from dataclasses import dataclass
from datetime import datetime

from integrations.records.base import NormalizedRecord
from integrations.types import Ref


@dataclass(frozen=True)
class Channel(NormalizedRecord):
    """A place where messages are written; `kind` is channel, group or direct."""

    record_type = "channel"

    name: str | None = None
    topic: str | None = None
    kind: str | None = None
    team: Ref | None = None
    is_private: bool = False
    is_archived: bool = False
    member_count: int | None = None


@dataclass(frozen=True)
class Message(NormalizedRecord):
    """An e-mail, a post, a note; `author_name` is there when the author is no known user."""

    record_type = "message"

    text: str | None = None
    subject: str | None = None
    author: Ref | None = None
    author_name: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    channel: Ref | None = None
    thread: Ref | None = None
    sent_at: datetime | None = None
    edited_at: datetime | None = None
    labels: tuple[Ref, ...] = ()
    url: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Thread(NormalizedRecord):
    """A conversation of several messages."""

    record_type = "thread"

    subject: str | None = None
    channel: Ref | None = None
    participants: tuple[Ref, ...] = ()
    started_at: datetime | None = None
    last_message_at: datetime | None = None
    message_count: int | None = None
