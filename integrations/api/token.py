"""POST /api/v1/token/: an access token for a person in one tenant."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hub.parameters import Asked
from tenants.services import issue_access_token
from tenants.tokens import LIFETIME


class SignInSerializer(Asked):
    username = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)
    tenant = serializers.SlugField(max_length=40, help_text="The tenant's name in addresses.")


class AccessTokenSerializer(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="Send it as `Authorization: Bearer …`.")
    token_type = serializers.CharField(default="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class TokenView(APIView):
    """Issue an access token. It ends after a quarter of an hour and cannot be renewed."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="token_create",
        request=SignInSerializer,
        responses=AccessTokenSerializer,
        auth=[],
    )
    def post(self, request: Request) -> Response:
        asked = SignInSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        access = issue_access_token(
            email=asked.validated_data["username"],
            password=asked.validated_data["password"],
            tenant_slug=asked.validated_data["tenant"],
        )
        answer = {
            "access": access,
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
        }
        return Response(answer, headers={"Cache-Control": "no-store"})
