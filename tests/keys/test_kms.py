"""A KMS in the place of the environment: what it is asked, how often, and what if it is away."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hub.checks import secrets
from hub.crypto import EncryptionKeyError, KeyWrapper, SealBrokenError, WrappingKey, short_id
from integrations.errors import RetryableError
from integrations.models import Connection
from integrations.sync.credentials import access_for
from tenants.keys import UNWRAPPED_AT_MOST, create_data_key, wrapping_keys
from tenants.models import DataKey
from tenants.wrapping import data_keys_by_wrapping_key
from tests.keys.conftest import OLD, TESTER, Estate
from tests.keys.kms import KMS, KmsKey

ONE, TWO = short_id(b"hub-1"), short_id(b"hub-2")

pytestmark = pytest.mark.django_db


@pytest.fixture
def kms(settings: Any) -> Iterator[Any]:
    """The hub with a KMS and no key in its environment."""
    KMS.__init__()  # type: ignore[misc]
    settings.HUB_KMS = "tests.keys.kms.keys"
    settings.HUB_KMS_OPTIONS = {"names": "hub-1"}
    yield KMS
    KMS.__init__()  # type: ignore[misc]


@pytest.fixture
def moved(kms: Any, estate: Estate, settings: Any) -> Estate:
    """An estate whose data keys were moved from the environment to the KMS."""
    call_command("rotate_keys")
    settings.HUB_ENCRYPTION_KEYS = []
    return estate


def test_the_protocol_is_met_by_both_kinds(kms: Any) -> None:
    keys: list[KeyWrapper] = wrapping_keys()

    assert [key.id for key in keys] == [ONE, WrappingKey.parse(OLD).id]


def test_data_keys_move_from_the_environment_to_the_kms(moved: Estate) -> None:
    assert data_keys_by_wrapping_key() == {ONE: DataKey.objects.count()}
    assert moved.unreadable() == []
    assert list(secrets()) == []


def test_it_is_asked_once_for_each_data_key_not_for_each_value(moved: Estate) -> None:
    before = KMS.calls

    assert moved.unreadable() == []
    assert moved.unreadable() == []

    assert KMS.calls - before == DataKey.objects.count()
    assert UNWRAPPED_AT_MOST <= 1024


def test_data_keys_can_be_rotated_under_it(moved: Estate) -> None:
    call_command("rotate_keys", "--data-keys")

    assert moved.unreadable() == []
    assert data_keys_by_wrapping_key() == {ONE: DataKey.objects.count()}


def test_its_own_key_is_replaced_like_any_other(moved: Estate, settings: Any) -> None:
    settings.HUB_KMS_OPTIONS = {"names": "hub-2,hub-1"}
    with pytest.raises(CommandError):
        call_command("rotate_keys", "--retire", ONE)

    call_command("rotate_keys")
    call_command("rotate_keys", "--retire", ONE)

    settings.HUB_KMS_OPTIONS = {"names": "hub-2"}
    assert data_keys_by_wrapping_key() == {TWO: DataKey.objects.count()}
    assert moved.unreadable() == []


def test_while_it_is_away_work_waits_and_nothing_is_given_up(moved: Estate) -> None:
    connection = Connection.objects.order_by("pk")[0]
    DataKey.objects.filter(tenant=moved.acme).update(
        wrapped=bytes.fromhex("01" + ONE) + KmsKey("hub-1").wrap(b"k" * 32, owner="?")  # type: ignore[arg-type]
    )
    KMS.is_away = True

    with pytest.raises(RetryableError):
        access_for(connection, actor=TESTER, reason="test")
    with pytest.raises(CommandError, match="does not answer"):
        call_command("rotate_keys", "--data-keys")

    connection.refresh_from_db()
    assert connection.status == "active"


def test_what_it_wrapped_for_one_owner_unwraps_for_no_other(moved: Estate) -> None:
    theirs = DataKey.objects.get(tenant=moved.globex)
    DataKey.objects.filter(tenant=moved.acme).update(wrapped=theirs.wrapped)

    with pytest.raises(SealBrokenError):
        moved.open(moved.acme, Connection.objects.order_by("pk")[0], "credentials")


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("tests.keys.kms.nothing", {}, "cannot be imported"),
        ("no.such.module", {}, "cannot be imported"),
        ("tests.keys.kms.keys", {"other": "x"}, "do not fit"),
        ("tests.keys.kms.no_keys", {}, "makes no keys"),
    ],
)
def test_one_that_cannot_be_used_keeps_the_hub_from_starting(
    path: str, options: dict[str, str], said: str, settings: Any
) -> None:
    settings.HUB_KMS, settings.HUB_KMS_OPTIONS = path, options

    with pytest.raises(EncryptionKeyError, match=said):
        create_data_key(None)

    assert [said in finding.sentence for finding in secrets()] == [True]


def test_without_kms_and_without_keys_the_hub_does_not_start(settings: Any) -> None:
    settings.HUB_ENCRYPTION_KEYS = []
    assert ["HUB_ENCRYPTION_KEYS is not set" in each.sentence for each in secrets()] == [True]

    settings.HUB_ENCRYPTION_KEYS = [OLD]
    assert list(secrets()) == []
