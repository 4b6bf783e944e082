"""How a connection begins: the provider's app, the link that was sent, the click that was made."""

from django.db import models

from hub.fields import EncryptedField, UUID7Field


class ProviderApp(models.Model):
    """The hub's registration at a provider: one for all tenants, or a tenant's own."""

    id = UUID7Field()
    provider = models.CharField(max_length=40)
    tenant = models.ForeignKey(
        "tenants.Tenant", models.CASCADE, null=True, blank=True, related_name="provider_apps"
    )
    client_id = models.CharField(max_length=400)
    client_secret = EncryptedField(null=True, editable=False)
    refused_at = models.DateTimeField(
        null=True, editable=False, help_text="Since when the provider does not accept it."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("provider",)
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "tenant"], name="provider_app_once_per_tenant"
            ),
            models.UniqueConstraint(  # PostgreSQL 14 cannot say that two nulls are equal
                fields=["provider"],
                condition=models.Q(tenant=None),
                name="provider_app_once_for_all",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} app of {self.tenant or 'the hub'}"


class AllowedAddress(models.Model):
    """Where a tenant's connect pages may send people back to, or on whose pages they may stand."""

    class Kind(models.TextChoices):
        RETURN = "return", "Return address"  # https://app.example.com/settings, and all below it
        EMBED = "embed", "Embedding page"  # https://app.example.com

    id = UUID7Field()
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    address = models.CharField(max_length=500)

    class Meta:
        ordering = ("kind", "address")
        verbose_name_plural = "allowed addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "address"], name="allowed_address_once_per_tenant"
            )
        ]

    def __str__(self) -> str:
        return self.address


class ConnectSession(models.Model):
    """A link to the connect page, for one end user of one tenant. Only the token's hash is kept."""

    id = UUID7Field()
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    token_hash = models.BinaryField(unique=True)
    end_user = models.CharField(max_length=200, blank=True)
    providers = models.JSONField(default=list, help_text="Slugs that may be connected; [] is all.")
    connection_id = models.UUIDField(null=True, help_text="Set when an old one is reconnected.")
    return_url = models.URLField(max_length=2000, blank=True)
    return_state = models.CharField(  # sent back with the outcome, as it came
        max_length=500, blank=True, default="", db_default=""
    )
    browser_hash = models.BinaryField(null=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"connect session of {self.tenant}"


class ConnectAttempt(models.Model):
    """One click on a provider's button. Its state is single-use and lives ten minutes.

    `display` is "popup" where a window of its own was opened for it, else "page". Where several
    accounts are open to the user, the tokens wait in `choice` for ten more.
    """

    id = UUID7Field()
    session = models.ForeignKey(ConnectSession, models.CASCADE, related_name="attempts")
    tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")
    provider = models.CharField(max_length=40)
    provider_app = models.ForeignKey(ProviderApp, models.CASCADE, related_name="+")
    state_hash = models.BinaryField(unique=True)
    pkce_verifier = EncryptedField(null=True)
    redirect_uri = models.CharField(max_length=500)
    scopes = models.JSONField(default=list)
    browser_hash = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    display = models.CharField(max_length=10, default="page", db_default="page")
    choice = EncryptedField(null=True, editable=False)

    def __str__(self) -> str:
        return f"attempt to connect {self.provider}"

    @property
    def is_through_gateway(self) -> bool:
        return self.provider_app.provider != self.provider
