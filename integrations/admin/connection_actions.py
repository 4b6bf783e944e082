"""What people do with connections: the same in the tenant as on the fleet's page."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse

from hub.audit.admin import HubModelAdmin, Question, service_action
from integrations.models import Connection, SyncRun
from integrations.services.connections import pause_connection, resume_connection
from integrations.services.disconnect import disconnect
from integrations.services.syncs import request_sync

KEEP, PURGE = "keep", "purge"
RECORDS = (
    (KEEP, "Keep the records; they stay as they are and are read no more."),
    (PURGE, "Delete the records, with rejected records, checkpoints and runs."),
)

READ_ALL = Question(
    "Read everything again?",
    "A full sync reads every entity, which can take long and uses the provider's request "
    "allowance. Unchanged records stay as they are.",
    "Full sync",
)
PAUSE = Question(
    "Pause connections?",
    "Nothing arrives from them until somebody resumes them. What is stored stays, and a resumed "
    "connection goes on where it stopped.",
    "Pause",
)
DISCONNECT = Question(
    "Disconnect for good?",
    "Runs end at once, the access is ended at the provider where it can be told to, and the "
    "credentials are forgotten. To read the account again, somebody connects it anew.",
    "Disconnect",
    options=RECORDS,
)


class ConnectionActions(HubModelAdmin):
    """What one does to connections; where rows only stand for them, `call_each` gets at them."""

    actions: tuple[str, ...] = ("sync_now", "full_sync", "pause", "resume", "disconnect")

    def fits(self, action: str, row: Any) -> bool:
        if action == "resume":
            return row.status in (Connection.Status.PAUSED, Connection.Status.BROKEN)
        if action == "disconnect":
            return row.status != Connection.Status.DISCONNECTED
        return row.status in (Connection.Status.ACTIVE, Connection.Status.LIMITED)

    sync_now = service_action(
        "Sync now",
        lambda connection, actor: request_sync(
            connection=connection, actor=actor, trigger=SyncRun.Trigger.MANUAL
        ),
        done="due now; a worker begins within seconds",
    )

    full_sync = service_action(
        "Full sync",
        lambda connection, actor: request_sync(
            connection=connection,
            actor=actor,
            trigger=SyncRun.Trigger.MANUAL,
            mode=SyncRun.Mode.FULL,
        ),
        done="due now, in full; a worker begins within seconds",
        ask=READ_ALL,
    )

    pause = service_action(
        "Pause",
        lambda connection, actor: pause_connection(connection=connection, actor=actor),
        done="paused",
        ask=PAUSE,
    )

    resume = service_action(
        "Resume",
        lambda connection, actor: resume_connection(connection=connection, actor=actor),
        done="resumed",
    )

    @admin.action(description="Disconnect", permissions=["manage"])
    def disconnect(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> TemplateResponse | None:
        return self.act(
            request,
            queryset,
            lambda connection, actor: disconnect(
                connection=connection,
                keep_records=request.POST["option"] == KEEP,
                actor=actor,
            ),
            done="disconnecting; a worker does the rest, and how it went is on the page",
            ask=DISCONNECT,
        )
