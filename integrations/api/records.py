"""/api/v1/records/: the tenant's records, with where they come from and what they point to."""

from collections.abc import Sequence
from typing import Any

import django_filters
from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from integrations.connectors.registry import entity_type_names
from integrations.managers import RecordQuerySet
from integrations.models import Record, RecordLink
from integrations.records import RECORD_TYPES
from integrations.services.freshness import Freshness, with_freshness


class ProvenanceSerializer(serializers.Serializer[Any]):
    source_system = serializers.CharField(help_text="Provider and account, `acme:73001`.")
    entity_type = serializers.CharField()
    source_id = serializers.CharField(help_text="The entity's id at the provider.")
    connection_id = serializers.UUIDField()
    run_id = serializers.UUIDField(help_text="The sync run that last changed it.")
    source_changed_at = serializers.DateTimeField(allow_null=True)
    first_seen_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
    deleted_at = serializers.DateTimeField(allow_null=True)


class LinkSerializer(serializers.Serializer[Any]):
    record = serializers.IntegerField(allow_null=True, help_text="Null until it has arrived.")
    entity_type = serializers.CharField()
    source_id = serializers.CharField()


class FreshnessSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField(
        allow_null=True, help_text="When its entity type was last read from the provider."
    )
    is_stale = serializers.BooleanField(help_text="Nothing newer can be had at present.")
    reason = serializers.CharField(
        help_text="Why: `provider_unavailable`, `overdue`, or the connection's status; else empty."
    )


class RecordSerializer(serializers.ModelSerializer[Record]):
    data = serializers.DictField(  # type: ignore[assignment]  # a field here, as DRF means it
        help_text="The shared shape of its record type."
    )
    provenance = ProvenanceSerializer(source="*")
    freshness = FreshnessSerializer(help_text="How old this is, and whether newer can be had.")
    links = serializers.SerializerMethodField(help_text="Per field, what it points to, in order.")

    class Meta:
        model = Record
        fields = ("id", "record_type", "title", "data", "provenance", "freshness", "links")
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(child=LinkSerializer(many=True)))
    def get_links(self, record: Record) -> dict[str, list[dict[str, Any]]]:
        links: dict[str, list[dict[str, Any]]] = {}
        for link in record.links.all():
            links.setdefault(link.field, []).append(
                {
                    "record": link.target_id,
                    "entity_type": link.target_type,
                    "source_id": link.target_source_id,
                }
            )
        return links


def entity_types() -> list[tuple[str, str]]:
    """As the choices of a filter; connectors may come from outside, so they are asked each time."""
    return [(name, name) for name in entity_type_names()]


class RecordFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    record_type = django_filters.ChoiceFilter(choices=[(slug, slug) for slug in RECORD_TYPES])
    entity_type = django_filters.ChoiceFilter(choices=entity_types)
    connection = django_filters.UUIDFilter(field_name="connection_id")
    changed_since = django_filters.IsoDateTimeFilter(field_name="changed_at", lookup_expr="gte")
    search = django_filters.CharFilter(
        method="find_words", label="Words of the title, or exactly the source id."
    )
    include_deleted = django_filters.BooleanFilter(
        method="keep", label="Also records that the provider no longer has."
    )

    class Meta:
        model = Record
        fields = ("record_type", "entity_type", "source_system")  # which is any account

    def filter_queryset(self, queryset: RecordQuerySet) -> RecordQuerySet:
        found: RecordQuerySet = super().filter_queryset(queryset)
        return found if self.form.cleaned_data["include_deleted"] else found.present()

    def find_words(self, queryset: RecordQuerySet, name: str, value: str) -> RecordQuerySet:
        return queryset.search(value)

    def keep(self, queryset: RecordQuerySet, name: str, value: bool) -> RecordQuerySet:
        return queryset


class RecordPages(ReadOnlyModelViewSet.pagination_class):  # type: ignore[misc, valid-type]
    """Pages that say how old the oldest of what they hold is."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described: dict[str, Any] = super().get_paginated_response_schema(schema)
        described["required"] += ["as_of", "is_stale"]
        described["properties"] |= {
            "as_of": {
                "type": "string",
                "format": "date-time",
                "nullable": True,
                "description": "The earliest `as_of` on this page; null where one is not known.",
            },
            "is_stale": {
                "type": "boolean",
                "description": "Of something on this page nothing newer can be had at present.",
            },
        }
        return described


class RecordViewSet(ReadOnlyModelViewSet[Record]):
    """The tenant's records, the oldest first.

    They are served as last synced, also while their provider is down, and say how old they are.
    """

    # A page is five statements, however long it is.
    queryset = Record.objects.none()
    serializer_class = RecordSerializer
    filterset_class = RecordFilter  # of lists: a deleted record is still found by its id
    lookup_value_converter = "int"
    pagination_class = RecordPages

    def get_queryset(self) -> RecordQuerySet:
        links = models.Prefetch("links", RecordLink.objects.order_by("field", "position"))
        return Record.objects.defer("raw", "content_hash").prefetch_related(links)

    page_ages: Sequence[Freshness] = ()

    def get_object(self) -> Record:
        [record] = with_freshness([super().get_object()])
        return record  # type: ignore[no-any-return]

    def paginate_queryset(self, queryset: Any) -> Any:
        """The page's records, each with `freshness`."""
        page = super().paginate_queryset(queryset)
        self.page_ages = [record.freshness for record in with_freshness(list(page or ()))]
        return page

    def get_paginated_response(self, data: Any) -> Response:
        """The page, with the age of its oldest and whether anything on it is stale."""
        answer = super().get_paginated_response(data)
        known = [age.as_of for age in self.page_ages if age.as_of is not None]
        is_known = bool(known) and len(known) == len(self.page_ages)
        shown = serializers.DateTimeField().to_representation
        answer.data["as_of"] = shown(min(known)) if is_known else None
        answer.data["is_stale"] = any(age.is_stale for age in self.page_ages)
        return answer
