"""Requests, answers and recorded examples against PandaDoc's own API description.

They lie in a folder outside the repository (HUB_SHARED, by default `shared` beside it); without
it this lane is skipped and says so.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator

from integrations.connectors.pandadoc import PandaDocConnector
from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    FatalError,
    HubError,
    NotFoundError,
    RateLimitError,
    RetryableError,
)
from integrations.http.answer import Answer
from integrations.http.error_table import judge
from integrations.http.pages import SinglePage
from integrations.types import Entity
from tests.providers.conftest import Reader

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("HUB_SHARED") or REPOSITORY.parent / "shared")
DESCRIPTION = SHARED / "vendors" / "specs" / "pandadoc_openapi.json.gz"
SAMPLES = SHARED / "vendors" / "samples" / "pandadoc"
PLACE = {"slug": "pandadoc", "entity": "documents"}
UNDESCRIBED = {"email_verified"}
"""Recorded for members, where the description says emails_verified."""

PAGES = {
    "contacts_list.json": ("contacts", 2),
    "documents_list.json": ("documents", 2),
    "members_list.json": ("members", 2),
    "templates_list.json": ("templates", 1),
}
ENTITIES = {"document_status.json": "documents", "member_current.json": "members"}
ERRORS = "errors.json"
NOT_OURS = {"webhook_events_list.json", "webhook_subscriptions_list.json"}
SAID: dict[str, type[HubError]] = {
    "401": AccessTokenRefusedError,
    "403": EntityTypeUnavailableError,
    "404": NotFoundError,
    "409": RetryableError,
    "423": RetryableError,
    "429": RateLimitError,
    "400ValidationError": FatalError,
    "400RequestError": FatalError,
}

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.is_file(), reason=f"no description of PandaDoc: {DESCRIPTION} is not there"
)


@cache
def description() -> Any:
    return json.loads(gzip.decompress(DESCRIPTION.read_bytes()))


def resolved(node: Any) -> Any:
    """What a reference leads to, or the node itself."""
    if "$ref" not in node:
        return node
    found = description()
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def strict(node: Any) -> Any:
    """The description's schema as JSON Schema: null where it may be, and no further fields."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {key: strict(value) for key, value in node.items() if key != "discriminator"}
    if kept.pop("nullable", False) is True:
        kept = {"anyOf": [kept, {"type": "null"}]}
    return kept


@cache
def components() -> Any:
    return strict(description()["components"])


def unknown_fields(schema: Any, value: Any) -> set[str]:
    """Fields of an object that the description does not name."""
    properties = resolved(schema).get("properties", {})
    return set(value) - set(properties)


def operation_of(path: str) -> tuple[str, Any]:
    called = path.removeprefix("/pandadoc/api")
    for template, operations in description()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, called) and (called == template or "{" in template):
            return template, operations["get"]
    raise AssertionError(f"PandaDoc describes no {called}")


@pytest.fixture
def asked(pandadoc: Reader) -> list[str]:
    """Path and query of every call of a full and an incremental read."""
    with pandadoc.client() as client:
        client.get("/members/current")
    for entity_type in ("members", "contacts", "templates", "documents"):
        pandadoc.read(entity_type)
    pandadoc.sandbox.control("add", count=30, **PLACE)
    pandadoc.sandbox.control("change", count=20, **PLACE)
    pandadoc.sandbox.control("delete", count=2, **PLACE)
    pandadoc.read("documents", pandadoc.checkpoint("documents"))
    requests = pandadoc.sandbox.own("/_requests?slug=pandadoc")
    return [one["path"] for one in requests if "/public/v1/" in one["path"]]


def test_every_request_is_one_pandadoc_describes(asked: list[str]) -> None:
    called = set()
    for path in asked:
        template, operation = operation_of(urlsplit(path).path)
        called.add(template.removeprefix("/public/v1/"))
        described = {one["name"]: one for one in map(resolved, operation.get("parameters", ()))}
        for name, text in parse_qsl(urlsplit(path).query):
            assert described[name]["in"] == "query"
            schema = strict(resolved(described[name]["schema"]))
            value = json.loads(text) if schema["type"] in ("integer", "boolean") else text
            checked = Draft202012Validator(
                schema, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
            assert not list(checked.iter_errors(value)), (path, name)
    assert called == {
        "members/current",
        "members",
        "contacts",
        "templates",
        "documents",
        "documents/{id}/details",
    }


def test_every_answer_of_the_sandbox_has_pandadocs_shape(
    pandadoc: Reader, asked: list[str]
) -> None:
    headers = {"Authorization": f"Bearer {pandadoc.credentials.access_token}"}

    seen = 0
    for path in asked:
        answer = pandadoc.sandbox.http.get(pandadoc.sandbox.sandbox.url + path, headers=headers)
        _, operation = operation_of(urlsplit(path).path)
        described = resolved(operation["responses"][str(answer.status_code)])
        schema = resolved(described["content"]["application/json"]["schema"])
        validator = Draft202012Validator({**strict(schema), "components": components()})
        errors = [error.message for error in validator.iter_errors(answer.json())]
        assert not errors, (path, errors[:3])
        if answer.status_code == 200:
            seen += 1
            row = answer.json().get("results", [answer.json()])
            item = schema["properties"].get("results", {}).get("items", schema)
            for one in row:
                assert unknown_fields(item, one) <= UNDESCRIBED
    assert seen > 80


def test_every_recorded_example_is_accounted_for() -> None:
    there = {path.name for path in SAMPLES.iterdir() if path.suffix == ".json"}

    assert there == {*PAGES, *ENTITIES, ERRORS, *NOT_OURS}


class Recorded:
    """A client that has one answer."""

    provider = PandaDocConnector.provider

    def __init__(self, body: Any) -> None:
        self.body = body

    def get(self, path: str, params: Any = None, *, rows_at: Any = "") -> Answer:
        return Answer(200, {}, self.body)


def recorded(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


@pytest.mark.parametrize("name", PAGES)
def test_a_recorded_page_becomes_valid_records(name: str) -> None:
    entity_type, count = PAGES[name]
    connector = PandaDocConnector(None)
    declared = connector.entity_type(entity_type)
    client: Any = Recorded(recorded(name))

    came = list(SinglePage(client, "/", "results", declared.key).entities(declared))

    assert len(came) == count
    for entity in came:
        record = connector.transform(entity)
        record.validate()
        assert isinstance(record, declared.record_types)


@pytest.mark.parametrize("name", ENTITIES)
def test_a_recorded_entity_becomes_a_valid_record(name: str) -> None:
    connector = PandaDocConnector(None)

    record = connector.transform(Entity(ENTITIES[name], "a", recorded(name)))

    record.validate()
    assert isinstance(record, connector.entity_type(ENTITIES[name]).record_types)


def test_every_recorded_error_says_whose_turn_it_is() -> None:
    errors = recorded(ERRORS)

    said = {
        kind: type(
            judge(Answer(int(kind[:3]), {}, one["example"]), PandaDocConnector.provider, None, None)
        )
        for kind, one in errors.items()
    }

    assert said == SAID
