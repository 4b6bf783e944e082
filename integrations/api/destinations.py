"""/api/v1/destinations/: where else records are written, how far that is, and what was refused."""

from typing import Any
from uuid import UUID

from django.db import models
from django.db.models.functions import Coalesce
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
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ReadOnlyModelViewSet

from hub.fleet.models import DestinationStatus
from hub.parameters import Asked
from integrations.api.connect_sessions import present_connection
from integrations.models import Destination, DestinationRun, ExternalId
from integrations.services.destinations import (
    change_destination,
    create_destination,
    delete_destination,
    pause_destination,
    resume_destination,
    rewrite_destination,
)
from integrations.sync.changes import lag_behind
from tenants.middleware import actor_of


class DestinationCountsSerializer(serializers.Serializer[Any]):
    """read = created + updated + deleted + unchanged + rejected + dropped."""

    read = serializers.IntegerField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    deleted = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    dropped = serializers.IntegerField(help_text="No route takes them.")
    linked = serializers.IntegerField(help_text="Written again, for links or after a refusal.")


class DestinationRunSerializer(serializers.ModelSerializer[DestinationRun]):
    counts = DestinationCountsSerializer(source="totals")

    class Meta:
        model = DestinationRun
        fields = (
            "id",
            "state",
            "started_at",
            "progress_at",
            "ended_at",
            "from_change",
            "to_change",
            "counts",
            "calls",
            "error_code",
            "error",
        )
        read_only_fields = fields


class LagSerializer(serializers.Serializer[Any]):
    changes = serializers.IntegerField(help_text="Changes not dealt with yet.")
    seconds = serializers.IntegerField(help_text="Since the oldest of them was made.")


class DestinationSerializer(serializers.ModelSerializer[Destination]):
    settings = serializers.DictField(child=serializers.CharField(), help_text="Where it writes to.")
    connection = serializers.UUIDField(
        source="connection_id", allow_null=True, help_text="Whose access it uses, if not its own."
    )
    behind = serializers.SerializerMethodField()
    rows = serializers.IntegerField(help_text="Rows that are there, as of the last run.")
    rejected = serializers.IntegerField(help_text="Records it does not take.")
    last_run = serializers.SerializerMethodField()

    class Meta:
        model = Destination
        fields = (
            "id",
            "type",
            "name",
            "settings",
            "connection",
            "status",
            "error_code",
            "error",
            "checkpoint",
            "behind",
            "rows",
            "rejected",
            "caught_up_at",
            "last_run",
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field(LagSerializer)
    def get_behind(self, destination: Destination) -> Any:
        return LagSerializer(lag_behind(destination.checkpoint)).data

    @extend_schema_field(DestinationRunSerializer(allow_null=True))
    def get_last_run(self, destination: Destination) -> Any:
        run = destination.runs.first()
        return None if run is None else DestinationRunSerializer(run).data


class _AccessSerializer(Asked):
    name = serializers.CharField(max_length=200)
    secrets = serializers.DictField(
        child=serializers.CharField(), default=dict, help_text="Sealed; never shown again."
    )
    connection = serializers.UUIDField(
        required=False, allow_null=True, help_text="Use this connection's access instead."
    )


class DestinationRequestSerializer(_AccessSerializer):
    type = serializers.CharField(max_length=40)
    settings = serializers.DictField(child=serializers.CharField())


class DestinationChangesSerializer(_AccessSerializer):
    """What may be changed; where it writes to is not."""

    name = serializers.CharField(max_length=200, required=False)
    secrets = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="Replace what was entered before."
    )


class RewriteRequestSerializer(Asked):
    forget_tables = serializers.BooleanField(
        default=False, help_text="Make tables and columns anew that somebody removed there."
    )


