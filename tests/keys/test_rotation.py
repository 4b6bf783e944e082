"""Rotating keys in the running hub: what changes, what is refused, who is asked to wait."""

import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.db import transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from hub.audit.models import AuditAction
from hub.connect.models import ProviderApp
from hub.crypto import SealBrokenError, WrappingKey
from hub.fields import EncryptedField
from integrations.errors import RefusedError
from integrations.models import Connection
from integrations.sync.credentials import save_credentials
from tenants import rotation
from tenants.context import in_tenant
from tenants.keys import open_for, seal_for
from tenants.models import DataKey, Tenant
from tenants.rotation import begin_rotation, retire_data_key, seal_anew, unfinished_owners
from tenants.sealed_columns import sealed_columns
from tenants.wrapping import data_keys_by_wrapping_key, retire_wrapping_key, wrap_anew
from tests.factories import ConnectionFactory
from tests.keys.conftest import NEW, OLD, TESTER, Estate, audited, changed, tamper

OLD_ID, NEW_ID = WrappingKey.parse(OLD).id, WrappingKey.parse(NEW).id


def rotate(*options: str) -> None:
    call_command("rotate_keys", *options)


def exit_code(*options: str) -> int:
    try:
        rotate(*options)
    except CommandError as exc:
        return exc.returncode
    except SystemExit as exc:
        return int(str(exc.code))
    return 0


@pytest.mark.django_db
class TestWrappingAnew:
    def test_the_first_key_wraps_everything_and_the_old_one_may_go(
        self, estate: Estate, settings: Any
    ) -> None:
        count = DataKey.objects.count()
        settings.HUB_ENCRYPTION_KEYS = [NEW, OLD]

        rotate()

        assert data_keys_by_wrapping_key() == {NEW_ID: count}
        rotate("--retire", OLD_ID)
        settings.HUB_ENCRYPTION_KEYS = [NEW]
        assert estate.unreadable() == []

    def test_saying_it_again_changes_nothing(self, estate: Estate, settings: Any) -> None:
        settings.HUB_ENCRYPTION_KEYS = [NEW, OLD]
        rotate()
        before = list(DataKey.objects.order_by("pk").values_list("wrapped", flat=True))

        rotate()

        assert list(DataKey.objects.order_by("pk").values_list("wrapped", flat=True)) == before
        assert len(audited(AuditAction.KEYS_ROTATED)) == 1

    def test_a_key_in_use_is_not_retired_and_says_by_how_many(
        self, estate: Estate, settings: Any
    ) -> None:
        settings.HUB_ENCRYPTION_KEYS = [NEW, OLD]

        with pytest.raises(RefusedError, match=f"{DataKey.objects.count()} data keys still need"):
            retire_wrapping_key(OLD_ID, actor=TESTER)

        assert exit_code("--retire", OLD_ID) == 1
        assert audited(AuditAction.KEY_RETIRED) == []

    def test_the_first_key_is_never_retired(self, settings: Any) -> None:
        settings.HUB_ENCRYPTION_KEYS = [NEW, OLD]

        assert exit_code("--retire", NEW_ID) == 1

    def test_a_key_that_does_not_exist_is_said_to(self) -> None:
        assert exit_code("--retire", "00000000") == 2
        assert exit_code("--retire", str(uuid4())) == 2

    def test_one_missing_key_does_not_keep_the_others_from_being_wrapped(
        self, estate: Estate, settings: Any
    ) -> None:
        lost = DataKey.objects.get(tenant=estate.globex)
        settings.HUB_ENCRYPTION_KEYS = [NEW, OLD]
        DataKey.objects.filter(pk=lost.pk).update(
            wrapped=b"\x01\x00\x00\x00\x00" + bytes(lost.wrapped)[5:]
        )

        assert exit_code() == 1

        counts = data_keys_by_wrapping_key()
        assert counts == {NEW_ID: DataKey.objects.count() - 1, "00000000": 1}


