"""/api/v1/destinations/{id}/routes/: which records go there, and what each becomes."""

from typing import Any
from uuid import UUID

import django_filters
from django.db import models
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from hub.parameters import Asked
from integrations.api.connect_sessions import present_connection
from integrations.api.destinations import DESTINATION, BelowDestination
from integrations.destinations.columns import KINDS, LINK
from integrations.destinations.conditions import OPS
from integrations.models import Route
from integrations.records import RECORD_TYPES
from integrations.services.routes import change_route, create_route, delete_route, preview_route
from tenants.middleware import actor_of


class ColumnSerializer(serializers.Serializer[Any]):
    """One column: from a field of the record, or the same value for every row."""

    column = serializers.CharField(max_length=100)
    value = serializers.JSONField(required=False, help_text="A text, a number or true/false.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With the two that Python does not let a class name."""
        sources = "A field, as in `address.city`, `company.title`, `raw.code`."
        return {
            **super().get_fields(),
            "from": serializers.CharField(required=False, help_text=sources),
            "as": serializers.ChoiceField(choices=[*KINDS, LINK], required=False),
        }


class ConditionSerializer(serializers.Serializer[Any]):
    """One comparison; all of a filter must hold."""

    field = serializers.CharField()
    op = serializers.ChoiceField(choices=OPS, default="is")
    value = serializers.JSONField(required=False)


@extend_schema_field(ColumnSerializer(many=True))
class MappingField(serializers.JSONField):
    """As it was sent; the service says in a sentence what cannot be used."""


@extend_schema_field(ConditionSerializer(many=True))
class FilterField(serializers.JSONField):
    """As it was sent; the service says in a sentence what cannot be used."""


class RouteSerializer(serializers.ModelSerializer[Route]):
    destination = serializers.UUIDField(source="destination_id")
    connection = serializers.UUIDField(
        source="connection_id", allow_null=True, help_text="Empty: every connection."
    )
    mapping = MappingField(help_text="Empty: every field, under a name people read.")
    filter = FilterField(help_text="Empty: every record.")

    class Meta:
        model = Route
        fields = (
            "id",
            "name",
            "destination",
            "connection",
            "record_type",
            "entity_type",
            "table",
            "mapping",
            "filter",
            "is_active",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class RouteChangesSerializer(Asked):
    """What is left out stays, or follows from the rest."""

    name = serializers.CharField(max_length=200, required=False)
    connection = serializers.UUIDField(required=False, allow_null=True)
    record_type = serializers.CharField(max_length=30, required=False)
    entity_type = serializers.CharField(max_length=60, required=False, allow_blank=True)
    table = serializers.CharField(max_length=100, required=False)
    mapping = MappingField(required=False)
    filter = FilterField(required=False)
    is_active = serializers.BooleanField(required=False)


class PreviewRowSerializer(serializers.Serializer[Any]):
    record = serializers.IntegerField(source="record_id")
    title = serializers.CharField()
    verdict = serializers.ChoiceField(choices=("written", "dropped", "rejected"))
    reason = serializers.CharField()
    cells = serializers.DictField(child=serializers.JSONField(), help_text="By column.")


class PreviewSerializer(serializers.Serializer[Any]):
    """The first ten records that the route is about."""

    table = serializers.CharField()
    rows = PreviewRowSerializer(many=True)


class RouteFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    record_type = django_filters.ChoiceFilter(choices=[(slug, slug) for slug in RECORD_TYPES])

    class Meta:
        model = Route
        fields = ("record_type", "is_active")


@extend_schema(parameters=[DESTINATION])
class RouteViewSet(BelowDestination, ReadOnlyModelViewSet[Route]):
    """The routes of one destination."""

    queryset = Route.objects.none()
    serializer_class = RouteSerializer
    filterset_class = RouteFilter

    def get_queryset(self) -> models.QuerySet[Route]:
        if self.is_described:
            return Route.objects.none()
        rows = Route.objects.filter(destination=self.destination())
        return rows.select_related("destination", "connection")

    @extend_schema(request=RouteChangesSerializer, responses={201: RouteSerializer})
    def create(self, request: Request, destination_id: UUID) -> Response:
        """Add a route. Everything stored that it takes is written, then what changes."""
        made = create_route(
            destination=self.destination(), **_checked(request), actor=actor_of(request._request)
        )
        location = reverse("route-detail", args=(destination_id, made.pk))
        return Response(self.get_serializer(made).data, 201, headers={"Location": location})

    @extend_schema(request=RouteChangesSerializer, responses=RouteSerializer)
    def partial_update(self, request: Request, destination_id: UUID, pk: Any = None) -> Response:
        """Change the route. Rows that it makes differently are written again."""
        changed = change_route(
            route=self.get_object(), changes=_checked(request), actor=actor_of(request._request)
        )
        return Response(self.get_serializer(changed).data)

    @extend_schema(responses={204: OpenApiResponse(description="It is gone.")})
    def destroy(self, request: Request, destination_id: UUID, pk: Any = None) -> Response:
        """Remove the route. What it wrote stays there, and is kept in step no more."""
        delete_route(route=self.get_object(), actor=actor_of(request._request))
        return Response(status=204)

    @extend_schema(operation_id="destinations_routes_preview", responses=PreviewSerializer)
    @action(detail=True, methods=["get"])
    def preview(self, request: Request, destination_id: UUID, pk: Any = None) -> Response:
        """What the route makes of the first records. Nothing is written."""
        return _previewed(self.get_object())

    @extend_schema(
        operation_id="destinations_routes_preview_unsaved",
        request=RouteChangesSerializer,
        responses=PreviewSerializer,
    )
    @action(detail=False, methods=["post"], url_path="preview", url_name="preview-unsaved")
    def preview_unsaved(self, request: Request, destination_id: UUID) -> Response:
        """What a route that is not there yet would make of the first records."""
        return _previewed(Route(destination=self.destination(), **_checked(request)))


def _previewed(route: Route) -> Response:
    rows = preview_route(route)
    return Response(PreviewSerializer({"table": route.table, "rows": rows}).data)


def _checked(request: Request) -> dict[str, Any]:
    """What was sent, with the connection it names."""
    asked = RouteChangesSerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    values = dict(asked.validated_data)
    if wanted := values.get("connection"):
        values["connection"] = present_connection(wanted)
    return values
