"""Record types as typed SQL views, in every tenant's schema."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.utils import timezone

from integrations.records import (
    RECORD_TYPES,
    Address,
    Company,
    Deal,
    Event,
    Invoice,
    InvoiceLine,
    Item,
    Option,
    Person,
    Team,
    User,
)
from integrations.records.views import name_of, script
from integrations.types import Ref
from tenants.actor import Actor
from tenants.lag import lagging_tenants
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.views import SCRIPT, digest, drop_views, make_views, views_of
from tests.factories import ConnectionFactory
from tests.views.conftest import ask, keep

pytestmark = pytest.mark.django_db


def test_the_script_is_what_the_record_types_make():
    assert SCRIPT.read_text() == script(RECORD_TYPES), "run `make tenant-script` and commit it"


def test_every_record_type_is_a_view_that_is_read_without_quotes():
    for slug in RECORD_TYPES:
        assert ask(f"SELECT count(*) AS rows FROM {name_of(slug)} AS v") == [{"rows": 0}]


def test_no_view_is_called_like_a_table_of_either_schema(acme):
    tables = ask(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname IN ('public', %s)",
        acme.schema_name,
    )

    assert not {row["name"] for row in tables} & set(views_of(acme.schema_name))


def test_amounts_days_and_flags_are_what_they_are_and_not_text():
    keep(
        Deal(
            name="Roof",
            amount=Decimal("12000.50"),
            currency="EUR",
            closes_on=date(2026, 5, 31),
            tags=("solar", "north"),
        )
    )
    keep(Event(title="Visit", starts_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC), is_all_day=False))

    [deal] = ask("SELECT amount, currency, closes_on, tags FROM deal")
    [event] = ask("SELECT starts_at, is_all_day FROM event")

    assert deal == {
        "amount": Decimal("12000.50"),
        "currency": "EUR",
        "closes_on": date(2026, 5, 31),
        "tags": ["solar", "north"],
    }
    assert event == {"starts_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC), "is_all_day": False}


def test_a_reference_is_the_other_records_id_and_what_a_person_calls_it():
    crm = ConnectionFactory()
    company = keep(Company(name="Nordlicht GmbH"), "c1", connection=crm)
    stage = keep(Option(name="Won", kind="stage"), "s1", connection=crm)
    keep(
        Deal(
            name="Roof",
            company=Ref("company", "c1"),
            stage=Ref("option", "s1"),
            owner=Ref("user", "not here yet"),
        ),
        connection=crm,
    )

    [deal] = ask("SELECT company_id, company, stage_id, stage, owner_id, owner FROM deal")

    assert deal == {
        "company_id": company.pk,
        "company": "Nordlicht GmbH",
        "stage_id": stage.pk,
        "stage": "Won",
        "owner_id": None,
        "owner": None,
    }


def test_several_references_keep_their_order():
    crm = ConnectionFactory()
    ids = [keep(User(name=name), name, connection=crm).pk for name in ("Ada", "Bo")]
    keep(Team(name="Sales", members=(Ref("user", "Bo"), Ref("user", "Ada"))), connection=crm)

    [team] = ask("SELECT members_ids, members FROM team")

    assert team == {"members_ids": [ids[1], ids[0]], "members": ["Bo", "Ada"]}


def test_the_parts_of_an_address_and_the_lines_of_an_invoice_have_columns():
    crm = ConnectionFactory()
    item = keep(Item(name="Panel"), "i1", connection=crm)
    keep(Person(name="Ada", address=Address(city="Ulm", country="DE")), connection=crm)
    lines = (
        InvoiceLine("Panels", Decimal("10.00"), Decimal("2"), Decimal("5"), Ref("item", "i1")),
        InvoiceLine("Rounding", Decimal("-0.01")),
    )
    invoice = keep(Invoice(number="7", currency="EUR", lines=lines), connection=crm)

    [person] = ask("SELECT address_street, address_city, address_country FROM person")
    found = ask("SELECT * FROM invoice_line ORDER BY position")

    assert list(person.values()) == [None, "Ulm", "DE"]
    assert [row["amount"] for row in found] == [Decimal("10.00"), Decimal("-0.01")]
    assert [row["item"] for row in found] == ["Panel", None]
    assert found[0]["item_id"] == item.pk and found[0]["invoice_id"] == invoice.pk


def test_every_row_says_where_it_comes_from_and_what_is_deleted_is_not_shown():
    here = keep(Company(name="Here"), "1")
    keep(Company(name="Gone"), "2", deleted_at=timezone.now())

    [row] = ask("SELECT * FROM company")

    assert row["id"] == here.pk
    assert row["source_system"] == here.source_system
    assert (row["entity_type"], row["source_id"]) == ("company", "1")
    assert row["changed_at"] == here.changed_at
    assert "raw" not in row


def test_a_question_without_references_joins_nothing():
    [plan] = ask("EXPLAIN (FORMAT JSON) SELECT name, amount FROM deal")

    assert "recordlink" not in str(plan)


@pytest.mark.public
def test_a_new_tenant_has_its_views_at_once_and_lags_behind_nothing():
    tenant = create_tenant(slug="initech", name="Initech", actor=Actor.system("tests"))

    assert "deal" in views_of(tenant.schema_name)
    assert lagging_tenants() == []


def test_a_tenant_with_the_views_of_yesterday_lags_until_it_is_migrated(globex):
    with database.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {globex.schema_name} IS 'views of yesterday'")

    assert lagging_tenants() == [globex]
    make_views(globex.schema_name)
    assert lagging_tenants() == []


@pytest.mark.parametrize(
    "change",
    [
        "CREATE OR REPLACE VIEW {schema}.deal AS SELECT 1 AS id",
        "CREATE VIEW {schema}.no_longer_known AS SELECT 1 AS id",
    ],
)
def test_views_of_another_shape_are_made_anew_in_one_step(acme, change):
    before = ask(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = %s ORDER BY 1, ordinal_position",
        acme.schema_name,
    )
    with database.cursor() as cursor:
        if "REPLACE" in change:
            cursor.execute(f"DROP VIEW {acme.schema_name}.deal")
        cursor.execute(change.format(schema=acme.schema_name))

    make_views(acme.schema_name)

    assert before == ask(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = %s ORDER BY 1, ordinal_position",
        acme.schema_name,
    )


def test_making_the_views_again_keeps_those_that_are_there(acme):
    before = {view: oid_of(acme, view) for view in views_of(acme.schema_name)}

    make_views(acme.schema_name)

    assert {view: oid_of(acme, view) for view in before} == before
    assert digest().startswith("views ")


@pytest.mark.public
@pytest.mark.django_db(transaction=True)
def test_migrating_brings_back_views_that_were_taken_away_and_touches_no_other_tenant(
    acme, globex, capsys
):
    drop_views(globex.schema_name)
    assert views_of(globex.schema_name) == []

    call_command("migrate_hub")

    assert "globex" in (said := capsys.readouterr().out) and "acme" not in said
    assert views_of(globex.schema_name) == views_of(acme.schema_name)


def oid_of(tenant: Tenant, view: str) -> int:
    [row] = ask("SELECT %s::regclass::oid AS oid", f"{tenant.schema_name}.{view}")
    return int(row["oid"])
