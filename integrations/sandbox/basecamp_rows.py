"""Basecamp's rows of one account: people, projects, to-dos and messages.

Ids of recordings lie beyond 2^53. What is trashed stays as a row nobody is shown.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from integrations.sandbox.business import DAY, businesses, staff, stamps
from integrations.sandbox.names import DEALS, MESSAGES
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

COUNTS = {"people": 20, "projects": 14, "todos": 110, "messages": 60}
ARCHIVED_PROJECTS = 2
FIRST_RECORDING = 9_007_199_254_741_200
TOOLS = (
    ("message_board", "Message Board"),
    ("todoset", "To-dos"),
    ("vault", "Docs & Files"),
    ("schedule", "Schedule"),
    ("kanban_board", "Card Table"),
)
LISTS = ("Launch list", "Werkstatt", "Nächste Woche", "Suivi")
TODOS = ("Check brake pads", "Angebot schreiben", "Relancer le client", "Order parts", "Fotos ✎")
ABOUT = {"todos": "Todo", "messages": "Message"}


def iso(stamp: float) -> str:
    """Milliseconds, as Basecamp writes them."""
    text = datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class BasecampRows(Builder):
    """Builds rows; `api` and `app` are the account's two addresses."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        # An account that does more has more to show, not more people to do it.
        self.counts = {
            name: setting.scaled(count) if name in ABOUT else count
            for name, count in COUNTS.items()
        }
        self.api = f"https://3.basecampapi.com/{account.id}"
        self.app = f"https://3.basecamp.com/{account.id}"
        self.base = (account.number + 1) * 100_000
        self.recordings = FIRST_RECORDING + self.base
        self.people: list[Row] = []
        self.projects: list[Row] = []
        self.businesses = businesses(setting.seed, account.organisation.key, 30)

    def all(self) -> dict[str, list[Row]]:
        rows: dict[str, list[Row]] = {}
        for entity in COUNTS:
            pairs = stamps(self.rng, self.setting.base_time, self.counts[entity])
            rows[entity] = []
            for number, (created, modified) in enumerate(pairs):
                rows[entity].append(self.build(entity, number, created, modified))
            if entity == "projects":
                for row in rows[entity][-ARCHIVED_PROJECTS:]:
                    row.data["status"] = "archived"
        return rows

    def build(self, entity: str, number: int, created: float, modified: float) -> Row:
        """A new row; one in an archived project is archived, and some others are."""
        build = {"people": self.person, "projects": self.project}.get(entity)
        if build is not None:
            data = build(number, created, modified)
        else:
            data = self.recording(ABOUT[entity], created, modified)
        row = Row(str(data["id"]), modified, data)
        if entity in ("people", "projects"):
            getattr(self, entity).append(row)
        return row

    def person(self, number: int, created: float, modified: float) -> Json:
        """Every fifth is a client; the last is a placeholder without an address."""
        organisation = self.account.organisation
        is_client, is_dummy = number % 5 == 4, number == self.counts["people"] - 1
        if is_client:
            business = self.businesses[number % len(self.businesses)]
            who, firm = business.contacts[0], business.name
        else:
            known = staff(self.setting.seed, organisation, 60)
            who, firm = known[number % len(known)], organisation.name
        id = 1_049_715_000 + self.base + number
        return {
            "id": id,
            "attachable_sgid": f"sgid-{id}",
            "name": who.name,
            "email_address": None if is_dummy else who.email,
            "personable_type": "DummyUser" if is_dummy else "User",
            "title": who.title,
            "bio": None,
            "location": None,
            "created_at": iso(created),
            "updated_at": iso(modified),
            "admin": number == 0,
            "owner": number == 0,
            "client": is_client,
            "employee": not is_client,
            "time_zone": organisation.timezone,
            "avatar_url": f"https://3.basecamp-static.com/{self.account.id}/people/{id}/avatar",
            "company": {"id": 1_033_447_000 + number if is_client else 1_033_446_999, "name": firm},
            "can_manage_projects": not is_client,
            "can_manage_people": number == 0,
        }

    def project(self, number: int, created: float, modified: float) -> Json:
        rng, id = self.rng, 2_085_958_000 + self.base + number
        begins = datetime.fromtimestamp(created, UTC).date().isoformat()
        return {
            "id": id,
            "status": "active",
            "created_at": iso(created),
            "updated_at": iso(modified),
            "name": f"{rng.choice(DEALS)} {rng.choice(self.businesses).name}",
            "description": rng.choice(("", "Alles für den Umzug ✎", "Phase two")),
            "purpose": "topic",
            "start_date": begins if rng.random() < 0.5 else None,
            "end_date": None,
            "clients_enabled": rng.random() < 0.3,
            "bookmarked": False,
            "url": f"{self.api}/projects/{id}.json",
            "app_url": f"{self.app}/projects/{id}",
            "dock": [
                {
                    "id": id * 10 + place,
                    "title": title,
                    "name": name,
                    "enabled": name != "kanban_board",
                    "position": None if name == "kanban_board" else place + 1,
                    "url": f"{self.api}/{name}s/{id * 10 + place}.json",
                    "app_url": f"{self.app}/buckets/{id}/{name}s/{id * 10 + place}",
                }
                for place, (name, title) in enumerate(TOOLS)
            ],
        }

    def recording(self, kind: str, created: float, modified: float) -> Json:
        rng = self.rng
        here = [row.data for row in self.projects if row.data["status"] != "trashed"]
        project, person = rng.choice(here), rng.choice(self.people).data
        id, self.recordings = self.recordings, self.recordings + 1
        plural, is_todo = f"{kind.lower()}s", kind == "Todo"
        tool = project["dock"][1 if is_todo else 0]
        title = rng.choice(TODOS if is_todo else DEALS)
        is_archived = project["status"] == "archived" or rng.random() < 0.05
        return {
            "id": id,
            "status": "archived" if is_archived else "active",
            "visible_to_clients": False,
            "created_at": iso(created),
            "updated_at": iso(modified),
            "title": title,
            "inherits_status": True,
            "type": kind,
            "url": f"{self.api}/{plural}/{id}.json",
            "app_url": f"{self.app}/buckets/{project['id']}/{plural}/{id}",
            "subscription_url": f"{self.api}/recordings/{id}/subscription.json",
            "comments_count": rng.randrange(4),
            "comments_url": f"{self.api}/recordings/{id}/comments.json",
            "parent": {
                "id": tool["id"] * 10 + 1,
                "title": rng.choice(LISTS) if is_todo else tool["title"],
                "type": "Todolist" if is_todo else "Message::Board",
                "url": tool["url"],
                "app_url": tool["app_url"],
            },
            "bucket": {"id": project["id"], "name": project["name"], "type": "Project"},
            "creator": person,
            **(self._todo(title, created) if is_todo else self._message(title, modified)),
        }

    def _todo(self, title: str, created: float) -> Json:
        rng = self.rng
        due = datetime.fromtimestamp(created + rng.randrange(1, 60) * DAY, UTC).date()
        chosen = rng.sample(self.people, min(rng.randrange(3), len(self.people)))
        return {
            "position": rng.randrange(1, 30),
            "description": f"<div>{title}<br>bis Freitag &amp; komplett</div>",
            "description_attachments": [],
            "completed": rng.random() < 0.4,
            "content": title,
            "starts_on": None,
            "due_on": due.isoformat() if rng.random() < 0.6 else None,
            "assignees": [row.data for row in chosen],
            "completion_subscribers": [],
        }

    def _message(self, subject: str, modified: float) -> Json:
        rng = self.rng
        text = rng.choice(MESSAGES).format(
            business="Kunde", number=rng.randrange(100, 999), user="alle"
        )
        category = {"id": 1_069_400_000 + self.base, "name": "FYI", "icon": "✨"}
        times = {"created_at": iso(modified), "updated_at": iso(modified)}
        return {
            "subject": subject,
            "content": f"<div><strong>{subject}</strong><br>{text}</div>",
            "content_attachments": [],
            **({"category": {**category, **times}} if rng.random() < 0.5 else {}),
        }
