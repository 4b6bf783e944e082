"""POST /api/v1/connect-sessions/: a link with which an end user connects an account."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hub.parameters import Asked
from integrations.errors import InvalidInputError
from integrations.models import Connection
from integrations.services.connect_links import connect_url, create_connect_session
from tenants.context import current_tenant
from tenants.middleware import actor_of


class ConnectSessionRequestSerializer(Asked):
    providers = serializers.ListField(
        child=serializers.CharField(max_length=40),
        default=list,
        max_length=100,
        help_text="Slugs of those that may be connected. Empty: all of them.",
    )
    connection = serializers.UUIDField(
        required=False, allow_null=True, help_text="The connection to be renewed, and no other."
    )
    end_user = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="Whom the link is for."
    )
    return_url = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=2000,
        help_text="Where the user goes at the end. It must be on the tenant's list.",
    )
    state = serializers.CharField(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Comes back with the user, unchanged.",
    )
    is_mailed = serializers.BooleanField(
        default=False, help_text="The first click may wait 24 hours instead of 30 minutes."
    )


class ConnectSessionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.URLField(help_text="The connect page. Shown this once, good for one browser.")
    expires_at = serializers.DateTimeField()


class ConnectSessionView(APIView):
    """Make a link to the connect page."""

    @extend_schema(
        operation_id="connect_sessions_create",
        request=ConnectSessionRequestSerializer,
        responses={201: ConnectSessionSerializer},
    )
    def post(self, request: Request) -> Response:
        serializer = ConnectSessionRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        wanted = asked.pop("connection", None)
        session, token = create_connect_session(
            tenant=current_tenant(),
            actor=actor_of(request._request),
            connection=present_connection(wanted) if wanted else None,
            **asked,
        )
        made = {"id": session.pk, "url": connect_url(token), "expires_at": session.expires_at}
        answer = ConnectSessionSerializer(made)
        return Response(answer.data, 201, headers={"Cache-Control": "no-store"})


def present_connection(pk: UUID) -> Connection:
    """The tenant's connection that is to be renewed.

    Raises:
        InvalidInputError: there is none, or it is disconnected.
    """
    found: Connection | None = Connection.objects.present().filter(pk=pk).first()
    if found is None or found.is_leaving:
        problem = "There is no such connection, or it is disconnected."
        raise InvalidInputError(problem, {"connection": [problem]})
    return found
