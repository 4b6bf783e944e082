"""Routes as data: what they take, what they make of it, and what is said of one that cannot be."""

import pytest

from integrations.errors import InvalidInputError, NameTakenError, PermissionRefusedError
from integrations.models import Destination, ExternalId, Record, Route
from integrations.services.destinations import (
    change_destination,
    create_destination,
    delete_destination,
)
from integrations.services.routes import (
    change_route,
    create_route,
    delete_route,
    preview_route,
)
from tenants.actor import Actor
from tenants.roles import Role
from tests.destinations.conftest import ADMIN, Records, follow
from tests.engine.acme_provider import AcmeConnector
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

NAME = {"column": "Name", "from": "name"}


def refusal(route, record_type: str, **options) -> str:
    with pytest.raises(InvalidInputError) as raised:
        route(record_type, **options)
    assert Route.objects.count() == 0
    return str(raised.value)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ([{"column": "Name", "from": "nmae"}], "A person has no field 'nmae'; did you mean 'name'"),
        ([{"column": "City", "from": "address.town"}], "There is nothing at 'address.town'; there"),
        ([{"column": "X", "from": "raw"}], "Say which part of what the provider sent"),
        ([{"column": "X", "from": "provenance.age"}], "There is no 'provenance.age'"),
        ([{"column": "Born", "from": "name", "as": "day"}], "'name' is text and cannot be written"),
        ([{"column": "A", "from": "is_active", "as": "number"}], "'is_active' is true or false"),
        ([{"column": "A", "from": "name", "as": "colour"}], "not 'colour'"),
        ([NAME, {"column": "name", "from": "role"}], "Two entries write the column 'name'"),
        ([{"column": "hub id", "from": "name"}], "A column cannot be called 'hub id'"),
        ([{"column": "Name"}], "The column 'Name' needs 'from' or 'value'"),
        ([{"column": "A", "from": "name", "value": 1}], "has both 'from' and 'value'"),
        ([{"column": "A", "value": [1]}], "must be a text, a number or true/false"),
        ([{"column": "", "from": "name"}], "A column needs a name"),
        ([{"column": "A", "from": "name", "to": "x"}], "knows no to"),
        (["name"], "Every entry of the mapping needs a column"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_in_one_sentence(route, mapping, said):
    assert said in refusal(route, "person", mapping=mapping)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"field": "amuont", "op": "is", "value": 1}, "did you mean 'amount'"),
        ({"field": "amount", "op": "above", "value": 1}, "not with 'above'"),
        ({"field": "amount", "op": "at_least", "value": "lots"}, "'amount' is a number"),
        ({"field": "closes_on", "op": "at_most", "value": "soon"}, "'closes_on' is a date"),
        ({"field": "status", "op": "at_least", "value": "won"}, "is no number, date or time"),
        ({"field": "status", "op": "one_of", "value": "won"}, "needs a list"),
        ({"field": "status", "op": "is"}, "needs one value"),
        ({"field": "status", "op": "empty", "value": 1}, "takes no value"),
        ({"field": "company", "op": "is", "value": "x"}, "cannot be compared as a whole"),
        ({"op": "is", "value": 1}, "A condition is written"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_in_one_sentence(route, condition, said):
    assert said in refusal(route, "deal", filter=[condition])


@pytest.mark.parametrize(
    ("condition", "takes"),
    [
        ({"field": "status", "op": "is", "value": "WON"}, True),
        ({"field": "status", "op": "is_not", "value": "won"}, False),
        ({"field": "status", "op": "one_of", "value": ["open", "won"]}, True),
        ({"field": "name", "op": "contains", "value": "desk"}, True),
        ({"field": "amount", "op": "at_least", "value": 1000}, True),
        ({"field": "amount", "op": "at_most", "value": 999.5}, False),
        ({"field": "amount", "op": "is", "value": "1250"}, True),
        ({"field": "closes_on", "op": "at_most", "value": "2026-12-31"}, True),
        ({"field": "closes_on", "op": "at_least", "value": "20261201"}, True),
        ({"field": "tags", "op": "is", "value": "north"}, True),
        ({"field": "stage", "op": "empty"}, True),
        ({"field": "raw.custom.code", "op": "is", "value": 7}, True),
        ({"field": "company.source_id", "op": "is", "value": "c1"}, True),
        ({"field": "provenance.entity_type", "op": "is", "value": "deals"}, True),
    ],
)
def test_a_filter_compares_as_its_field_demands(records, route, condition, takes):
    deal = records.put(
        "deals",
        "d1",
        "deal",
        name="40 Desks",
        status="won",
        amount="1250.00",
        closes_on="2026-12-01",
        tags=["north", "vip"],
        stage=None,
        company={"entity_type": "companies", "source_id": "c1"},
    )
    Record.objects.filter(pk=deal.pk).update(raw={"custom": {"code": 7}})

    (row,) = preview_route(route("deal", filter=[condition]))

    assert row.verdict == ("written" if takes else "dropped")


@pytest.mark.parametrize(
    ("op", "value", "takes"),
    [
        ("at_least", "2026-05-31T10:00:00+02:00", True),
        ("at_least", "2026-05-31T10:45:00+02:00", False),
        ("at_most", "2026-05-31T04:45:00-04:00", True),
        ("is", "2026-05-31T08:30:00+00:00", True),
        ("is_not", "2026-05-31T10:30:00+02:00", False),
        ("at_least", "20260531T083000Z", True),
        ("at_least", "2026-05-31", True),
    ],
)
def test_times_are_compared_as_moments_however_they_are_written(records, route, op, value, takes):
    records.put("messages", "m1", "message", text="Hello", sent_at="2026-05-31T08:30:00Z")
    condition = {"field": "sent_at", "op": op, "value": value}

    (row,) = preview_route(route("message", filter=[condition]))

    assert row.verdict == ("written" if takes else "dropped")


def test_a_preview_shows_the_first_ten_records_as_they_would_be_written(records, route):
    made = route(
        "person",
        mapping=[
            NAME,
            {"column": "E-mail", "from": "emails.0", "as": "email"},
            {"column": "Firm", "from": "company"},
            {"column": "Firm's name", "from": "company.title"},
            {"column": "Id", "from": "provenance.source_id"},
        ],
        filter=[{"field": "name", "op": "is_not", "value": "Person 2"}],
    )
    records.company(1)
    for number in range(1, 13):
        records.person(number, company=1)

    rows = preview_route(made)

    assert len(rows) == 10
    assert rows[0].cells == {
        "Name": "Person 1",
        "E-mail": "p1@firm.example",
        "Firm": "→ Firm 1",
        "Firm's name": "Firm 1",
        "Id": "p1",
    }
    assert (rows[1].verdict, rows[1].cells) == ("dropped", {})


def test_a_value_that_does_not_fit_its_column_is_told_in_the_preview(records, route):
    made = route("company", mapping=[{"column": "Size", "from": "raw.size", "as": "number"}])
    records.company(1, size="many")

    (row,) = preview_route(made)

    assert (row.verdict, row.reason) == ("rejected", "Size: 'many' cannot be written as number.")


def test_what_is_left_out_follows_from_the_rest(destination, crm):
    made = create_route(
        destination=destination, connection=crm, entity_type="companies", actor=ADMIN
    )

    assert (made.record_type, made.table) == ("company", "Companies")
    assert made.name == f"Companies of {crm}"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"entity_type": "unicorns"}, "has no entity type 'unicorns'"),
        ({"entity_type": "companies", "record_type": "deal"}, "companies become company"),
        ({}, "Say which record type is meant"),
        ({"record_type": "unicorn"}, "There is no record type 'unicorn'"),
        ({"record_type": "company", "table": "x" * 101}, "Enter a table of 1 to 100"),
    ],
)
def test_a_route_that_cannot_be_is_refused_in_one_sentence(destination, crm, wrong, said):
    with pytest.raises(InvalidInputError, match=said):
        create_route(destination=destination, connection=crm, **wrong, actor=ADMIN)


