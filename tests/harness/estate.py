"""An empty database made ready for a hub under test, for programs that are no tests."""

from contextlib import ExitStack

from django.core.management import call_command

from hub.connect.provider_apps import set_provider_app
from integrations.services.accounts import Access, keep_account
from integrations.types import Account
from tenants.actor import Actor
from tenants.context import get_tenant, in_tenant
from tests.harness.checker import remembered_checkpoints
from tests.harness.connector import SLUG, FaultyConnector

ACTOR = Actor.system("harness")


def prepared(stack: ExitStack, *, is_empty: bool = True) -> None:
    """Tables, a tenant that is entered, and a provider app; checkpoints are remembered."""
    if is_empty:
        call_command("migrate_hub", verbosity=0)
        call_command("create_tenant", "acme", verbosity=0)
    set_provider_app(provider=SLUG, client_id="hub", client_secret="s", actor=ACTOR)
    stack.enter_context(in_tenant(get_tenant("acme")))
    stack.enter_context(remembered_checkpoints())


def connected(account: str, tokens: tuple[str, str] | None = None) -> str:
    """The id of a connection to the account, made or renewed; a sync is due.

    `tokens` are the access token and the refresh token; the first ones if they are left out.
    """
    access, refresh = tokens or (f"{account}-a0", f"{account}-r0")
    made = keep_account(
        provider=FaultyConnector.provider,
        account=Account(account, account),
        access=Access(
            "oauth2",
            {"access_token": access, "refresh_token": refresh},
            scopes=("read",),
        ),
        name=account,
        expected=None,
        actor=ACTOR,
    )
    return str(made.pk)
