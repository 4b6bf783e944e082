"""Record types for what people do, and when."""

from dataclasses import dataclass
from datetime import date, datetime

from integrations.records.base import NormalizedRecord
from integrations.types import Ref


@dataclass(frozen=True)
class Project(NormalizedRecord):
    """A piece of work with parts."""

    record_type = "project"
    required = ("name",)

    name: str
    description: str | None = None
    status: str | None = None
    owner: Ref | None = None
    starts_on: date | None = None
    due_on: date | None = None
    tags: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True)
class Task(NormalizedRecord):
    """Something to do; `related` is what it is about."""

    record_type = "task"
    required = ("name",)

    name: str
    description: str | None = None
    status: str | None = None
    priority: str | None = None
    assignees: tuple[Ref, ...] = ()
    project: Ref | None = None
    related: Ref | None = None
    due_at: datetime | None = None
    due_on: date | None = None
    completed_at: datetime | None = None
    tags: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True)
class Event(NormalizedRecord):
    """Something that happens or happened: a meeting, a call, an activity."""

    record_type = "event"

    title: str | None = None
    description: str | None = None
    kind: str | None = None
    location: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_all_day: bool = False
    is_cancelled: bool = False
    organizer: Ref | None = None
    attendees: tuple[str, ...] = ()
    related: Ref | None = None
    url: str | None = None
