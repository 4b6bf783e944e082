"""Setting a provider app, and looking again at once at whatever waited for a better one."""

from django.db import transaction
from django.db.models.functions import Now

from hub.connect.models import ProviderApp
from hub.connect.provider_apps import set_provider_app
from hub.fleet.models import Due
from integrations.connectors.registry import all_connectors
from integrations.errors import AppRefusedError
from tenants.actor import Actor
from tenants.models import Tenant


@transaction.atomic
def save_provider_app(
    *,
    provider: str,
    client_id: str,
    client_secret: str,
    tenant: Tenant | None = None,
    actor: Actor,
) -> ProviderApp:
    """Store the app as `set_provider_app` does; connections it kept waiting are due now.

    What is no provider is a gateway, by which any provider may be called. The first renewal that
    succeeds repairs a connection; one that fails lets it wait again.
    """
    app = set_provider_app(
        provider=provider,
        client_id=client_id,
        client_secret=client_secret,
        tenant=tenant,
        actor=actor,
    )
    waiting = Due.objects.free().filter(parked_reason=AppRefusedError.code)
    if any(connector.provider.slug == provider for connector in all_connectors()):
        waiting = waiting.filter(provider=provider)
    if tenant is not None:
        waiting = waiting.filter(tenant=tenant)
    waiting.update(due_at=Now(), parked_reason="")
    return app
