"""The tables of one tenant. Every tenant has them in its own schema."""

from integrations.models.change_feed import ChangeFeed
from integrations.models.checkpoint import Checkpoint, EntityTypeStatus, SweepBatch
from integrations.models.connection import Connection
from integrations.models.deletion_review import DeletionReview
from integrations.models.destination import Destination, DestinationRun
from integrations.models.disconnection import Disconnection
from integrations.models.entity_shape import EntityShape
from integrations.models.identity import ForbiddenPair, IdentityGroup, IdentityMember
from integrations.models.preflight import Preflight
from integrations.models.record import Record, RecordLink
from integrations.models.rejected_record import RejectedRecord
from integrations.models.route import ExternalId, Route
from integrations.models.shadow_diff import ShadowBatch, ShadowDiff
from integrations.models.sync_run import SyncRun

__all__ = [
    "ChangeFeed",
    "Checkpoint",
    "Connection",
    "DeletionReview",
    "Destination",
    "DestinationRun",
    "Disconnection",
    "EntityShape",
    "EntityTypeStatus",
    "ExternalId",
    "ForbiddenPair",
    "IdentityGroup",
    "IdentityMember",
    "Preflight",
    "Record",
    "RecordLink",
    "RejectedRecord",
    "Route",
    "ShadowBatch",
    "ShadowDiff",
    "SweepBatch",
    "SyncRun",
]
