"""The admin of what belongs to tenants, and of the fleet, whose actions start services."""

from integrations.admin import (
    allowed_addresses,
    connections,
    deletion_reviews,
    destination_statuses,
    destinations,
    fleet,
    identities,
    limits,
    provider_apps,
    providers,
    records,
    rejected_records,
    routes,
    shadow_diffs,
    sync_runs,
    tenants,
)

__all__ = [
    "allowed_addresses",
    "connections",
    "deletion_reviews",
    "destination_statuses",
    "destinations",
    "fleet",
    "identities",
    "limits",
    "provider_apps",
    "providers",
    "records",
    "rejected_records",
    "routes",
    "shadow_diffs",
    "sync_runs",
    "tenants",
]
