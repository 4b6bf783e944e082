"""The smallest valid objects; traits name situations, so a test shows only what matters to it."""

import factory
from django.utils import timezone

from integrations.models import Connection, SyncRun
from tenants.models import Membership, Tenant, User
from tenants.roles import Role


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    class Params:
        staff = factory.Trait(is_staff=True, is_superuser=True)

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    password = factory.django.Password("correct horse")


class MembershipFactory(factory.django.DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    tenant = factory.LazyFunction(lambda: Tenant.objects.get(slug="acme"))
    role = Role.VIEWER


class ConnectionFactory(factory.django.DjangoModelFactory[Connection]):
    """An active Copper connection in the tenant that is entered."""

    class Meta:
        model = Connection

    class Params:
        paused = factory.Trait(status=Connection.Status.PAUSED)
        revoked = factory.Trait(status=Connection.Status.NEEDS_REAUTH)

    provider = "copper"
    auth_kind = "api_key"
    account_id = factory.Sequence(lambda n: str(73000 + n))
    account_label = "Nordlicht GmbH"
    name = factory.LazyAttribute(lambda row: f"{row.provider} {row.account_id}")
    source_system = factory.LazyAttribute(lambda row: f"{row.provider}:{row.account_id}")


class SyncRunFactory(factory.django.DjangoModelFactory[SyncRun]):
    """A run that succeeded just now."""

    class Meta:
        model = SyncRun

    class Params:
        running = factory.Trait(state=SyncRun.State.RUNNING, ended_at=None)

    connection = factory.SubFactory(ConnectionFactory)
    state = SyncRun.State.SUCCEEDED
    started_at = factory.LazyFunction(timezone.now)
    ended_at = factory.LazyFunction(timezone.now)
