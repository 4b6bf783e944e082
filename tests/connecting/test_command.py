"""manage.py connect: one sentence for every mistake, and nothing half-made."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.models import Due
from integrations.models import Connection
from tests.connecting.conftest import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "copper.json"
    path.write_text(json.dumps(world.key()))
    return path


def connect(file: Path, **options: Any) -> str:
    said = StringIO()
    given = {"tenant": "acme", "provider": "copper", "credentials_file": file, **options}
    call_command("connect", stdout=said, **given)
    return said.getvalue()


def test_a_file_with_a_key_connects_and_says_so(file: Path) -> None:
    said = connect(file, name="Sales CRM")

    connection = Connection.objects.get()
    assert connection.name == "Sales CRM"
    assert str(connection.pk) in said and "Sales CRM" in said
    assert Due.objects.get(object_id=connection.pk).due_at is not None
    event = AuditEvent.objects.get(action=AuditAction.CONNECTION_CREATED)
    assert (event.actor_kind, event.actor_label) == ("system", "command")


def test_running_it_twice_reconnects(file: Path) -> None:
    connect(file)
    connect(file)

    assert Connection.objects.get().credential_generation == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        ("", "is not JSON"),
        ("{key: hubcanary}", "is not JSON"),
        ('["hubcanary"]', "one JSON object of texts"),
        ('{"key": 5}', "one JSON object of texts"),
        ('{"key": "hubcanary"}', "Enter E-mail"),
        ('{"key": "hubcanary", "user_email": "a@b.example"}', "does not accept"),
        ('{"key": "hubcanary", "user_email": "a@b.example", "x": "y"}', "leave it out"),
        ("x" * 200_000, "larger than"),
    ],
    ids=["missing", "empty", "not JSON", "a list", "a number", "too little", "wrong", "too much",
         "huge"],
)  # fmt: skip
def test_a_file_that_does_not_do_is_named_with_what_to_do(
    content: str | None, sentence: str, file: Path
) -> None:
    file.unlink()
    if content is not None:
        file.write_text(content)

    with pytest.raises(CommandError, match=sentence) as refused:
        connect(file)

    assert "hubcanary" not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not Connection.objects.exists() and not Due.objects.exists()


def test_a_folder_is_no_credentials_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        connect(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tenant": "nosuch"}, "there are: acme"),
        ({"tenant": "../x"}, "There is no tenant"),
        ({"provider": "nosuch"}, "known are: .*copper"),
        ({"provider": "slack"}, "connect link"),
        ({"config": "{"}, "--config is not JSON"),
        ({"config": '{"host": "x"}'}, "leave it out"),
    ],
    ids=["tenant", "path", "provider", "oauth", "config", "unknown config"],
)
def test_whatever_else_is_wrong_is_one_sentence_too(
    options: dict[str, str], sentence: str, file: Path
) -> None:
    with pytest.raises(CommandError, match=sentence):
        connect(file, **options)

    assert not Connection.objects.exists()


@pytest.mark.parametrize("fault", [{"html": True}, {"status": 500}, {"reset": "before"}])
def test_a_provider_that_fails_connects_nothing(
    fault: dict[str, Any], file: Path, world: World
) -> None:
    world.control("fault", slug="copper", count=None, **fault)

    with pytest.raises(CommandError, match="Nothing was connected"):
        connect(file)

    assert not Connection.objects.exists() and not Due.objects.exists()
