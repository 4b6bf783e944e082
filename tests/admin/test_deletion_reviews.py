"""Deletions that were held back, as people see and decide them; and what operations know of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.fleet.models import ConnectionStatus
from integrations.models import DeletionReview, Record
from integrations.sync.status import publish_reviews
from tests.admin.conftest import make_record
from tests.admin.test_actions import post
from tests.api.rows import waiting
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

REVIEWS = "/t/acme/admin/integrations/deletionreview/"
YESTERDAY = timezone.now() - timedelta(days=1)


@pytest.fixture
def review(acme) -> DeletionReview:
    """Two of four companies of Nordlicht are to go."""
    connection = ConnectionFactory(name="Nordlicht")
    rows = [make_record(connection, n, changed_at=YESTERDAY) for n in (1, 2)]
    review = waiting(connection, rows)
    publish_reviews(connection)
    return review


def page_of(review: DeletionReview) -> str:
    return f"{REVIEWS}{review.pk}/change/"


def test_what_waits_stands_on_the_first_page_and_on_the_connections(viewer, review):
    for page in (
        "/t/acme/admin/",
        f"/t/acme/admin/integrations/connection/{review.connection_id}/change/",
    ):
        html = viewer.get(page).content.decode()
        assert "2 of 4 companies of Nordlicht would be deleted." in html
        assert page_of(review) in html


def test_a_review_shows_which_records_of_how_many_and_why(viewer, review):
    html = viewer.get(page_of(review)).content.decode()

    assert "Company 1" in html
    assert "Company 2" in html
    assert "2 of 4 (50 %)" in html
    assert "A full read of the list no longer found them." in html
    assert "2 records" in html


def test_what_has_come_back_since_is_marked(viewer, review):
    Record.objects.filter(source_id="1").update(changed_at=timezone.now())

    assert viewer.get(page_of(review)).content.decode().count("Is back, stays") == 1


def test_of_very_many_records_the_first_are_shown(viewer, review):
    row = make_record(review.connection, 3)
    DeletionReview.objects.update(record_ids=[row.pk + n for n in range(250)])

    html = viewer.get(page_of(review)).content.decode()

    assert "250 records, the first 1" in html


def test_a_viewer_sees_no_buttons_and_cannot_press_them(viewer, review):
    assert "Delete these" not in viewer.get(page_of(review)).content.decode()
    assert "Keep them" not in viewer.get(page_of(review)).content.decode()

    answer = viewer.post(f"{REVIEWS}{review.pk}/act/", {"action": "approve", "confirmed": "yes"})

    assert answer.status_code == 403
    assert Record.objects.present().count() == 2


def test_deleting_asks_first_and_then_deletes(acme_operator, review):
    assert "Delete these 2 records" in acme_operator.get(page_of(review)).content.decode()
    asked = post(acme_operator, REVIEWS, "approve", [review])
    assert "No, take me back" in asked.content.decode()
    assert Record.objects.present().count() == 2

    post(acme_operator, REVIEWS, "approve", [review], confirmed="yes")

    review.refresh_from_db()
    assert review.state == "approved"
    assert "@" in review.decided_by
    assert not Record.objects.present().exists()
    assert "Delete these" not in acme_operator.get(page_of(review)).content.decode()


def test_keeping_leaves_the_records_and_the_banner_goes(acme_operator, review):
    post(acme_operator, REVIEWS, "refuse", [review], confirmed="yes")

    assert Record.objects.present().count() == 2
    assert "would be deleted" not in acme_operator.get("/t/acme/admin/").content.decode()


def test_reviews_that_wait_are_listed_first(viewer, review):
    for n in range(3):
        decided = waiting(ConnectionFactory(), [make_record(review.connection, 10 + n)])
        decided.state = DeletionReview.State.REFUSED
        decided.save()

    listed = list(viewer.get(REVIEWS).context["cl"].result_list)

    assert listed[0] == review
    assert len(listed) == 4


def test_operations_see_that_something_waits_and_not_what(ops, review, acme_operator):
    html = ops.get("/admin/").content.decode()
    assert "deletions wait" in html
    listed = ops.get("/admin/fleet/connectionstatus/", {"reviews": "waiting"})
    assert [row.pk for row in listed.context["cl"].result_list] == [review.connection_id]
    assert "Company 1" not in listed.content.decode()

    post(acme_operator, REVIEWS, "refuse", [review], confirmed="yes")

    assert ConnectionStatus.objects.get().waiting_reviews == 0
    assert "deletions wait" not in ops.get("/admin/").content.decode()
