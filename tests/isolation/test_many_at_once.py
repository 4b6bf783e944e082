"""Two tenants read and start syncs through the API at the same time, from many threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection as database

from integrations.models import SyncRun
from tenants.context import in_tenant
from tenants.models import Tenant
from tenants.roles import Role
from tests.api.caller import Caller, with_key
from tests.api.rows import connected
from tests.isolation.test_api_matrix import seed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.public]
THREADS, ROUNDS = 8, 20


def test_nobody_ever_sees_the_other_tenants_rows(acme, globex):
    rows = {tenant.slug: seed(tenant, records=3) for tenant in (acme, globex)}
    keys = {
        tenant.slug: with_key(tenant, Role.ADMIN).headers["Authorization"].split()[1]
        for tenant in (acme, globex)
    }

    def ask_many(worker: int) -> list[str]:
        try:
            return [
                wrong
                for number in range(ROUNDS)
                for wrong in ask("acme" if (worker + number) % 2 else "globex", number)
            ]
        finally:
            database.close()

    def ask(slug: str, number: int) -> list[str]:
        caller, other = Caller(keys[slug]), "globex" if slug == "acme" else "acme"
        own = caller.get("records/1/").json()["provenance"]["source_id"]
        listed = caller.get("records/").content.decode()
        foreign = caller.get(f"connections/{rows[other]['connection']}/").status_code
        wrong = [] if own == f"{slug}-0" else [f"{slug} read {own}"]
        wrong += [f"{slug} listed {other}'s"] if f"{other}-" in listed else []
        wrong += [f"{slug} found {other}'s connection"] if foreign != 404 else []
        return wrong

    with ThreadPoolExecutor(THREADS) as threads:
        wrong = [line for lines in threads.map(ask_many, range(THREADS)) for line in lines]

    assert wrong == []


def test_asking_for_one_sync_from_many_threads_starts_one(acme):
    with in_tenant(acme):
        connection = connected()
    key = with_key(acme).headers["Authorization"].split()[1]

    def ask(_: int) -> tuple[int, str]:
        try:
            response = Caller(key).post(f"connections/{connection.pk}/sync-runs/")
            return response.status_code, response.json().get("id", "")
        finally:
            database.close()

    with ThreadPoolExecutor(THREADS) as threads:
        answers = set(threads.map(ask, range(THREADS)))

    assert len(answers) == 1
    assert {status for status, _ in answers} == {202}
    with in_tenant(Tenant.objects.get(pk=acme.pk)):
        assert SyncRun.objects.count() == 1
