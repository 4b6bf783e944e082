"""What people do with tenants: members, API keys, access tokens, suspending and resuming.

Called inside the tenant concerned (its pages, the API), or on public ground by operations and
commands, which pass an actor with the role they grant themselves, under their own name.
"""

from datetime import datetime

from django.contrib.auth import authenticate
from django.db import connection, transaction
from django.utils import timezone

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_event, record_now
from integrations.errors import (
    InvalidInputError,
    PermissionRefusedError,
    RefusedError,
    TenantNotActiveError,
    UnauthenticatedError,
)
from tenants.actor import Actor
from tenants.bi_access import let_log_in, stop_logins
from tenants.decorators import requires_role
from tenants.middleware import forget_tenant
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.roles import Role
from tenants.tokens import issue_jwt, new_api_key

SIGN_IN_REFUSED = "User name, password and tenant do not go together."


@requires_role(Role.ADMIN)
@transaction.atomic
def create_api_key(
    *, tenant: Tenant, name: str, role: Role, actor: Actor, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Return a new key of the tenant and the key itself, which cannot be shown a second time.

    Raises:
        InvalidInputError: the name is empty, or the key would have expired already.
    """
    _refuse_another_tenant(tenant)
    errors = {}
    if not name.strip():
        errors["name"] = ["Say what the key is for."]
    if expires_at is not None and expires_at <= timezone.now():
        errors["expires_at"] = ["Choose a time in the future."]
    if errors:
        raise InvalidInputError("The API key was not created.", errors)
    plain, prefix, digest = new_api_key(tenant)
    key = ApiKey.objects.create(
        tenant=tenant,
        name=name.strip(),
        role=role,
        prefix=prefix,
        hash=digest,
        created_by_id=actor.id if actor.kind == "user" else None,
        expires_at=expires_at,
    )
    record_event(
        AuditAction.API_KEY_CREATED,
        actor=actor,
        target=key,
        detail={"role": role.value},
        tenant_id=tenant.pk,
    )
    return key, plain


@requires_role(Role.ADMIN)
@transaction.atomic
def revoke_api_key(*, key: ApiKey, actor: Actor) -> None:
    """The key opens nothing from now on. Revoking twice is safe."""
    _refuse_another_tenant(key.tenant)
    now = timezone.now()
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        key.revoked_at = now
        record_event(AuditAction.API_KEY_REVOKED, actor=actor, target=key, tenant_id=key.tenant_id)


@requires_role(Role.ADMIN)
@transaction.atomic
def set_membership(*, tenant: Tenant, user: User, role: Role, actor: Actor) -> Membership:
    """Return the person's membership, which now has this role.

    A second call with the same role changes nothing.

    Raises:
        RefusedError: the tenant would be left without an admin.
    """
    _refuse_another_tenant(tenant)
    _lock(tenant)
    membership = Membership.objects.filter(tenant=tenant, user=user).first()
    if membership is None:
        membership, before = Membership(tenant=tenant, user=user), None
    else:
        before = Role(membership.role)
        if before == role:
            return membership
        _keep_an_admin(membership)
    membership.role = role
    membership.save()
    _record_membership(membership, actor, before=before, after=role)
    return membership


@requires_role(Role.ADMIN)
@transaction.atomic
def remove_membership(*, membership: Membership, actor: Actor) -> None:
    """The person has no way into the tenant any more; sessions and tokens stop working at once.

    Raises:
        RefusedError: the tenant would be left without an admin.
    """
    _refuse_another_tenant(membership.tenant)
    _lock(membership.tenant)
    _keep_an_admin(membership)
    _record_membership(membership, actor, before=Role(membership.role), after=None)
    membership.delete()


@transaction.atomic
def suspend_tenant(*, tenant: Tenant, actor: Actor) -> None:
    """Its pages, API and syncs stop until it is resumed; nothing of it changes. For operations.

    Raises:
        TenantNotActiveError: it is not active.
    """
    _move(tenant, Tenant.State.ACTIVE, Tenant.State.SUSPENDED)
    transaction.on_commit(lambda: stop_logins(tenant))
    record_event(AuditAction.TENANT_SUSPENDED, actor=actor, target=tenant, tenant_id=tenant.pk)


@transaction.atomic
def resume_tenant(*, tenant: Tenant, actor: Actor) -> None:
    """A suspended tenant works again. For operations.

    Raises:
        TenantNotActiveError: it is not suspended.
    """
    _move(tenant, Tenant.State.SUSPENDED, Tenant.State.ACTIVE)
    let_log_in(tenant)
    record_event(AuditAction.TENANT_RESUMED, actor=actor, target=tenant, tenant_id=tenant.pk)


def issue_access_token(*, email: str, password: str, tenant_slug: str) -> str:
    """Return a JWT for the person in the tenant; see tenants.tokens for its length of life.

    An unknown person, a wrong password, an unknown tenant and a missing membership take the same
    way and get the same answer.

    Raises:
        UnauthenticatedError: they do not go together. The attempt is audited.
    """
    membership = (
        Membership.objects.select_related("user", "tenant")
        .filter(user__email=email.lower(), tenant__slug=tenant_slug)
        .filter(tenant__state=Tenant.State.ACTIVE)
        .first()
    )
    user = authenticate(request=None, username=email, password=password)  # audits what it refuses
    if user is None:
        raise UnauthenticatedError(SIGN_IN_REFUSED)
    if membership is None or membership.user_id != user.pk:
        record_now(
            AuditAction.LOGIN_FAILED,
            actor=Actor.stranger(email),
            outcome=Outcome.FAILED,
            detail={"email": email[:254], "tenant": tenant_slug[:40]},
        )
        raise UnauthenticatedError(SIGN_IN_REFUSED)
    record_now(
        AuditAction.TOKEN_ISSUED,
        actor=Actor.user(membership.user, Role(membership.role)),
        target=membership.user,
        tenant_id=membership.tenant_id,
    )
    return issue_jwt(user=membership.user, tenant=membership.tenant)


def _refuse_another_tenant(tenant: Tenant) -> None:
    """A role counts in the tenant it was given in, and nowhere else."""
    entered = getattr(connection, "tenant", None)
    if isinstance(entered, Tenant) and entered.pk != tenant.pk:
        raise PermissionRefusedError("This belongs to another tenant.")


def _lock(tenant: Tenant) -> None:
    """Two admins who remove each other must not both win."""
    Tenant.objects.select_for_update().get(pk=tenant.pk)


def _keep_an_admin(leaving: Membership) -> None:
    others = Membership.objects.filter(tenant=leaving.tenant, role=Role.ADMIN).exclude(
        pk=leaving.pk
    )
    now = Membership.objects.filter(pk=leaving.pk, role=Role.ADMIN)
    if now.exists() and not others.exists():
        raise RefusedError("A tenant keeps at least one admin; make somebody else admin first.")


def _record_membership(
    membership: Membership, actor: Actor, *, before: Role | None, after: Role | None
) -> None:
    """The event is about the person, so that it outlives the membership."""
    record_event(
        AuditAction.MEMBERSHIP_CHANGED,
        actor=actor,
        target=membership.user,
        detail={"role": {"old": before and before.value, "new": after and after.value}},
        tenant_id=membership.tenant_id,
    )


def _move(tenant: Tenant, before: Tenant.State, after: Tenant.State) -> None:
    """One UPDATE decides, so that two people pressing a button cannot both win."""
    if not Tenant.objects.filter(pk=tenant.pk, state=before).update(state=after):
        raise TenantNotActiveError(f"{tenant} is not {before.label.lower()}.")
    tenant.state = after
    transaction.on_commit(lambda: forget_tenant(tenant.slug))
