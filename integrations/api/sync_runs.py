"""/api/v1/connections/{id}/sync-runs/: start a sync, and follow it."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import django_filters
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from hub.parameters import Asked
from integrations.managers import SyncRunQuerySet
from integrations.models import Connection, SyncRun
from integrations.services.syncs import cancel_sync, request_sync, waits_until
from integrations.sync.progress import progress_of
from tenants.middleware import actor_of


class CountsSerializer(serializers.Serializer[Any]):
    """read = inserted + updated + unchanged + deleted + superseded + rejected + dropped."""

    state = serializers.CharField(
        required=False,
        help_text="`running`, `done`, `unavailable`, `waiting` (not due yet), `failed`, `blocked`"
        " (waits for a type that failed), `backfill` (read in full by another run meanwhile) or"
        " `live` (left to the schedule by a run that reads another type in full).",
    )
    error_code = serializers.CharField(required=False, help_text="Of a type that failed.")
    read = serializers.IntegerField()
    inserted = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    deleted = serializers.IntegerField()
    superseded = serializers.IntegerField()
    rejected = serializers.IntegerField()
    dropped = serializers.IntegerField(
        required=False, help_text="Reported deletions that wait for a decision."
    )
    vanished = serializers.IntegerField(
        required=False, help_text="Deleted, as a full read no longer found them; not read."
    )
    turn = serializers.IntegerField(required=False, help_text="The slice that read it last.")
    expected = serializers.IntegerField(
        required=False, allow_null=True, help_text="What the provider announced, if it did."
    )
    from_start = serializers.BooleanField(
        required=False, help_text="Read from its beginning, not from a checkpoint."
    )


class ProgressSerializer(serializers.Serializer[Any]):
    """Over all entity types that the run reads, those not begun too."""

    entity_types = serializers.IntegerField(help_text="How many it reads.")
    ended = serializers.IntegerField(help_text="How many of them are through.")
    read = serializers.IntegerField(help_text="Entities, in all of them.")
    expected = serializers.IntegerField(
        allow_null=True, help_text="How many that will be; null while one of them does not say."
    )
    share = serializers.FloatField(
        allow_null=True,
        help_text="0 to 1, each type counting alike; null while it would be a guess.",
    )


class SyncRunSerializer(serializers.ModelSerializer[SyncRun]):
    connection = serializers.UUIDField(source="connection_id")
    entity_types = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: all of them."
    )
    counts = serializers.DictField(child=CountsSerializer(), help_text="Per entity type.")
    progress = serializers.SerializerMethodField()
    waits_until = serializers.SerializerMethodField(
        help_text="When an open run goes on that waits for what `error_code` names."
    )

    class Meta:
        model = SyncRun
        fields = (
            "id",
            "connection",
            "lane",
            "mode",
            "not_before",
            "trigger",
            "entity_types",
            "state",
            "created_at",
            "started_at",
            "ended_at",
            "progress_at",
            "progress",
            "cancel_asked_at",
            "waits_until",
            "counts",
            "calls",
            "calls_saved",
            "error_code",
        )
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, run: SyncRun) -> dict[str, Any]:
        return asdict(progress_of(run))

    def get_waits_until(self, run: SyncRun) -> datetime | None:
        return waits_until(run)


class SyncRunRequestSerializer(Asked):
    mode = serializers.ChoiceField(choices=SyncRun.Mode.choices, default=SyncRun.Mode.INCREMENTAL)
    entity_types = serializers.ListField(
        child=serializers.CharField(max_length=60),
        default=list,
        max_length=100,
        help_text="Empty: all of them.",
    )
    not_before = serializers.DateTimeField(
        default=None, allow_null=True, help_text="Of a backfill: where it begins."
    )


class SyncRunFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    class Meta:
        model = SyncRun
        fields = ("state",)


CONNECTION = OpenApiParameter("connection_id", UUID, OpenApiParameter.PATH)
LOCATION = OpenApiParameter("Location", str, OpenApiParameter.HEADER, response=[202])


@extend_schema(parameters=[CONNECTION])
class SyncRunViewSet(ReadOnlyModelViewSet[SyncRun]):
    """The sync runs of one connection, the newest first."""

    queryset = SyncRun.objects.none()
    serializer_class = SyncRunSerializer
    filterset_class = SyncRunFilter
    lookup_value_converter = "uuid"
    cursor_order = "-id"

    def get_queryset(self) -> SyncRunQuerySet:
        if getattr(self, "swagger_fake_view", False):
            return SyncRun.objects.none()
        return SyncRun.objects.filter(connection=self._connection()).select_related("connection")

    @extend_schema(
        parameters=[LOCATION],
        request=SyncRunRequestSerializer,
        responses={202: OpenApiResponse(SyncRunSerializer, "The run that is open now.")},
    )
    def create(self, request: Request, connection_id: UUID) -> Response:
        """Ask for a sync. While a run is open, asking again gives that run and starts no other.

        A full sync or a backfill that the open run would not do is refused with 409, and so is one
        of types that the provider does not allow to be read again yet (`read_too_soon`).
        """
        asked = SyncRunRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        run = request_sync(
            connection=self._connection(),
            actor=actor_of(request._request),
            mode=asked.validated_data["mode"],
            entity_types=asked.validated_data["entity_types"],
            not_before=asked.validated_data["not_before"],
            trigger=SyncRun.Trigger.API,
        )
        location = reverse("sync-run-detail", args=(connection_id, run.pk))
        return Response(self.get_serializer(run).data, 202, headers={"Location": location})

    @extend_schema(request=None, responses=SyncRunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, connection_id: UUID, pk: Any = None) -> Response:
        """End the run, within one batch if a worker is at it. What was committed stays."""
        run = cancel_sync(run=self.get_object(), actor=actor_of(request._request))
        return Response(self.get_serializer(run).data)

    def _connection(self) -> Connection:
        """The connection of the path; its runs stay readable after it was disconnected."""
        return get_object_or_404(Connection, pk=self.kwargs["connection_id"])
