"""F22: twenty processes need a token at the same moment, round after round; one of them asks.

ROUNDS says how many rounds; `make refresh-long` runs 10,000 of them.
"""

import os
from typing import Any

import pytest

from integrations.models import Connection
from tests.connecting.conftest import World
from tests.refresh.conftest import Askers, is_accepted, reuse_of

PROCESSES = 20
ROUNDS = int(os.environ.get("ROUNDS", "10"))

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_twenty_processes_one_renews_and_all_get_the_token(
    twenty: Askers, committed: Connection, world: World, record_property: Any
) -> None:
    calls, valid, errors = [], [], []
    for _ in range(ROUNDS):
        world.forget_requests()

        said = twenty.ask()

        calls.append(len(world.token_calls()))
        errors += [each["error"] for each in said if "error" in each]
        tokens = [each["token"] for each in said if "token" in each]
        works = {token: is_accepted(world, committed, token) for token in set(tokens)}
        valid.append(sum(works[token] for token in tokens))

    record_property("rounds", len(calls))
    record_property("token calls", sum(calls))
    record_property("reused refresh tokens", reuse_of(world))
    record_property("valid tokens", sum(valid))
    assert errors == []
    assert calls == [1] * ROUNDS
    assert valid == [PROCESSES] * ROUNDS
    assert reuse_of(world) == 0
    committed.refresh_from_db()
    assert committed.credential_generation == 1 + ROUNDS
