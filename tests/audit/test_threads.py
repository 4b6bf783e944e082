"""Each thread has an audit connection of its own, for as long as it lives."""

import gc
from collections.abc import Callable
from threading import Thread

import pytest
from django.db import connection, connections

from hub.audit.models import AuditAction
from hub.audit.record import record_now
from tenants.actor import Actor

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


def in_a_thread(work: Callable[[], None]) -> None:
    thread = Thread(target=work)
    thread.start()
    thread.join()


def sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(SESSIONS)
        return int(cursor.fetchone()[0])


def audit() -> None:
    record_now(AuditAction.LOGIN_FAILED, actor=Actor.stranger())
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_a_thread_that_ends_leaves_no_audit_connection_behind():
    before = sessions()
    gc.disable()  # a server's collector may not come round for long
    try:
        for _ in range(3):
            in_a_thread(audit)
        after = sessions()
    finally:
        gc.enable()

    assert after == before
