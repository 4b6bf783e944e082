"""Which records look like one person or company, by pure comparison."""

import pytest

from integrations.identity.grouping import groups
from integrations.identity.matching import Match, Profile, matches
from integrations.identity.names import (
    company_name,
    domain_of,
    email_of,
    number_of,
    person_name,
    phone_of,
)


def person(number: int, name: str, **values: object) -> Profile:
    sets = {key: frozenset(v) if isinstance(v, list) else v for key, v in values.items()}
    return Profile.of(id=number, record_type="person", name=person_name(name), **sets)


def company(number: int, name: str, **values: object) -> Profile:
    sets = {key: frozenset(v) if isinstance(v, list) else v for key, v in values.items()}
    return Profile.of(id=number, record_type="company", name=company_name(name), **sets)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jörg Müller", "Mueller, Joerg"),
        ("Dr. Ada O'Neill", "ada oneill"),
        ("ŁUKASZ  Đurić", "Lukasz Duric"),
        ("Straße Weiß", "weiss strasse"),
    ],
)
def test_a_name_is_the_same_in_any_spelling_and_order(one, other):
    assert person_name(one) == person_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nordlicht GmbH & Co. KG", "NORDLICHT"),
        ("Acme, Inc.", "Acme Ltd"),
        ("The Société Générale S.A.", "Societe Generale"),
    ],
)
def test_a_company_is_called_the_same_whatever_its_legal_form(one, other):
    assert company_name(one) == company_name(other)


def test_a_company_called_like_a_legal_form_keeps_its_name():
    assert company_name("AG") == "ag"


def test_addresses_that_many_share_identify_nobody():
    assert email_of(" Ada@Example.com ") == "ada@example.com"
    assert email_of("info@nordlicht.example") == ""
    assert email_of("nobody") == ""
    assert domain_of("ada@gmail.com") == ""
    assert domain_of("https://www.Nordlicht.example/about?x=1") == "nordlicht.example"
    assert phone_of("+49 731 123 45-67") == phone_of("0731/1234567")
    assert phone_of("110") == ""
    assert number_of("DE 123.456.789") == "de123456789"
    assert number_of("n/a") == ""


def test_the_same_address_is_one_person_whatever_the_name():
    one = person(1, "Ada Lovelace", emails=["a@x.example"])
    other = person(2, "A. L.", emails=["a@x.example"])

    found = matches([one, other])

    assert found == [Match(1, 2, "same e-mail address", 0.98)]


def test_the_same_registration_number_or_domain_is_one_company():
    found = matches(
        [
            company(1, "Nordlicht GmbH", registrations=["de123456789"]),
            company(2, "NL Solar", registrations=["de123456789"], domains=["nl.example"]),
            company(3, "Solar Shop", domains=["nl.example"]),
        ]
    )

    assert [(m.left, m.right, m.reason) for m in found] == [
        (1, 2, "same registration number"),
        (2, 3, "same domain"),
    ]


def test_similar_names_need_something_else_in_common():
    alone = [person(1, "Jon Smith"), person(2, "John Smith")]
    together = [
        person(1, "Jon Smith", company="acme"),
        person(2, "John Smith", company="acme"),
    ]

    assert matches(alone) == []
    [found] = matches(together)
    assert found.reason == "similar name, same company"
    assert 0.7 <= found.confidence < 0.9


def test_different_names_are_different_people_even_at_one_company_with_one_phone():
    found = matches(
        [
            person(1, "Ada Lovelace", company="acme", phones=["12345678"]),
            person(2, "Charles Babbage", company="acme", phones=["12345678"]),
        ]
    )

    assert found == []


def test_an_address_that_very_many_records_have_is_nobodys_own():
    crowd = [person(n, f"Person {chr(65 + n)}{n}", emails=["all@x.example"]) for n in range(21)]

    assert [m for m in matches(crowd) if m.reason == "same e-mail address"] == []


def test_comparing_ten_thousand_people_of_one_name_compares_neighbours_only():
    crowd = [person(n, f"Anna Schmidt{n:05d}", city="ulm") for n in range(10_000)]

    found = matches(crowd)

    assert found  # in reach of one another, and done in a second or two instead of for ever
    assert len(found) < 10_000 * 10


def match(left: int, right: int, confidence: float = 0.9) -> Match:
    return Match(left, right, "same name", confidence)


def test_who_matches_somebody_of_a_group_joins_it_and_the_weakest_match_counts():
    [found] = groups([match(1, 2, 0.98), match(2, 3, 0.75)])

    assert found.members == {1, 2, 3}
    assert found.confidence == 0.75


def test_a_forbidden_pair_never_comes_into_one_group_even_through_others():
    found = groups([match(1, 2, 0.98), match(2, 3, 0.9)], forbidden=[(1, 3)])

    assert [group.members for group in found] == [{1, 2}]


def test_a_settled_group_is_found_again_only_when_it_would_grow():
    settled = [{1, 2, 3}]

    assert groups([match(1, 2)], settled=settled) == []
    [grown] = groups([match(3, 4)], settled=settled)
    assert grown.members == {1, 2, 3, 4}


def test_a_weak_likeness_joins_a_single_record_to_a_group_but_no_two_groups():
    sure = [match(1, 2, 0.98), match(3, 4, 0.98)]

    assert len(groups([*sure, match(2, 3, 0.75)])) == 2
    assert [group.members for group in groups([*sure, match(2, 5, 0.75)])] == [{3, 4}, {1, 2, 5}]


def test_a_chain_of_likenesses_ends_at_twenty():
    chain = [match(n, n + 1) for n in range(1, 50)]

    assert max(len(group.members) for group in groups(chain)) <= 20
