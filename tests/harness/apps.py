"""Scales the waits that are no settings, in processes that run under tests.harness.settings."""

import os
from typing import Any

from django.apps import AppConfig


class HarnessConfig(AppConfig):
    name = "tests.harness"
    label = "harness"

    def ready(self) -> None:
        from datetime import timedelta

        from hub.fleet import unit
        from integrations import queue, tasks
        from integrations.http import client
        from integrations.resilience import circuit
        from integrations.resilience.backoff import Backoff
        from integrations.sync import preflight, read_ahead, settle
        from tests.harness import clocks

        replace(read_ahead, CHUNK_ROWS=1)  # every page is a chunk, so that it can be a batch
        call_seconds = float(os.environ.get("HUB_CALL_SECONDS", "0.7"))
        replace(client, CALL_SECONDS=call_seconds, _BACKOFF=Backoff(first=0.01, longest=0.05))
        replace(preflight, SECONDS=120.0)  # longer than a busy machine keeps a call waiting
        replace(circuit, OPEN_SECONDS=0.5)
        replace(settle, BACKOFF=Backoff(first=0.2, longest=1))
        replace(queue, YOUNG=timedelta(seconds=2))
        replace(unit, HOUSEKEEPING_SECONDS=2.0, FORGOTTEN_AFTER=timedelta(seconds=5))
        replace(tasks, BACKOFF_SECONDS=0.2, BACKOFF_AT_MOST_SECONDS=1.0)
        clocks.set_clock(clocks.of_environment(os.environ.get("HUB_CLOCK", "")))


def replace(owner: Any, **values: object) -> None:
    """Set names of a module or class; one it does not have is a mistake of ours."""
    for name, value in values.items():
        if not hasattr(owner, name):
            raise AttributeError(f"{owner.__name__} has no {name} any more.")
        setattr(owner, name, value)
