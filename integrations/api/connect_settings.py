"""/api/v1/connect-settings/: where end users may be sent back to, and who may frame the page."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hub.connect.addresses import MOST_ADDRESSES, allowed_addresses, set_allowed_addresses
from hub.parameters import Asked, refuse_unknown
from tenants.context import current_tenant
from tenants.middleware import actor_of


class ConnectSettingsSerializer(Asked):
    return_addresses = serializers.ListField(
        child=serializers.CharField(allow_blank=True),
        max_length=MOST_ADDRESSES,
        help_text="A `return_url` must be one of these or lie below one.",
    )
    embedding_origins = serializers.ListField(
        child=serializers.CharField(allow_blank=True),
        max_length=MOST_ADDRESSES,
        help_text="Pages of these origins may show the connect page in a frame.",
    )


class ConnectSettingsView(APIView):
    """Both lists of addresses that the tenant's connect pages trust."""

    @extend_schema(
        operation_id="connect_settings_retrieve", responses={200: ConnectSettingsSerializer}
    )
    def get(self, request: Request) -> Response:
        """Read both lists of addresses that the tenant's connect pages trust."""
        refuse_unknown(request, ())
        return Response(ConnectSettingsSerializer(allowed_addresses(current_tenant())).data)

    @extend_schema(
        operation_id="connect_settings_update",
        request=ConnectSettingsSerializer,
        responses={200: ConnectSettingsSerializer},
    )
    def put(self, request: Request) -> Response:
        """Replace both lists, or, where an entry cannot be used, neither."""
        asked = ConnectSettingsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        stored = set_allowed_addresses(
            tenant=current_tenant(), actor=actor_of(request._request), **asked.validated_data
        )
        return Response(ConnectSettingsSerializer(stored).data)