def test_a_route_from_the_place_it_writes_to_would_be_a_circle(destination, records):
    reads_it = ConnectionFactory(provider="airtable", account_id="usr1", name="Our Airtable")
    records.connection = reads_it
    records.put("bases", "appElsewhere1", "folder", name="Hub")

    with pytest.raises(InvalidInputError, match="round in a circle"):
        create_route(destination=destination, connection=reads_it, record_type="row", actor=ADMIN)


def test_records_that_may_not_be_written_there_go_by_no_route(
    base, records, destination, route, monkeypatch
):
    theirs = Records(ConnectionFactory(provider="acme_memory"))
    theirs.company(1)
    records.company(2)
    monkeypatch.setattr(AcmeConnector, "supports_destination", lambda self, to: to != "airtable")

    with pytest.raises(InvalidInputError, match="may not be written to Airtable"):
        create_route(
            destination=destination,
            connection=theirs.connection,
            record_type="company",
            actor=ADMIN,
        )
    everybody = route("company")
    follow(destination)

    assert [row.title for row in preview_route(everybody)] == ["Firm 2"]
    assert [row["Name"] for row in base.rows("Companies").values()] == ["Firm 2"]


def test_a_change_that_cannot_be_changes_nothing(destination, route):
    made = route("company")
    checkpoint = Destination.objects.filter(pk=destination.pk).values("generation")[0]

    with pytest.raises(InvalidInputError):
        change_route(route=made, changes={"mapping": [{"column": "A"}]}, actor=ADMIN)

    assert Route.objects.get().mapping == []
    assert Destination.objects.filter(pk=destination.pk).values("generation")[0] == checkpoint


