"""GitHub's rows of one account: an organization, its members, repositories, issues, pull requests.

Issues and pull requests of a repository share one series of numbers. A pull request has a second
face as an issue, with an id of its own; it is made when the issues are listed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from integrations.sandbox import github_shapes as shapes
from integrations.sandbox.business import DAY, SPAN_SECONDS, ascii_slug, skewed, staff, stamps
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

MEMBERS = 14
COUNTS = {"issues": 190, "pulls": 110}
NAMES = ("shop", "warehouse", "telematics", "website", "closed-beta", "archive-2023", "empty")
"""The first five have issues and pull requests; see `Repository` for what is special."""

WITH_CONTENT = 5
NO_ISSUES, ARCHIVED, FOREIGN = "website", "archive-2023", "closed-beta"
LABELS = ("bug", "enhancement", "question", "dépendances", "good first issue")
TITLES = (
    "Export bricht ab bei {number} Zeilen",
    "Delivery note shows the wrong address",
    "Le total ne compte pas la remise",
    "Update dependencies ⬆️",
    "Timeout after {number} ms in the warehouse screen",
    "Größe wird nicht gespeichert",
    "Add a filter for archived orders",
    "印刷が途切れる",
)


class GitHubRows(Builder):
    """Builds rows. Ids grow in the order of making and are never given out twice."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.made = 0
        self.numbers: dict[str, int] = {}
        self.login = ascii_slug(account.organisation.key)
        self.organisations: list[Json] = []
        self.members: list[Json] = []
        self.repositories: list[Row] = []

    def all(self) -> dict[str, list[Row]]:
        """Every kind of row of the account."""
        base, rng = self.setting.base_time, self.rng
        began = float(base - SPAN_SECONDS - 30 * DAY)
        self.organisations = [
            shapes.organization(self.next_id(), self.login, "Open source of ours")
        ]
        people = staff(self.setting.seed, self.account.organisation, MEMBERS)
        logins = [f"{ascii_slug(one.first) or 'dev'}-{n}" for n, one in enumerate(people)]
        self.members = [
            shapes.user(self.next_id(), login) for login in (*logins[:-1], "deploy[bot]")
        ]
        organisation = str(self.organisations[0]["id"])
        self.repositories = [self.repository(name, began) for name in NAMES]
        made: dict[str, list[Row]] = {
            "organizations": [Row(organisation, began, self.organisations[0])],
            "users": [Row(str(one["id"]), began, one, scope=organisation) for one in self.members],
            "repositories": self.repositories,
        }
        homes = self.repositories[:WITH_CONTENT]
        for kind, build in (("issues", self.issue), ("pulls", self.pull)):
            pairs = sorted(stamps(rng, base, self.setting.scaled(COUNTS[kind])))
            made[kind] = [build(skewed(rng, homes), *pair) for pair in pairs]
        return made

    def user_row(self, number: int, stamp: float) -> Row:
        """A new member of the organization."""
        data = shapes.user(self.next_id(), f"new-{number}")
        self.members.append(data)
        return Row(str(data["id"]), stamp, data, scope=str(self.organisations[0]["id"]))

    def repository(self, name: str, created: float) -> Row:
        """`website` has its issues switched off; the organization keeps `closed-beta` to itself."""
        changed = created + self.rng.randrange(SPAN_SECONDS)
        data = shapes.repository(self.next_id(), self.organisations[0], name)
        data |= {
            "archived": name == ARCHIVED,
            "created_at": iso(created),
            "has_issues": name != NO_ISSUES,
            "private": name == FOREIGN,
            "pushed_at": iso(changed),
            "topics": ["logistics", name] if self.rng.random() < 0.6 else [],
            "updated_at": iso(changed),
        }
        return Row(str(data["id"]), float(int(changed)), data)

    def issue(self, repository: Row, created: float, changed: float) -> Row:
        data = shapes.issue(self.next_id(), self._next_number(repository), repository.data)
        data |= self._worked_on(created, changed)
        data["state_reason"] = "completed" if data["state"] == "closed" else None
        visible = repository.data["has_issues"] and repository.data["name"] != FOREIGN
        return Row(str(data["id"]), float(int(changed)), data, scope=repository.id, visible=visible)

    def pull(self, repository: Row, created: float, changed: float) -> Row:
        data = shapes.pull(self.next_id(), self._next_number(repository), repository.data)
        data |= self._worked_on(created, changed)
        if data["state"] == "closed" and self.rng.random() < 0.8:
            data |= {"merged_at": data["closed_at"], "merge_commit_sha": f"{data['id']:040x}"}
        visible = repository.data["name"] != FOREIGN
        return Row(str(data["id"]), float(int(changed)), data, scope=repository.id, visible=visible)

    def _worked_on(self, created: float, changed: float) -> Json:
        """What issues and pull requests have in common."""
        rng = self.rng
        is_closed = rng.random() < 0.6
        assignees = rng.sample(self.members, rng.choice((0, 1, 1, 2)))
        names = rng.sample(LABELS, rng.choice((0, 1, 1, 2)))
        return {
            "title": rng.choice(TITLES).format(number=rng.randrange(100, 9000)),
            "body": rng.choice((None, "Schritte:\n1. öffnen\n2. warten", "See the log below.")),
            "state": "closed" if is_closed else "open",
            "user": rng.choice(self.members),
            "assignee": assignees[0] if assignees else None,
            "assignees": assignees,
            "labels": [shapes.label(900 + LABELS.index(name), name) for name in names],
            "created_at": iso(created),
            "updated_at": iso(changed),
            "closed_at": iso(changed) if is_closed else None,
        }

    def _next_number(self, repository: Row) -> int:
        self.numbers[repository.id] = self.numbers.get(repository.id, 0) + 1
        return self.numbers[repository.id]

    def next_id(self) -> int:
        self.made += 1
        return (self.account.number + 1) * 10_000_000 + self.made


def as_issue(pull: Row) -> Row:
    """A pull request as the list of issues shows it."""
    data = pull.data
    kept = {name: data[name] for name in shapes.SHARED if name in data}
    url = data["issue_url"]
    shown: Json = {
        **kept,
        "id": data["id"] + 1_000_000_000,
        "node_id": f"PI_{data['id']}",
        "url": url,
        "repository_url": url.rpartition("/issues/")[0],
        "labels_url": f"{url}/labels{{/name}}",
        "events_url": f"{url}/events",
        "state_reason": None,
        "comments": 0,
        "pull_request": {
            "diff_url": data["diff_url"],
            "html_url": data["html_url"],
            "merged_at": data["merged_at"],
            "patch_url": data["patch_url"],
            "url": data["url"],
        },
    }
    return Row(str(shown["id"]), pull.stamp, shown, scope=pull.scope)


def iso(epoch: float) -> str:
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
