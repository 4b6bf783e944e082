"""Each thread and each process has an audit connection of its own, for as long as it lives."""

import gc
import os
from collections.abc import Callable
from threading import Thread

import pytest
from django.db import connection

from hub.audit.models import AuditAction, AuditEvent
from hub.audit.record import own_connection, record_now
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
