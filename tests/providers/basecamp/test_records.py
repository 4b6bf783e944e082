"""What Basecamp's people, projects, to-dos and messages become."""

from __future__ import annotations

from datetime import UTC, date, datetime

from integrations.connectors.basecamp import BasecampConnector
from integrations.records import Message, Person, Project, Task
from integrations.types import Entity, Ref

RECORDING = {
    "id": 9007199254741301,
    "status": "active",
    "created_at": "2026-02-10T08:00:00.000Z",
    "updated_at": "2026-02-12T06:09:34.637Z",
    "title": "Check brake pads",
    "app_url": "https://3.basecamp.com/5550001/buckets/2085958499/todos/9007199254741301",
    "bucket": {"id": 2085958499, "name": "Shop relaunch", "type": "Project"},
    "creator": {"id": 1049715914, "name": "Ida Petersen"},
}


def test_a_todo_is_a_task_of_its_project() -> None:
    payload = {
        **RECORDING,
        "content": "Check brake pads",
        "description": "<div>Front <b>and</b> rear</div>",
        "completed": False,
        "due_on": "2026-02-20",
        "assignees": [{"id": 1049715915, "name": "Jo Sand"}],
    }

    record = BasecampConnector(None).transform(Entity("todos", "9007199254741301", payload))

    assert record == Task(
        name="Check brake pads",
        description="Front and rear",
        status="active",
        assignees=(Ref("people", "1049715915"),),
        project=Ref("projects", "2085958499"),
        due_on=date(2026, 2, 20),
        url="https://3.basecamp.com/5550001/buckets/2085958499/todos/9007199254741301",
    )


def test_a_message_is_a_post_in_its_project() -> None:
    payload = {**RECORDING, "subject": "Relaunch", "content": "<div>Es geht los</div>"}

    record = BasecampConnector(None).transform(Entity("messages", "9007199254741301", payload))

    assert record == Message(
        subject="Relaunch",
        text="Es geht los",
        author=Ref("people", "1049715914"),
        author_name="Ida Petersen",
        channel=Ref("projects", "2085958499"),
        sent_at=datetime(2026, 2, 10, 8, tzinfo=UTC),
        url="https://3.basecamp.com/5550001/buckets/2085958499/todos/9007199254741301",
        kind="post",
    )


def test_a_project_and_a_person() -> None:
    project = {
        "id": 2085958499,
        "status": "archived",
        "name": "Shop relaunch",
        "description": "",
        "start_date": "2026-01-05",
        "end_date": None,
        "app_url": "https://3.basecamp.com/5550001/projects/2085958499",
    }
    person = {
        "id": 1049715914,
        "name": "Ida Petersen",
        "email_address": None,
        "title": "CEO",
        "client": True,
        "company": {"id": 1033447817, "name": "Kunde AG"},
    }

    connector = BasecampConnector(None)

    assert connector.transform(Entity("projects", "2085958499", project)) == Project(
        name="Shop relaunch",
        status="archived",
        starts_on=date(2026, 1, 5),
        url="https://3.basecamp.com/5550001/projects/2085958499",
    )
    assert connector.transform(Entity("people", "1049715914", person)) == Person(
        name="Ida Petersen", title="CEO", role="client", company_name="Kunde AG"
    )