def test_two_routes_of_a_destination_have_two_names(route):
    route("company", name="Firms")

    with pytest.raises(NameTakenError):
        route("person", name="Firms")


def test_what_a_deleted_route_wrote_stays_and_a_new_one_takes_it_over(
    base, records, destination, route
):
    made = route("company")
    records.company(1)
    follow(destination)
    delete_route(route=made, actor=ADMIN)
    assert not ExternalId.objects.exists()
    route("company")

    follow(destination)

    assert len(base.rows("Companies")) == len(base.created()) == 1


def test_viewers_look_and_operators_route_but_only_admins_say_where_data_may_go(destination, route):
    viewer = Actor(kind="user", id="2", label="viewer@example.com", role=Role.VIEWER)
    operator = Actor(kind="user", id="3", label="op@example.com", role=Role.OPERATOR)

    with pytest.raises(PermissionRefusedError):
        create_route(destination=destination, record_type="company", actor=viewer)
    create_route(destination=destination, record_type="company", actor=operator)
    for refused in (
        lambda: delete_destination(destination=destination, actor=operator),
        lambda: change_destination(destination=destination, name="Mine", actor=operator),
        lambda: create_destination(type="airtable", name="x", settings={}, actor=operator),
    ):
        with pytest.raises(PermissionRefusedError):
            refused()


# Destinations


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"settings": {"base_id": "tbl123"}}, "Base id does not look right"),
        ({"settings": {}}, "Enter Base id"),
        ({"secrets": {}}, "Enter Personal access token"),
        ({"secrets": {"key": "short"}}, "does not look right"),
        ({"name": " "}, "Enter a name"),
    ],
)
def test_a_destination_that_cannot_be_is_refused_with_the_field(acme, changed, said):
    good = {
        "name": "Ops base",
        "settings": {"base_id": "appOps1"},
        "secrets": {"key": "patOps.1"},
    }

    with pytest.raises(InvalidInputError, match=said):
        create_destination(type="airtable", **{**good, **changed}, actor=ADMIN)


def test_a_place_has_one_destination(destination):
    with pytest.raises(NameTakenError, match="'Ops base' writes there already"):
        create_destination(
            type="airtable",
            name="Another",
            settings=destination.settings,
            secrets={"key": "patOther.1"},
            actor=ADMIN,
        )


def test_a_connection_lends_its_access_if_it_may_write(base, records, settings):
    from integrations.services.connections import connect_with_key

    lender = connect_with_key(provider="airtable", secrets={"key": base.token}, actor=ADMIN)
    destination = create_destination(
        type="airtable",
        name="Lent",
        settings={"base_id": base.id},
        connection=lender,
        actor=ADMIN,
    )
    create_route(destination=destination, record_type="company", actor=ADMIN)
    records.company(1)

    follow(destination)

    assert len(base.rows("Companies")) == 1
    reader = ConnectionFactory(
        provider="airtable", auth_kind="oauth2", granted_scopes=["data.records:read"]
    )
    with pytest.raises(InvalidInputError, match="may not write"):
        change_destination(destination=destination, connection=reader, actor=ADMIN)


def test_an_access_is_sealed_and_can_be_replaced(destination):
    before = bytes(destination.credentials)

    change_destination(destination=destination, secrets={"key": "patOther.1"}, actor=ADMIN)

    destination.refresh_from_db()
    assert b"patOther.1" not in bytes(destination.credentials) != before


def test_a_deleted_destination_leaves_its_rows_there_and_nothing_here(
    base, records, destination, route
):
    from hub.fleet.models import DestinationStatus, Due

    route("company")
    records.company(1)
    follow(destination)

    delete_destination(destination=destination, actor=ADMIN)

    assert len(base.rows("Companies")) == 1
    for model in (Destination, Route, ExternalId, DestinationStatus):
        assert not model.objects.exists()
    assert not Due.objects.filter(kind="destination").exists()
