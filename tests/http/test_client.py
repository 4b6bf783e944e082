"""What a call to a provider ends in: an answer, a short wait, or the error that says who acts."""

from __future__ import annotations

import pytest

from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    EgressRefusedError,
    EntityTypeUnavailableError,
    FatalError,
    HubError,
    ListRestartError,
    NotFoundError,
    OperatorRequiredError,
    ParentSkippedError,
    ProviderUnavailableError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
    UnknownError,
)
from integrations.http.answer import Answer
from integrations.http.error_table import code_in
from integrations.types import (
    ErrorCodes,
    Unreadable,
)
from tests.http.called import BASE, OK, TOKEN, called, fault
from tests.http.servers import answer


def test_a_call_carries_the_access_the_fixed_headers_and_the_parameters() -> None:
    with called(OK) as made:
        got = made.client.get("/items", {"cursor": "a b&c"})

    head = made.server.requests[0].decode()
    assert got.body == {"items": [1]}
    assert head.startswith("GET /v2/items?minor=75&cursor=a+b%26c HTTP/1.1\r\n")
    assert f"X-Key: {TOKEN}\r\n" in head
    assert "X-Version: 2\r\n" in head
    assert "Accept: application/json\r\n" in head


def test_a_search_is_posted_as_json() -> None:
    with called(OK) as made:
        made.client.post("/items/search", {"page_number": 1})

    assert made.server.requests[0].endswith(b'{"page_number": 1}')


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, FatalError),
        (302, FatalError),
        (400, FatalError),
        (401, AccessTokenRefusedError),
        (402, FatalError),
        (403, EntityTypeUnavailableError),
        (404, NotFoundError),
        (405, FatalError),
        (408, ProviderUnavailableError),
        (409, FatalError),
        (410, CheckpointExpiredError),
        (422, FatalError),
        (429, RateLimitError),
        (451, EntityTypeUnavailableError),
        (500, ProviderUnavailableError),
        (502, ProviderUnavailableError),
        (503, ProviderUnavailableError),
        (504, ProviderUnavailableError),
        (599, ProviderUnavailableError),
    ],
)
@pytest.mark.parametrize("body", [b"{}", b"", b"<html>no</html>", b"nonsense"])
def test_a_status_says_who_acts_next_whatever_the_body(
    status: int, error: type[HubError], body: bytes
) -> None:
    with called(answer(body, status)) as made, pytest.raises(error) as raised:
        made.client.get("/items")

    assert type(raised.value) is error


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("3200", AccessTokenRefusedError),
        ("003200", AccessTokenRefusedError),
        (3200, AccessTokenRefusedError),
        ("dead", ReauthorizationRequiredError),
        ("busy", RetryableError),
        ("610", NotFoundError),
        ("not_in_channel", ParentSkippedError),
        ("missing_scope", EntityTypeUnavailableError),
        ("invalid_cursor", ListRestartError),
        ("suspended", OperatorRequiredError),
    ],
)
def test_the_providers_own_code_counts_more_than_the_status(
    code: object, error: type[HubError], status: int
) -> None:
    with called(fault(code, status)) as made, pytest.raises(error) as raised:
        made.client.get("/items")

    assert type(raised.value) is error


def test_a_code_is_found_in_any_case_and_in_the_first_of_several() -> None:
    errors = ErrorCodes(code="Fault.Error.code")

    assert code_in({"fault": {"error": [{"code": "0610"}, {"code": "2"}]}}, errors) == "610"
    assert code_in({"fault": {"error": []}}, errors) == ""
    assert code_in([{"Fault": {"Error": {"Code": "0"}}}], errors) == "0"
    assert code_in({"Fault": {"Error": [{"code": {"odd": 1}}]}}, errors) == ""
    assert code_in({"Fault": {"Error": [{"code": "a\r\nb" * 99}]}}, errors)[:6] == "a_ba_b"


def test_a_code_is_found_in_each_of_the_declared_shapes() -> None:
    errors = ErrorCodes(code=("error.type", "error", "errors.error"))

    assert code_in({"error": {"type": "GONE", "message": "no more"}}, errors) == "GONE"
    assert code_in({"error": "GONE"}, errors) == "GONE"
    assert code_in({"errors": [{"error": "SLOW_DOWN"}]}, errors) == "SLOW_DOWN"
    assert code_in({"error": {"message": "no type"}, "records": []}, errors) == ""


