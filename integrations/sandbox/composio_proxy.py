"""What Composio's proxy hands on to a provider, and how it tells what came back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import orjson

from integrations.sandbox.oauth_part import OAuthPart
from integrations.sandbox.part import (
    Json,
    RefusalError,
    Request,
    Response,
    demo_secret,
    json_response,
)

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")


def handed_on(part: OAuthPart[Any], token: str, asked: Json) -> Request:
    """The provider's request, with the token that is held for it."""
    method, endpoint = asked.get("method"), str(asked.get("endpoint", ""))
    if method not in METHODS or not endpoint:
        raise RefusalError(failed(400, "endpoint and method are needed"))
    parts = urlsplit(endpoint)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else next(iter(part.origins))
    if origin not in part.origins or not _is_same_site(part, origin):
        raise RefusalError(failed(400, "OriginMismatch: not the account's own host"))
    query = parse_qsl(parts.query, keep_blank_values=True)
    headers: dict[str, str] = {}
    for given in asked.get("parameters", ()):
        if given.get("type") not in ("query", "header") or not isinstance(given["value"], str):
            raise RefusalError(failed(400, "a parameter is no query or header of text"))
        if given["type"] == "query":
            query.append((given["name"], given["value"]))
        else:
            headers[given["name"].lower()] = given["value"]
    headers["authorization"] = f"Bearer {token}"
    body = b""
    if "body" in asked:
        body = orjson.dumps(asked["body"])
        headers.setdefault("content-type", "application/json")
    elif file := asked.get("binary_body"):
        body = _decoded(file)
        headers["content-type"] = file.get("content_type", "application/octet-stream")
    path = part.origins[origin] + unquote(parts.path)
    return Request(str(method), path, urlencode(query), headers, body)


def answer_of(response: Response, stored: Callable[[Response], Json]) -> Response:
    """Status, headers and data of the provider's answer; JSON as the provider wrote it."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    headers["content-type"] = response.media_type
    said = orjson.dumps(headers)
    media_type = response.media_type.partition(";")[0]
    file, data = b"null", b"null"
    if media_type == "application/json" and _is_json(response.body):
        data = response.body
    elif media_type.startswith("text/") or media_type == "application/json":
        data = orjson.dumps(response.body.decode("utf-8", "replace"))
    elif response.body:
        file = orjson.dumps(stored(response))
    body = b'{"status":%d,"data":%s,"binary_data":%s,"headers":%s}'
    return Response(body=body % (response.status, data or b"null", file, said))


def failed(status: int, message: str) -> Response:
    """An error as Composio words it."""
    error = {
        "message": message,
        "code": 10_000 + status,
        "status": status,
        "request_id": demo_secret("composio", message, length=16),
        "suggested_fix": "",
        "errors": [],
    }
    return json_response({"error": error}, status)


def moment(stamp: float) -> str:
    text = datetime.fromtimestamp(stamp, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _is_same_site(part: OAuthPart[Any], origin: str) -> bool:
    """By scheme and the last two labels, as those of the provider's own base address."""
    return origin.split(".")[-2:] == next(iter(part.origins)).split(".")[-2:]


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def _decoded(file: Json) -> bytes:
    try:
        return base64.b64decode(str(file.get("base64", "")), validate=True)
    except binascii.Error:
        raise RefusalError(failed(400, "binary_body.base64 cannot be read")) from None
