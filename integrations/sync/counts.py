"""What a run says of an entity type: its state and its counts, added up batch by batch."""

from dataclasses import asdict
from typing import Any

from hub.clock import database_now
from integrations.destinations.base import Written
from integrations.models import SyncRun
from integrations.models.sync_run import COUNTS

KEPT = ("expected", "from_start", "turn")


def note(
    run: SyncRun,
    entity_type: str,
    state: str,
    written: Written = Written(),  # noqa: B008  frozen
    *,
    vanished: int = 0,
    **said: Any,
) -> None:
    """Add to the run's counts of the type, set its state, and say more of it in `said`.

    Call it in the transaction of what is counted, with the fence held.
    """
    old: dict[str, Any] = run.counts.get(entity_type, {})
    more = {"vanished": vanished, "read": written.read, **asdict(written)}
    line = {name: old.get(name, 0) + more[name] for name in COUNTS}
    kept = {name: old[name] for name in KEPT if name in old}
    run.counts = {**run.counts, entity_type: {"state": state, **line, **kept, **said}}
    SyncRun.objects.filter(pk=run.pk).update(counts=run.counts, progress_at=database_now())
