"""manage.py connect: connect a provider with a key from a file, or through a gateway."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.connectors.registry import get_connector
from integrations.errors import HubError, InvalidInputError
from integrations.http import composio
from integrations.models import Connection
from integrations.services.composio import connect_through_composio, create_composio_link
from integrations.services.connections import connect_with_key
from tenants.actor import Actor
from tenants.context import get_tenant, in_tenant

MAX_FILE_BYTES = 100_000


class Command(BaseCommand):
    help = (
        "Connect a tenant to a provider with credentials from a file, or through Composio, and "
        "make its sync due."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        parser.add_argument("--provider", required=True, help="its slug")
        parser.add_argument(
            "--credentials-file",
            type=Path,
            help='a JSON file: {"key": "…", "user_email": "…"}',
        )
        parser.add_argument("--config", default="", help="what else the provider asks for, as JSON")
        parser.add_argument(
            "--through", choices=[composio.NAME], help="who holds the access instead of the hub"
        )
        parser.add_argument(
            "--account",
            default="",
            help="the connected account there, such as ca_1a2b3c4d5e6f; without one a link is made",
        )
        parser.add_argument("--name", default="", help="what the connection is called")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = get_tenant(options["tenant"])
            get_connector(options["provider"])
            with in_tenant(tenant):
                if options["through"] and not options["account"]:
                    return self._link(options["provider"])
                connection = _connected(options)
        except InvalidInputError as exc:
            raise CommandError(f"{_sentence(exc)} Nothing was connected.") from exc
        except HubError as exc:
            raise CommandError(f"{exc} Nothing was connected.") from exc
        self.stdout.write(
            f"Connected {connection.name} ({connection.source_system}) for {tenant.slug}; "
            f"the first sync is due now.\n{connection.pk}"
        )
        return None

    def _link(self, provider: str) -> None:
        link = create_composio_link(provider=provider, actor=Actor.system("command"))
        self.stdout.write(
            f"Consent within ten minutes at\n{link.url}\n"
            f"and then call this again with --account {link.account}"
        )


def _connected(options: dict[str, Any]) -> Connection:
    how = {
        "provider": options["provider"],
        "name": options["name"] or None,
        "actor": Actor.system("command"),
    }
    if options["through"]:
        return connect_through_composio(account=options["account"], **how)
    if options["credentials_file"] is None:
        raise CommandError("Name a file with --credentials-file. Nothing was connected.")
    config = _texts(options["config"] or "{}", "--config")
    secrets = _from_file(options["credentials_file"])
    return connect_with_key(secrets=secrets, extra=config, **how)


def _from_file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise CommandError(
            f"{path} cannot be read ({exc.strerror}); name a JSON file with the credentials."
        ) from exc
    if len(text) > MAX_FILE_BYTES:
        raise CommandError(f"{path} is no credentials file: it is larger than 100 kB.")
    return _texts(text, str(path))


def _texts(text: str | bytes, where: str) -> dict[str, str]:
    """A flat JSON object of texts; nothing of what stands in it is repeated in an error."""
    wanted = 'it must be one JSON object of texts, such as {"key": "…", "user_email": "…"}.'
    try:
        found = json.loads(text)
    except ValueError:
        raise CommandError(f"{where} is not JSON; {wanted}") from None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise CommandError(f"{where} holds something else; {wanted}")
    return found


def _sentence(exc: InvalidInputError) -> str:
    return exc.message or "; ".join(f"{name}: {said[0]}" for name, said in exc.errors.items())
