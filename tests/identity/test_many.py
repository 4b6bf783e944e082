"""Many people: the step finds those it should, in seconds (`HUB_PEOPLE` says how many)."""

import os
from random import Random
from time import monotonic

import pytest
from django.utils import timezone

from integrations.identity.step import resolve
from integrations.models import Connection, IdentityGroup, Record
from integrations.records import Person

PEOPLE = int(os.environ.get("HUB_PEOPLE", "1000"))
STARTS = ("An", "Be", "Ca", "Do", "El", "Fr", "Ge", "Ha", "In", "Jo", "Ka", "Li", "Ma", "No", "Ol")
FIRST = [start + end for start in STARTS for end in ("na", "ra", "lo", "rik")]
STEMS = ("Mül", "Schm", "Web", "Fisch", "Beck", "Hoff", "Klei", "Wolf", "Neu", "Kra")
LAST = [stem + end for stem in STEMS for end in ("er", "idt", "ann", "ler", "stein", "berg")]


def people(connection: Connection, numbers: range) -> list[Record]:
    """Persons of few names; number n has the same e-mail address at every provider."""
    chance, now, made = Random(7), timezone.now(), []
    for number in numbers:
        person = Person(
            name=f"{chance.choice(FIRST)} {chance.choice(LAST)}",
            emails=(f"person{number}@company{number % 300}.example",),
            company_name=f"Company {number % 300}",
        )
        made.append(
            Record(
                source_system=connection.source_system,
                entity_type="people",
                source_id=str(number),
                connection_id=connection.pk,
                run_id=connection.pk,
                record_type="person",
                title=person.name,
                data=person.to_data(),
                raw={},
                content_hash=b"0",
                first_seen_at=now,
                changed_at=now,
                change_seq=number,
            )
        )
    return made


@pytest.mark.django_db
def test_people_who_are_at_two_providers_are_found_in_seconds(crm, books, record_property):
    twice = PEOPLE // 10
    Record.objects.bulk_create(people(crm, range(PEOPLE - twice)), batch_size=2000)
    Record.objects.bulk_create(people(books, range(twice)), batch_size=2000)

    began = monotonic()
    found = resolve()
    seconds = monotonic() - began

    same = [{"reason": "same e-mail address"}]
    exact = IdentityGroup.objects.filter(reasons__contains=same)
    assert found.records == PEOPLE
    assert exact.count() >= 0.99 * twice
    assert seconds < 60
    record_property("persons compared", found.records)
    record_property("seconds", round(seconds, 1))
    record_property("groups for people to decide", found.candidates)
