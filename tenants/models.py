"""People, the tenants they belong to, and what lets them in. All of it in the public schema."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

from hub.fields import UUID7Field
from tenants.roles import Role


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. Staff may open operations; tenants are entered by membership."""

    id = UUID7Field()
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_staff = models.BooleanField("operations staff", default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()
    USERNAME_FIELD = "email"

    class Meta:
        ordering = ("email",)

    def __str__(self) -> str:
        return self.email


class TenantQuerySet(models.QuerySet["Tenant"]):
    def active(self) -> "TenantQuerySet":
        return self.filter(state=Tenant.State.ACTIVE)

    def open(self) -> "TenantQuerySet":
        """Every tenant that still has a schema."""
        return self.exclude(state=Tenant.State.CLOSED)


TenantManager = models.Manager.from_queryset(TenantQuerySet)


class Tenant(TenantMixin):  # type: ignore[misc]
    """A customer organization. It owns one PostgreSQL schema, named by us and never used twice."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        CLOSING = "closing", "Closing"
        CLOSED = "closed", "Closed"

    id = UUID7Field()
    number = models.BigIntegerField(unique=True, editable=False, help_text="For advisory locks.")
    slug = models.SlugField(max_length=40)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    auto_create_schema = False
    auto_drop_schema = False
    objects: ClassVar["TenantManager[Tenant]"] = TenantManager()

    class Meta:
        ordering = ("slug",)
        constraints = [
            models.UniqueConstraint(
                fields=["slug"], condition=~models.Q(state="closed"), name="tenant_slug_taken"
            ),
            models.CheckConstraint(
                condition=models.Q(schema_name__regex=r"^t_[0-9a-f]{32}$"),
                name="tenant_schema_name",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return self.state == self.State.ACTIVE


class Domain(DomainMixin):  # type: ignore[misc]
    """A host name of a tenant. Tenants are reached by path today; django-tenants asks for this."""


class Membership(models.Model):
    """One person's role in one tenant."""

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "member"
        constraints = [
            models.UniqueConstraint(fields=["user", "tenant"], name="membership_once_per_tenant")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} of {self.tenant}"


class ApiKey(models.Model):
    """A key for the REST API, bound to one tenant. Only its hash is kept; see tenants.tokens."""

    id = UUID7Field()
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    prefix = models.CharField(max_length=20, help_text="The start of the key, to recognize it.")
    hash = models.BinaryField(unique=True, editable=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ("tenant", "name")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class DataKey(models.Model):
    """A key that seals one tenant's secrets, itself wrapped; without tenant: the hub's own.

    The current one seals; others are there only while a rotation is under way, to open what is
    still sealed by them.
    """

    id = UUID7Field()
    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, related_name="data_keys")
    wrapped = models.BinaryField(editable=False)
    is_current = models.BooleanField(default=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(is_current=True),
                name="data_key_one_is_current",
            ),
            models.UniqueConstraint(  # PostgreSQL 14 cannot say that two nulls are equal
                fields=["is_current"],
                condition=models.Q(is_current=True, tenant=None),
                name="data_key_one_is_current_of_hub",
            ),
        ]

    def __str__(self) -> str:
        return f"data key of {self.tenant or 'the hub'}"
