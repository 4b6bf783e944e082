"""Registers harmless work under kinds of due work that nobody else does yet."""

import os
import signal
from time import monotonic
from uuid import UUID

from django.apps import AppConfig
from django.db.models.functions import Now

NAP, DEADLY = "outbox", "refresh"


class HarmlessConfig(AppConfig):
    name = "tests.worker.harmless"

    def ready(self) -> None:
        from integrations.tasks import HANDLERS

        HANDLERS[NAP] = nap
        HANDLERS[DEADLY] = die


def nap(due_id: UUID, fence: int, watch: object) -> str:
    """Sleep for the row's interval, read as milliseconds, and be done for good.

    An interval that is made shorter meanwhile counts. Told to stop, it is due again at once, as a
    slice that ends early.
    """
    from hub.fleet.models import Due

    begun = monotonic()

    def left() -> float:
        return begun + Due.objects.get(pk=due_id).interval_seconds / 1000 - monotonic()

    while (seconds := left()) > 0:
        if watch.stop.wait(min(seconds, 0.1)) or watch.lost.is_set():
            Due.objects.release(due_id, fence=fence, due_at=Now())
            return "Woken."
    Due.objects.release(due_id, fence=fence, due_at=None, attempts=0)
    return "Slept."


def die(due_id: UUID, fence: int, watch: object) -> str:
    """Take the process along, as work that needs too much memory does."""
    os.kill(os.getpid(), signal.SIGKILL)
    return "unreachable"
