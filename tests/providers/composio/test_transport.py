"""What is asked of Composio's proxy for one request, and what becomes of each of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from hub.observability.known_secrets import without_secrets
from integrations.auth.composio import read_account, read_accounts, read_auth_config, read_link
from integrations.errors import (
    AppRefusedError,
    EgressRefusedError,
    FatalError,
    GatewayUnavailableError,
    HubError,
    RateLimitError,
    ReauthorizationRequiredError,
)
from integrations.http.answer import WireAnswer
from integrations.http.client import ProviderClient
from integrations.http.composio import (
    ComposioEgress,
    Gateway,
    question_of,
    read_proxied,
    refusal,
)
from integrations.http.egress import Egress
from integrations.types import AuthContext, ErrorCodes, Identity, OAuth2, Provider
from tests.http.servers import RawServer, answer
from tests.providers.official import SAMPLES, needs

KEY = "ak_a_key_that_nobody_may_read"
BASE = "https://api.acme.example/v2"
ACME = Provider(
    slug="acme",
    label="Acme CRM",
    base_url=BASE,
    auth=(OAuth2(authorize_url=f"{BASE}/auth", token_url=f"{BASE}/token"),),
    identity=Identity("/me", "id", "name"),
    hosts=("*.files.acme.example",),
    errors=ErrorCodes(),
)
SHAPES = SAMPLES / "composio"


class Through:
    """A client of Acme's whose Composio is a server that answers what it is told."""

    def __init__(self, server: RawServer) -> None:
        addresses = {
            "https://backend.composio.dev": server.origin,
            "https://files.composio.dev": f"{server.origin}/files",
        }
        gateway = Gateway(KEY, "https://backend.composio.dev/api/v3.1")
        egress = Egress(addresses=addresses, allow=("127.0.0.1",))
        self.server = server
        self.egress = ComposioEgress.behind(egress, gateway, "ca_1", ACME, BASE)
        self.client = ProviderClient(ACME, AuthContext(auth={}, base_url=BASE), egress=self.egress)

    def asked(self, number: int = 0) -> Any:
        return orjson.loads(self.server.requests[number].partition(b"\r\n\r\n")[2])


@contextmanager
def serving(*said: bytes) -> Iterator[Through]:
    with RawServer(*said) as server:
        through = Through(server)
        yield through
        through.client.close()


def proxied(data: bytes, status: int = 200, **others: Any) -> bytes:
    rest = orjson.dumps({"headers": {"Content-Type": "application/json"}, **others})[1:]
    return b'{"status":%d,"data":%s,%s' % (status, data, rest)


def test_the_provider_answers_as_if_nobody_stood_in_between() -> None:
    said = answer(proxied(b'{"rows":[{"id":123456789012345678901,"name":"\xc3\x84"}]}'))
    with serving(said) as through:
        came = through.client.get("/people", {"limit": 2, "ids": ["a", "b"], "none": None})

        assert came.status == 200
        assert came.header("content-type") == "application/json"
        assert came.body == {"rows": [{"id": "123456789012345678901", "name": "Ä"}]}
        asked = through.asked()
        assert asked["connected_account_id"] == "ca_1"
        assert (asked["method"], asked["endpoint"]) == ("GET", f"{BASE}/people")
        query = [(p["name"], p["value"]) for p in asked["parameters"] if p["type"] == "query"]
        assert query == [("limit", "2"), ("ids", "a"), ("ids", "b")]
        head = through.server.requests[0].lower()
        assert b"post /api/v3.1/tools/execute/proxy" in head
        assert b"authorization" not in head
        assert b"x-api-key: " + KEY.encode() in head


def test_a_body_and_the_query_of_a_whole_address_go_along() -> None:
    asked = question_of("ca_1", "POST", f"{BASE}/x?a=1&b=", {"X-V": "3"}, {"c": "ü &"}, {"q": [1]})

    assert asked["endpoint"] == f"{BASE}/x"
    assert asked["body"] == {"q": [1]}
    assert asked["parameters"] == [
        {"name": "a", "value": "1", "type": "query"},
        {"name": "b", "value": "", "type": "query"},
        {"name": "c", "value": "ü &", "type": "query"},
        {"name": "Accept", "value": "application/json", "type": "header"},
        {"name": "X-V", "value": "3", "type": "header"},
    ]


def test_a_form_goes_along_as_bytes() -> None:
    asked = question_of("ca_1", "POST", BASE, None, None, form={"a": "b c"})

    assert asked["binary_body"] == {
        "base64": "YT1iK2M=",
        "content_type": "application/x-www-form-urlencoded",
    }


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b'{"a": 1.10}', b'{"a": 1.10}'),
        (b"[ ]", b"[ ]"),
        (b"null", b""),
        (b'"<html>"', b"<html>"),
        (b'"plain \\u00e4"', "plain ä".encode()),
    ],
)
def test_data_is_what_the_provider_wrote(data: bytes, body: bytes) -> None:
    said = read_proxied(WireAnswer(200, {}, proxied(data, 418, headers={"Retry-After": "3"})))

    assert (said.status, said.body, said.headers) == (418, body, {"retry-after": "3"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>down</html>",
        b'{"data": {}}',
        b'{"status": "ok", "data": {}}',
        b'{"status": 42, "data": {}}',
        b'{"status": 200, "headers": [1]}',
        b'{"status": 200, "data": {"a": 1',
        b'{"data": {}, "error": null, "successful": true, "log_id": "log_1"}',
    ],
)
def test_what_is_no_providers_answer_is_composios_failure(body: bytes) -> None:
    with pytest.raises(GatewayUnavailableError, match="Composio"):
        read_proxied(WireAnswer(200, {}, body))


