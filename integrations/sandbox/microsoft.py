"""What providers of Microsoft's share: its sign-in, and the envelope of Graph's errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from integrations.sandbox.oauth import Grant, OAuthRefusedError
from integrations.sandbox.oauth_part import B, OAuthPart
from integrations.sandbox.part import (
    Json,
    RefusalError,
    Request,
    Response,
    Switches,
    demo_secret,
    json_response,
)


class MicrosoftPart(OAuthPart[B]):
    """Opened by a sign-in at Microsoft."""

    first_switches = Switches(token_lifetime=3599)
    refused_refresh: ClassVar[tuple[int, str]] = (
        700082,
        "The refresh token has expired due to inactivity.",
    )

    def not_found(self, request: Request) -> Response:
        return failed(404, "NotFound", "There is no such resource.")

    def fault_in_200(self, request: Request) -> Response:
        response = failed(503, "serviceNotAvailable", "The service is unavailable.")
        response.status = 200
        return response

    def token(self, request: Request) -> Response:
        try:
            return json_response(self._tokens(self.oauth.redeem(request).grant))
        except OAuthRefusedError as reason:
            return self._refused_token(reason)

    def _tokens(self, grant: Grant) -> Json:
        """Every answer brings a new refresh token; `offline_access` is not named among scopes."""
        lifetime = self.switches.token_lifetime
        answer = {
            "token_type": "Bearer",
            "scope": " ".join(scope for scope in grant.scopes if scope != "offline_access"),
            "expires_in": lifetime,
            "access_token": self.oauth.issue_access(grant, "eyJ0", lifetime),
        }
        if "offline_access" in grant.scopes:
            answer["refresh_token"] = self.oauth.issue_refresh(grant, "0.AX")
        return answer

    def _refused_token(self, reason: OAuthRefusedError) -> Response:
        number, text = 70008, "The code or refresh token has expired."
        if reason.is_client:
            number, text = 7000215, "Invalid client secret provided."
        elif reason.reason == "refresh_token":
            number, text = self.refused_refresh
        elif reason.reason == "grant_type":
            number, text = 70003, "The app requested an unsupported grant type."
        body = {
            "error": reason.code,
            "error_description": f"AADSTS{number}: {text}",
            "error_codes": [number],
            "timestamp": datetime.fromtimestamp(self.setting.now(), UTC).isoformat(" ", "seconds"),
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        }
        return json_response(body, 401 if reason.is_client else 400)


def failed(status: int, code: str, message: str) -> Response:
    """An error in Graph's envelope."""
    inner = {"request-id": demo_secret("graph", code), "date": "2026-11-20T08:05:33"}
    return json_response({"error": {"code": code, "message": message, "innerError": inner}}, status)


def refused(status: int, code: str, message: str) -> RefusalError:
    return RefusalError(failed(status, code, message))
