"""The step finds candidates; people confirm, split or refuse them, and that stays."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from hub.audit.models import AuditEvent
from integrations.errors import InvalidInputError, PermissionRefusedError, RefusedError
from integrations.identity.step import forget_account, resolve
from integrations.models import Connection, ForbiddenPair, IdentityGroup, IdentityMember, Record
from integrations.records import Company, Person
from integrations.services.identities import (
    confirm_identity,
    forbid_identity,
    resolve_identities,
    split_identity,
)
from integrations.types import Ref
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.roles import Role
from tests.api.caller import with_key
from tests.api.rows import alike
from tests.views.conftest import ask, keep

pytestmark = pytest.mark.django_db
OPERATOR = Actor(kind="user", id="7", label="op@example.com", role=Role.OPERATOR)


def ada(connection: Connection, number: int = 1, **fields: Any) -> Record:
    made = Person(**{"name": "Ada Lovelace", "emails": ("ada@x.example",), **fields})
    return keep(made, str(number), connection=connection)


def only_group() -> IdentityGroup:
    return IdentityGroup.objects.get()


def members(group: IdentityGroup) -> set[int | None]:
    return set(group.members.values_list("record_id", flat=True))


def confirmed() -> list[set[int]]:
    """The groups as BI tools see them."""
    found: dict[Any, set[int]] = {}
    for row in ask("SELECT id, group_id FROM identity"):
        found.setdefault(row["group_id"], set()).add(row["id"])
    return sorted(found.values(), key=min)


def test_the_same_person_at_two_providers_is_a_candidate_and_nothing_more(crm, books):
    one, other = ada(crm), ada(books, name="A. Lovelace")

    found = resolve()

    group = only_group()
    assert (found.records, found.candidates, found.new) == (2, 1, 1)
    assert members(group) == {one.pk, other.pk}
    assert group.reasons[0]["reason"] == "same e-mail address"
    assert group.label == "Ada Lovelace · A. Lovelace"
    assert confirmed() == []


def test_a_company_is_found_by_its_registration_number_and_a_person_by_their_company(crm, books):
    keep(Company(name="Nordlicht GmbH", registration_number="DE 123456789"), "c1", connection=crm)
    keep(Company(name="NL Solar", registration_number="de123456789"), "c1", connection=books)
    keep(Person(name="Bo Lund", company=Ref("company", "c1")), "p1", connection=crm)
    keep(Person(name="Lund, Bo", company_name="Nordlicht"), "p1", connection=books)

    resolve()

    found = IdentityGroup.objects.values_list("record_type", "reasons__0__reason")
    assert dict(found) == {
        "company": "same registration number",
        "person": "same name, same company",
    }


def test_looking_again_finds_the_same_under_the_same_id(crm, books):
    ada(crm), ada(books)
    resolve()
    before = only_group().pk

    found = resolve()

    assert found.new == 0
    assert only_group().pk == before


def test_what_no_longer_looks_alike_is_no_candidate_any_more(crm, books):
    ada(crm)
    other = ada(books)
    resolve()

    Record.objects.filter(pk=other.pk).update(title="Bo", data={"name": "Bo", "emails": []})
    resolve()

    assert not IdentityGroup.objects.exists()


def test_a_confirmed_group_is_seen_by_bi_tools_and_not_asked_about_again(crm, books):
    one, other = ada(crm), ada(books)
    resolve()

    confirm_identity(group=only_group(), actor=OPERATOR)

    assert confirmed() == [{one.pk, other.pk}]
    assert resolve().candidates == 0
    group = only_group()
    assert (group.state, group.decided_by) == ("confirmed", "op@example.com")
    assert AuditEvent.objects.filter(action="identity.confirmed").count() == 1
    with pytest.raises(RefusedError, match="decided already"):
        confirm_identity(group=group, actor=OPERATOR)


def test_a_confirmed_group_is_offered_to_grow_and_grows_when_somebody_says_so(crm, books):
    first = {ada(crm).pk, ada(books).pk}
    resolve()
    confirm_identity(group=only_group(), actor=OPERATOR)
    third = ada(crm, 3).pk

    assert resolve().candidates == 1
    assert confirmed() == [first]
    [larger] = IdentityGroup.objects.candidates()
    confirm_identity(group=larger, actor=OPERATOR)

    assert confirmed() == [{*first, third}]
    assert only_group().pk == larger.pk


def test_a_confirmed_group_whose_growth_was_refused_stays_and_may_grow_otherwise(crm, books):
    first = {ada(crm).pk, ada(books).pk}
    resolve()
    confirm_identity(group=only_group(), actor=OPERATOR)
    ada(crm, 3), resolve()

    forbid_identity(group=IdentityGroup.objects.candidates().get(), actor=OPERATOR)

    assert confirmed() == [first]
    fourth = ada(crm, 4).pk
    resolve()
    larger = next(g for g in IdentityGroup.objects.candidates() if first < members(g))
    confirm_identity(group=larger, actor=OPERATOR)
    assert {*first, fourth} in confirmed()


def test_what_was_confirmed_is_split_where_it_was_confirmed(crm, books):
    one, other = ada(crm), ada(books)
    resolve()
    confirm_identity(group=only_group(), actor=OPERATOR)
    third = ada(crm, 3)
    resolve()
    larger = IdentityGroup.objects.candidates().get()

    with pytest.raises(RefusedError, match="split that group instead"):
        split_identity(group=larger, record_ids=[other.pk], actor=OPERATOR)
    split_identity(group=larger, record_ids=[third.pk], actor=OPERATOR)

    assert confirmed() == [{one.pk, other.pk}]
    assert ForbiddenPair.objects.count() == 2


def test_a_group_does_not_grow_over_a_pair_that_somebody_has_refused(crm, books):
    one, other, third = ada(crm), ada(books), ada(crm, 3)
    stale = alike(one, other)  # found before the others were decided about
    forbid_identity(group=alike(one, third), actor=OPERATOR)
    confirm_identity(group=alike(other, third), actor=OPERATOR)

    with pytest.raises(RefusedError, match="said not to be the same"):
        confirm_identity(group=stale, actor=OPERATOR)

    assert confirmed() == [{other.pk, third.pk}]


def test_a_refused_group_never_comes_back(crm, books):
    ada(crm), ada(books)
    resolve()

    forbid_identity(group=only_group(), actor=OPERATOR)

    assert resolve().candidates == 0
    assert only_group().state == "refused"


def test_a_refused_pair_stays_refused_when_its_records_were_purged_and_come_back(crm, books):
    ada(crm)
    other = ada(books)
    resolve()
    forbid_identity(group=only_group(), actor=OPERATOR)
    Record.objects.filter(pk=other.pk).delete()

    ada(books)

    assert resolve().candidates == 0


def test_a_confirmed_record_that_was_purged_and_comes_back_is_still_the_same(crm, books):
    one, other = ada(crm), ada(books)
    resolve()
    confirm_identity(group=only_group(), actor=OPERATOR)
    Record.objects.filter(pk=other.pk).delete()

    again = ada(books)

    assert again.pk != other.pk
    assert confirmed() == [{one.pk, again.pk}]
    assert resolve().candidates == 0


def test_who_is_split_off_stays_apart_and_the_rest_is_still_a_candidate(crm, books):
    one, other, third = ada(crm), ada(books), ada(crm, 3)
    resolve()

    own = split_identity(group=only_group(), record_ids=[third.pk], actor=OPERATOR)

    assert own is None
    assert members(only_group()) == {one.pk, other.pk}
    resolve()
    assert [members(group) for group in IdentityGroup.objects.all()] == [{one.pk, other.pk}]


def test_two_that_are_split_off_are_a_candidate_of_their_own(crm, books):
    rows = [ada(crm, number) for number in range(2)] + [ada(books, number) for number in range(2)]
    resolve()
    whole = only_group()

    own = split_identity(group=whole, record_ids=[rows[0].pk, rows[1].pk], actor=OPERATOR)

    assert own is not None
    assert members(own) == {rows[0].pk, rows[1].pk}
    assert members(whole) == {rows[2].pk, rows[3].pk}
    assert ForbiddenPair.objects.count() == 4


def test_a_confirmed_group_of_two_that_is_split_is_none_any_more(crm, books):
    one, _ = ada(crm), ada(books)
    resolve()
    confirm_identity(group=only_group(), actor=OPERATOR)

    split_identity(group=only_group(), record_ids=[one.pk], actor=OPERATOR)

    assert confirmed() == []
    assert only_group().state == "refused"
    assert resolve().candidates == 0


def test_nothing_and_everything_cannot_be_split_off(crm, books):
    one, other = ada(crm), ada(books)
    resolve()

    for chosen in ([], [one.pk, other.pk], [one.pk, 10**9]):
        with pytest.raises(InvalidInputError):
            split_identity(group=only_group(), record_ids=chosen, actor=OPERATOR)
    assert not ForbiddenPair.objects.exists()


def test_a_deleted_record_is_in_no_group_that_bi_tools_see(crm, books):
    one, other = ada(crm), ada(books)
    resolve()
    confirm_identity(group=only_group(), actor=OPERATOR)

    Record.objects.filter(pk=other.pk).update(deleted_at="2026-01-01T00:00Z")

    assert confirmed() == [{one.pk}]


def test_nothing_is_kept_of_an_account_whose_records_were_purged(crm, books):
    one, other, third = ada(crm), ada(books, name="A. Lovelace"), ada(crm, 3)
    resolve()
    split_identity(group=only_group(), record_ids=[third.pk], actor=OPERATOR)
    confirm_identity(group=only_group(), actor=OPERATOR)
    ada(crm, 4, name="A.L."), resolve()

    forget_account(books.source_system)

    assert not IdentityMember.objects.filter(source_system=books.source_system).exists()
    assert not ForbiddenPair.objects.filter(right__0=books.source_system).exists()
    assert not ForbiddenPair.objects.filter(left__0=books.source_system).exists()
    assert [(group.label, members(group)) for group in IdentityGroup.objects.all()] == [
        ("Ada Lovelace · A.L.", {one.pk, Record.objects.get(title="A.L.").pk})
    ]
    assert other.title not in str(list(IdentityGroup.objects.values()))


def test_nothing_comes_back_of_an_account_that_is_purged_while_records_are_compared(crm, books):
    ada(crm), ada(books, name="A. Lovelace")
    steps = iter([lambda: purge(books)])

    def before_the_end(execute: Any, sql: str, *rest: Any) -> Any:
        """The lock is waited for while the purge has its end."""
        if "pg_advisory_xact_lock" in sql:
            next(steps, lambda: None)()
        return execute(sql, *rest)

    with database.execute_wrapper(before_the_end):
        found = resolve()

    assert found.candidates == 0
    assert not IdentityMember.objects.filter(source_system=books.source_system).exists()
    assert not IdentityGroup.objects.exists()


def purge(connection: Connection) -> None:
    Record.objects.filter(source_system=connection.source_system).delete()
    forget_account(connection.source_system)


def test_viewers_decide_nothing_and_tenants_do_not_see_one_another(crm, books, acme, globex):
    ada(crm), ada(books)
    viewer = Actor(kind="user", id="8", label="v@example.com", role=Role.VIEWER)

    with pytest.raises(PermissionRefusedError):
        resolve_identities(actor=viewer)
    call_command("resolve_identities", "--tenant", "acme", verbosity=0)
    with pytest.raises(PermissionRefusedError):
        confirm_identity(group=only_group(), actor=viewer)
    with in_tenant(globex):
        assert not IdentityGroup.objects.exists()


def test_programs_read_groups_and_decide_about_them(crm, books, acme):
    one, other, third = ada(crm), ada(books), ada(crm, 3)
    resolve()
    api = with_key(acme)

    [shown] = api.get("identity-groups/?state=candidate&record_type=person").json()["results"]
    path = f"identity-groups/{shown['id']}/"
    split = api.post(f"{path}split/", {"records": [third.pk]})
    kept = api.post(f"{path}confirm/")
    again = api.post(f"{path}confirm/")
    never = api.post(f"{path}forbid/")

    assert [member["record"] for member in shown["members"]] == [one.pk, other.pk, third.pk]
    assert shown["members"][0]["data"]["name"] == "Ada Lovelace"
    assert shown["reasons"][0]["reason"] == "same e-mail address"
    assert (split.status_code, split.json()["taken"]) == (200, None)
    assert (kept.status_code, kept.json()["state"]) == (200, "confirmed")
    assert (again.status_code, again.json()["code"]) == (409, "refused")
    assert (never.status_code, never.json()["state"]) == (200, "refused")


def test_ten_times_the_records_are_asked_about_no_more_often(crm, books):
    def asked(numbers: range) -> int:
        for number in numbers:
            ada(crm, number, emails=(f"{number}@x.example",))
            ada(books, number, emails=(f"{number}@x.example",))
        with CaptureQueriesContext(database) as seen:
            resolve()
        return len(seen)

    assert asked(range(2, 4)) == asked(range(4, 24))
    assert IdentityMember.objects.count() == 44
