"""What Stripe refuses, and how an account is connected through Connect."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox.conftest import CALLBACK, Caller


def ask(caller: Caller, path: str, **headers: str) -> requests.Response:
    caller.control("set", slug="stripe", limits=False)
    key = caller.own("/_credentials")["stripe"][0]["key"]
    sent = {"Authorization": f"Bearer {key}", **headers}
    return caller.http.get(caller.at("https://api.stripe.com", f"/v1/{path}"), headers=sent)


@pytest.mark.parametrize(
    ("path", "status", "code", "param"),
    [
        ("customers?limit=101", 400, "parameter_invalid_integer", "limit"),
        ("customers?page=2", 400, "parameter_unknown", "page"),
        ("customers?starting_after=cus_0", 400, "resource_missing", "starting_after"),
        ("customers?created[gte]=today", 400, "parameter_invalid_integer", "created[gte]"),
        ("customers?customer=cus_0", 400, "parameter_unknown", "customer"),
        ("events?type=invoice.paid&types[]=invoice.paid", 400, "parameter_invalid", "types"),
        ("customers/cus_0", 404, "resource_missing", "id"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    caller: Caller, path: str, status: int, code: str, param: str
) -> None:
    answer = ask(caller, path)

    assert answer.status_code == status
    said = answer.json()["error"]
    assert (said["code"], said["param"]) == (code, param)


def test_an_unknown_version_is_refused_and_a_missing_one_is_not(caller: Caller) -> None:
    assert ask(caller, "customers", **{"Stripe-Version": "2099-01-01.none"}).status_code == 400
    assert ask(caller, "customers").status_code == 200


def test_the_key_may_come_as_a_user_name(caller: Caller) -> None:
    key = caller.own("/_credentials")["stripe"][1]["key"]

    answer = caller.http.get(caller.at("https://api.stripe.com", "/v1/account"), auth=(key, ""))

    assert answer.json()["id"] == "acct_1HarbourValeLtd2"


def test_pages_hold_ten_newest_first_and_say_whether_more_follow(caller: Caller) -> None:
    first = ask(caller, "invoices").json()
    second = ask(caller, f"invoices?starting_after={first['data'][-1]['id']}").json()

    stamps = [row["created"] for row in first["data"] + second["data"]]
    assert (len(first["data"]), first["has_more"]) == (10, True)
    assert stamps == sorted(stamps, reverse=True)
    assert len({row["id"] for row in first["data"] + second["data"]}) == 20


def test_events_are_kept_for_thirty_days(caller: Caller) -> None:
    now = caller.sandbox.world.setting.now()
    rows = caller.truth("stripe", "products")
    old, new, *_ = sorted(id for id in rows if rows[id]["stamp"] < now - 31 * 86_400)
    order: dict[str, Any] = {"slug": "stripe", "entity": "products"}
    caller.control("change", at=now - 31 * 86_400, ids=[old], **order)
    caller.control("change", at=now - 29 * 86_400, ids=[new], **order)

    shown = ask(caller, "events?type=product.*&limit=100").json()["data"]
    ids = [event["data"]["object"]["id"] for event in shown]

    assert new in ids
    assert old not in ids


def test_an_event_goes_on_showing_what_it_showed(caller: Caller) -> None:
    id = ask(caller, "customers?limit=1").json()["data"][0]["id"]
    order: dict[str, Any] = {"slug": "stripe", "entity": "customers", "ids": [id]}
    caller.control("change", set={"name": "First"}, **order)
    caller.control("change", set={"name": "Second"}, **order)

    shown = ask(caller, "events?types[]=customer.updated&limit=2").json()["data"]

    assert [event["data"]["object"]["name"] for event in shown] == ["Second", "First"]


def test_more_than_twenty_five_calls_a_second_at_one_place_are_too_many(caller: Caller) -> None:
    ask(caller, "account")
    caller.control("set", slug="stripe", limits=True, limits_scale=0.04)
    key = caller.own("/_credentials")["stripe"][0]["key"]
    url = caller.at("https://api.stripe.com", "/v1/products")
    answers = [caller.http.get(url, headers={"Authorization": f"Bearer {key}"})]
    while answers[-1].status_code == 200 and len(answers) < 20:  # a slow machine may take a second
        answers.append(caller.http.get(url, headers={"Authorization": f"Bearer {key}"}))

    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert answers[-1].json()["error"]["code"] == "rate_limit"
    assert "Retry-After" not in answers[-1].headers


def test_charges_are_not_deleted(caller: Caller) -> None:
    order = {"action": "delete", "slug": "stripe", "entity": "charges"}

    assert caller.http.post(f"{caller.sandbox.url}/_control", json=order).status_code == 400


def test_connect_gives_a_key_that_does_not_expire_until_deauthorized(caller: Caller) -> None:
    app = caller.own("/_credentials")["stripe"][0]
    asked = {"client_id": app["client_id"], "scope": "read_only", "response_type": "code"}
    connect = "https://connect.stripe.com"
    back = caller.consent(
        caller.at(connect, "/oauth/authorize"), {**asked, "redirect_uri": CALLBACK, "state": "s"}
    )
    form = {"grant_type": "authorization_code", "code": back["code"]}
    form |= {"client_id": app["client_id"], "client_secret": app["client_secret"]}

    token = caller.http.post(caller.at(connect, "/oauth/token"), data=form).json()
    again = caller.http.post(caller.at(connect, "/oauth/token"), data=form)
    sent = {"Authorization": f"Bearer {token['access_token']}"}
    account = caller.at("https://api.stripe.com", "/v1/account")
    before = caller.http.get(account, headers=sent)
    caller.http.post(
        caller.at(connect, "/oauth/deauthorize"),
        data={"client_id": app["client_id"], "stripe_user_id": token["stripe_user_id"]},
        headers={"Authorization": f"Bearer {app['client_secret']}"},
    )
    after = caller.http.get(account, headers=sent)

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert "expires_in" not in token
    assert before.json()["id"] == token["stripe_user_id"] == app["account_id"]
    assert (after.status_code, after.json()["error"]["code"]) == (403, "account_invalid")
