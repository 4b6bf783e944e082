"""The demo's destination: companies and people of a CRM, kept in step in a base at Airtable."""

from typing import Any

from hub.demo.estate import SYSTEM, Demo
from integrations.models import Connection, Destination, DestinationRun
from integrations.services.destinations import create_destination, rewrite_destination
from integrations.services.routes import create_route
from integrations.sync.changes import lag_behind
from integrations.sync.destination_status import rows_of
from tenants.context import in_tenant
from tenants.models import Tenant

NAME = "Team base"
CRM = "copper"
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


def prepare_destination(demo: Demo, tenant: Tenant) -> None:
    """Let a base follow the tenant's CRM; every start of the sandbox finds the base empty again."""
    base = demo.writable_base(tenant)
    with in_tenant(tenant):
        there = _writing_to(base["base"])
        if there is None:
            _create(base)
        elif not there.is_paused:
            rewrite_destination(destination=there, actor=SYSTEM, forget_tables=True)


def rows_in_step(demo: Demo, tenant: Tenant) -> int | None:
    """How many rows the base has; None while it is behind. A paused one is not waited for."""
    with in_tenant(tenant):
        there = _writing_to(demo.writable_base(tenant)["base"])
        if there is None:
            return None
        run = there.runs.first()
        has_ended = run is not None and run.state == DestinationRun.State.SUCCEEDED
        if there.is_paused or (has_ended and not lag_behind(there.checkpoint).changes):
            return rows_of(there)["rows"]
        return None


def _writing_to(base_id: str) -> Destination | None:
    return Destination.objects.filter(type="airtable", settings__base_id=base_id).first()


def _create(base: dict[str, Any]) -> None:
    destination = create_destination(
        type="airtable",
        name=NAME,
        settings={"base_id": base["base"]},
        secrets={"key": base["key"]},
        actor=SYSTEM,
    )
    crm = Connection.objects.present().filter(provider=CRM).first()
    create_route(
        destination=destination,
        connection=crm,
        record_type="company",
        mapping=COMPANIES,
        filter=ACTIVE,
        actor=SYSTEM,
    )
    create_route(
        destination=destination,
        connection=crm,
        record_type="person",
        mapping=PEOPLE,
        actor=SYSTEM,
    )
