"""Answers recorded at the real providers, read from a folder outside the repository.

HUB_SHARED names that folder; by default it is `shared` beside the repository. Without it this
lane is skipped and says so. Nothing of it is kept here but the names of its files and what each
one is: `recorded_answers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.connectors import registry
from integrations.connectors.base import Connector
from integrations.errors import ProviderUnavailableError
from integrations.http.answer import Answer, WireAnswer
from integrations.http.composio import NAME as GATEWAY
from integrations.http.composio import read_proxied, refusal
from integrations.http.error_table import judge
from integrations.http.json_reader import read_json
from integrations.http.pages import SinglePage
from integrations.records import Company, dig, dig_all
from integrations.types import Entity, EntityType, RunContext
from tests.providers.official import SAMPLES, needs
from tests.providers.recorded_answers import (
    RECORDED,
    XML,
    Entities,
    Error,
    Errors,
    Kind,
    NotOurs,
    OfGateway,
    OtherPage,
    Page,
    Webhook,
)

NO_ANSWERS = ("README", "LICENSE")

pytestmark = needs(SAMPLES)


def those(kind: type[Kind]) -> list[str]:
    return [name for name, one in RECORDED.items() if isinstance(one, kind)]


def read(name: str, rows_at: str = "") -> Any:
    return read_json((SAMPLES / name).read_bytes(), rows_at)


def connector_of(name: str) -> type[Connector]:
    registry.load()
    return registry.get_connector(name.partition("/")[0])


class RecordedOnce:
    """A client with one answer: first that, then whoever is in it by id, then empty lists."""

    def __init__(self, name: str, declared: EntityType) -> None:
        self.provider = connector_of(name).provider
        self.first: Any = read(name)
        self.rows = {str(dig(row, declared.key)): row for row in rows_of(self.first)}
        self.asked: list[str] = []

    def get(self, path: str, params: Any = None, *, rows_at: Any = "") -> Answer:
        self.asked.append(path)
        if len(self.asked) == 1:
            return Answer(200, {}, self.first)
        by_id = [row for id, row in self.rows.items() if f"/{id}" in path]
        return Answer(200, {}, by_id[0] if by_id else without_rows(self.first))

    def post(self, path: str, body: Any = None, *, params: Any = None, rows_at: Any = "") -> Answer:
        return self.get(path)


def rows_of(body: Any) -> list[Any]:
    lists = [body] if isinstance(body, list) else [v for v in body.values() if isinstance(v, list)]
    return lists[0] if lists else []


def without_rows(body: Any) -> Any:
    if isinstance(body, list):
        return []
    return {key: [] if isinstance(value, list) else value for key, value in body.items()}


PARENT = "parent"


def one_parent(entity_type: str) -> Iterator[Entity]:
    yield Entity(entity_type, PARENT, {})


def assert_becomes_a_record(connector: Connector, entity: Entity) -> None:
    record = connector.transform(entity)
    record.validate()
    assert isinstance(record, connector.entity_type(entity.entity_type).record_types)
    assert record == connector.transform(entity)


def test_every_recorded_answer_is_listed_and_every_listed_one_is_there() -> None:
    there = {
        path.relative_to(SAMPLES).as_posix()
        for path in SAMPLES.rglob("*")
        if path.is_file() and not path.name.startswith(NO_ANSWERS)
    }

    assert there == set(RECORDED)


def test_xml_and_only_xml_is_listed_as_xml() -> None:
    assert {name for name in RECORDED if name.endswith(".xml")} == {
        name for name, kind in RECORDED.items() if kind is XML
    }


@pytest.mark.parametrize("name", those(Entities))
def test_a_recorded_entity_becomes_a_valid_record(name: str) -> None:
    kind = RECORDED[name]
    assert isinstance(kind, Entities)
    connector = connector_of(name)()
    body = read(name, kind.at)
    rows = dig_all(body, kind.at) if kind.at else [body]
    assert len(rows) == kind.count

    for number, row in enumerate(rows):
        assert_becomes_a_record(connector, Entity(kind.entity_type, str(number), row, PARENT))
    assert judge(Answer(200, {}, body), connector.provider, None, None) is None


@pytest.mark.parametrize("name", those(Page))
def test_a_recorded_page_is_walked_by_its_connector_into_valid_records(name: str) -> None:
    kind = RECORDED[name]
    assert isinstance(kind, Page)
    made = connector_of(name)
    declared = made().entity_type(kind.entity_type)
    client: Any = RecordedOnce(name, declared)
    connector = made(client, RunContext(started_at=datetime.now(UTC)), one_parent)

    if kind.plain_at:
        plain = SinglePage(client, "/", kind.plain_at, declared.key)
        walked = list(plain.entities(declared))
    else:
        walked = list(connector.fetch_entities(kind.entity_type, None))

    assert walked[-1].position is not None
    assert walked[-1].position.done
    came = [one for one in walked if not one.is_rest]
    assert len(came) == kind.count
    assert not any(one.deleted for one in came)
    if kind.is_brief:
        asked = " ".join(client.asked)
        assert all(f"/{one.source_id}" in asked for one in came)
        return
    for entity in came:
        assert_becomes_a_record(connector, entity)


@pytest.mark.parametrize("name", [*those(Page), *those(OtherPage)])
def test_a_recorded_page_is_no_error(name: str) -> None:
    assert judge(Answer(200, {}, read(name)), connector_of(name).provider, None, None) is None


@pytest.mark.parametrize("name", those(OtherPage))
def test_a_page_of_a_type_that_is_not_synced_is_read_all_the_same(name: str) -> None:
    kind = RECORDED[name]
    assert isinstance(kind, OtherPage)
    elsewhere = EntityType("elsewhere", Company)
    client: Any = RecordedOnce(name, elsewhere)

    came = list(SinglePage(client, "/", kind.at, kind.key).entities(elsewhere))

    assert len([one for one in came if not one.is_rest]) == kind.count
    assert all(isinstance(one.payload, dict) for one in came if not one.is_rest)


def refusals() -> Iterator[Any]:
    """(file, refusal), also those that lie together in one file."""
    for name, kind in RECORDED.items():
        alone = [kind] if isinstance(kind, Error) else []
        for one in kind.named.values() if isinstance(kind, Errors) else alone:
            yield pytest.param(name, one, id=f"{name} {one.at}".strip())


@pytest.mark.parametrize(("name", "kind"), refusals())
def test_a_recorded_error_says_whose_turn_it_is(name: str, kind: Error) -> None:
    if name.startswith(f"{GATEWAY}/"):
        error = refusal(WireAnswer(kind.status, {}, (SAMPLES / name).read_bytes()))
    else:
        connector = connector_of(name)()
        body = read(name)
        answer = Answer(kind.status, {}, dig(body, kind.at) if kind.at else body)
        error = judge(answer, connector.provider, connector.classify_error, None)

    assert type(error) is kind.outcome


@pytest.mark.parametrize("name", those(Errors))
def test_every_error_of_a_file_is_named(name: str) -> None:
    kind = RECORDED[name]
    assert isinstance(kind, Errors)

    assert set(read(name)) == set(kind.named)


@pytest.mark.parametrize("name", those(Webhook))
def test_a_recorded_notification_names_what_to_ask_for_and_is_no_entity(name: str) -> None:
    kind = RECORDED[name]
    assert isinstance(kind, Webhook)
    connector = connector_of(name)()

    named = dig_all(read(name), kind.ids_at)

    assert tuple(map(str, named)) == kind.source_ids
    # It is no entity itself: taken for one, it is set aside.
    with pytest.raises(KeyError):
        connector.transform(Entity(kind.entity_type, kind.source_ids[0], read(name)))


@pytest.mark.parametrize("name", those(OfGateway))
def test_a_gateways_own_answer_is_read_as_what_it_says(name: str) -> None:
    kind = RECORDED[name]
    assert isinstance(kind, OfGateway)
    raw = (SAMPLES / name).read_bytes()

    wire = WireAnswer(200, {}, raw)
    made = kind.read(wire if kind.read is read_proxied else read(name))

    first = made[0] if isinstance(made, list) else made
    assert {what: getattr(first, what) for what in kind.told} == kind.told


@pytest.mark.parametrize("name", those(NotOurs))
def test_what_is_not_ours_has_its_reason_and_xml_is_never_data(name: str) -> None:
    kind = RECORDED[name]
    assert isinstance(kind, NotOurs)

    assert len(kind.because.split()) > 3
    if kind is XML:
        with pytest.raises(ProviderUnavailableError):
            read(name)
