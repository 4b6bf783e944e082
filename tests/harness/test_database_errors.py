"""Which errors of the database pass by themselves, as PostgreSQL itself raises them."""

from collections.abc import Callable

import psycopg
import pytest
from django.db import Error, connection, transaction

from hub.database_faults import AWAY, Fault, code_of, fault_of, repeated, unavailable

pytestmark = pytest.mark.django_db

PASSING = {
    "40001": "conflict",
    "40P01": "conflict",
    "55P03": "locked",
    "57014": "slow",
    "25P03": "slow",
    "53100": "full",
    "53300": "away",
    "57P01": "away",
    "57P02": "away",
    "57P03": "away",
    "08006": "away",
    "42P01": "behind",
    "42703": "behind",
}
STAYING = ("23505", "22001", "42883", "42501", "0A000", "53400", "XX001")


def raised(sqlstate: str) -> Error:
    """The error that comes when the server says this code."""
    with pytest.raises(Error) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")
    error: Error = caught.value
    return error


@pytest.mark.parametrize(("sqlstate", "name"), PASSING.items())
def test_what_passes_is_told_apart_by_its_code(sqlstate: str, name: str) -> None:
    error = raised(sqlstate)

    fault = fault_of(error)

    assert isinstance(fault, Fault) and fault.name == name
    assert code_of(error) == sqlstate
    told = unavailable(error)
    assert told is not None and (str(told), told.retry_after) == (fault.sentence, fault.wait)


@pytest.mark.parametrize("sqlstate", STAYING)
def test_what_stays_is_none_of_them(sqlstate: str) -> None:
    assert fault_of(raised(sqlstate)) is None


def test_a_server_that_nobody_reaches_is_away_without_a_code() -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect("postgresql://nobody@127.0.0.1:1/none", connect_timeout=2)

    assert fault_of(caught.value) is AWAY


def test_an_error_that_only_follows_one_of_the_database_is_judged_as_itself() -> None:
    error = ValueError("x")
    error.__cause__ = raised("40P01")

    assert fault_of(error) is None


def failing(sqlstate: str, times: int) -> tuple[Callable[[], str], list[int]]:
    """A transaction that fails so many times, and the list of its tries."""
    tries: list[int] = []

    def work() -> str:
        tries.append(len(tries) + 1)
        if len(tries) <= times:
            raise raised(sqlstate)
        return "done"

    return work, tries


@pytest.mark.django_db(transaction=True)
def test_only_what_was_undone_is_tried_again_three_times_in_all() -> None:
    work, tries = failing("40P01", times=2)
    assert (repeated(work), len(tries)) == ("done", 3)

    for sqlstate, at_most in {"40P01": 3, "53100": 1, "08006": 1, "57014": 1, "23505": 1}.items():
        work, tries = failing(sqlstate, times=3)
        with pytest.raises(Error) as caught:
            repeated(work)
        assert (code_of(caught.value), len(tries)) == (sqlstate, at_most)


def test_within_an_open_transaction_nothing_is_repeated() -> None:
    work, tries = failing("40P01", times=1)

    with pytest.raises(Error), transaction.atomic():
        repeated(work)

    assert len(tries) == 1