class DestinationViewSet(ReadOnlyModelViewSet[Destination]):
    """The tenant's destinations besides its own tables."""

    queryset = Destination.objects.none()
    serializer_class = DestinationSerializer
    lookup_value_converter = "uuid"

    def get_queryset(self) -> models.QuerySet[Destination]:
        if getattr(self, "swagger_fake_view", False):
            return Destination.objects.none()
        return shown_destinations()

    @extend_schema(request=DestinationRequestSerializer, responses={201: DestinationSerializer})
    def create(self, request: Request) -> Response:
        """Add a destination. It writes nothing before it has a route."""
        asked = _checked(DestinationRequestSerializer, request)
        made = create_destination(**asked, actor=actor_of(request._request))
        location = reverse("destination-detail", args=(made.pk,))
        shown = self.get_serializer(shown_destinations().get(pk=made.pk))
        return Response(shown.data, 201, headers={"Location": location})

    @extend_schema(request=DestinationChangesSerializer, responses=DestinationSerializer)
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """Rename the destination, or give it another access."""
        asked = _checked(DestinationChangesSerializer, request)
        change_destination(destination=self.get_object(), **asked, actor=actor_of(request._request))
        return self._shown()

    @extend_schema(responses={204: OpenApiResponse(description="It is gone.")})
    def destroy(self, request: Request, pk: Any = None) -> Response:
        """Remove the destination with its routes. What was written there stays there."""
        delete_destination(destination=self.get_object(), actor=actor_of(request._request))
        return Response(status=204)

    @extend_schema(request=None, responses=DestinationSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: Any = None) -> Response:
        """Pause: write nothing there until it is resumed."""
        pause_destination(destination=self.get_object(), actor=actor_of(request._request))
        return self._shown()

    @extend_schema(request=None, responses=DestinationSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: Any = None) -> Response:
        """Resume: go on where it stopped; one that is blocked is looked at again now."""
        resume_destination(destination=self.get_object(), actor=actor_of(request._request))
        return self._shown()

    @extend_schema(request=RewriteRequestSerializer, responses=DestinationSerializer)
    @action(detail=True, methods=["post"])
    def rewrite(self, request: Request, pk: Any = None) -> Response:
        """Write every row again, whether it changed or not."""
        asked = RewriteRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        rewrite_destination(
            destination=self.get_object(),
            forget_tables=asked.validated_data["forget_tables"],
            actor=actor_of(request._request),
        )
        return self._shown()

    def _shown(self) -> Response:
        """The destination as it is after the change."""
        return Response(self.get_serializer(self.get_object()).data)


DESTINATION = OpenApiParameter("destination_id", UUID, OpenApiParameter.PATH)


class BelowDestination(GenericViewSet[Any]):
    """What belongs to the destination that the path names."""

    lookup_value_converter = "uuid"

    def destination(self) -> Destination:
        return get_object_or_404(Destination, pk=self.kwargs["destination_id"])

    @property
    def is_described(self) -> bool:
        """Whether this is for the description of the API only."""
        return getattr(self, "swagger_fake_view", False)


@extend_schema(parameters=[DESTINATION])
class DestinationRunViewSet(BelowDestination, ReadOnlyModelViewSet[DestinationRun]):
    """The runs of one destination, the newest first."""

    queryset = DestinationRun.objects.none()
    serializer_class = DestinationRunSerializer
    cursor_order = "-id"

    def get_queryset(self) -> models.QuerySet[DestinationRun]:
        if self.is_described:
            return DestinationRun.objects.none()
        return self.destination().runs.all()


class RejectedRowSerializer(serializers.ModelSerializer[ExternalId]):
    record = serializers.IntegerField(source="record_id")
    route = serializers.UUIDField(source="route_id")
    reason = serializers.CharField(source="rejected_reason")
    rejected_at = serializers.DateTimeField(source="written_at")

    class Meta:
        model = ExternalId
        fields = ("id", "record", "route", "key", "external_id", "reason", "rejected_at")
        read_only_fields = fields


@extend_schema(parameters=[DESTINATION], summary="List rejected rows")
class RejectedRowViewSet(BelowDestination, ListModelMixin):
    """Records the destination does not take, with the reason; they are tried again now and then."""

    queryset = ExternalId.objects.none()
    serializer_class = RejectedRowSerializer

    def get_queryset(self) -> models.QuerySet[ExternalId]:
        if self.is_described:
            return ExternalId.objects.none()
        return ExternalId.objects.filter(destination=self.destination()).exclude(rejected_reason="")


def shown_destinations() -> models.QuerySet[Destination]:
    """The tenant's destinations with how many rows each has there."""
    seen = DestinationStatus.objects.filter(destination_id=models.OuterRef("pk"))
    counted = {
        name: Coalesce(models.Subquery(seen.values(name)[:1]), 0) for name in ("rows", "rejected")
    }
    return Destination.objects.defer("credentials", "schema").annotate(**counted).order_by("id")


def _checked(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """What was sent, with the connection it names."""
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    values = dict(asked.validated_data)
    if wanted := values.pop("connection", None):
        values["connection"] = present_connection(wanted)
    return values
