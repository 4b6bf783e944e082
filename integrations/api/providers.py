"""/api/v1/providers/: what can be connected, read from the connectors' declarations."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from hub.parameters import refuse_unknown
from integrations.connectors.base import Connector
from integrations.connectors.registry import all_connectors, get_connector


class EntityTypeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    record_types = serializers.ListField(
        child=serializers.CharField(), help_text="What its entities become."
    )
    min_interval_seconds = serializers.IntegerField(
        allow_null=True, help_text="The provider does not let it be read more often. Null: it does."
    )


class ProviderSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field here, as DRF means it
    auth_kinds = serializers.ListField(
        child=serializers.CharField(), help_text="oauth2, api_key, basic or client_credentials."
    )
    entity_types = EntityTypeSerializer(many=True)


class ProviderViewSet(ViewSet):
    """The providers this hub has connectors for."""

    lookup_field = "slug"
    lookup_value_converter = "slug"

    @extend_schema(operation_id="providers_list", responses=ProviderSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The providers this hub has connectors for."""
        refuse_unknown(request, ())
        return Response([_shown(connector) for connector in all_connectors()])

    @extend_schema(operation_id="providers_retrieve", responses=ProviderSerializer)
    def retrieve(self, request: Request, slug: str) -> Response:
        """One provider: how it is signed in to, and what can be read."""
        refuse_unknown(request, ())
        return Response(_shown(get_connector(slug)))


def _shown(connector: type[Connector]) -> dict[str, Any]:
    provider = connector.provider
    return {
        "slug": provider.slug,
        "label": provider.label,
        "auth_kinds": [way.kind for way in provider.auth],
        "entity_types": [
            {
                "name": declared.name,
                "record_types": [record.record_type for record in declared.record_types],
                "min_interval_seconds": declared.min_interval
                and int(declared.min_interval.total_seconds()),
            }
            for declared in connector.entity_types
        ],
    }
