"""The audit log: who did what to which object, in which tenant, and how it ended."""

from django.db import models

from hub.fields import UUID7Field


class AuditAction(models.TextChoices):
    """Everything that is audited, as object.verb. A new action is a new line here."""

    LOGIN = "login.succeeded", "Signed in"
    LOGIN_FAILED = "login.failed", "Sign-in failed"
    LOGOUT = "login.ended", "Signed out"
    TOKEN_ISSUED = "token.issued", "API token issued"
    ACCESS_REFUSED = "access.refused", "Access refused"
    TENANT_CREATED = "tenant.created", "Tenant created"
    TENANT_SUSPENDED = "tenant.suspended", "Tenant suspended"
    TENANT_RESUMED = "tenant.resumed", "Tenant resumed"
    TENANT_CLOSING = "tenant.closing", "Tenant closing"
    TENANT_CLOSED = "tenant.closed", "Tenant closed"
    USER_CREATED = "user.created", "User created"
    USER_CHANGED = "user.changed", "User changed"
    GROUP_CHANGED = "group.changed", "Group changed"
    MEMBERSHIP_CHANGED = "membership.changed", "Member changed"
    API_KEY_CREATED = "api_key.created", "API key created"
    API_KEY_REVOKED = "api_key.revoked", "API key revoked"
    PROVIDER_APP_CHANGED = "provider_app.changed", "Provider app changed"
    PROVIDER_APP_REFUSED = "provider_app.refused", "Provider refuses our app"
    PROVIDER_APP_ACCEPTED = "provider_app.accepted", "Provider accepts our app again"
    CONNECT_LINK_CREATED = "connect.link_created", "Connect link made"
    CONNECT_ADDRESSES_CHANGED = "connect.addresses_changed", "Connect addresses changed"
    CONNECT_STARTED = "connect.started", "Connecting started"
    CONNECT_REFUSED = "connect.refused", "Connecting refused"
    CONNECTION_CREATED = "connection.created", "Connection created"
    CONNECTION_RECONNECTED = "connection.reconnected", "Connection reconnected"
    CONNECTION_CHANGED = "connection.changed", "Connection changed"
    CONNECTION_PAUSED = "connection.paused", "Connection paused"
    CONNECTION_RESUMED = "connection.resumed", "Connection resumed"
    CONNECTION_BROKEN = "connection.broken", "Connection needs a person"
    CONNECTION_REPAIRED = "connection.repaired", "Connection works again"
    CONNECTION_DISCONNECTING = "connection.disconnecting", "Disconnect asked for"
    CONNECTION_DISCONNECT_STEP = "connection.disconnect_step", "Step of a disconnect"
    CONNECTION_DISCONNECTED = "connection.disconnected", "Connection disconnected"
    CREDENTIALS_READ = "credentials.read", "Credentials read"
    CREDENTIALS_REFRESHED = "credentials.refreshed", "Access renewed"
    CREDENTIALS_UNREADABLE = "credentials.unreadable", "Credentials did not open"
    KEYS_ROTATED = "keys.rotated", "Keys rotated"
    KEY_RETIRED = "keys.retired", "Key retired"
    SYNC_REQUESTED = "sync.requested", "Sync requested"
    SYNC_CANCELLED = "sync.cancelled", "Sync cancelled"
    SYNC_FAILED = "sync.failed", "Sync failed"
    ENTITY_TYPE_DRIFTED = "entity_type.drifted", "Provider sends something different"
    SYNC_BEGUN_AGAIN = "sync.begun_again", "Position forgotten, read in full again"
    ATTEMPT_FAILED = "work.attempt_failed", "Attempt failed"
    DELETIONS_HELD = "deletions.held", "Deletions held back"
    DELETIONS_APPROVED = "deletions.approved", "Deletions approved"
    DELETIONS_REFUSED = "deletions.refused", "Deletions refused"
    CIRCUIT_OPENED = "circuit.opened", "Circuit opened"
    CIRCUIT_TRIED = "circuit.tried", "Circuit tries one call"
    CIRCUIT_CLOSED = "circuit.closed", "Circuit closed"
    BUDGET_PAUSED = "budget.paused", "Rate budget paused"
    BUDGET_RESUMED = "budget.resumed", "Rate budget no longer paused"
    DESTINATION_CREATED = "destination.created", "Destination created"
    DESTINATION_CHANGED = "destination.changed", "Destination changed"
    DESTINATION_PAUSED = "destination.paused", "Destination paused"
    DESTINATION_RESUMED = "destination.resumed", "Destination resumed"
    DESTINATION_BLOCKED = "destination.blocked", "Destination blocked"
    DESTINATION_REPAIRED = "destination.repaired", "Destination works again"
    DESTINATION_REWRITTEN = "destination.rewritten", "Destination to be written anew"
    DESTINATION_DELETED = "destination.deleted", "Destination deleted"
    ROUTE_CREATED = "route.created", "Route created"
    ROUTE_CHANGED = "route.changed", "Route changed"
    ROUTE_DELETED = "route.deleted", "Route deleted"
    BI_ACCESS_OPENED = "bi_access.opened", "Login for BI tools made"
    BI_ACCESS_ROTATED = "bi_access.rotated", "Login for BI tools given a new password"
    BI_ACCESS_REVOKED = "bi_access.revoked", "Login for BI tools ended"
    IDENTITIES_REQUESTED = "identities.requested", "Identities to be looked for"
    IDENTITIES_RESOLVED = "identities.resolved", "Identities looked for"
    IDENTITY_CONFIRMED = "identity.confirmed", "Identity confirmed"
    IDENTITY_SPLIT = "identity.split", "Identity split"
    IDENTITY_FORBIDDEN = "identity.forbidden", "Identity refused"
    RECORD_REPLAYED = "record.replayed", "Rejected record replayed"


class Outcome(models.TextChoices):
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    REFUSED = "refused", "Refused"


class AuditEvent(models.Model):
    """One thing somebody did, or tried to do. Rows are only ever added.

    The table is partitioned by month of `at`, so its primary key in the database is (id, at); `id`
    alone is unique because it is made by us. It has no foreign keys: an event outlives what it
    describes. `seq` is the order of arrival, for readers that must miss none.
    """

    id = UUID7Field()
    at = models.DateTimeField()
    seq = models.BigIntegerField(editable=False, null=True)
    tenant_id = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField("actor", max_length=200, blank=True)
    action = models.CharField(max_length=40, choices=AuditAction)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.SUCCEEDED)
    target_kind = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_label = models.CharField("object", max_length=200, blank=True)
    detail = models.JSONField(default=dict, blank=True)
    request_id = models.CharField(max_length=40, blank=True)
    client_address = models.CharField(max_length=45, blank=True)

    class Meta:
        db_table = "audit_event"
        managed = False  # the migration writes the partitioned table in SQL
        ordering = ("-at",)

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.target_label or self.actor_label}"
