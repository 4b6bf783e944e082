"""What operations see of a connection: written into fleet with each change of the connection.

Call it inside the transaction of the change, so that both are seen or neither is. Whoever changes
the due rows of the connection as well holds those first: everybody does, so that nobody deadlocks.
"""

from hub.fleet.models import ConnectionStatus, RunHour
from integrations.models import Connection, DeletionReview, SyncRun
from tenants.context import current_tenant

_OF_CONNECTION = (
    "provider",
    "account_label",
    "status",
    "error_code",
    "error",
    "last_success_at",
    "updated_at",
)
_OF_RUN = ("last_run_id", "last_run_state", "last_run_at", "updated_at")


def publish(connection: Connection) -> None:
    """Show the connection's present status to operations, in one statement."""
    _upsert(_seen(connection), _OF_CONNECTION)


def publish_run(run: SyncRun) -> None:
    """Show `run` as the connection's last one to operations; if it has ended, count it too.

    Call it once when a run ends: each call counts.
    """
    seen = _seen(run.connection)
    seen.last_run_id = run.pk
    seen.last_run_state = run.state
    seen.last_run_at = run.ended_at or run.started_at or run.created_at
    _upsert(seen, _OF_RUN)
    if not run.is_open:
        totals = run.totals
        RunHour.objects.count_run(
            tenant_id=seen.tenant_id,
            provider=seen.provider,
            state=run.state,
            records=totals["inserted"] + totals["updated"] + totals["deleted"],
        )


def publish_reviews(connection: Connection) -> None:
    """Show operations how many deletion reviews of the connection wait; not what is in them."""
    seen = _seen(connection)
    seen.waiting_reviews = DeletionReview.objects.pending().filter(connection=connection).count()
    _upsert(seen, ("waiting_reviews",))


def _seen(connection: Connection) -> ConnectionStatus:
    return ConnectionStatus(
        connection_id=connection.pk,
        tenant_id=current_tenant().pk,
        provider=connection.provider,
        account_label=connection.account_label,
        status=connection.status,
        error_code=connection.error_code,
        error=connection.error,
        last_success_at=connection.last_success_at,
    )


def _upsert(seen: ConnectionStatus, fields: tuple[str, ...]) -> None:
    ConnectionStatus.objects.bulk_create(
        [seen], update_conflicts=True, unique_fields=["connection_id"], update_fields=fields
    )
