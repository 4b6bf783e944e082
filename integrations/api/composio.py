"""/api/v1/composio/: a link to consent by, and the connection to what was consented to."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hub.parameters import Asked
from integrations.api.connect_sessions import present_connection
from integrations.api.connections import ConnectionSerializer, shown_connections
from integrations.services.composio import connect_through_composio, create_composio_link
from tenants.middleware import actor_of


class ComposioLinkRequestSerializer(Asked):
    provider = serializers.CharField(max_length=40, help_text="The slug of what is connected.")
    end_user = serializers.CharField(
        required=False, allow_blank=True, max_length=100, help_text="Whom the link is for."
    )
    return_url = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=2000,
        help_text="Where the user goes at the end. It must be on the tenant's list.",
    )


class ComposioLinkSerializer(serializers.Serializer[Any]):
    url = serializers.URLField(help_text="Composio's page, on which the user consents.")
    account = serializers.CharField(help_text="The connected account this makes.")
    expires_at = serializers.DateTimeField(allow_null=True)


class ComposioConnectionRequestSerializer(Asked):
    provider = serializers.CharField(max_length=40, help_text="The slug of what is connected.")
    account = serializers.CharField(max_length=200, help_text="As the link named it.")
    name = serializers.CharField(required=False, allow_blank=True, max_length=200)
    connection = serializers.UUIDField(
        required=False, allow_null=True, help_text="The connection to be renewed, and no other."
    )


class ComposioLinkView(APIView):
    """Make a link to Composio's page; it lives ten minutes."""

    @extend_schema(
        operation_id="composio_links_create",
        request=ComposioLinkRequestSerializer,
        responses={201: ComposioLinkSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = ComposioLinkRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        link = create_composio_link(actor=actor_of(request._request), **asked.validated_data)
        answer = ComposioLinkSerializer(
            {"url": link.url, "account": link.account, "expires_at": link.expires_at}
        )
        return Response(answer.data, 201, headers={"Cache-Control": "no-store"})


class ComposioConnectionView(APIView):
    """Connect, or reconnect, the account that was consented to."""

    @extend_schema(
        operation_id="composio_connections_create",
        request=ComposioConnectionRequestSerializer,
        responses={201: ConnectionSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = ComposioConnectionRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        wanted = given.pop("connection", None)
        connection = connect_through_composio(
            provider=given["provider"],
            account=given["account"],
            name=given.get("name") or None,
            connection=present_connection(wanted) if wanted else None,
            actor=actor_of(request._request),
        )
        shown = shown_connections().get(pk=connection.pk)
        return Response(ConnectionSerializer(shown).data, 201)
