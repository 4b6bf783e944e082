"""Basecamp: people, projects, to-dos and messages of the account the user chooses.

Source: the bc3-api pages and the official SDK's description of August 2026, read in November 2026.
Nothing can be asked for by its time of change: to-dos and messages of all projects are listed
newest change first, projects and people in full. Each list is walked per status, because one asks
for active, archived and trashed things one by one; what is trashed counts as deleted. Without
named projects only those of active ones are listed, so archived projects are named. Trash is
emptied after 30 days. What lies in a project goes with it; what becomes visible without changing,
as when a project comes back, is seen by a full read.

Unverified: that the list brings all fields of its kind (what comes without its content is asked
for once more), that a status changes with its time of change, that a User-Agent without an
address to write to is accepted, and whether a refresh token is replaced. There are no scopes, and
neither PKCE nor revoking is documented.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.errors import HubError, ReauthorizationRequiredError
from integrations.http.answer import Answer
from integrations.http.pages import LinkPages
from integrations.records import (
    Message,
    NormalizedRecord,
    Person,
    Project,
    Task,
    dig,
    html_text,
    mapped,
)
from integrations.types import (
    Accounts,
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

LAUNCHPAD = "https://launchpad.37signals.com"
CHANGED = "updated_at"
NEWEST_FIRST: dict[str, Any] = {"overlap": 60, "detailed": True}
PROJECTS_NAMED = 100
STATUSES = ("active", "archived", "trashed")
ORDER = {"sort": CHANGED, "direction": "desc"}
KINDS = {"todos": "Todo", "messages": "Message"}
Kept = partial(EntityType, changed_at=CHANGED, deletions="signal", lifetime=timedelta(days=29))
Placed = partial(Kept, after=("people",), parent="projects", across=True, orphans="delete")
PERSON = {"emails": "email_address", "title": "title", "company_name": "company.name"}
DATES = {"starts_on": "start_date", "due_on": "end_date"}
PROJECT = {**DATES, "description": "description", "status": "status", "url": "app_url"}
PLACED = {"project": "projects:bucket.id", "due_on": "due_on", "url": "app_url"}
TODO = {**PLACED, "name": "title", "assignees": "people:assignees.id"}
MESSAGE = {
    "author": "people:creator.id",
    "author_name": "creator.name",
    "channel": "projects:bucket.id",
    "sent_at": "created_at",
    "url": "app_url",
}


@register
class BasecampConnector(Declared, Connector):
    provider = Provider(
        slug="basecamp",
        label="Basecamp",
        base_url="{href}",
        hosts=("3.basecampapi.com",),
        auth=(
            OAuth2(
                authorize_url=f"{LAUNCHPAD}/authorization/new",
                token_url=f"{LAUNCHPAD}/authorization/token",
                pkce=False,
                dead=("invalid_grant", "authorization_expired"),
                lifetime=timedelta(days=14),
                remove_at="Launchpad → Authorized apps",
            ),
        ),
        accounts=Accounts(
            f"{LAUNCHPAD}/authorization.json",
            "accounts",
            "id",
            "name",
            {"product": "bc3"},
            ("href",),
        ),
        identity=Identity("/my/profile.json", id="id", label="name"),
        limits=(Limit(50, 10, per="host"),),
        errors=ErrorCodes(reauthorize=("authorization_expired",)),
    )
    entity_types = (
        EntityType("people", Person, changed_at=CHANGED),
        Kept("projects", Project, after=("people",)),
        Placed("todos", Task),
        Placed("messages", Message),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: [{"id": 9007199254741301, "status": "active", "updated_at": "…", …}, …]."""
        declared, since = self.entity_type(entity_type), since or Checkpoint()
        for scope, asked in self._lists(entity_type):
            if scope not in since.finished:
                yield from map(_placed, self._walk(declared, scope, asked, since.at(scope)))

    def _lists(self, entity_type: str) -> Iterator[tuple[str, Payload]]:
        """("archived", {"status": "archived"}), and the same for archived projects, by name."""
        named = self.known("projects") if entity_type in KINDS else ()
        ids = [one.source_id for one in named if _status(one) == "archived"]
        for status in STATUSES if entity_type != "people" else ("",):
            yield status, {"status": status} if status else {}
            for first in range(0, len(ids), PROJECTS_NAMED):
                bucket = ",".join(ids[first : first + PROJECTS_NAMED])
                yield f"{status} {first}", {"status": status, "bucket": bucket}

    def _walk(
        self, declared: EntityType, scope: str, asked: Payload, start: Cursor
    ) -> Iterator[Entity]:
        pages = LinkPages(self.http, f"/{declared.name}.json", params=asked, scope=scope)
        if declared.name not in KINDS:
            return pages.entities(declared, start)
        of_all = {"type": KINDS[declared.name], **asked, **ORDER}
        pages = replace(pages, path="/projects/recordings.json", params=of_all)
        changed = pages.newest_first(declared, start, CHANGED, **NEWEST_FIRST)
        return self.details(changed, f"/{declared.name}/{{id}}.json", start, _is_brief)

    def classify_error(self, answer: Answer) -> HubError | None:
        """404 with this reason: the account itself has expired or was cancelled."""
        if answer.status != 404 or answer.header("Reason") != "Account Inactive":
            return None
        return ReauthorizationRequiredError("The Basecamp account is not active any more.")

    def transform(self, raw: Entity) -> NormalizedRecord:
        """Texts are HTML, of which the text is kept."""
        item = raw.data
        match raw.entity_type:
            case "people":
                role = "client" if item.get("client") else "member"
                return Person(name=item["name"], role=role, **mapped(Person, item, PERSON))
            case "projects":
                return Project(name=item["name"], **mapped(Project, item, PROJECT))
            case "todos":
                status = "completed" if item["completed"] else item["status"]
                description = html_text(item.get("description"))
                return Task(status=status, description=description, **mapped(Task, item, TODO))
        texts = {"subject": item["subject"], "text": html_text(item["content"])}
        return Message(kind="post", **texts, **mapped(Message, item, MESSAGE))


def _placed(entity: Entity) -> Entity:
    """What is trashed is deleted, wherever it was; what lies in a project has it for its scope."""
    is_gone = entity.deleted or _status(entity) == "trashed"
    home = str(dig(entity.payload, "bucket.id") or entity.scope)
    return replace(entity, scope="" if is_gone else home, deleted=is_gone)


def _status(entity: Entity) -> str:
    return str(dig(entity.payload, "status"))


def _is_brief(entity: Entity) -> bool:
    return dig(entity.payload, "content") is None and _status(entity) != "trashed"
