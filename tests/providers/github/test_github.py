"""GitHub: repositories first, issues oldest first, pull requests newest first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.connectors.github import GitHubConnector
from integrations.connectors.lines import count_lines
from integrations.errors import (
    EntityTypeUnavailableError,
    RateLimitError,
)
from integrations.http.answer import Answer
from integrations.records import NormalizedRecord
from integrations.types import Checkpoint, Credentials, Entity, Unreadable
from tests.providers.conftest import Reader, assert_all_become_records
from tests.providers.github.conftest import Install

ALL_TYPES = [declared.name for declared in GitHubConnector.entity_types]
BELOW = [declared.name for declared in GitHubConnector.entity_types if declared.parent]


def named(reader: Reader, name: str) -> Entity:
    return next(one for one in reader.known("repositories") if one.data["name"] == name)


@pytest.fixture
def with_parents(github: Reader) -> Reader:
    github.read("organizations")
    github.read("repositories")
    return github


@pytest.mark.parametrize("entity_type", ALL_TYPES)
def test_a_full_read_brings_everything_that_may_be_read(
    with_parents: Reader, entity_type: str
) -> None:
    with_parents.read(entity_type)

    assert with_parents.ids(entity_type) == with_parents.there(entity_type)
    assert_all_become_records(with_parents, entity_type)


def test_repositories_without_issues_or_closed_to_the_hub_are_passed_over(
    with_parents: Reader,
) -> None:
    with_parents.read("issues")

    assert with_parents.skipped == {
        named(with_parents, "website").source_id: "parent_skipped",
        named(with_parents, "closed-beta").source_id: "parent_skipped",
    }


def test_the_pull_requests_in_the_list_of_issues_are_left_out(with_parents: Reader) -> None:
    seen = with_parents.read("issues")

    assert seen
    assert not [one for one in seen if "pull_request" in one.data]
    positions = with_parents.cursors["issues"]
    assert set(positions) == with_parents.ids("repositories") - set(with_parents.skipped)


@pytest.mark.parametrize("entity_type", ["issues", "pulls"])
def test_a_later_read_brings_what_changed_with_one_call_per_repository(
    with_parents: Reader, entity_type: str
) -> None:
    with_parents.read(entity_type)
    open_ids = sorted(with_parents.there(entity_type))[:3]
    with_parents.order("change", entity_type, ids=open_ids)
    added = with_parents.order("add", entity_type, count=2)

    again = with_parents.again(entity_type)

    assert {*open_ids, *added} <= {one.source_id for one in again}
    assert with_parents.calls == len(with_parents.ids("repositories"))
    assert with_parents.ids(entity_type) == with_parents.there(entity_type)


@pytest.mark.parametrize("entity_type", ["repositories", *BELOW])
def test_read_in_full_or_later_it_becomes_the_same_record(
    with_parents: Reader, entity_type: str
) -> None:
    with_parents.read(entity_type)
    ids = sorted(with_parents.there(entity_type))[:4]
    with_parents.order("change", entity_type, ids=ids)
    with_parents.again(entity_type)
    later = records(with_parents, entity_type)

    with_parents.read(entity_type)

    assert records(with_parents, entity_type) == later


def records(reader: Reader, entity_type: str) -> dict[str, NormalizedRecord]:
    connector = GitHubConnector(None)
    return {one.source_id: connector.transform(one) for one in reader.known(entity_type)}


def test_later_only_repositories_that_changed_are_listed(github: Reader) -> None:
    github.read("repositories")
    id = sorted(github.ids("repositories"))[0]
    github.order("change", "repositories", ids=[id])

    again = github.again("repositories")

    assert id in {one.source_id for one in again}
    assert len(again) < len(github.ids("repositories"))
    assert "since=" in github.asked()[-1]


def test_a_renamed_repository_is_passed_over_until_it_is_listed_again(
    with_parents: Reader,
) -> None:
    shop = named(with_parents, "shop")
    renamed = {"full_name": "nordlicht/store", "name": "store"}
    with_parents.order("change", "repositories", ids=[shop.source_id], set=renamed)

    with_parents.read("issues")
    before = dict(with_parents.skipped)
    with_parents.skipped.clear()
    with_parents.again("repositories")
    with_parents.again("issues")

    assert before[shop.source_id] == "parent_skipped"
    assert shop.source_id not in with_parents.skipped
    assert with_parents.ids("issues") == with_parents.there("issues")


def test_what_was_deleted_is_missing_from_a_full_read(with_parents: Reader) -> None:
    with_parents.read("pulls")
    gone = with_parents.order("delete", "pulls", count=2)
    with_parents.stored["pulls"].clear()

    with_parents.read("pulls")

    assert with_parents.ids("pulls") == with_parents.there("pulls")
    assert not with_parents.ids("pulls") & set(gone)


def test_a_deleted_repository_is_passed_over(with_parents: Reader) -> None:
    shop = named(with_parents, "shop")
    with_parents.order("delete", "repositories", ids=[shop.source_id])

    with_parents.read("pulls")

    assert with_parents.skipped[shop.source_id] == "not_found_at_provider"


@pytest.mark.parametrize("entity_type", ["issues", "pulls"])
def test_stopped_at_any_position_nothing_is_lost_or_read_again(
    with_parents: Reader, entity_type: str
) -> None:
    github = with_parents
    github.order("add", entity_type, count=150)
    finished: set[str] = set()
    since: Checkpoint | None = None

    def at_a_position(entity: Entity) -> bool:
        if entity.position is not None and entity.position.done:
            finished.add(entity.position.scope)
        return entity.position is not None

    for _ in range(60):
        before = github.ids(entity_type)
        seen = github.read(entity_type, since, at_a_position)
        assert not before & {one.source_id for one in seen}
        since = github.checkpoint(entity_type, finished=frozenset(finished | set(github.skipped)))
        if finished | set(github.skipped) == github.ids("repositories"):
            break

    assert github.ids(entity_type) == github.there(entity_type)


def test_issues_that_change_while_they_are_read_are_not_lost(with_parents: Reader) -> None:
    github = with_parents
    shop = named(github, "shop")
    before = github.there("issues")
    moved = 0

    def change_one(entity: Entity) -> bool:
        nonlocal moved
        if entity.position is not None and moved < 5:
            moved += 1
            github.order("change", "issues", count=5)
        return False

    github.order("add", "issues", count=150)
    github.read("issues", None, change_one)

    assert before <= github.ids("issues")
    assert github.ids("issues") == github.there("issues")
    assert shop.source_id not in github.skipped


def test_a_backfill_date_is_the_floor_of_issues(with_parents: Reader) -> None:
    floor = datetime(2026, 6, 1, tzinfo=UTC)

    seen = with_parents.read("issues", Checkpoint(not_before=floor))

    changed = [one.changed_at for one in seen]
    assert changed
    assert all(at is not None and at >= floor for at in changed)


def test_a_poisoned_issue_is_one_unreadable_row(with_parents: Reader) -> None:
    poisoned = with_parents.order("poison", "issues", kind="surrogate", index=2)

    with_parents.read("issues")

    assert with_parents.ids("issues") == with_parents.there("issues")
    assert isinstance(with_parents.stored["issues"][poisoned[0]].payload, Unreadable)


def test_identity_is_the_user(github: Reader) -> None:
    account = github.account()

    assert (account.id, account.label) == ("5001001", "nordlicht-hub")


def test_a_personal_access_token_is_sent_the_same_way(github: Reader, install: Install) -> None:
    github.credentials = Credentials(key=install()["access_token"])

    github.read("organizations")

    assert github.ids("organizations") == github.there("organizations")


def test_a_spent_hour_under_403_is_a_pause_until_it_is_over(github: Reader) -> None:
    github.order("set", limits_scale=0.0)

    with pytest.raises(RateLimitError) as refused:
        github.read("repositories")

    assert refused.value.retry_after is not None
    assert 3000 < refused.value.retry_after <= 3600


def test_a_missing_permission_under_403_makes_the_type_unavailable(github: Reader) -> None:
    body = '{"message": "Resource not accessible by integration", "status": "403"}'
    github.order("fault", path="/user/repos", status=403, body=body)

    with pytest.raises(EntityTypeUnavailableError):
        github.read("repositories")


@pytest.mark.parametrize(
    ("status", "headers", "message", "seconds"),
    [
        (403, {"retry-after": "7"}, "You have exceeded a secondary rate limit.", 7),
        (403, {}, "You have exceeded a secondary rate limit.", 60),
        (429, {}, "API rate limit exceeded", 60),
        (
            403,
            {
                "date": "Fri, 20 Nov 2026 10:00:00 GMT",
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1795169700",
            },
            "API rate limit exceeded",
            900,
        ),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795169700"}, "", 3600),
    ],
)
def test_how_long_to_wait_is_read_from_what_there_is(
    status: int, headers: dict[str, str], message: str, seconds: float
) -> None:
    answer = Answer(status, headers, {"message": message})

    said = GitHubConnector(None).classify_error(answer)

    assert isinstance(said, RateLimitError)
    assert said.retry_after == seconds


def test_it_costs_few_lines() -> None:
    lines = count_lines(GitHubConnector)

    assert lines.methods <= 45
    assert lines.declared <= 60
