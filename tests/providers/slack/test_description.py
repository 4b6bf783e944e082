"""Requests and answers against Slack's own description of its Web API."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft4Validator

from tests.providers.conftest import Reader
from tests.providers.official import SPECS, needs, unpacked

DESCRIPTION = SPECS / "slack_web_openapi_v2.json.gz"
HISTORY = "/conversations.history"
GAPS = {
    (HISTORY, "Additional properties are not allowed ('edited' was unexpected)"),
    (HISTORY, "'channel_actions_ts' is a required property"),
    (HISTORY, "'channel_actions_count' is a required property"),
    (HISTORY, "'not_in_channel'"),
}
"""Where the description of 2021 is not what Slack sends: edited messages, what even its own example
lacks, and the refusal to read a channel one is not in, which other pages of Slack describe."""

pytestmark = needs(DESCRIPTION)


def description() -> Any:
    return unpacked(DESCRIPTION)


def operation_of(path: str) -> tuple[str, Any]:
    method = path.removeprefix("/slack/api")
    return method, description()["paths"][method]["get"]


@pytest.fixture
def asked(slack: Reader) -> list[str]:
    """Path and query of every call of a sign-in, a full and an incremental read."""
    with slack.client() as client:
        client.get("/auth.test")
    for entity_type in ("users", "channels", "messages"):
        slack.read(entity_type)
    slack.order("add", "messages", count=20)
    slack.again("messages")
    return [path for path in slack.asked() if path.startswith("/slack/api/")]


def test_every_request_is_one_slack_describes(asked: list[str]) -> None:
    called = set()
    for path in asked:
        method, operation = operation_of(urlsplit(path).path)
        called.add(method)
        described = {one["name"]: one for one in operation["parameters"]}
        for name, text in parse_qsl(urlsplit(path).query):
            assert described[name]["in"] == "query"
            kind = described[name]["type"]
            value = json.loads(text) if kind in ("integer", "number", "boolean") else text
            errors = Draft4Validator({"type": kind}).iter_errors(value)
            assert not list(errors), (path, name)
    assert called == {
        "/oauth.v2.access",
        "/auth.test",
        "/users.list",
        "/conversations.list",
        "/conversations.history",
        "/conversations.replies",
    }


def test_every_answer_of_the_sandbox_has_slacks_shape_but_for_known_gaps(
    slack: Reader, asked: list[str]
) -> None:
    differences = set()
    for path in asked:
        answer = slack.ask_again(path)
        body = answer.json()
        method, operation = operation_of(urlsplit(path).path)
        described = operation["responses"]["200" if body["ok"] else "default"]["schema"]
        schema = {**described, "definitions": description()["definitions"]}
        for error in Draft4Validator(schema).iter_errors(body):
            differences.add((method, error.message.partition(" is not one of ")[0]))
    assert differences == GAPS


def test_slacks_own_example_lacks_what_its_description_requires() -> None:
    _, operation = operation_of(f"/slack/api{HISTORY}")
    example = operation["responses"]["200"]["examples"]["application/json"]

    assert not {"channel_actions_ts", "channel_actions_count"} & set(example)
