"""/api/v1/changes/: what changed in the tenant's records, in the order of commits."""

import base64
import hashlib
import re
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hub.parameters import choose_one_of, refuse_unknown
from hub.problems import CONTENT_TYPE
from integrations.connectors.registry import entity_type_names
from integrations.errors import InvalidInputError
from integrations.managers import RecordQuerySet
from integrations.models import Connection, Record
from integrations.records import RECORD_TYPES
from integrations.sync.feed import Place, read_feed
from tenants.context import current_tenant

CURSOR = re.compile(r"(\d{1,18})\.([0-9a-f]{8})\.(\d{1,18})\.(\d{1,18})", re.ASCII)


class ChangeRequestSerializer(serializers.Serializer[Any]):
    cursor = serializers.CharField(
        required=False, help_text="`next_cursor` of the page before; without one, everything."
    )
    page_size = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    record_type = serializers.ChoiceField(
        choices=list(RECORD_TYPES),
        required=False,
        error_messages={"invalid_choice": choose_one_of(RECORD_TYPES)},
    )
    entity_type = serializers.CharField(required=False)
    connection = serializers.UUIDField(
        required=False,
        help_text="What was read from its account, also by an earlier connection to it.",
    )

    def validate_entity_type(self, name: str) -> str:
        if name not in (known := entity_type_names()):
            raise serializers.ValidationError(choose_one_of(known))
        return name


class ChangeSerializer(serializers.Serializer[Any]):
    record = serializers.IntegerField(source="record_id")
    is_deleted = serializers.BooleanField(
        help_text="The provider has it no more; `data` is what it was."
    )
    record_type = serializers.CharField()
    title = serializers.CharField()
    data = serializers.DictField(  # type: ignore[assignment]  # a field here, as DRF means it
        help_text="The shared shape of its record type, as it is now."
    )
    source_system = serializers.CharField(help_text="Provider and account, `acme:73001`.")
    entity_type = serializers.CharField()
    source_id = serializers.CharField(help_text="The entity's id at the provider.")
    connection_id = serializers.UUIDField()
    changed_at = serializers.DateTimeField()


class ChangePageSerializer(serializers.Serializer[Any]):
    results = ChangeSerializer(many=True)
    next_cursor = serializers.CharField(
        help_text="Send it as `cursor`: at once if `has_more`, otherwise later."
    )
    has_more = serializers.BooleanField(help_text="Whether more can be read now.")


class ChangesView(APIView):
    """The tenant's change feed."""

    @extend_schema(
        operation_id="changes_list",
        parameters=[ChangeRequestSerializer],
        responses={
            200: ChangePageSerializer,
            (410, CONTENT_TYPE): OpenApiResponse(
                {"$ref": "#/components/schemas/Problem"},
                "`cursor_expired`: deletions behind the cursor are not known any more. Begin again "
                "without one, and drop what you hold that does not come along.",
            ),
        },
    )
    def get(self, request: Request) -> Response:
        """Every record once, at its last change, the oldest first; deleted ones for 90 days.

        Begin without a cursor, and keep `next_cursor` with what you have stored: who goes on from
        there misses nothing. A cursor belongs to the filters it was made with.
        """
        refuse_unknown(request, ChangeRequestSerializer().fields)
        asked = ChangeRequestSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        limit, cursor = values.pop("page_size"), values.pop("cursor", None)
        digest = _digest(values)
        page = read_feed(
            _among(**values), _place_at(cursor, digest) if cursor else None, limit=limit
        )
        answer = {
            "results": page.changes,
            "next_cursor": _cursor_of(page.place, digest),
            "has_more": page.has_more,
        }
        return Response(ChangePageSerializer(answer).data)


def _among(
    record_type: str = "", entity_type: str = "", connection: UUID | None = None
) -> RecordQuerySet:
    records: RecordQuerySet = Record.objects.all()
    if record_type:
        records = records.filter(record_type=record_type)
    if entity_type:
        records = records.filter(entity_type=entity_type)
    if connection is None:
        return records
    account = Connection.objects.filter(pk=connection).values("source_system")
    return records.filter(source_system__in=account)


def _digest(filters: dict[str, Any]) -> str:
    """The filters as eight letters: a cursor made with others would have left changes out."""
    text = "&".join(f"{name}={filters[name]}" for name in sorted(filters))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _cursor_of(place: Place, digest: str) -> str:
    text = f"{current_tenant().number}.{digest}.{place.seq}.{place.began}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place_at(cursor: str, digest: str) -> Place:
    """Return the place that the cursor names.

    Raises:
        InvalidInputError: it is not one of this tenant's, or was made with other filters.
    """
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    found = CURSOR.fullmatch(text)
    if found is None or int(found[1]) != current_tenant().number:
        said = "Send next_cursor of the page before, unchanged."
        raise InvalidInputError("The cursor cannot be used.", {"cursor": [said]})
    if found[2] != digest:
        said = "It was made with other filters; begin again without a cursor."
        raise InvalidInputError("The cursor cannot be used.", {"cursor": [said]})
    return Place(int(found[3]), int(found[4]))
