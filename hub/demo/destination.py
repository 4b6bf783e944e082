"""The demo's destination: companies and people of a CRM, kept in step in a base elsewhere."""

from hub.demo.delivered import own_connectors
from hub.demo.estate import SYSTEM, Demo
from integrations.models import Connection, Destination, DestinationRun
from integrations.records import Company, Deal, Person
from integrations.services.destinations import create_destination, rewrite_destination
from integrations.services.routes import create_route
from integrations.sync.changes import lag_behind
from integrations.sync.destination_status import rows_of
from tenants.context import in_tenant
from tenants.models import Tenant

NAME = "Team base"
COMPANIES = (
    {"column": "Company", "from": "name"},
    {"column": "Domain", "from": "domain"},
    {"column": "City", "from": "address.city"},
    {"column": "Origin", "value": "CRM"},
)
PEOPLE = (
    {"column": "Name", "from": "name"},
    {"column": "E-mail", "from": "emails.0", "as": "email"},
    {"column": "Title", "from": "title"},
    {"column": "Company", "from": "company"},
)
ACTIVE = ({"field": "is_active", "op": "is", "value": True},)


def crm() -> str:
    """The provider whose records the base takes: the first that has companies, people and deals."""
    return next(
        connector.provider.slug
        for connector in own_connectors()
        if {Company, Person, Deal}
        <= {kind for each in connector.entity_types for kind in each.record_types}
    )


def prepare_destination(demo: Demo, tenant: Tenant) -> None:
    """Let a base follow the tenant's CRM; every start of the sandbox finds the base empty again."""
    base = demo.writable_base(tenant)
    with in_tenant(tenant):
        there = _writing_to(base)
        if there is None:
            _create(base)
        elif not there.is_paused:
            rewrite_destination(destination=there, actor=SYSTEM, forget_tables=True)


def rows_in_step(demo: Demo, tenant: Tenant) -> int | None:
    """How many rows the base has; None while it is behind. A paused one is not waited for."""
    with in_tenant(tenant):
        there = _writing_to(demo.writable_base(tenant))
        if there is None:
            return None
        run = there.runs.first()
        has_ended = run is not None and run.state == DestinationRun.State.SUCCEEDED
        if there.is_paused or (has_ended and not lag_behind(there.checkpoint).changes):
            return rows_of(there)["rows"]
        return None


def _writing_to(base: dict[str, str]) -> Destination | None:
    there = Destination.objects.filter(type=base["type"], settings__base_id=base["base"])
    return there.first()


def _create(base: dict[str, str]) -> None:
    destination = create_destination(
        type=base["type"],
        name=NAME,
        settings={"base_id": base["base"]},
        secrets={"key": base["key"]},
        actor=SYSTEM,
    )
    source = Connection.objects.present().filter(provider=crm()).first()
    create_route(
        destination=destination,
        connection=source,
        record_type="company",
        mapping=COMPANIES,
        filter=ACTIVE,
        actor=SYSTEM,
    )
    create_route(
        destination=destination,
        connection=source,
        record_type="person",
        mapping=PEOPLE,
        actor=SYSTEM,
    )
