"""/api/v1/connections/: what is connected and how it does. Credentials are never part of it."""

from typing import Any

import django_filters
from django.db import models, transaction
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from hub.fleet.models import Due
from hub.parameters import Asked
from integrations.api.disconnections import DisconnectionSerializer, DisconnectRequestSerializer
from integrations.connectors.registry import provider_slugs
from integrations.managers import ConnectionQuerySet
from integrations.models import Connection, EntityTypeStatus, Preflight
from integrations.services.connections import (
    change_interval,
    change_reconcile_interval,
    pause_connection,
    rename_connection,
    resume_connection,
)
from integrations.services.disconnect import disconnect
from integrations.services.preflights import request_preflight
from integrations.services.rhythm import (
    change_type_interval,
    change_type_reconcile_interval,
    seconds_between_reads,
)
from tenants.context import current_tenant
from tenants.middleware import actor_of


class EntityTypeStatusSerializer(serializers.ModelSerializer[EntityTypeStatus]):
    name = serializers.CharField(source="entity_type")
    every_seconds = serializers.SerializerMethodField(
        help_text="How often it is read: its own interval or the connection's, or as often as the"
        " provider allows. Null: the connector does not know the type any more."
    )

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_every_seconds(self, status: EntityTypeStatus) -> int | None:
        return seconds_between_reads(status)

    class Meta:
        model = EntityTypeStatus
        fields = (
            "name",
            "checkpoint_at",
            "full_read_at",
            "unavailable_reason",
            "interval_seconds",
            "every_seconds",
            "reconcile_seconds",
        )
        read_only_fields = fields


class ConnectionSerializer(serializers.ModelSerializer[Connection]):
    error = serializers.CharField(
        source="customer_message", help_text="What is wrong, for the customer; empty if nothing."
    )
    next_sync_at = serializers.DateTimeField(
        allow_null=True, help_text="Empty: paused, or waiting for somebody to reconnect it."
    )
    entity_types = EntityTypeStatusSerializer(source="entity_type_statuses", many=True)

    class Meta:
        model = Connection
        fields = (
            "id",
            "name",
            "provider",
            "account_id",
            "account_label",
            "status",
            "error_code",
            "error",
            "last_success_at",
            "next_sync_at",
            "interval_seconds",
            "reconcile_seconds",
            "created_at",
            "entity_types",
        )
        read_only_fields = fields


class ConnectionChangesSerializer(Asked):
    """What may be changed; everything else follows from the account."""

    name = serializers.CharField(max_length=200, required=False)
    interval_seconds = serializers.IntegerField(required=False, help_text="From a minute to a day.")
    reconcile_seconds = serializers.IntegerField(
        required=False,
        min_value=0,
        help_text="How often what has only vanished is looked for; one to 90 days, 0: never.",
    )
    intervals = serializers.DictField(
        child=serializers.IntegerField(allow_null=True),
        required=False,
        help_text="Seconds per entity type, a minute to a day and no shorter than the provider"
        " allows; null: as often as the connection.",
    )
    reconcile_intervals = serializers.DictField(
        child=serializers.IntegerField(allow_null=True, min_value=0),
        required=False,
        help_text="Seconds per entity type between full reads that look for what was missed; one"
        " to 90 days, 0: never; null: as the connection, where no deletions are reported.",
    )


class PreflightLineSerializer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=Preflight.Outcome.choices)
    read = serializers.IntegerField()
    rejected = serializers.IntegerField()
    calls = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True, help_text="Of the first that is not right.")


class PreflightSerializer(serializers.ModelSerializer[Preflight]):
    lines = serializers.DictField(child=PreflightLineSerializer(), help_text="Per entity type.")

    class Meta:
        model = Preflight
        fields = ("wanted_because", "made_because", "checked_at", "calls", "lines")
        read_only_fields = fields


def _providers() -> list[tuple[str, str]]:
    return [(slug, slug) for slug in provider_slugs()]


class ConnectionFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    provider = django_filters.ChoiceFilter(choices=_providers)

    class Meta:
        model = Connection
        fields = ("provider", "status")


