"""Basecamp and its sign-in in the sandbox: what they show and refuse."""

from __future__ import annotations

import pytest

from tests.providers.conftest import Reader


def test_a_sign_in_opens_accounts_of_other_products_too(basecamp: Reader) -> None:
    url = basecamp.sandbox.at("https://launchpad.37signals.com", "/authorization.json")
    headers = {"Authorization": f"Bearer {basecamp.credentials.access_token}"}

    told = basecamp.sandbox.http.get(url, headers=headers).json()["accounts"]

    assert [(one["product"], one["id"]) for one in told] == [
        ("bcx", 6550001),
        ("bc3", 5550001),
        ("bc3", 7550001),
    ]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("projects/recordings.json", 400),
        ("projects/recordings.json?type=Task", 400),
        ("projects/recordings.json?type=Todo&status=deleted", 400),
        ("projects/recordings.json?type=Todo&sort=name", 400),
        ("projects/recordings.json?type=Todo&since=2026-01-01", 400),
        ("projects.json?status=gone", 400),
        ("todos/1.json", 404),
        ("deals.json", 404),
        ("projects/recordings.json?type=Comment", 200),
    ],
)
def test_the_sandbox_refuses_what_basecamp_refuses(
    basecamp: Reader, path: str, status: int
) -> None:
    url = basecamp.sandbox.at("https://3.basecampapi.com", f"/5550001/{path}")
    token = f"Bearer {basecamp.credentials.access_token}"

    def get(url: str, **headers: str | None) -> int:
        return basecamp.sandbox.http.get(url, headers=headers).status_code

    assert get(url, Authorization=token) == status
    if path != "deals.json":
        assert get(url) == 401
        assert get(url, **{"Authorization": token, "User-Agent": ""}) == 400
        assert get(url.replace("5550001", "5550002"), Authorization=token) == 404


def test_pages_grow_and_name_the_next_one_in_full(basecamp: Reader) -> None:
    url = basecamp.sandbox.at("https://3.basecampapi.com", "/5550001/projects/recordings.json")
    headers = {"Authorization": f"Bearer {basecamp.credentials.access_token}"}
    params = {"type": "Todo"}

    first = basecamp.sandbox.http.get(url, headers=headers, params=params)
    second = basecamp.sandbox.http.get(url, headers=headers, params={**params, "page": "2"})

    assert (len(first.json()), len(second.json())) == (15, 30)
    assert first.headers["Link"] == (
        '<https://3.basecampapi.com/5550001/projects/recordings.json?type=Todo&page=2>; rel="next"'
    )
