"""Texts that look worse than they are."""

import pytest

from tests.engine.acme_provider import company
from tests.engine.conftest import stored, work

pytestmark = pytest.mark.django_db


def test_a_text_that_speaks_of_the_character_nul_is_stored(connection, server):
    server.rows["companies"] = [company(1, name="\\u0000"), company(2, note="C:\\\\u0000")]

    work(connection)

    assert stored("companies") == {"c1": "\\u0000", "c2": "Company 2"}
