"""/api/v1/identity-groups/: records that look like one, and deciding whether they are."""

from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from hub.parameters import Asked
from integrations.identity.step import RECORD_TYPES
from integrations.managers import IdentityGroupQuerySet
from integrations.models import IdentityGroup, IdentityMember
from integrations.services.identities import confirm_identity, forbid_identity, split_identity
from integrations.services.identity_runs import last_look, request_identities
from tenants.middleware import actor_of


class ReasonSerializer(serializers.Serializer[Any]):
    left = serializers.IntegerField(help_text="A record's id.")
    right = serializers.IntegerField(help_text="A record's id.")
    reason = serializers.CharField()
    confidence = serializers.FloatField()


class MemberSerializer(serializers.ModelSerializer[IdentityMember]):
    record = serializers.IntegerField(source="record_id", allow_null=True)
    title = serializers.CharField(source="record.title", default="")
    data = serializers.DictField(  # type: ignore[assignment]  # a field here, as DRF means it
        source="record.data",
        default=None,
        allow_null=True,
        help_text="The shared shape of its record type; null if the record is gone.",
    )

    class Meta:
        model = IdentityMember
        fields = ("record", "title", "source_system", "entity_type", "source_id", "data")
        read_only_fields = fields


class IdentityGroupSerializer(serializers.ModelSerializer[IdentityGroup]):
    reasons = ReasonSerializer(many=True, help_text="The matches that hold the group together.")
    confidence = serializers.FloatField(help_text="From 0 to 1: that of the weakest match.")
    members = MemberSerializer(many=True)

    class Meta:
        model = IdentityGroup
        fields = (
            "id",
            "record_type",
            "state",
            "label",
            "confidence",
            "reasons",
            "members",
            "found_at",
            "decided_at",
            "decided_by",
        )
        read_only_fields = fields


class SplitRequestSerializer(Asked):
    records = serializers.ListField(
        child=serializers.IntegerField(),
        min_length=1,
        max_length=100,
        help_text="Ids of the group's records that are somebody else than the rest.",
    )


class SplitSerializer(serializers.Serializer[Any]):
    rest = IdentityGroupSerializer(help_text="What is left, if more than one.")
    taken = IdentityGroupSerializer(
        allow_null=True, help_text="What was taken out, as a candidate; null if it is one record."
    )


class LastLookSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(allow_null=True, help_text="Null if nobody has looked yet.")
    by = serializers.CharField()
    records = serializers.IntegerField(help_text="People and companies that were compared.")
    candidates = serializers.IntegerField(help_text="Groups that wait for a decision.")
    new = serializers.IntegerField(help_text="Of them, those found for the first time.")
    is_asked_for = serializers.BooleanField(help_text="A worker looks, or is about to.")
    gave_up = serializers.BooleanField(help_text="Workers have tried too often; ask again.")


class IdentityGroupFilter(django_filters.FilterSet):  # type: ignore[misc]  # untyped library
    record_type = django_filters.ChoiceFilter(choices=[(slug, slug) for slug in RECORD_TYPES])

    class Meta:
        model = IdentityGroup
        fields = ("state", "record_type")


class IdentityGroupViewSet(ReadOnlyModelViewSet[IdentityGroup]):
    """Groups of records that look like one person or company. Nothing is merged by itself."""

    queryset = IdentityGroup.objects.none()
    serializer_class = IdentityGroupSerializer
    filterset_class = IdentityGroupFilter
    lookup_value_converter = "uuid"

    def get_queryset(self) -> IdentityGroupQuerySet:
        return IdentityGroup.objects.with_records()

    @extend_schema(
        operation_id="identity_groups_look",
        request=None,
        responses={202: OpenApiResponse(LastLookSerializer, "The look before this one.")},
    )
    @action(detail=False, methods=["post"])
    def look(self, request: Request) -> Response:
        """Have a worker look for identities now. What it finds waits for a decision."""
        request_identities(actor=actor_of(request._request))
        return Response(LastLookSerializer(last_look()).data, 202)

    @extend_schema(request=None, responses=IdentityGroupSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: Any = None) -> Response:
        """Confirm that they are one. Confirmed groups that share a record become part of it."""
        confirm_identity(group=self.get_object(), actor=actor_of(request._request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        request=SplitRequestSerializer,
        responses={200: OpenApiResponse(SplitSerializer, "Both parts as they are now.")},
    )
    @action(detail=True, methods=["post"])
    def split(self, request: Request, pk: Any = None) -> Response:
        """Say that some are somebody else. They never come into one group with the rest again."""
        asked = SplitRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        taken = split_identity(
            group=self.get_object(),
            record_ids=asked.validated_data["records"],
            actor=actor_of(request._request),
        )
        found = self.get_queryset().filter(pk=taken.pk).first() if taken else None
        return Response(SplitSerializer({"rest": self.get_object(), "taken": found}).data)

    @extend_schema(request=None, responses=IdentityGroupSerializer)
    @action(detail=True, methods=["post"])
    def forbid(self, request: Request, pk: Any = None) -> Response:
        """Say that no two are the same. None of these pairs is ever found again."""
        forbid_identity(group=self.get_object(), actor=actor_of(request._request))
        return Response(self.get_serializer(self.get_object()).data)
