"""The hub under test in this very process, where nothing has to be killed."""

from pathlib import Path
from typing import Any

from django.db import close_old_connections
from django.db import connection as database

from hub.audit import record
from integrations.sync.shared import SHARED
from tests.harness.forks import ORDERS
from tests.harness.hub import Hub

SLICE = 30.0  # seconds


class Here(Hub):
    """Takes the same orders as `Hub`, and is back when they are done."""

    def __init__(self, log: Path) -> None:
        self.log = log
        log.touch()

    def ask(self, **order: Any) -> dict[str, Any]:
        """The answer to an order; like a worker, over a connection that may be of use."""
        close_old_connections()
        return {"said": ORDERS[order["do"]]({"tenant": "acme", "slice": SLICE, **order})}

    def close(self) -> None:
        """No session is left: of the work, of the audit log, of limits."""
        database.close()
        SHARED.close()
        record.own_connection().close()
