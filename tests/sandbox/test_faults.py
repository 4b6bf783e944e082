"""Faults one can order, seen by a real HTTP client."""

from __future__ import annotations

import time

import pytest
import requests

from tests.sandbox.conftest import Caller


def test_a_status_with_headers_hits_the_ordered_number_of_requests(caller: Caller) -> None:
    caller.control(
        "fault",
        slug="copper",
        path="people/search",
        count=2,
        status=429,
        headers={"Retry-After": 7},
    )

    answers = [caller.copper("people/search") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"


def test_a_fault_waits_for_its_request_number(caller: Caller) -> None:
    caller.control("fault", request=3, status=503)

    assert [caller.copper("people/search").status_code for _ in range(4)] == [200, 200, 503, 200]


def test_a_fault_can_let_requests_pass_first(caller: Caller) -> None:
    caller.control("fault", slug="copper", skip=2, count=1, status=500)

    assert [caller.copper("leads/search").status_code for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_of_one_account_spares_the_other(caller: Caller) -> None:
    caller.control("fault", account="710002", count=None, status=500)
    other = caller.own("/_credentials")["copper"][1]
    headers = {"X-PW-AccessToken": other["key"], "X-PW-UserEmail": other["user_email"]}

    assert caller.copper("people/search").status_code == 200
    assert caller.copper("people/search", **headers).status_code == 500
    caller.control("clear_faults")
    assert caller.copper("people/search", **headers).status_code == 200


def test_html_can_come_with_status_200(caller: Caller) -> None:
    caller.control("fault", slug="copper", html=True)

    answer = caller.copper("people/search")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_body_can_end_too_early(caller: Caller) -> None:
    caller.control("fault", slug="copper", truncate=100)

    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        caller.copper("people/search")
    assert caller.copper("people/search").status_code == 200


def test_a_connection_can_be_reset_after_the_work_was_done(caller: Caller) -> None:
    token = caller.quickbooks_token()
    caller.control("fault", slug="quickbooks", path="tokens/bearer", reset=True)
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}

    with pytest.raises(requests.ConnectionError, match="reset"):
        caller.quickbooks_exchange(token["client"], form)

    assert caller.quickbooks_exchange(token["client"], form).json()["error"] == "invalid_grant"


def test_a_connection_can_be_reset_before_any_work(caller: Caller) -> None:
    token = caller.quickbooks_token()
    caller.control("fault", slug="quickbooks", path="tokens/bearer", reset="before")
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}

    with pytest.raises(requests.ConnectionError, match="reset"):
        caller.quickbooks_exchange(token["client"], form)

    assert caller.quickbooks_exchange(token["client"], form).status_code == 200


def test_an_answer_can_be_late(caller: Caller) -> None:
    caller.control("fault", slug="copper", delay_ms=150)
    started = time.monotonic()

    assert caller.copper("people/search").status_code == 200
    assert time.monotonic() - started >= 0.15


def test_a_late_answer_does_not_hold_up_the_others(caller: Caller) -> None:
    caller.control("fault", slug="copper", delay_ms=60_000)
    with pytest.raises(requests.ReadTimeout):
        caller.http.post(
            caller.at("https://api.copper.com", "/developer_api/v1/people/search"), timeout=0.1
        )
    while not caller.own("/_requests"):
        time.sleep(0.01)  # the caller has gone before it was seen

    assert caller.copper("people/search").status_code == 200

    assert [one["status"] for one in caller.own("/_requests")] == [None, 200]


def test_an_answer_can_drip(caller: Caller) -> None:
    caller.control("fault", slug="slack", drip_ms=5)
    started = time.monotonic()

    assert caller.slack("nobody", "auth.test").json()["error"] == "invalid_auth"
    assert time.monotonic() - started > 0.1


def test_each_provider_has_its_own_fault_in_200(caller: Caller) -> None:
    caller.control("fault", slug="slack", fault=True)
    caller.control("fault", slug="copper", fault=True)

    slack, copper = caller.slack("nobody", "auth.test"), caller.copper("people/search")

    assert (slack.status_code, slack.json()) == (200, {"ok": False, "error": "internal_error"})
    assert (copper.status_code, copper.json()["success"]) == (200, False)


def test_latency_applies_to_every_request(caller: Caller) -> None:
    caller.control("set", slug="copper", latency_ms=50)
    started = time.monotonic()

    for _ in range(3):
        caller.copper("people/search")

    assert time.monotonic() - started >= 0.15
