"""What the demo has to bring: records of every entity type of every provider, in every tenant."""

from collections.abc import Iterable, Iterator

from django.db.models import Count

from integrations.connectors.base import Connector
from integrations.connectors.registry import all_connectors
from integrations.models import Record, SyncRun
from tenants.context import in_tenant
from tenants.models import Tenant

OURS = "integrations.connectors."


def own_connectors() -> list[type[Connector]]:
    """The connectors that come with the hub; the sandbox speaks for each of them."""
    return [one for one in all_connectors() if one.__module__.startswith(OURS)]


def undelivered(tenant: Tenant, runs: Iterable[SyncRun]) -> list[str]:
    """["acme umbra messages", …]: what the latest `runs` of the tenant's connections did not bring.

    An entity type is there if its connection's run has read some of it and records of it are
    present. A provider without a run is named alone.
    """
    latest = {run.connection.provider: run for run in runs}
    with in_tenant(tenant):
        present = {
            (str(connection), entity_type): count
            for connection, entity_type, count in Record.objects.filter(deleted_at=None)
            .order_by()
            .values_list("connection_id", "entity_type")
            .annotate(count=Count("pk"))
        }
    return [
        f"{tenant.slug} {missing}"
        for connector in own_connectors()
        for missing in _missing(connector, latest.get(connector.provider.slug), present)
    ]


def _missing(
    connector: type[Connector], run: SyncRun | None, present: dict[tuple[str, str], int]
) -> Iterator[str]:
    slug = connector.provider.slug
    if run is None:
        yield slug
        return
    for declared in connector.entity_types:
        was_read = run.counts.get(declared.name, {}).get("read", 0)
        if not was_read or not present.get((str(run.connection_id), declared.name)):
            yield f"{slug} {declared.name}"