def test_an_unknown_code_under_200_is_tried_twice_more_and_is_then_the_engines() -> None:
    with called(fault("who_knows")) as made, pytest.raises(UnknownError, match="who_knows"):
        made.client.get("/items")

    assert made.client.calls == 3


def test_an_unknown_code_that_goes_away_was_only_a_hiccup() -> None:
    with called(fault("who_knows"), OK) as made:
        assert made.client.get("/items").body == {"items": [1]}


@pytest.mark.parametrize("said", [answer(b"{}", 402), fault("dead", 402), fault("busy", 402)])
def test_a_connectors_own_word_counts_more_than_table_and_status(said: bytes) -> None:
    def classify(got: Answer) -> HubError | None:
        return OperatorRequiredError("unpaid") if got.status == 402 else None

    with called(said, classify=classify) as made, pytest.raises(OperatorRequiredError):
        made.client.get("/items")
    assert made.client.calls == 1


@pytest.mark.parametrize(("own", "waits"), [(None, 40), (7, 7)])
def test_a_connectors_own_word_waits_as_the_provider_asks_unless_it_knows_better(
    own: float | None, waits: float
) -> None:
    with (
        called(
            answer(b"{}", 403, "Retry-After: 40"),
            classify=lambda got: RateLimitError("used up", own),
        ) as made,
        pytest.raises(RateLimitError) as raised,
    ):
        made.client.get("/items")

    assert raised.value.retry_after == waits


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/v2/items?page=2",
        "http://api.acme.example/v2/items",
        "https://api.acme.example:8443/v2/items",
        "https://api.acme.example.evil.example/",
        "https://api.acme.example@evil.example/",
        "https://files.acme.example/x",
        "http://eu.files.acme.example/x",
        "//evil.example/v2",
        "http://127.0.0.1:1/",
        "ftp://api.acme.example/",
        "https://[::1",
    ],
)
def test_a_next_page_on_another_host_is_refused(address: str) -> None:
    """T25: the access would travel there."""
    with called(OK) as made, pytest.raises(EgressRefusedError):
        made.client.get(address)

    assert made.server.requests == []


def test_a_next_page_on_the_providers_own_or_overridden_host_is_followed() -> None:
    with called(OK) as made:
        made.client.get(f"{BASE}/items?page=2")
        made.client.get(f"{made.server.origin}/v2/items?page=3")

        assert made.client.url_of("https://eu.files.acme.example/x").endswith("/x")

    assert [request.split()[1] for request in made.server.requests] == [
        b"/v2/items?page=2",
        b"/v2/items?page=3",
    ]


def test_a_path_is_filled_with_what_stays_with_the_connection() -> None:
    with called(OK) as made:
        made.client.get("/companyinfo/{realmId}")
        for unusable in ("/x/{bad}", "/x/{missing}"):
            with pytest.raises(FatalError):
                made.client.get(unusable)

    assert made.server.requests[0].startswith(b"GET /v2/companyinfo/123?")


def test_a_row_nobody_can_read_comes_through_in_its_place() -> None:
    with called(answer(b'{"items": [{"id": 1}, {"id": NaN}]}')) as made:
        got = made.client.get("/items")

    assert got.body["items"] == [
        {"id": 1},
        Unreadable(b'{"id": NaN}', "holds a number that is not finite"),
    ]


def test_no_message_shows_access_address_or_answer() -> None:
    """T19."""
    body = b'{"Fault": {"Error": {"code": "hubcanary_body_code"}}, "x": "hubcanary_text"}'
    said: list[str] = []
    for status in (200, 400, 401, 403, 404, 410, 429, 500):
        with called(answer(body, status)) as made, pytest.raises(HubError) as raised:
            made.client.get("/items", {"token": "hubcanary_param"})
        said.append(f"{raised.value} {raised.value!r} {made.client.context!r}")

    everything = " ".join(said).replace("hubcanary_body_code", "")
    assert "hubcanary" not in everything
    assert "http://" not in everything
    assert "api.acme.example" not in everything
