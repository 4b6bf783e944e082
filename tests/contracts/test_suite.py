"""The contract suite itself: a sound connector passes, and each way to break one is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import orjson
import pytest

from integrations.connectors import registry
from integrations.connectors.base import Connector
from integrations.errors import FatalError, HubError, NotFoundError, ParentSkippedError
from integrations.records import Company, NormalizedRecord
from integrations.sandbox import Sandbox
from integrations.sandbox.part import Part
from integrations.testing import (
    CHECKS,
    ContractBrokenError,
    Subject,
    connector_contract,
    run_check,
)
from integrations.testing.clock import SkippingClock
from integrations.types import Checkpoint, Entity, EntityType, ErrorCodes, Position, Ref
from tests.contracts.acme import SLUG, AcmePart
from tests.contracts.acme_connector import AcmeConnector

NO_REASONS = {"changes_arrive": " "}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The outside provider is known while a test runs, and forgotten after it."""
    before = dict(registry._registered)
    Part.registry[SLUG] = AcmePart
    yield
    Part.registry.pop(SLUG, None)
    registry._registered.clear()
    registry._registered.update(before)


def test_a_sound_connector_from_outside_passes_every_check() -> None:
    outcomes = connector_contract(AcmeConnector)

    assert {one.check for one in outcomes} == set(CHECKS)
    assert {one.state for one in outcomes} == {"passed"}


def test_a_check_is_skipped_with_its_reason_shown() -> None:
    outcome = run_check("it_can_be_registered", None, {"it_can_be_registered": "Because."})  # type: ignore[arg-type]

    assert (outcome.state, outcome.detail) == ("skipped", "Because.")


def test_a_skip_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="reason"):
        run_check("changes_arrive", None, NO_REASONS)  # type: ignore[arg-type]


def test_a_skip_that_hides_nothing_is_a_problem() -> None:
    with pytest.raises(ContractBrokenError, match="hides nothing any more"):
        connector_contract(AcmeConnector, skips={"positions_are_close:notes": "Once it was so."})


def test_how_long_a_busy_machine_takes_is_no_time_to_the_checks() -> None:
    """A call that takes long is not made again; a check would fail for the machine's sake."""
    clock = SkippingClock()
    sleep(0.01)
    assert clock.monotonic() == 0

    clock.sleep(3)

    assert clock.monotonic() == 3


# Ways to break a connector, and the check that notices.


class ForgetsTheOpenPage(AcmeConnector):
    """Goes on after the page that was open."""

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        for number, entity in enumerate(super().fetch_entities(entity_type, since)):
            if since is None or number or entity.is_rest:
                yield entity


class SaysTooEarly(AcmeConnector):
    """Puts the position of a page on its first entity."""

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        page: list[Entity] = []
        for entity in super().fetch_entities(entity_type, since):
            page.append(entity)
            if entity.position is not None:
                first, last = page[0], page[-1]
                page[-1] = replace(last, position=None)
                page[0] = replace(page[0], position=first.position or last.position)
                yield from page
                page = []


class BeginsAnew(AcmeConnector):
    """Knows no checkpoint."""

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        return super().fetch_entities(entity_type, None)


class NeverLooksAgain(AcmeConnector):
    """Has nothing to say once it has read everything."""

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        if since and all("feed" in cursor for cursor in since.cursors.values()):
            scopes = since.cursors or {"": {}}
            return (Entity.rest(Position(s, since.at(s), done=True)) for s in scopes)
        return super().fetch_entities(entity_type, since)


class CountsInTransform(AcmeConnector):
    calls = 0

    def transform(self, raw: Entity) -> NormalizedRecord:
        type(self).calls += 1
        if raw.entity_type == "companies":
            return Company(name=f"{raw.data['name']} {self.calls}")
        return super().transform(raw)


class ChangesThePayload(AcmeConnector):
    def transform(self, raw: Entity) -> NormalizedRecord:
        raw.data["seen"] = True
        return super().transform(raw)


class PointsNowhere(AcmeConnector):
    def transform(self, raw: Entity) -> NormalizedRecord:
        record = super().transform(raw)
        if raw.entity_type == "notes":
            return replace(record, channel=Ref("rooms", "1"))  # type: ignore[call-arg]
        return record


class MakesNoNames(AcmeConnector):
    def transform(self, raw: Entity) -> NormalizedRecord:
        return Company(name="") if raw.entity_type == "companies" else super().transform(raw)


class TakesEveryFieldForGranted(AcmeConnector):
    """Reads a field while it fetches, where a missing one stops everything."""

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        field = "name" if entity_type == "companies" else "text"
        for entity in super().fetch_entities(entity_type, since):
            if entity.is_rest or entity.data[field]:
                yield entity


class TakesTroubleForAnEnd(AcmeConnector):
    """Ends the list where the provider fails."""

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        try:
            yield from super().fetch_entities(entity_type, since)
        except HubError:
            yield Entity.rest(Position("", {}, done=True))


