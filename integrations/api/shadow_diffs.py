"""/api/v1/connections/{id}/shadow-diffs/: what a sync would do, worked out without writing."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db import models
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
from integrations.api.sync_runs import ProgressSerializer
from integrations.models import Connection, ShadowDiff
from integrations.services.shadows import cancel_shadow, request_shadow
from integrations.sync.progress import progress_of
from tenants.middleware import actor_of

CONNECTION = OpenApiParameter("connection_id", UUID, OpenApiParameter.PATH)
LOCATION = OpenApiParameter("Location", str, OpenApiParameter.HEADER, response=[202])


class ShadowCountsSerializer(serializers.Serializer[Any]):
    """read = inserted + updated + unchanged + deleted + superseded + rejected."""

    state = serializers.CharField()
    read = serializers.IntegerField()
    inserted = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    deleted = serializers.IntegerField(help_text="As the provider reports.")
    superseded = serializers.IntegerField()
    rejected = serializers.IntegerField()
    vanished = serializers.IntegerField(help_text="Deleted, as a full read does not find them.")
    from_start = serializers.BooleanField(required=False, help_text="Read from its beginning.")
    is_held = serializers.BooleanField(
        required=False, help_text="So many deletions would wait for a person."
    )


class SampleSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The entity's id at the provider.")
    title = serializers.CharField(required=False)
    type = serializers.CharField(required=False, help_text="Its record type.")
    record = serializers.IntegerField(required=False, help_text="The record that is stored.")
    scope = serializers.CharField(required=False)
    reason = serializers.CharField(required=False, help_text="Why it would be rejected.")
    fields = serializers.ListField(  # type: ignore[assignment]  # a field here, as DRF means it
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="[name, new] of what would be new, [name, old, new] of what would change.",
    )


class ShadowDiffSerializer(serializers.ModelSerializer[ShadowDiff]):
    connection = serializers.UUIDField(source="connection_id")
    entity_types = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: all of them."
    )
    counts = serializers.DictField(child=ShadowCountsSerializer(), help_text="Per entity type.")
    progress = serializers.SerializerMethodField()

    class Meta:
        model = ShadowDiff
        fields: tuple[str, ...] = (
            "id",
            "connection",
            "mode",
            "entity_types",
            "state",
            "asked_by",
            "created_at",
            "started_at",
            "progress_at",
            "progress",
            "ended_at",
            "cancel_asked_at",
            "counts",
            "calls",
            "error_code",
        )
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, shadow: ShadowDiff) -> dict[str, Any]:
        return asdict(progress_of(shadow))


class ShadowDiffDetailSerializer(ShadowDiffSerializer):
    samples = serializers.DictField(
        child=serializers.DictField(child=serializers.ListField(child=SampleSerializer())),
        help_text="The first 50 of each kind, per entity type.",
    )

    class Meta(ShadowDiffSerializer.Meta):
        fields = (*ShadowDiffSerializer.Meta.fields, "samples")
        read_only_fields = fields


class ShadowRequestSerializer(Asked):
    mode = serializers.ChoiceField(
        choices=[(mode.value, mode.label) for mode in ShadowDiff.MODES],
        default=ShadowDiff.MODES[0],
        help_text="Of which sync.",
    )
    entity_types = serializers.ListField(
        child=serializers.CharField(max_length=60),
        default=list,
        max_length=100,
        help_text="Empty: all of them.",
    )


@extend_schema(parameters=[CONNECTION])
class ShadowDiffViewSet(ReadOnlyModelViewSet[ShadowDiff]):
    """What a sync of the connection would do. The newest ten are kept, the newest first."""

    queryset = ShadowDiff.objects.none()
    lookup_value_converter = "uuid"
    cursor_order = "-id"

    def get_queryset(self) -> models.QuerySet[ShadowDiff]:
        if getattr(self, "swagger_fake_view", False):
            return ShadowDiff.objects.none()
        found: models.QuerySet[ShadowDiff] = (
            ShadowDiff.objects.filter(connection=self._connection())
            .select_related("connection")
            .defer("positions")
        )
        return found.defer("samples") if self.action == "list" else found

    def get_serializer_class(self) -> type[ShadowDiffSerializer]:
        return ShadowDiffDetailSerializer if self.action == "retrieve" else ShadowDiffSerializer

    @extend_schema(
        parameters=[LOCATION],
        request=ShadowRequestSerializer,
        responses={202: OpenApiResponse(ShadowDiffSerializer, "The one that is open now.")},
    )
    def create(self, request: Request, connection_id: UUID) -> Response:
        """Work out what a sync would do. While one is open, asking again gives that one."""
        asked = ShadowRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        shadow = request_shadow(
            connection=self._connection(),
            mode=asked.validated_data["mode"],
            entity_types=asked.validated_data["entity_types"],
            actor=actor_of(request._request),
        )
        location = reverse("shadow-diff-detail", args=(connection_id, shadow.pk))
        return Response(ShadowDiffSerializer(shadow).data, 202, headers={"Location": location})

    @extend_schema(request=None, responses=ShadowDiffSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, connection_id: UUID, pk: Any = None) -> Response:
        """End the shadow diff, within one batch if a worker is at it. What it has found stays."""
        shadow = cancel_shadow(shadow=self.get_object(), actor=actor_of(request._request))
        return Response(ShadowDiffSerializer(shadow).data)

    def _connection(self) -> Connection:
        return get_object_or_404(Connection, pk=self.kwargs["connection_id"])
