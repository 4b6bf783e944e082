"""Provider apps: the hub's registration at each provider, for all tenants or for one."""

import logging

from django.db import transaction
from django.db.models.functions import Now

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_event, record_now
from hub.connect.models import ProviderApp
from integrations.errors import InvalidInputError, OperatorRequiredError
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.keys import open_for, seal_for
from tenants.models import Tenant
from tenants.roles import Role

log = logging.getLogger(__name__)


@requires_role(Role.ADMIN)
@transaction.atomic
def set_provider_app(
    *,
    provider: str,
    client_id: str,
    client_secret: str,
    tenant: Tenant | None = None,
    actor: Actor,
) -> ProviderApp:
    """Store client id and secret; without `tenant` for all tenants that have no app of their own.

    An empty secret keeps the one that is stored. A second call replaces the first.

    Raises:
        InvalidInputError: the client id is missing, or there is no secret yet either.
    """
    client_id, client_secret = client_id.strip(), client_secret.strip()
    app = (
        ProviderApp.objects.select_for_update().filter(provider=provider, tenant=tenant).first()
    ) or ProviderApp(provider=provider, tenant=tenant)
    errors: dict[str, list[str]] = {}
    if not client_id:
        errors["client_id"] = ["Enter the client id the provider gave the app."]
    if not client_secret and app.client_secret is None:
        errors["client_secret"] = ["Enter the client secret the provider gave the app."]
    if errors:
        raise InvalidInputError("The provider app is not complete.", errors)
    app.client_id = client_id
    app.refused_at = None
    if client_secret:
        tenant_id = tenant and tenant.pk
        app.client_secret = seal_for(
            app, "client_secret", {"client_secret": client_secret}, tenant_id=tenant_id
        )
    app.save()
    record_event(
        AuditAction.PROVIDER_APP_CHANGED,
        actor=actor,
        target=app,
        detail={"provider": provider, "secret_changed": bool(client_secret)},
        tenant_id=tenant and tenant.pk,
    )
    return app


def find_provider_app(provider: str, tenant: Tenant) -> ProviderApp | None:
    """The tenant's own app, else the one for all, else None."""
    apps = ProviderApp.objects.filter(provider=provider)
    return apps.filter(tenant=tenant).first() or apps.filter(tenant__isnull=True).first()


def provider_app_for(provider: str, tenant: Tenant) -> ProviderApp:
    """The app with which `tenant` connects.

    Raises:
        OperatorRequiredError: there is none.
    """
    app = find_provider_app(provider, tenant)
    if app is None:
        raise OperatorRequiredError(
            f"There is no app for {provider} yet: register the hub there and enter client id and "
            "client secret under Provider apps."
        )
    return app


def note_refused(app: ProviderApp, *, actor: Actor) -> None:
    """Raise one alarm that the provider does not accept `app`, however many connections find out.

    The next is raised only after `note_accepted`, or after somebody has set the app anew.
    """
    if ProviderApp.objects.filter(pk=app.pk, refused_at=None).update(refused_at=Now()):
        said = {"provider": app.provider, "provider_app": str(app.pk)}
        log.error("provider app refused: check its client id and secret", extra=said)
        record_now(
            AuditAction.PROVIDER_APP_REFUSED,
            actor=actor,
            outcome=Outcome.FAILED,
            target=app,
            detail={"provider": app.provider},
            tenant_id=app.tenant_id,
        )


def note_accepted(app: ProviderApp, *, actor: Actor) -> None:
    """The provider has accepted `app`; if that was not so before, the alarm is over."""
    if app.refused_at is None:
        return
    if ProviderApp.objects.filter(pk=app.pk, refused_at__isnull=False).update(refused_at=None):
        record_event(
            AuditAction.PROVIDER_APP_ACCEPTED,
            actor=actor,
            target=app,
            detail={"provider": app.provider},
            tenant_id=app.tenant_id,
        )


def client_secret_of(app: ProviderApp, *, actor: Actor, reason: str) -> str:
    """The app's client secret, opened, which is audited."""
    opened = open_for(app, "client_secret", tenant_id=app.tenant_id, actor=actor, reason=reason)
    return str(opened["client_secret"])
