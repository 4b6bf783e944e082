"""R7, T20: a sealed value opens in its own place alone, and every failure is audited."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from hub.audit.models import AuditAction
from hub.crypto import (
    Binding,
    EncryptionKeyError,
    SealBrokenError,
    WrappingKey,
    key_id_of,
    new_data_key,
    open_sealed,
    seal,
    unwrap,
    wrap,
)
from integrations.models import Connection
from tenants.keys import open_for
from tenants.models import DataKey, Tenant
from tests.keys.conftest import NEW, OLD, TESTER, Estate, audited, tamper

KEY, KEY_ID = new_data_key(), uuid4()
HERE = Binding(tenant="t1", table="connection", row="r1", field="credentials")
SEALED = seal(b"a refresh token", key=KEY, key_id=KEY_ID, binding=HERE)

NAMES = st.text(st.characters(categories=("Ll", "Nd"), include_characters="_-"), min_size=1)
PLACES = st.builds(Binding, tenant=NAMES, table=NAMES, row=NAMES, field=NAMES)
THOROUGH = examples(max_examples=500, deadline=None)


class TestAValue:
    @THOROUGH
    @given(plain=st.binary(max_size=300), place=PLACES)
    def test_opens_where_it_was_sealed(self, plain: bytes, place: Binding) -> None:
        sealed = seal(plain, key=KEY, key_id=KEY_ID, binding=place)

        assert open_sealed(sealed, key=KEY, binding=place) == plain
        assert key_id_of(sealed) == KEY_ID

    @THOROUGH
    @given(place=PLACES, other=PLACES)
    def test_opens_nowhere_else(self, place: Binding, other: Binding) -> None:
        sealed = seal(b"a refresh token", key=KEY, key_id=KEY_ID, binding=place)

        if place != other:
            with pytest.raises(SealBrokenError):
                open_sealed(sealed, key=KEY, binding=other)

    @pytest.mark.parametrize("part", ["tenant", "table", "row", "field"])
    def test_does_not_open_if_one_part_of_its_place_differs(self, part: str) -> None:
        elsewhere = Binding(**{**HERE.__dict__, part: "another"})

        with pytest.raises(SealBrokenError):
            open_sealed(SEALED, key=KEY, binding=elsewhere)

    @THOROUGH
    @given(at=st.integers(0, len(SEALED) - 1), bits=st.integers(1, 255))
    def test_does_not_open_with_any_byte_changed(self, at: int, bits: int) -> None:
        changed = SEALED[:at] + bytes([SEALED[at] ^ bits]) + SEALED[at + 1 :]

        with pytest.raises(SealBrokenError):
            open_sealed(changed, key=KEY, binding=HERE)

    @pytest.mark.parametrize("length", range(len(SEALED)))
    def test_does_not_open_cut_short(self, length: int) -> None:
        with pytest.raises(SealBrokenError):
            open_sealed(SEALED[:length], key=KEY, binding=HERE)

    def test_does_not_open_with_another_key(self) -> None:
        with pytest.raises(SealBrokenError):
            open_sealed(SEALED, key=new_data_key(), binding=HERE)

    def test_never_looks_the_same_twice(self) -> None:
        assert seal(b"x", key=KEY, key_id=KEY_ID, binding=HERE) != seal(
            b"x", key=KEY, key_id=KEY_ID, binding=HERE
        )


class TestAWrappedKey:
    old, new = WrappingKey.parse(OLD), WrappingKey.parse(NEW)
    wrapped = wrap(KEY, keys=[old, new], owner="t1")

    def test_unwraps_for_its_owner_whatever_the_order_of_the_keys(self) -> None:
        assert unwrap(self.wrapped, keys=[self.new, self.old], owner="t1") == KEY

    def test_does_not_unwrap_for_another_owner(self) -> None:
        with pytest.raises(SealBrokenError):
            unwrap(self.wrapped, keys=[self.old], owner="t2")

    def test_names_the_key_that_is_missing(self) -> None:
        with pytest.raises(EncryptionKeyError, match=self.old.id):
            unwrap(self.wrapped, keys=[self.new], owner="t1")

    @THOROUGH
    @given(at=st.integers(0, len(wrapped) - 1), bits=st.integers(1, 255))
    def test_does_not_unwrap_with_any_byte_changed(self, at: int, bits: int) -> None:
        changed = self.wrapped[:at] + bytes([self.wrapped[at] ^ bits]) + self.wrapped[at + 1 :]

        with pytest.raises((SealBrokenError, EncryptionKeyError)):
            unwrap(changed, keys=[self.old, self.new], owner="t1")

    @pytest.mark.parametrize("length", range(len(wrapped)))
    def test_does_not_unwrap_cut_short(self, length: int) -> None:
        with pytest.raises((SealBrokenError, EncryptionKeyError)):
            unwrap(self.wrapped[:length], keys=[self.old, self.new], owner="t1")

    @pytest.mark.parametrize("text", ["", "a", "bm90IGxvbmcgZW5vdWdo", "!" * 44, "x" * 45])
    def test_cannot_be_made_with_an_unusable_key_which_is_not_repeated(self, text: str) -> None:
        with pytest.raises(EncryptionKeyError) as refused:
            WrappingKey.parse(text)

        assert len(text) < 2 or text not in str(refused.value)


@pytest.mark.django_db
class TestInTheDatabase:
    def connections(self) -> list[Connection]:
        return list(Connection.objects.order_by("pk"))

    def refuses(self, row: Connection, tenant: Tenant) -> bool:
        """Whether the row's credentials do not open, and the audit says whose."""
        before = len(audited(AuditAction.CREDENTIALS_UNREADABLE))
        row.refresh_from_db()
        with pytest.raises(SealBrokenError):
            open_for(row, "credentials", tenant_id=tenant.pk, actor=TESTER, reason="test")
        events = audited(AuditAction.CREDENTIALS_UNREADABLE)[before:]
        return [(each.target_id, each.tenant_id, each.outcome) for each in events] == [
            (str(row.pk), tenant.pk, "failed")
        ]

    def test_a_value_copied_from_another_row_does_not_open(self, estate: Estate) -> None:
        first, second = self.connections()[:2]
        tamper(first, bytes(second.credentials or b""))

        assert self.refuses(first, estate.acme)

    def test_a_value_copied_from_another_tenant_does_not_open(self, estate: Estate) -> None:
        row = self.connections()[0]
        theirs = next(
            each
            for (owner, each, name, _) in estate.planted.values()
            if owner == estate.globex and name == "credentials"
        )
        tamper(row, bytes(theirs.credentials))

        assert self.refuses(row, estate.acme)

    def test_a_data_key_given_to_another_tenant_opens_nothing(self, estate: Estate) -> None:
        row = self.connections()[0]
        DataKey.objects.filter(tenant=estate.globex).update(is_current=False)
        DataKey.objects.filter(tenant=estate.acme).update(tenant=estate.globex)

        with pytest.raises(SealBrokenError):
            open_for(row, "credentials", tenant_id=estate.globex.pk, actor=TESTER, reason="test")

    def test_a_value_moved_to_another_field_does_not_open(self, estate: Estate) -> None:
        row = self.connections()[0]
        row.settings = row.credentials

        with pytest.raises(SealBrokenError):
            open_for(row, "settings", tenant_id=estate.acme.pk, actor=TESTER, reason="test")

    def test_no_byte_of_a_value_can_be_changed(self, estate: Estate) -> None:
        row = self.connections()[0]
        sealed = bytes(row.credentials or b"")

        for at in range(0, len(sealed), 7):
            tamper(row, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
            assert self.refuses(row, estate.acme), at

    @pytest.mark.parametrize("length", [0, 1, 16, 17, 30, 44, 45, 60])
    def test_a_value_that_was_cut_does_not_open(self, estate: Estate, length: int) -> None:
        row = self.connections()[0]
        tamper(row, bytes(row.credentials or b"")[:length])

        assert self.refuses(row, estate.acme)

    def test_a_missing_wrapping_key_is_audited_as_well(self, estate: Estate, settings: Any) -> None:
        settings.HUB_ENCRYPTION_KEYS = [NEW]

        with pytest.raises(EncryptionKeyError):
            open_for(
                self.connections()[0],
                "credentials",
                tenant_id=estate.acme.pk,
                actor=TESTER,
                reason="test",
            )

        assert len(audited(AuditAction.CREDENTIALS_UNREADABLE)) == 1

    def test_a_column_of_sealed_values_takes_nothing_else(self) -> None:
        with pytest.raises(TypeError):
            Connection.objects.update(credentials=b"plain")
