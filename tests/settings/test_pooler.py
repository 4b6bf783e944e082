"""T5, M16: a pooler that gives one server connection to several clients in turn."""

from collections.abc import Iterator

import psycopg
import pytest

from hub.pooler import MARK, mixes_clients
from tests.commands.conftest import database_url, manage
from tests.settings.servers import Pooler

pytestmark = pytest.mark.django_db


@pytest.fixture
def mixing() -> Iterator[Pooler]:
    with Pooler(database_url(), carries_search_path=False) as pooler:
        yield pooler


def test_without_a_pooler_nothing_is_mixed():
    assert not mixes_clients(lambda: psycopg.connect(database_url()))


def test_a_pooler_in_transaction_mode_mixes_its_clients(mixing):
    assert mixes_clients(lambda: psycopg.connect(mixing.url()))


def test_a_pooler_that_carries_search_path_does_not():
    with Pooler(database_url(), carries_search_path=True) as pooler:
        assert not mixes_clients(lambda: psycopg.connect(pooler.url()))


def test_asking_leaves_nothing_behind(mixing):
    mixes_clients(lambda: psycopg.connect(mixing.url()))

    with psycopg.connect(mixing.url()) as client:
        assert MARK not in str(client.execute("SHOW search_path").fetchone())


def test_the_check_of_the_database_finds_it(mixing):
    refused = manage("check", "--database", "default", DATABASE_URL=mixing.url())

    assert refused.returncode == 1
    assert "hub.E012" in refused.stderr and "session pooling" in refused.stderr
