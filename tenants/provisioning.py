"""Making a tenant: row, schema, keys and first admin in one transaction, or nothing at all.

The schema comes from tenants/schema.sql, a script written from the migrations by
`make tenant-script` (a test holds the two equal): one statement list, about 20 ms, however many
tenants there are. Then come the views of tenants/views.sql.
"""

import re
from functools import cache
from pathlib import Path
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.fields import uuid7
from integrations.errors import InvalidInputError, NameTakenError
from tenants.actor import Actor
from tenants.keys import create_data_key
from tenants.models import Membership, Tenant, User
from tenants.roles import Role
from tenants.views import PLACEHOLDER, create_views

SCRIPT = Path(__file__).parent / "schema.sql"
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
RESERVED = {"admin", "api", "connect", "public", "static"}


def create_tenant(*, slug: str, name: str, actor: Actor, admin: User | None = None) -> Tenant:
    """Return a new active tenant with its schema, its data key and, if given, its first admin.

    Raises:
        InvalidInputError: the slug is not a lower-case name of letters, digits and hyphens.
        NameTakenError: an open tenant has this slug already.
    """
    check_slug(slug)
    tenant_id = uuid7()
    tenant = Tenant(
        id=tenant_id, schema_name=schema_name(tenant_id), slug=slug, name=name.strip() or slug
    )
    try:
        with transaction.atomic():
            tenant.number = _next_number()
            tenant.save(force_insert=True)
            _create_schema(tenant.schema_name)
            create_data_key(tenant)
            if admin is not None:
                Membership.objects.create(user=admin, tenant=tenant, role=Role.ADMIN)
            record_event(
                AuditAction.TENANT_CREATED, actor=actor, target=tenant, tenant_id=tenant.pk
            )
    except IntegrityError as exc:
        if "tenant_slug_taken" in str(exc):
            raise NameTakenError(f"The tenant {slug!r} exists; choose another name.") from exc
        raise
    return tenant


def check_slug(slug: str) -> None:
    """Raise InvalidInputError unless `slug` can stand in addresses as a tenant's name."""
    problem = None
    if not SLUG.fullmatch(slug):
        problem = "Use 1 to 40 lower-case letters, digits and hyphens, such as acme-gmbh."
    elif slug in RESERVED:
        problem = "This name is reserved; choose another."
    if problem:
        raise InvalidInputError(
            f"{slug!r} cannot be a tenant's name. {problem}", {"slug": [problem]}
        )


def schema_name(tenant_id: UUID) -> str:
    """Return the name of the tenant's schema: made from its id, so never used twice."""
    return f"t_{tenant_id.hex}"


@cache
def script() -> str:
    return SCRIPT.read_text()


def _create_schema(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(script().replace(PLACEHOLDER, name))
    create_views(name)


def _next_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('public.tenant_number')")
        return int(cursor.fetchone()[0])
