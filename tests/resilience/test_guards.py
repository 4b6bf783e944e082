"""Which budgets a connection's calls share: with its other lane, its account, its app, its host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.fields import uuid7
from integrations.errors import CircuitOpenError
from integrations.models import Connection, Destination
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.resilience.guard import Guard
from integrations.resilience.store import Store
from integrations.sync.guards import guard_for, guard_for_destination
from integrations.types import ApiKey, Identity, Limit, Provider

pytestmark = pytest.mark.django_db

IN_TIME = Deadline.never(SystemClock())
ACME = Provider(
    slug="acme",
    label="Acme",
    base_url="https://api.acme.example/v2",
    auth=(ApiKey(headers={"X-Key": "{key}"}),),
    identity=Identity("/me", "id", "name"),
)


def guard(*limits: Limit, account: str = "1", connection: Connection | None = None) -> Guard:
    row = connection or Connection(
        id=uuid7(), provider="acme", source_system=f"acme:{account}", auth_kind="api_key"
    )
    provider = replace(ACME, limits=limits)
    return guard_for(row, provider, base_url="https://api.acme.example", clock=SystemClock())


def names(made: Guard) -> set[str]:
    """The names under which its budgets are shared, without the tenant's."""
    return {each.name for each in made._budgets if each.scope != "tenant"}


@pytest.mark.parametrize(
    ("per", "same_account", "other_account"),
    [
        ("connection", False, False),
        ("account", True, False),
        ("host", True, True),
        ("app", True, True),
    ],
)
def test_a_limit_is_shared_by_those_it_is_counted_for(
    per: Any, same_account: bool, other_account: bool
) -> None:
    limit = Limit(10, 60, per=per)
    mine = names(guard(limit))

    assert (names(guard(limit)) == mine) is same_account
    assert (names(guard(limit, account="2")) == mine) is other_account


def test_both_lanes_of_a_connection_share_its_limit() -> None:
    row = Connection(id=uuid7(), provider="acme", source_system="acme:1", auth_kind="api_key")
    limit = Limit(10, 60)

    assert names(guard(limit, connection=row)) == names(guard(limit, connection=row))


@pytest.mark.parametrize(
    ("limits", "allowances"),
    [
        ((Limit(60, 60, path="/a", cost=20), Limit(60, 60, cost=5)), 1),  # units of one allowance
        ((Limit(60, 60, path="/a"), Limit(60, 60, path="/b")), 2),  # each path by itself
        ((Limit(60, 60, path="/a"), Limit(60, 60)), 2),
        ((Limit(50, 60, path="/a"), Limit(60, 60)), 2),
        ((Limit(60, 60, concurrent=2),), 2),  # its slots are counted beside it
    ],
)
def test_limits_that_differ_in_path_and_cost_alone_share_one_allowance(
    limits: tuple[Limit, ...], allowances: int
) -> None:
    assert len(names(guard(*limits))) == allowances


def test_a_factor_leaves_room_for_others_and_never_nothing(settings: Any) -> None:
    settings.HUB_LIMITS_FACTOR = 0.1
    made = guard(Limit(50, 60), Limit(5, 1, per="account"))

    limits = [each.limit for each in made._budgets if each.scope != "tenant"]
    assert [limit.requests for limit in limits if limit] == [5, 1]


def test_a_tenant_has_a_budget_over_all_providers(settings: Any) -> None:
    settings.HUB_TENANT_CALLS_PER_SECOND = 20
    [own] = [each for each in guard()._budgets if each.scope == "tenant"]

    assert own.limit == Limit(200, 10)
    assert own.tenant_id == own.owner


def test_five_failures_hold_back_all_connections_of_the_app_and_no_other_provider_s(
    shared: Callable[[], Store],
) -> None:
    def of(slug: str, account: str) -> Guard:
        row = Connection(id=uuid7(), provider=slug, source_system=account, auth_kind="api_key")
        provider = replace(ACME, slug=slug)
        made = guard_for(row, provider, base_url="", clock=SystemClock(), store=shared())
        made.admit("/items", IN_TIME)
        return made

    failing = [of("acme", str(number)) for number in range(5)]
    for each in failing:  # once each: none of them is broken by itself
        each.failed("down")

    with pytest.raises(CircuitOpenError):
        of("acme", "another")
    of("umbra", "1")


def test_all_who_write_to_a_place_share_its_pace_and_each_spends_its_tenant_s_budget() -> None:
    def to(place: str) -> set[str]:
        destination = Destination(id=uuid7(), type="airtable", name="Base")
        made = guard_for_destination(
            destination, place=place, limits=[Limit(4, 1)], label="A base", clock=SystemClock()
        )
        assert [each.scope for each in made._budgets] == ["account", "tenant"]
        return names(made)

    assert to("appOne") == to("appOne")
    assert to("appOne") != to("appTwo")