@pytest.mark.django_db
class TestNewDataKeys:
    def test_every_value_is_sealed_anew_and_the_old_keys_are_gone(self, estate: Estate) -> None:
        before = set(DataKey.objects.values_list("pk", flat=True))

        rotate("--data-keys", "--batch", "5")

        after = set(DataKey.objects.values_list("pk", flat=True))
        assert not before & after
        assert estate.keys_in_use() == after
        assert estate.unreadable() == []
        assert len(audited(AuditAction.KEYS_ROTATED)) == len(after) == 3
        assert len(audited(AuditAction.KEY_RETIRED)) == len(before) == 3

    def test_nothing_is_audited_as_read(self, estate: Estate) -> None:
        before = len(audited(AuditAction.CREDENTIALS_READ))

        rotate("--data-keys")

        assert len(audited(AuditAction.CREDENTIALS_READ)) == before

    def test_every_column_of_sealed_values_is_found(self) -> None:
        declared = {
            (model, field.name)
            for model in apps.get_models()
            for field in model._meta.concrete_fields
            if isinstance(field, EncryptedField)
        }

        found = {(each.model, each.field) for each in sealed_columns()}
        assert found == declared
        assert {(Connection, "credentials"), (ProviderApp, "client_secret")} <= found

    def test_it_asks_the_database_once_per_batch_not_once_per_value(self, estate: Estate) -> None:
        asked = []
        for _ in range(2):
            begin_rotation(actor=TESTER)
            with CaptureQueriesContext(database) as queries:
                result = seal_anew(estate.acme.pk, actor=TESTER, size=100)
            asked.append((result.done, len(queries)))
            estate.plant(connections=40)
            rotate("--data-keys")

        assert [done for done, _ in asked] == [14, 55]
        assert asked[0][1] == asked[1][1]

    def test_a_row_read_before_and_opened_after_still_opens(self, estate: Estate) -> None:
        stale = Connection.objects.order_by("pk")[0]

        rotate("--data-keys")

        said = estate.planted["integrations_connection", str(stale.pk)][3]
        assert (
            open_for(stale, "credentials", tenant_id=estate.acme.pk, actor=TESTER, reason="test")
            == said
        )

    def test_a_new_tenants_key_is_not_touched_by_a_rotation_that_goes_on(
        self, estate: Estate
    ) -> None:
        begin_rotation(actor=TESTER)
        fresh = set(DataKey.objects.filter(is_current=True).values_list("pk", flat=True))

        rotate("--data-keys")

        assert set(DataKey.objects.values_list("pk", flat=True)) == fresh

    def test_what_does_not_open_is_named_kept_and_audited_once(
        self, estate: Estate, capsys: pytest.CaptureFixture[str]
    ) -> None:
        row = Connection.objects.order_by("pk")[3]
        tamper(row, changed(row.credentials))
        row.refresh_from_db()
        sealed = bytes(row.credentials or b"")

        assert exit_code("--data-keys") == 1

        said = capsys.readouterr().out
        assert f"integrations_connection.credentials {row.pk}" in said
        assert len(audited(AuditAction.CREDENTIALS_UNREADABLE)) == 1
        row.refresh_from_db()
        assert row.credentials == sealed
        assert unfinished_owners() == [estate.acme.pk]
        assert len(estate.unreadable()) == 1

    def test_once_what_did_not_open_is_entered_again_the_rotation_ends(
        self, estate: Estate
    ) -> None:
        row = Connection.objects.order_by("pk")[3]
        tamper(row, changed(row.credentials))
        assert exit_code("--data-keys") == 1

        row.refresh_from_db()
        save_credentials(row, {"key": "entered again"}, expires_at=None, scopes=[])

        assert exit_code("--data-keys") == 0
        assert unfinished_owners() == []

    def test_a_tenant_that_is_being_closed_is_left_alone(self, estate: Estate) -> None:
        Tenant.objects.filter(pk=estate.globex.pk).update(state=Tenant.State.CLOSING)

        assert exit_code("--data-keys") == 0

        assert DataKey.objects.get(tenant=estate.globex).is_current

    def test_a_suspended_tenant_is_not(self, estate: Estate) -> None:
        Tenant.objects.filter(pk=estate.globex.pk).update(state=Tenant.State.SUSPENDED)
        before = DataKey.objects.get(tenant=estate.globex)

        assert exit_code("--data-keys") == 0

        assert DataKey.objects.get(tenant=estate.globex) != before


@pytest.mark.django_db
class TestRetiringADataKey:
    def test_is_refused_while_values_need_it_and_says_how_many(self, estate: Estate) -> None:
        old = DataKey.objects.get(tenant=estate.acme)
        begin_rotation(actor=TESTER)

        with pytest.raises(RefusedError, match="14 values of acme"):
            retire_data_key(old.pk, actor=TESTER)

        assert exit_code("--retire", str(old.pk)) == 1
        assert estate.unreadable() == []

    def test_is_refused_for_the_current_one(self, estate: Estate) -> None:
        current = DataKey.objects.get(tenant=estate.acme)

        assert exit_code("--retire", str(current.pk)) == 1
        assert DataKey.objects.filter(pk=current.pk).exists()

    def test_destroys_one_that_nothing_needs(self, estate: Estate) -> None:
        old = DataKey.objects.get(tenant=estate.globex)
        begin_rotation(actor=TESTER)
        with in_tenant(estate.globex):
            Connection.objects.update(credentials=None)

        assert exit_code("--retire", str(old.pk)) == 0

        assert not DataKey.objects.filter(pk=old.pk).exists()
        assert [each.tenant_id for each in audited(AuditAction.KEY_RETIRED)] == [estate.globex.pk]


