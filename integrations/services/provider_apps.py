"""Setting a provider app, and looking again at once at whatever waited for a better one."""

from django.db import transaction
from django.db.models.functions import Now

from hub.connect.models import ProviderApp
from hub.connect.provider_apps import set_provider_app
from hub.fleet.models import Due
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

    Their first renewal that succeeds repairs them; one that fails lets them wait again.
    """
    app = set_provider_app(
        provider=provider,
        client_id=client_id,
        client_secret=client_secret,
        tenant=tenant,
        actor=actor,
    )
    waiting = Due.objects.free().filter(provider=provider, parked_reason=AppRefusedError.code)
    if tenant is not None:
        waiting = waiting.filter(tenant=tenant)
    waiting.update(due_at=Now(), parked_reason="")
    return app
