"""F23, F24: a process is killed while it renews access; what the next one finds.

Between the provider's answer and our commit a rotated refresh token can be lost. Nobody can prevent
that: a provider with a time of grace takes the old one again, any other wants the customer back.
"""

import json
import signal
import time

import pytest

from hub.fleet.models import Due
from integrations.models import Checkpoint, Connection
from tests.connecting.conftest import Browser, World
from tests.faults.conftest import Syncs, wait_for_leases
from tests.faults.test_kill_and_resume import settled, stored
from tests.refresh.conftest import Askers, Outside, is_accepted, reuse_of

pytestmark = pytest.mark.django_db(transaction=True)


def killed_at(point: str, outside: Outside, connection: Connection) -> None:
    process = outside.ask_once(connection, crash=point)
    said, _ = process.communicate(timeout=180)
    assert (process.returncode, said) == (-signal.SIGKILL, "")


def asked(outside: Outside, connection: Connection) -> dict[str, str]:
    process = outside.ask_once(connection)
    said, _ = process.communicate(timeout=180)
    answer: dict[str, str] = json.loads(said)
    return answer


def test_killed_before_the_call_nothing_has_happened(
    committed: Connection, outside: Outside, world: World
) -> None:
    world.forget_requests()
    killed_at("before_token_call", outside, committed)
    assert world.token_calls() == []

    answer = asked(outside, committed)

    assert is_accepted(world, committed, answer["token"])
    assert len(world.token_calls()) == 1


def test_killed_after_the_commit_the_next_use_what_was_stored(
    committed: Connection, outside: Outside, world: World
) -> None:
    world.forget_requests()
    killed_at("after_token_commit", outside, committed)

    committed.refresh_from_db()

    assert committed.credential_generation == 2
    assert committed.status == "active"
    assert is_accepted(world, committed, asked(outside, committed)["token"])
    assert reuse_of(world) == 0


def test_killed_before_the_save_a_time_of_grace_lets_the_next_one_do_it(
    committed: Connection, outside: Outside, world: World
) -> None:
    world.control("set", slug="quickbooks", refresh_grace_seconds=600)
    world.forget_requests()
    killed_at("after_token_call", outside, committed)

    answer = asked(outside, committed)

    assert is_accepted(world, committed, answer["token"])
    assert len(world.token_calls()) == 2
    committed.refresh_from_db()
    assert (committed.status, committed.credential_generation) == ("active", 2)


def test_processes_that_wait_for_one_that_is_killed_need_one_call_more(
    twenty: Askers, committed: Connection, outside: Outside, world: World
) -> None:
    world.control("set", slug="quickbooks", refresh_grace_seconds=600)
    twenty.ask()
    world.forget_requests()
    world.control("fault", slug="quickbooks", path="tokens/bearer", delay_ms=2000)
    holder = outside.ask_once(committed, crash="after_token_call")
    until = time.monotonic() + 180
    while not world.token_calls() and time.monotonic() < until:
        time.sleep(0.02)

    said = twenty.ask()

    assert holder.wait(timeout=180) == -signal.SIGKILL
    assert len(world.token_calls()) == 2
    assert len({each["token"] for each in said}) == 1
    assert is_accepted(world, committed, said[0]["token"])
    assert reuse_of(world) == 0


def test_without_grace_the_customer_reconnects_and_the_sync_goes_on_where_it_was(
    committed: Connection, outside: Outside, world: World, syncs: Syncs, browser: Browser, link: str
) -> None:
    code, _, err = syncs.run(committed, crash="after_commit:4")
    assert code == -signal.SIGKILL, err
    before = stored("quickbooks")
    positions = list(Checkpoint.objects.order_by("pk").values())
    killed_at("after_token_call", outside, committed)

    assert asked(outside, committed) == {"error": "reauthorization_required"}

    committed.refresh_from_db()
    assert committed.status == "needs_reauth"
    assert Due.objects.get(object_id=committed.pk).due_at is None
    assert before
    assert stored("quickbooks") == before
    assert list(Checkpoint.objects.order_by("pk").values()) == positions

    browser.connect(link, "quickbooks")
    wait_for_leases()
    settled(world, syncs, committed, "quickbooks", before)