def test_a_file_is_fetched_where_it_lies_and_the_key_stays_here() -> None:
    file = {"url": "https://files.composio.dev/f1", "content_type": "text/csv", "size": 9}
    first = answer(proxied(b"null", binary_data=file))
    with serving(first, answer(b'{"a": [1]}')) as through:
        assert through.client.get("/export").body == {"a": [1]}

        assert through.server.requests[1].startswith(b"GET /files/f1")
        assert b"x-api-key" not in through.server.requests[1].lower()


def test_a_file_that_is_gone_is_composios_failure() -> None:
    first = answer(proxied(b"{}", binary_data={"url": "https://files.composio.dev/f1"}))
    with (
        serving(first, answer(b"gone", 403)) as through,
        pytest.raises(GatewayUnavailableError, match="file"),
    ):
        through.client.get("/export")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v2/people",
        "https://api.acme.example.evil.example/v2",
        "http://api.acme.example/v2",
        "https://api.acme.example:8443/v2",
        "https://api.acme.example@evil.example/v2",
    ],
)
def test_only_the_providers_own_hosts_are_asked_for(url: str) -> None:
    with serving(answer(proxied(b"{}"))) as through:
        with pytest.raises(EgressRefusedError):
            through.egress.open().send("GET", url, deadline=through.client.deadline)

        assert through.server.requests == []


def test_a_declared_host_of_the_provider_is_asked_for() -> None:
    with serving(answer(proxied(b"{}"))) as through:
        through.client.get("https://eu.files.acme.example/f")

        assert through.asked()["endpoint"] == "https://eu.files.acme.example/f"


def error(status: int, message: str = "no") -> bytes:
    return orjson.dumps({"error": {"message": message, "code": 10_400, "status": status}})


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error(400), FatalError),
        (400, error(400, "MissingAuthContext: no auth"), ReauthorizationRequiredError),
        (400, error(400, "OriginMismatch"), EgressRefusedError),
        (401, error(401), AppRefusedError),
        (403, error(403), AppRefusedError),
        (404, error(404), ReauthorizationRequiredError),
        (404, b"<html>no such page</html>", FatalError),
        (410, error(410), ReauthorizationRequiredError),
        (422, error(422), ReauthorizationRequiredError),
        (429, b'{"message": "Rate limit exceeded."}', RateLimitError),
        (302, b"", GatewayUnavailableError),
        (500, error(500), GatewayUnavailableError),
        (501, error(501), FatalError),
        (502, b"<html>", GatewayUnavailableError),
        (504, error(504), GatewayUnavailableError),
    ],
)
def test_composios_own_refusals_say_whose_turn_it_is(
    status: int, body: bytes, expected: type[HubError]
) -> None:
    said = refusal(WireAnswer(status, {"retry-after": "7"}, body))

    assert type(said) is expected
    assert "Composio" in str(said)
    if isinstance(said, RateLimitError):
        assert said.retry_after == 7


def test_a_providers_own_error_is_judged_as_its_own() -> None:
    refused = answer(proxied(b'{"error": "gone"}', 410))
    with serving(refused) as through, pytest.raises(HubError, match="Acme CRM answered gone"):
        through.client.get("/people/1")


def test_the_key_is_in_no_text() -> None:
    with serving(answer(KEY.encode(), 500)) as through:
        with pytest.raises(GatewayUnavailableError) as down:
            through.client.get("/people")

        for text in (str(down.value), repr(through.egress), str(through.egress.gateway)):
            assert KEY not in text
        assert KEY not in without_secrets(f"a log line with {KEY}")


def test_a_down_composio_is_asked_once_and_named() -> None:
    with serving(answer(b"", 503)) as through:
        with pytest.raises(GatewayUnavailableError, match="Composio") as down:
            through.client.get("/people")

        assert len(through.server.requests) == 1
        assert down.value.retry_after == 60


shapes = needs(SHAPES)


def shape(name: str) -> WireAnswer:
    return WireAnswer(200, {}, (SHAPES / f"{name}.shape.json").read_bytes())


@shapes
def test_every_shape_of_the_official_description_that_is_used_can_be_read() -> None:
    account = read_account(orjson.loads(shape("connected_account_get").body))
    assert (account.status, account.is_pending, account.is_usable) == ("INITIALIZING", True, False)
    assert account.scheme == "OAUTH1"
    assert account.revealed["base_url"] == "string"

    listed = read_accounts(orjson.loads(shape("connected_accounts_list").body))
    assert [one.toolkit for one in listed] == ["string"]
    assert read_auth_config(orjson.loads(shape("auth_config_create_201").body)).id == "string"
    link = read_link(orjson.loads(shape("link_create_201").body))
    assert (link.url, link.account, link.expires_at) == ("string", "string", None)
    assert read_proxied(shape("proxy_execute_200")).status == 200
    assert type(refusal(WireAnswer(400, {}, shape("error").body))) is FatalError
    with pytest.raises(GatewayUnavailableError):
        read_proxied(shape("tool_execute_200"))
