"""/api/v1/deletion-reviews/."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import DeletionReview, Record
from tests.api.rows import connected, stored, waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def review(acme) -> DeletionReview:
    connection = connected()
    rows = [stored(connection, str(n), changed_at=timezone.now() - timedelta(1)) for n in (1, 2)]
    return waiting(connection, rows)


def test_a_review_is_listed_shown_and_decided_once(api, review):
    [listed] = api.get("deletion-reviews/?state=pending").json()["results"]
    shown = api.get(f"deletion-reviews/{review.pk}/").json()
    decided = api.post(f"deletion-reviews/{review.pk}/decide/", {"delete": True})
    again = api.post(f"deletion-reviews/{review.pk}/decide/", {"delete": False})

    assert (listed["count"], listed["present"], listed["cause"]) == (2, 4, "absence")
    assert [row["title"] for row in shown["records"]] == ["Company 1", "Company 2"]
    assert decided.json()["state"] == "approved"
    assert again.status_code == 409
    assert not Record.objects.present().exists()


def test_a_viewers_key_does_not_decide(viewer, review):
    assert viewer.post(f"deletion-reviews/{review.pk}/decide/", {"delete": True}).status_code == 403
    assert Record.objects.present().count() == 2
