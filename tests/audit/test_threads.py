"""Each thread and each process has an audit connection of its own, for as long as it lives."""

import gc
import os
import time
from collections.abc import Callable
from threading import Thread

import pytest
from django.db import connection

from hub.audit.models import AuditAction, AuditEvent
from hub.audit.record import own_connection, record_now
from tenants.actor import Actor


def in_a_thread(work: Callable[[], None]) -> None:
    thread = Thread(target=work)
    thread.start()
    thread.join()


def session() -> int:
    """The number that PostgreSQL gives this thread's audit connection."""
    own = own_connection()
    own.ensure_connection()
    return int(own.connection.info.backend_pid)


def audit() -> None:
    record_now(AuditAction.LOGIN_FAILED, actor=Actor.stranger())


def are_there(sessions: list[int]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", [sessions])
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_thread_that_ends_leaves_no_audit_connection_behind():
    used: list[int] = []
    gc.disable()  # a server's collector may not come round for long
    try:
        for _ in range(3):
            in_a_thread(lambda: (audit(), used.append(session())))
        until = time.monotonic() + 60  # PostgreSQL takes a moment to end a session that was left
        while are_there(used) and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        gc.enable()

    assert len(used) == 3
    assert not are_there(used)


@pytest.mark.django_db(transaction=True)
def test_a_forked_process_leaves_the_audit_connection_of_its_parent_alone():
    record_now(AuditAction.LOGIN_FAILED, actor=Actor.stranger())
    used = own_connection().connection
    if (child := os.fork()) == 0:
        try:
            audit()
            os._exit(0 if own_connection().connection is not used else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    record_now(AuditAction.LOGIN_FAILED, actor=Actor.stranger())
    assert own_connection().connection is used
    assert AuditEvent.objects.filter(action=AuditAction.LOGIN_FAILED).count() == 3
