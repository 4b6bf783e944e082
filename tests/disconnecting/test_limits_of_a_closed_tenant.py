"""Breakers and budgets of a tenant go when it is closed, also what a person holds open."""

import pytest

from hub.fleet.limits import Circuit, RateBudget
from integrations.resilience.store import Subject
from integrations.services.circuits import trip_circuit
from integrations.services.tenants import close_tenant
from integrations.sync.shared import store_of_settings
from integrations.types import Limit
from tenants.actor import Actor
from tenants.models import Tenant
from tenants.provisioning import create_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.public]

SYSTEM = Actor.system("tests")


def keep_limits_of(tenant: Tenant) -> None:
    """One connection's breaker and budget, as its calls leave them; the breaker held by hand."""
    limit, of = Limit(10, 60), str(tenant.pk)
    subjects = [
        Subject("circuit", "connection", f"connection of {tenant.slug}", "copper", of),
        Subject("budget", "connection", f"connection of {tenant.slug}", "copper", of, limit),
    ]
    store_of_settings().change(subjects, lambda documents, now: {name: {} for name in documents})
    trip_circuit(
        circuit=Circuit.objects.get(name=subjects[0].name), reason="Look first", actor=SYSTEM
    )


def test_a_circuit_held_open_by_hand_does_not_outlive_its_closed_tenant(acme: Tenant) -> None:
    initech = create_tenant(slug="initech", name="Initech", actor=SYSTEM)
    for tenant in (initech, acme):
        keep_limits_of(tenant)

    close_tenant(tenant=initech, actor=SYSTEM)

    for model in (Circuit, RateBudget):
        left = model.objects.filter(tenant_id__in=[initech.pk, acme.pk])
        assert [row.tenant_id for row in left] == [acme.pk]