class ConnectionViewSet(ReadOnlyModelViewSet[Connection]):
    """The tenant's connections, those disconnected left out."""

    queryset = Connection.objects.none()
    serializer_class = ConnectionSerializer
    filterset_class = ConnectionFilter
    lookup_value_converter = "uuid"

    def get_queryset(self) -> ConnectionQuerySet:
        if getattr(self, "swagger_fake_view", False):
            return Connection.objects.none()
        return shown_connections()

    @extend_schema(request=ConnectionChangesSerializer, responses=ConnectionSerializer)
    @transaction.atomic
    def partial_update(self, request: Request, pk: Any = None) -> Response:
        """Change the name, the intervals, or all of them. All is done, or nothing."""
        asked = ConnectionChangesSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        connection, actor = self.get_object(), actor_of(request._request)
        if "name" in asked.validated_data:
            rename_connection(connection=connection, name=asked.validated_data["name"], actor=actor)
        if "interval_seconds" in asked.validated_data:
            seconds = asked.validated_data["interval_seconds"]
            change_interval(connection=connection, seconds=seconds, actor=actor)
        if "reconcile_seconds" in asked.validated_data:
            seconds = asked.validated_data["reconcile_seconds"]
            change_reconcile_interval(connection=connection, seconds=seconds, actor=actor)
        for name, seconds in asked.validated_data.get("intervals", {}).items():
            change_type_interval(
                connection=connection, entity_type=name, seconds=seconds, actor=actor
            )
        for name, seconds in asked.validated_data.get("reconcile_intervals", {}).items():
            change_type_reconcile_interval(
                connection=connection, entity_type=name, seconds=seconds, actor=actor
            )
        return self._shown()

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: Any = None) -> Response:
        """Pause: start no more syncs until it is resumed."""
        pause_connection(connection=self.get_object(), actor=actor_of(request._request))
        return self._shown()

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: Any = None) -> Response:
        """Resume: sync again as planned; the first sync is due at once."""
        resume_connection(connection=self.get_object(), actor=actor_of(request._request))
        return self._shown()

    @extend_schema(responses=PreflightSerializer)
    @action(detail=True, methods=["get"])
    def preflight(self, request: Request, pk: Any = None) -> Response:
        """The last pre-flight. A few entities of each type were fetched and thrown away."""
        found = get_object_or_404(Preflight, connection=self.get_object())
        return Response(PreflightSerializer(found).data)

    @extend_schema(
        request=None, responses={202: OpenApiResponse(PreflightSerializer, "The last one.")}
    )
    @preflight.mapping.post
    def request_preflight(self, request: Request, pk: Any = None) -> Response:
        """Have a worker make a pre-flight now."""
        connection = self.get_object()
        request_preflight(connection=connection, actor=actor_of(request._request))
        return Response(PreflightSerializer(connection.preflight).data, 202)

    @extend_schema(
        request=DisconnectRequestSerializer,
        responses={202: OpenApiResponse(DisconnectionSerializer, "How far it is.")},
    )
    @action(detail=True, methods=["post"])
    def disconnect(self, request: Request, pk: Any = None) -> Response:
        """End the connection for good: here and, where it can be told to, at the provider.

        Nothing is read any more when this returns; a worker does the rest. Asking again changes
        nothing and says how far it is, also after the end.
        """
        asked = DisconnectRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        under_way = disconnect(
            connection=get_object_or_404(Connection, pk=pk),
            keep_records=asked.validated_data["keep_records"],
            actor=actor_of(request._request),
        )
        return Response(DisconnectionSerializer(under_way).data, 202)

    def _shown(self) -> Response:
        """The connection as it is after the change."""
        return Response(self.get_serializer(self.get_object()).data)


def shown_connections() -> ConnectionQuerySet:
    """The tenant's connections with their next sync and entity types, in two statements."""
    due = Due.objects.filter(
        tenant_id=current_tenant().pk,
        object_id=models.OuterRef("pk"),
        kind=Due.Kind.SYNC,
        lane="live",
    )
    shown: ConnectionQuerySet = (
        Connection.objects.present()
        .defer("credentials", "extra", "settings", "granted_scopes")
        .annotate(next_sync_at=models.Subquery(due.values("due_at")[:1]))
        .prefetch_related("entity_type_statuses")
    )
    return shown
