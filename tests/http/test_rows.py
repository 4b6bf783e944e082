"""What one row of an answer becomes: its id, its time, and whether it is gone."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.http.pages import (
    SinglePage,
)
from integrations.types import Entity, EntityType, Unreadable
from tests.http.lists import THINGS, FakeList


def entities_of(body: list[Any], **more: Any) -> list[Entity]:
    http = FakeList(body)
    declared = more.pop("entity_type", THINGS)
    pages = SinglePage(http, "/single", **more)  # type: ignore[arg-type]
    return [one for one in pages.entities(declared) if not one.is_rest]


@pytest.mark.parametrize("given_id", [73001, "73001"])
def test_an_id_may_be_a_number_or_digits(given_id: object) -> None:
    assert entities_of([{"id": given_id}])[0].source_id == "73001"


@pytest.mark.parametrize("given_id", [None, "", True, 1.5, {}, []])
def test_a_row_without_a_usable_id_is_kept_with_its_reason(given_id: object) -> None:
    found = entities_of([{"id": given_id, "name": "x"}])[0]

    assert isinstance(found.payload, Unreadable)
    assert found.payload.reason == "has no id at id"
    assert found.source_id.startswith("unreadable-")


@pytest.mark.parametrize(
    ("raw", "source_id"),
    [
        (b'{"id": 42, "x": NaN}', "42"),
        (b'{"x": "\\u0000", "id" : "a-1"}', "a-1"),
        (b'{"x": NaN, "id":7}', "7"),
        (b'{"x": NaN}', None),
        (b'{"id": "with space", "x": NaN}', None),
    ],
)
def test_the_id_of_an_unreadable_row_is_read_from_its_bytes(
    raw: bytes, source_id: str | None
) -> None:
    found = entities_of([Unreadable(raw, "holds a number that is not finite")])[0]

    if source_id is None:
        assert found.source_id.startswith("unreadable-")
        assert found == entities_of([Unreadable(raw, "again")])[0] or found.source_id
    else:
        assert found.source_id == source_id


def test_an_id_may_be_put_together_with_the_scope() -> None:
    found = entities_of([{"ts": "17.01"}], key="{scope}:{ts}", scope="C1")[0]

    assert (found.source_id, found.scope) == ("C1:17.01", "C1")


def test_a_deletion_is_told_by_its_mark() -> None:
    found = entities_of([{"id": 1, "status": "Deleted"}, {"id": 2}], gone=("status", "Deleted"))

    assert [(one.source_id, one.deleted) for one in found] == [("1", True), ("2", False)]


def test_an_odd_envelope_is_read_by_the_connectors_own_hand() -> None:
    def read(body: Any) -> list[tuple[str, dict[str, Any], bool]]:
        return [(row["key"], row, row["dead"]) for row in body]

    found = entities_of([{"key": "a", "dead": False}, {"key": "b", "dead": True}], rows=read)

    assert [(one.source_id, one.deleted) for one in found] == [("a", False), ("b", True)]


def test_the_change_time_is_read_where_it_is_declared_and_never_fatal() -> None:
    declared = EntityType("things", becomes=THINGS.becomes, changed_at="meta.at")

    good, bad = entities_of(
        [{"id": 1, "meta": {"at": 1762419600}}, {"id": 2, "meta": {"at": "yesterday"}}],
        entity_type=declared,
    )

    assert good.changed_at is not None
    assert good.changed_at.isoformat() == "2025-11-06T09:00:00+00:00"
    assert bad.changed_at is None
    assert bad.payload == {"id": 2, "meta": {"at": "yesterday"}}
