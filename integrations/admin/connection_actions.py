"""What people do with connections: the same in the tenant as on the fleet's page."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse

from hub.audit.admin import HubModelAdmin
from integrations.models import Connection, SyncRun
from integrations.services.connections import pause_connection, resume_connection
from integrations.services.disconnect import disconnect
from integrations.services.syncs import request_sync

KEEP, PURGE = "keep", "purge"
RECORDS = (
    (KEEP, "Keep the records; they stay as they are and are read no more."),
    (PURGE, "Delete the records, with rejected records, checkpoints and runs."),
)

Call = Callable[[Connection], Any]


class ConnectionActions(HubModelAdmin):
    """What one does to connections; `on_connections` says how to get at the rows."""

    actions: tuple[str, ...] = ("sync_now", "full_sync", "pause", "resume", "disconnect")

    def on_connections(
        self, request: HttpRequest, rows: models.QuerySet[Any], call: Call, *, done: str
    ) -> None:
        """Call a service for the connection of every row, and report."""
        raise NotImplementedError

    def fits(self, action: str, row: Any) -> bool:
        if action == "resume":
            return row.status in (Connection.Status.PAUSED, Connection.Status.BROKEN)
        if action == "disconnect":
            return row.status != Connection.Status.DISCONNECTED
        return row.status in (Connection.Status.ACTIVE, Connection.Status.LIMITED)

    @admin.action(description="Sync now", permissions=["operate"])
    def sync_now(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        actor = self.actor_of(request)
        self.on_connections(
            request,
            queryset,
            lambda connection: request_sync(
                connection=connection, actor=actor, trigger=SyncRun.Trigger.MANUAL
            ),
            done="due now; a worker begins within seconds",
        )

    @admin.action(description="Full sync", permissions=["operate"])
    def full_sync(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> TemplateResponse | None:
        page = self.ask_first(
            request,
            queryset,
            question="Read everything again?",
            consequence="A full sync reads every entity, which can take long and uses the "
            "provider's request allowance. Unchanged records stay as they are.",
            button="Full sync",
        )
        if page is None:
            actor = self.actor_of(request)
            self.on_connections(
                request,
                queryset,
                lambda connection: request_sync(
                    connection=connection,
                    actor=actor,
                    trigger=SyncRun.Trigger.MANUAL,
                    mode=SyncRun.Mode.FULL,
                ),
                done="due now, in full; a worker begins within seconds",
            )
        return page

    @admin.action(description="Pause", permissions=["operate"])
    def pause(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> TemplateResponse | None:
        page = self.ask_first(
            request,
            queryset,
            question="Pause connections?",
            consequence="Nothing arrives from them until somebody resumes them. What is stored "
            "stays, and a resumed connection goes on where it stopped.",
            button="Pause",
        )
        if page is None:
            actor = self.actor_of(request)
            self.on_connections(
                request,
                queryset,
                lambda connection: pause_connection(connection=connection, actor=actor),
                done="paused",
            )
        return page

    @admin.action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        actor = self.actor_of(request)
        self.on_connections(
            request,
            queryset,
            lambda connection: resume_connection(connection=connection, actor=actor),
            done="resumed",
        )

    @admin.action(description="Disconnect", permissions=["manage"])
    def disconnect(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> TemplateResponse | None:
        page = self.ask_first(
            request,
            queryset,
            question="Disconnect for good?",
            consequence="Runs end at once, the access is ended at the provider where it can be "
            "told to, and the credentials are forgotten. To read the account again, somebody "
            "connects it anew.",
            button="Disconnect",
            options=RECORDS,
        )
        if page is None:
            actor = self.actor_of(request)
            keep_records = request.POST["option"] == KEEP
            self.on_connections(
                request,
                queryset,
                lambda connection: disconnect(
                    connection=connection, keep_records=keep_records, actor=actor
                ),
                done="disconnecting; a worker does the rest, and how it went is on the page",
            )
        return page
