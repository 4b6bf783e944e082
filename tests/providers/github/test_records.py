"""GitHub's objects as records, one per entity type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.connectors.github import GitHubConnector
from integrations.records import NormalizedRecord, Project, Task, Team, User
from integrations.types import Entity, Ref

ISSUE: dict[str, Any] = {
    "id": 2890010001,
    "number": 42,
    "title": "Export bricht ab",
    "state": "open",
    "body": "Schritte …",
    "user": {"login": "ana-b", "id": 5001},
    "labels": [{"id": 1, "name": "bug"}, "urgent"],
    "assignees": [{"login": "max-m", "id": 5002}, {"login": "ida-p", "id": 5003}],
    "milestone": {"title": "May", "due_on": "2026-05-31T07:00:00Z"},
    "updated_at": "2026-11-19T08:15:30Z",
    "closed_at": None,
    "html_url": "https://github.com/firma/app/issues/42",
}


def record(entity_type: str, payload: dict[str, Any]) -> NormalizedRecord:
    entity = Entity(entity_type, str(payload["id"]), payload, scope="700")
    return GitHubConnector(None).transform(entity)


def test_an_issue_is_a_task_of_its_repository() -> None:
    assert record("issues", ISSUE) == Task(
        name="Export bricht ab",
        description="Schritte …",
        status="open",
        assignees=(Ref("users", "5002"), Ref("users", "5003")),
        project=Ref("repositories", "700"),
        due_at=datetime(2026, 5, 31, 7, tzinfo=UTC),
        tags=("bug",),
        url="https://github.com/firma/app/issues/42",
    )


def test_a_pull_request_is_open_closed_or_merged() -> None:
    closed = {**ISSUE, "state": "closed", "closed_at": "2026-11-19T10:00:00Z", "milestone": None}

    merged = record("pulls", {**closed, "merged_at": "2026-11-19T10:00:00Z"})

    assert record("pulls", closed).to_data()["status"] == "closed"
    assert merged.to_data()["status"] == "merged"
    assert merged.to_data()["completed_at"] == "2026-11-19T10:00:00Z"
    assert merged.to_data()["due_at"] is None


def test_a_repository_is_a_project() -> None:
    repository = {
        "id": 700,
        "full_name": "firma/app",
        "description": None,
        "archived": True,
        "topics": ["logistics"],
        "html_url": "https://github.com/firma/app",
    }

    assert record("repositories", repository) == Project(
        name="firma/app",
        status="archived",
        tags=("logistics",),
        url="https://github.com/firma/app",
    )


def test_an_organization_is_a_team_and_its_members_are_users() -> None:
    organization = {"id": 9, "login": "firma", "description": "Open source of ours"}

    assert record("organizations", organization) == Team("firma", "Open source of ours")
    assert record("users", {"id": 1, "login": "ana-b", "type": "User"}) == User("ana-b")
    assert record("users", {"id": 2, "login": "deploy[bot]", "type": "Bot"}) == User(
        "deploy[bot]", is_bot=True
    )
