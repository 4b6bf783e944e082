"""Connections: a tenant's authorized links to accounts at providers."""

from django.db import models

from hub.fields import EncryptedField, UUID7Field
from integrations.errors import AppRefusedError, ConnectionNotActiveError
from integrations.managers import ConnectionManager


class Connection(models.Model):
    """One account at one provider that the tenant has authorized us to read.

    `source_system` names provider and account ("acme:73001") and is half of every record's key,
    so that reconnecting continues and two accounts never collide.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        LIMITED = "limited", "Limited"  # works, but without some scopes or entity types
        PAUSED = "paused", "Paused"  # by a person
        NEEDS_REAUTH = "needs_reauth", "Needs reconnecting"
        BROKEN = "broken", "Broken"  # an operator or a developer must look
        DISCONNECTING = "disconnecting", "Disconnecting"  # asked for; a worker takes the steps
        DISCONNECTED = "disconnected", "Disconnected"

    # What it is
    id = UUID7Field()
    name = models.CharField(max_length=200)
    provider = models.CharField(max_length=40)
    auth_kind = models.CharField(max_length=20, help_text="oauth2, api_key, basic, …")
    account_id = models.CharField(max_length=200)
    account_label = models.CharField("account", max_length=200, blank=True)
    source_system = models.CharField(max_length=250)
    extra = models.JSONField(
        default=dict, blank=True, help_text="Not secret: realmId, instance_url, …"
    )
    settings = models.JSONField(default=dict, blank=True, help_text="What the tenant chose.")
    interval_seconds = models.PositiveIntegerField(default=3600)
    reconcile_seconds = models.PositiveIntegerField(
        default=7 * 86_400,
        help_text="How often what only vanishes from the list is looked for in full; 0: never.",
    )

    # Its access; written by integrations.sync.credentials
    credentials = EncryptedField(null=True, editable=False)
    granted_scopes = models.JSONField(default=list, blank=True, editable=False)
    access_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    credential_generation = models.PositiveIntegerField(default=0, editable=False)

    # How it does
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    error_code = models.CharField(max_length=60, blank=True, editable=False)
    error = models.CharField("for the operator", max_length=500, blank=True, editable=False)
    customer_message = models.CharField(
        "for the customer", max_length=500, blank=True, editable=False
    )
    last_success_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConnectionManager()

    class Meta:
        ordering = ("provider", "name")
        constraints = [
            models.UniqueConstraint(
                fields=["source_system"],
                condition=~models.Q(status="disconnected"),
                name="connection_once_per_account",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def can_sync(self) -> bool:
        return self.status in (self.Status.ACTIVE, self.Status.LIMITED)

    def check_can(self, what: str) -> None:
        """Raises ConnectionNotActiveError if it can do nothing now; `what` was asked of it."""
        if not self.can_sync:
            said = self.get_status_display().lower()
            raise ConnectionNotActiveError(f"{self} is {said}; it cannot {what} now.")

    @property
    def waits_for_app(self) -> bool:
        """Whether only the provider's refusal of our app is in its way; a worker may look again."""
        return self.status == self.Status.BROKEN and self.error_code == AppRefusedError.code

    @property
    def is_leaving(self) -> bool:
        """Whether it is disconnected, or about to be: nothing brings it back."""
        return self.status in (self.Status.DISCONNECTING, self.Status.DISCONNECTED)
