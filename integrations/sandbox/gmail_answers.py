"""Shapes of Gmail's answers: errors, page tokens, and parameters it does not know."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qs

from integrations.sandbox.part import Json, RefusalError, Request, Response, json_response

EVERYWHERE = frozenset({"alt", "fields", "key", "prettyPrint", "quotaUser"})


def failed(code: int, reason: str, message: str, status: str, *, sent_as: int = 0) -> Response:
    """An error in Google's envelope; `sent_as` is the HTTP status if it is another."""
    said: Json = {"domain": "global", "reason": reason, "message": message}
    if code == 401:
        said |= {"locationType": "header", "location": "Authorization"}
    error = {"code": code, "message": message, "errors": [said], "status": status}
    return json_response({"error": error}, sent_as or code)


def refused(code: int, reason: str, message: str, status: str) -> RefusalError:
    return RefusalError(failed(code, reason, message, status))


def bad_request(message: str) -> Response:
    return failed(400, "invalidArgument", message, "INVALID_ARGUMENT")


def allow_only(request: Request, params: Iterable[str]) -> None:
    """Refuse what the method does not take."""
    asked = parse_qs(request.query_string, keep_blank_values=True)
    for name in asked.keys() - EVERYWHERE - set(params):
        message = (
            f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
        )
        raise RefusalError(bad_request(message))


def number_in(request: Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise RefusalError(bad_request(f"Invalid value for {name}: {text}"))
    return int(text)


def token_for(key: str, epoch: int) -> str:
    """The token of the page that begins behind `key`."""
    return urlsafe_b64encode(f"{epoch}|{key}".encode()).decode().rstrip("=")


def page_after(
    keys: Sequence[str], request: Request, epoch: int, *, descending: bool = False
) -> int:
    """Where in the sorted `keys` the page asked for begins."""
    token = request.query.get("pageToken")
    if not token:
        return 0
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        text = ""
    made_in, _, key = text.partition("|")
    if not key or made_in != str(epoch):
        raise RefusalError(bad_request("Invalid pageToken"))
    if descending:
        return sum(one >= key for one in keys)
    return bisect_right(keys, key)
