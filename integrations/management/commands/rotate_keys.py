"""`manage.py rotate_keys`: rotate keys while the hub runs. Killed at any moment, say it again.

    rotate_keys                 wrap every data key with the first wrapping key
    rotate_keys --data-keys     give every owner a new data key too, and seal all values under it
    rotate_keys --check         say what still needs which key; change nothing
    rotate_keys --retire KEY    give a key up, or say what still needs it

Exit 0: done, nothing is left. 1: something is left, or in use. 2: there is no such key.
"""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hub.crypto import EncryptionKeyError, SealBrokenError
from integrations import crash
from integrations.errors import HubError, NotFoundRefusedError
from tenants import rotation, wrapping
from tenants.actor import Actor
from tenants.keys import wrapping_keys
from tenants.models import DataKey
from tenants.rotation import SealedAnew
from tenants.wrapping import BATCH_ROWS

ACTOR = Actor.system("rotate_keys")
NAMED = 10  # of the values that do not open


class Command(BaseCommand):
    help = "Rotate wrapping keys and data keys, while everything else goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--data-keys", action="store_true", help="new data keys too; seal every value anew"
        )
        what.add_argument("--check", action="store_true", help="say what is left; change nothing")
        what.add_argument(
            "--retire", metavar="KEY", help="id of a wrapping key or a data key to give up"
        )
        parser.add_argument(
            "--batch", type=int, default=BATCH_ROWS, help="values in one transaction"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["check"]:
                self._check()
                return
            with rotation.one_rotation_at_a_time():
                if options["retire"]:
                    self._retire(options["retire"])
                else:
                    self._rotate(max(1, options["batch"]), with_data_keys=options["data_keys"])
        except NotFoundRefusedError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        except (HubError, EncryptionKeyError, SealBrokenError) as exc:
            raise CommandError(str(exc)) from exc
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped; what is done is done. Say it again to go on.", returncode=130
            ) from None

    def _rotate(self, size: int, *, with_data_keys: bool) -> None:
        count = wrapping.wrap_anew(actor=ACTOR, size=size, at=crash.hit)
        self.stdout.write(f"{count} data keys wrapped anew with {wrapping_keys()[0].id}.")
        if not with_data_keys:
            return
        begun = rotation.begin_rotation(actor=ACTOR, at=crash.hit)
        owners = rotation.unfinished_owners()
        self.stdout.write(
            f"{begun} new data keys made."
            if begun
            else f"The last rotation is not finished; {len(owners)} owners of keys are left."
        )
        left = 0
        with _bars() as bars:
            overall = bars.add_task("tenants", total=len(owners))
            for number, owner in enumerate(owners, 1):
                row = bars.add_task("", total=None)
                result = rotation.seal_anew(
                    owner,
                    actor=ACTOR,
                    size=size,
                    at=crash.hit,
                    progress=lambda done, total, row=row: bars.update(  # type: ignore[misc]
                        row, completed=done, total=total
                    ),
                )
                bars.remove_task(row)
                bars.advance(overall)
                left += bool(result.in_use or result.broken)
                if not bars.console.is_terminal or result.in_use or result.broken:
                    self._say(f"[{number}/{len(owners)}]", result)
        if left:
            raise CommandError(
                f"{left} of {len(owners)} are not finished; their old keys stay. Say it again."
            )
        self.stdout.write("Every value is sealed by a new key; the old ones are destroyed.")

    def _say(self, place: str, result: SealedAnew) -> None:
        said = f"{place} {result.name}: {result.done} values sealed anew"
        said += f", {result.retired} keys destroyed" if result.retired else ""
        said += f", {result.in_use} values still under an old key" if result.in_use else ""
        self.stdout.write(said)
        for place, why in list(result.broken.items())[:NAMED]:
            self.stdout.write(f"    {place}: {why} Enter or connect it again.")
        if (more := len(result.broken) - NAMED) > 0:
            self.stdout.write(f"    and {more} more")

    def _retire(self, wanted: str) -> None:
        try:
            data_key = UUID(wanted)
        except ValueError:
            wrapping.retire_wrapping_key(wanted.lower(), actor=ACTOR)
            self.stdout.write(
                f"No data key needs {wanted}: take it out of HUB_ENCRYPTION_KEYS. Backups that were"
                " made before still need it."
            )
        else:
            rotation.retire_data_key(data_key, actor=ACTOR)
            self.stdout.write(f"{wanted} is destroyed.")

    def _check(self) -> None:
        wraps = wrapping.data_keys_by_wrapping_key()
        configured = [each.id for each in wrapping_keys()]
        for number, key_id in enumerate(configured):
            todo = "" if number == 0 or wraps[key_id] else "; it may be retired"
            self.stdout.write(f"{key_id} wraps {wraps[key_id]} data keys{todo}.")
        for key_id in sorted(set(wraps) - set(configured)):
            self.stdout.write(f"{key_id} wraps {wraps[key_id]} data keys and is missing.")
        left = sum(count for key_id, count in wraps.items() if key_id not in configured[:1])
        if left:
            self.stdout.write(f"{left} data keys are to be wrapped anew: run rotate_keys.")
        owners = rotation.unfinished_owners()
        for key in DataKey.objects.filter(is_current=False).select_related("tenant"):
            name = key.tenant.slug if key.tenant else "hub"
            self.stdout.write(f"{key.pk} is an old data key of {name}.")
        for owner in owners:
            left += 1
            count = rotation.values_to_be_sealed_anew(owner)
            self.stdout.write(f"{count} values of {owner or 'the hub'} are to be sealed anew.")
        if left:
            raise SystemExit(1)


def _bars() -> Progress:
    """Bars on a terminal, nothing elsewhere: there each owner gets a line."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
