"""F39: what a provider sends differently, as people inside a tenant see it."""

import pytest

from integrations.models import EntityShape, EntityTypeStatus
from tests.admin.conftest import make_shape
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

SHAPES = "/t/acme/admin/integrations/entityshape/"


@pytest.fixture
def shape(acme) -> EntityShape:
    connection = ConnectionFactory(name="Nordlicht")
    EntityTypeStatus.objects.create(connection=connection, entity_type="deals")
    return make_shape(connection)


def test_the_last_change_of_each_type_stands_in_the_list_and_on_its_connection(viewer, shape):
    connection = f"/t/acme/admin/integrations/connection/{shape.connection_id}/change/"
    for page in (SHAPES, connection):
        html = viewer.get(page).content.decode()
        assert "stage: a new value" in html
        assert f"{SHAPES}{shape.pk}/change/" in html


def test_a_type_s_page_tells_each_change_and_all_fields(viewer, shape):
    html = viewer.get(f"{SHAPES}{shape.pk}/change/").content.decode()

    for said in ("another type", "&lt;b&gt;text", "number, text", "open, won", "sometimes"):
        assert said in html, said
    assert "<b>text" not in html


def test_nobody_writes_there_by_hand(acme_admin, shape):
    assert acme_admin.get(f"{SHAPES}add/").status_code == 403
    assert acme_admin.post(f"{SHAPES}{shape.pk}/change/", {"entity_type": "x"}).status_code == 403
    assert acme_admin.post(f"{SHAPES}{shape.pk}/delete/", {"post": "yes"}).status_code == 403
