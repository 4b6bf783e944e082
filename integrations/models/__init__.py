"""The tables of one tenant. Every tenant has them in its own schema."""

from integrations.models.checkpoint import Checkpoint, EntityTypeStatus
from integrations.models.connection import Connection
from integrations.models.disconnection import Disconnection
from integrations.models.record import Record, RecordLink
from integrations.models.rejected_record import RejectedRecord
from integrations.models.sync_run import SyncRun

__all__ = [
    "Checkpoint",
    "Connection",
    "Disconnection",
    "EntityTypeStatus",
    "Record",
    "RecordLink",
    "RejectedRecord",
    "SyncRun",
]