@pytest.mark.django_db
class TestChecking:
    def test_exits_0_when_nothing_is_left(self, estate: Estate) -> None:
        assert exit_code("--check") == 0

    def test_names_what_is_to_be_wrapped(
        self, estate: Estate, settings: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.HUB_ENCRYPTION_KEYS = [NEW, OLD]

        assert exit_code("--check") == 1
        assert f"{DataKey.objects.count()} data keys are to be wrapped" in capsys.readouterr().out

    def test_names_what_is_to_be_sealed(
        self, estate: Estate, capsys: pytest.CaptureFixture[str]
    ) -> None:
        begin_rotation(actor=TESTER)

        assert exit_code("--check") == 1

        said = capsys.readouterr().out
        assert f"14 values of {estate.acme.pk} are to be sealed anew" in said
        assert "1 values of the hub" in said


def in_another_thread(work: Any) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            database.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
class TestWhileOthersWork:
    def test_a_value_sealed_under_the_old_key_but_not_yet_saved_is_waited_for(
        self, acme: Tenant
    ) -> None:
        """Without the wait, its key would be destroyed and the value never open again."""
        row = ConnectionFactory()
        may_save, has_sealed = threading.Event(), threading.Event()

        def seal_slowly() -> None:
            with in_tenant(acme), transaction.atomic():
                mine = Connection.objects.select_for_update().get(pk=row.pk)
                mine.credentials = seal_for(mine, "credentials", {"key": "slow"}, tenant_id=acme.pk)
                has_sealed.set()
                may_save.wait(60)
                mine.save(update_fields=["credentials"])

        writer = in_another_thread(seal_slowly)
        assert has_sealed.wait(60)
        begin_rotation(actor=TESTER)
        threading.Timer(0.5, may_save.set).start()

        result = seal_anew(acme.pk, actor=TESTER)

        writer.join()
        row.refresh_from_db()
        assert (result.in_use, result.retired) == (0, 1)
        assert open_for(row, "credentials", tenant_id=acme.pk, actor=TESTER, reason="test") == {
            "key": "slow"
        }

    def test_a_connection_that_a_refresh_holds_does_not_hold_up_the_others(
        self, acme: Tenant
    ) -> None:
        rows = [ConnectionFactory() for _ in range(4)]
        for row in rows:
            save_in_transaction(row, {"key": str(row.pk)})
        begin_rotation(actor=TESTER)
        may_end, holds = threading.Event(), threading.Event()

        def hold() -> None:
            with in_tenant(acme), transaction.atomic():
                Connection.objects.select_for_update().get(pk=rows[0].pk)
                holds.set()
                may_end.wait(60)

        holder = in_another_thread(hold)
        assert holds.wait(60)
        seen: list[int] = []

        def progress(done: int, total: int) -> None:
            seen.append(done)
            may_end.set()  # only after the three others

        result = seal_anew(acme.pk, actor=TESTER, progress=progress)

        holder.join()
        assert seen == [3, 4]
        assert (result.done, result.in_use, result.retired) == (4, 0, 1)

    def test_two_rotations_do_not_run_at_once(self, acme: Tenant, rotations: Any) -> None:
        with rotation.one_rotation_at_a_time():
            code, _, err = rotations.run("--data-keys")

        assert code == 1
        assert "another process" in err

    def test_the_hubs_first_secret_sealed_by_two_at_once_gets_one_key(self, db: None) -> None:
        DataKey.objects.filter(tenant=None).delete()
        start = threading.Barrier(4)
        found: list[UUID] = []

        def seal() -> None:
            start.wait(60)
            with transaction.atomic():
                app = ProviderApp(provider="slack")
                sealed = seal_for(app, "client_secret", {}, tenant_id=None)
                found.append(UUID(bytes=bytes(sealed)[1:17]))

        threads = [in_another_thread(seal) for _ in range(4)]
        for thread in threads:
            thread.join()

        assert len(found) == 4
        assert set(found) == {DataKey.objects.get(tenant=None).pk}

    def test_sealing_outside_a_transaction_is_a_mistake(self, acme: Tenant) -> None:
        row = ConnectionFactory()

        with pytest.raises(TransactionManagementError):
            seal_for(row, "credentials", {}, tenant_id=acme.pk)


def save_in_transaction(row: Connection, secrets: dict[str, str]) -> None:
    with transaction.atomic():
        save_credentials(row, secrets, expires_at=None, scopes=[])


@pytest.mark.django_db
def test_a_broken_data_key_stops_nobody_elses_rotation(estate: Estate) -> None:
    key = DataKey.objects.get(tenant=estate.globex)
    DataKey.objects.filter(pk=key.pk).update(wrapped=changed(key.wrapped))

    assert exit_code("--data-keys") == 1

    assert unfinished_owners() == [estate.globex.pk]
    with in_tenant(estate.globex), pytest.raises(SealBrokenError):
        estate.open(estate.globex, Connection.objects.first(), "credentials")
    assert wrap_anew(actor=TESTER) == 0
