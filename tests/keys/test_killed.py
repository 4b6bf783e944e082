"""T21: a rotation is killed with SIGKILL while refreshes go on; nothing is lost, and it ends.

Real processes, a real token endpoint that rotates refresh tokens and notices when an old one is
used: had a rotation put an old value back, the refresh after it would be refused.
"""

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection as database

from hub.crypto import WrappingKey
from integrations import crash
from integrations.errors import RefusedError
from integrations.models import Connection
from integrations.sync.credentials import access_for
from tenants.context import in_tenant
from tenants.models import DataKey, Tenant
from tenants.rotation import ROTATION_LOCK, retire_data_key
from tenants.wrapping import data_keys_by_wrapping_key
from tests import interrupted, warm
from tests.interrupted import interrupt
from tests.keys.conftest import NEW, OLD, TESTER, Estate, Rotations
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PAUSE_SECONDS = 0.05  # between renewals, or nothing else would get a turn in this process
LONGEST_SECONDS = 120.0  # until what is waited for must have come
BOTH = f"{NEW},{OLD}"
# Where each process ends; the next one goes on from there.
POINTS = (
    "before_wrapped:1",
    "after_wrapped:1",
    "before_new_keys:1",
    "after_new_keys:1",
    "before_batch:1",
    "after_batch:1",
    "before_batch:2",
    "after_batch:2",
    "before_retired:1",
    "after_retired:1",
    "before_batch:2",
    "before_retired:1",
    "before_retired:2",
)
# What else may happen than being killed; with `make soak` everything everywhere.
CASES = [("before_batch", "RAISE")]
if interrupted.IS_LONG:
    CASES = [(point, action) for point in crash.POINTS["keys"] for action in crash.ACTIONS]


class Refreshes(threading.Thread):
    """Renews one connection's access over and over, as many workers would."""

    def __init__(self, connection: Connection, tenant: Tenant) -> None:
        super().__init__(daemon=True)
        self.connection_id, self.tenant = connection.pk, tenant
        self.ends = threading.Event()
        self.count = 0
        self.failed: Exception | None = None

    def run(self) -> None:
        try:
            with in_tenant(self.tenant):
                while not self.ends.is_set():
                    row = Connection.objects.get(pk=self.connection_id)
                    access_for(row, actor=TESTER, reason="test", refused=row.credential_generation)
                    self.count += 1
                    self.ends.wait(PAUSE_SECONDS)
        except Exception as exc:  # told by the test
            self.failed = exc
        finally:
            database.close()

    def once_more(self) -> None:
        """Wait until another one has ended well, or one has failed."""
        before = self.count
        wait_until(lambda: self.count > before or not self.is_alive(), seconds=LONGEST_SECONDS)

    def end(self) -> None:
        self.ends.set()
        self.join(LONGEST_SECONDS)


def is_free() -> bool:
    """Whether no rotation holds the lock, nor one that was killed and the database still thinks
    alive: for that the next one waits a few seconds only.
    """
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            [ROTATION_LOCK],
        )
        return not cursor.fetchone()[0]


@pytest.fixture
def refreshes(quickbooks: Connection, acme: Tenant) -> Iterator[Refreshes]:
    thread = Refreshes(quickbooks, acme)
    thread.start()
    yield thread
    thread.end()


def test_killed_thirteen_times_every_row_is_readable_and_the_old_keys_go_last(
    estate: Estate, rotations: Rotations, refreshes: Refreshes, settings: Any
) -> None:
    settings.HUB_ENCRYPTION_KEYS = BOTH.split(",")
    first_keys = set(DataKey.objects.values_list("pk", flat=True))

    for point in POINTS:
        code, out, err = rotations.run("--data-keys", "--batch", "3", crash=point, keys=BOTH)

        assert code == -signal.SIGKILL, f"{point}: {out}{err}"
        assert estate.unreadable() == [], point
        for key_id in estate.keys_in_use() & first_keys:
            with pytest.raises(RefusedError):
                retire_data_key(key_id, actor=TESTER)
        refreshes.once_more()
        wait_until(is_free, seconds=LONGEST_SECONDS)

    code, out, err = rotations.run_cold("--data-keys", "--batch", "3", keys=BOTH)
    refreshes.end()

    assert code == 0, out + err
    assert refreshes.failed is None
    assert refreshes.count >= len(POINTS)
    left = set(DataKey.objects.values_list("pk", flat=True))
    assert estate.keys_in_use() == left
    assert not left & first_keys
    assert len(left) == len(first_keys)
    assert data_keys_by_wrapping_key() == {WrappingKey.parse(NEW).id: len(left)}
    assert estate.unreadable() == []


@pytest.mark.parametrize(("point", "action"), CASES)
def test_a_rotation_that_breaks_hangs_or_freezes_on_its_way_is_finished_by_the_next(
    point: str, action: str, estate: Estate, rotations: Rotations, settings: Any
) -> None:
    """While one is frozen the next one is refused; it wakes, and goes on by itself."""
    settings.HUB_ENCRYPTION_KEYS = BOTH.split(",")
    first_keys = set(DataKey.objects.values_list("pk", flat=True))

    def rotating(order: str = "") -> warm.Process:
        return rotations.start("--data-keys", "--batch", "3", crash=order, keys=BOTH)

    def go_on() -> warm.Process:
        assert estate.unreadable() == []
        if action != "STOP":
            wait_until(is_free, seconds=LONGEST_SECONDS)
        return rotating()

    code, said = interrupt(rotating, point, action, go_on)

    if action == "STOP":
        assert "Keys are being rotated by another process." in said
    else:
        assert code == 0, said
    left = set(DataKey.objects.values_list("pk", flat=True))
    assert estate.unreadable() == []
    assert estate.keys_in_use() <= left
    assert not left & first_keys
    assert data_keys_by_wrapping_key() == {WrappingKey.parse(NEW).id: len(left)}