class StopsAtAClosedDoor(AcmeConnector):
    def _notes(self, company: Entity, start: Any) -> Iterator[Entity]:
        try:
            yield from super()._notes(company, start)
        except (NotFoundError, ParentSkippedError) as error:
            raise FatalError("The door is closed.") from error


class SaysNothingOfAccess(AcmeConnector):
    provider = replace(AcmeConnector.provider, errors=ErrorCodes(retry=("http:401",)))


class HasTwoRows(AcmeConnector):
    provider = replace(
        AcmeConnector.provider, errors=ErrorCodes(retry=("busy",), operator=("busy",))
    )


class HasNoLimit(AcmeConnector):
    provider = replace(AcmeConnector.provider, limits=())


class ReportsNoDeletion(AcmeConnector):
    entity_types = (
        EntityType("companies", Company, changed_at="changed", deletions="signal"),
        AcmeConnector.entity_types[1],
    )


class ListsHalf(AcmeConnector):
    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        for number, entity in enumerate(super().fetch_entities(entity_type, since)):
            if entity.position is not None or number % 2:
                yield entity


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (ForgetsTheOpenPage, "stopped_at_every_position_it_goes_on"),
        (SaysTooEarly, "stopped_between_positions_it_goes_on"),
        (BeginsAnew, "what_is_committed_does_not_come_again"),
        (BeginsAnew, "stopped_at_every_position_it_goes_on"),
        (ForgetsTheOpenPage, "an_incremental_read_can_be_stopped_too"),
        (NeverLooksAgain, "changes_arrive"),
        (NeverLooksAgain, "additions_arrive"),
        (CountsInTransform, "transform_is_pure"),
        (CountsInTransform, "full_and_incremental_agree"),
        (ChangesThePayload, "transform_is_pure"),
        (PointsNowhere, "references_point_to_declared_types"),
        (MakesNoNames, "every_entity_becomes_a_record"),
        (TakesEveryFieldForGranted, "drift_inside_a_page_leaves_the_others"),
        (TakesTroubleForAnEnd, "a_broken_provider_is_asked_again"),
        (TakesTroubleForAnEnd, "a_web_page_is_no_data"),
        (TakesTroubleForAnEnd, "half_an_answer_is_no_data"),
        (TakesTroubleForAnEnd, "a_pause_that_is_asked_for_is_kept"),
        (TakesTroubleForAnEnd, "the_providers_own_fault_is_no_data"),
        (TakesTroubleForAnEnd, "lost_access_needs_a_person"),
        (StopsAtAClosedDoor, "a_closed_parent_is_passed_over"),
        (SaysNothingOfAccess, "an_expired_token_is_renewed_mid_list"),
        (HasTwoRows, "the_error_table_is_clear"),
        (HasNoLimit, "limits_are_data"),
        (ReportsNoDeletion, "deletions_arrive"),
        (ListsHalf, "a_full_read_brings_every_type"),
    ],
)
def test_a_broken_connector_is_noticed(broken: type[Connector], check: str) -> None:
    with Sandbox() as sandbox:
        outcome = run_check(check, Subject(broken, sandbox, {"companies": "company"}))

    assert outcome.state == "failed"
    assert "broke off" not in outcome.detail


# A folder of recorded answers.


def recorded(folder: Path) -> Path:
    """The answers of a small account, as somebody would have saved them."""
    company = {"id": "c1", "name": "Company", "changed": 1_760_000_000}
    note = {"id": "n1", "text": "Note", "company": "c1", "changed": 1_760_000_000}
    answers = {
        "/me": {"id": "a1", "name": "Acme"},
        "/companies": {"items": [company], "cursor": None, "now": 1_760_000_100},
        "/companies/c1/notes": {"items": [note], "cursor": None, "now": 1_760_000_100},
    }
    exchanges = [
        {"request": {"path": path}, "response": {"body": body}} for path, body in answers.items()
    ]
    (folder / "answers.json").write_bytes(orjson.dumps(exchanges))
    (folder / "credentials.json").write_bytes(orjson.dumps({"key": "a-recorded-key"}))
    return folder


def test_recorded_answers_do_for_the_checks_that_change_nothing(tmp_path: Path) -> None:
    outcomes = connector_contract(AcmeConnector, recorded=recorded(tmp_path))

    by_state = {
        state: {one.check for one in outcomes if one.state == state}
        for state in ("passed", "skipped")
    }
    assert by_state["skipped"] == {one.name for one in CHECKS.values() if one.needs == "sandbox"}
    assert by_state["passed"] == set(CHECKS) - by_state["skipped"]
    assert Part.registry[SLUG] is AcmePart


def test_recorded_answers_that_do_not_fit_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(ContractBrokenError, match="every_entity_becomes_a_record"):
        connector_contract(MakesNoNames, recorded=recorded(tmp_path))
