"""`manage.py cluster`: the processes beneath a worker unit, which alone starts it."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hub.fleet.processes import die_with, limit_memory
from integrations.queue import run_cluster


class Command(BaseCommand):
    help = "Started by `manage.py worker`: works on its queue and ends with it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", help="the unit's queue")
        parser.add_argument("--unit", type=int, required=True, help="the process to end with")

    def handle(self, *args: Any, **options: Any) -> None:
        die_with(options["unit"])
        limit_memory(settings.HUB_WORKER_MEMORY_MB)
        run_cluster(options["queue"])
