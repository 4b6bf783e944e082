"""Work that comes round, without a connection behind it unless a test gives one."""

from datetime import timedelta

import factory
from django.utils import timezone

from hub.fields import uuid7
from hub.fleet.models import Due
from tenants.models import Tenant


class DueFactory(factory.django.DjangoModelFactory[Due]):
    """A sync of tenant acme that has been due for a minute and that nobody holds."""

    class Meta:
        model = Due

    class Params:
        later = factory.Trait(due_at=factory.LazyFunction(lambda: _from_now(minutes=30)))
        paused = factory.Trait(due_at=None)
        held = factory.Trait(
            lease_until=factory.LazyFunction(lambda: _from_now(minutes=2)),
            leased_by=factory.LazyFunction(uuid7),
            started_at=factory.LazyFunction(timezone.now),
            fence=1,
            attempts=1,
        )
        expired = factory.Trait(
            lease_until=factory.LazyFunction(lambda: _from_now(minutes=-1)),
            leased_by=factory.LazyFunction(uuid7),
            started_at=factory.LazyFunction(lambda: _from_now(minutes=-3)),
            fence=1,
            attempts=1,
        )

    kind = Due.Kind.SYNC
    tenant = factory.LazyFunction(lambda: Tenant.objects.get(slug="acme"))
    object_id = factory.LazyFunction(uuid7)
    provider = "copper"
    due_at = factory.LazyFunction(lambda: _from_now(minutes=-1))


def _from_now(*, minutes: int) -> object:
    return timezone.now() + timedelta(minutes=minutes)
