"""/api/v1/deletion-reviews/: deletions that were held back, and the decision about them."""

from typing import Any

import django_filters
from django.db import models
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from hub.parameters import Asked
from integrations.models import DeletionReview, Record
from integrations.services.deletions import decide_deletions, doomed
from tenants.middleware import actor_of

RECORDS_SHOWN = 200


class DeletionReviewSerializer(serializers.ModelSerializer[DeletionReview]):
    connection = serializers.UUIDField(source="connection_id")
    count = serializers.IntegerField(source="held", help_text="Records that would be deleted.")
    present = serializers.IntegerField(help_text="Records of the type when it was found.")

    class Meta:
        model = DeletionReview
        fields: tuple[str, ...] = (
            "id",
            "connection",
            "entity_type",
            "cause",
            "state",
            "count",
            "present",
            "run_id",
            "created_at",
            "found_at",
            "decided_at",
            "decided_by",
        )
        read_only_fields = fields


class DoomedRecordSerializer(serializers.ModelSerializer[Record]):
    class Meta:
        model = Record
        fields = ("id", "title", "record_type", "entity_type", "source_id", "scope", "changed_at")
        read_only_fields = fields


class DeletionReviewDetailSerializer(DeletionReviewSerializer):
    records = serializers.SerializerMethodField(help_text=f"The first {RECORDS_SHOWN} of them.")

    class Meta(DeletionReviewSerializer.Meta):
        fields = (*DeletionReviewSerializer.Meta.fields, "records")
        read_only_fields = fields

    @extend_schema_field(DoomedRecordSerializer(many=True))
    def get_records(self, review: DeletionReview) -> Any:
        records = doomed(review, at_most=RECORDS_SHOWN)
        return DoomedRecordSerializer(records, many=True).data


class DecisionSerializer(Asked):
    delete = serializers.BooleanField(help_text="True: delete the records. False: keep them.")


class DeletionReviewFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    connection = django_filters.UUIDFilter(field_name="connection_id")

    class Meta:
        model = DeletionReview
        fields = ("state",)


class DeletionReviewViewSet(ReadOnlyModelViewSet[DeletionReview]):
    """Deletions of so many records at once that a person decides; the newest first."""

    queryset = DeletionReview.objects.none()
    filterset_class = DeletionReviewFilter
    lookup_value_converter = "uuid"
    cursor_order = "-id"

    def get_queryset(self) -> models.QuerySet[DeletionReview]:
        if getattr(self, "swagger_fake_view", False):
            return DeletionReview.objects.none()
        found: models.QuerySet[DeletionReview] = DeletionReview.objects.defer("record_ids")
        return found

    def get_serializer_class(self) -> type[DeletionReviewSerializer]:
        return DeletionReviewSerializer if self.action == "list" else DeletionReviewDetailSerializer

    @extend_schema(request=DecisionSerializer, responses=DeletionReviewSerializer)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: Any = None) -> Response:
        """Delete the records at once, or keep them for good. It is decided once."""
        asked = DecisionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        review = self.get_object()
        decide_deletions(
            review=review,
            approve=asked.validated_data["delete"],
            actor=actor_of(request._request),
        )
        return Response(DeletionReviewSerializer(review).data)
