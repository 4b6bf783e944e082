"""A folder of recorded answers as a provider: what was asked once is answered again.

Every `*.json` file of the folder holds one exchange, or a list of them:

    {"request": {"method": "GET", "path": "/v2/contacts", "query": {"page": "2"}, "body": {…}},
     "response": {"status": 200, "headers": {"Link": "…"}, "body": {…}}}

`path` is the address without the base URL's host. A request is answered by the first exchange
whose method and path are its own and whose `query` and `body`, where given, are contained in it;
put the special ones first (files are read by name). Anything else is 404. `credentials.json` is
no exchange but what the connector's form asks for: {"key": "k-1"}, and for OAuth
{"access_token": "t-1"}, which is never renewed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import orjson

from integrations.connectors.base import Connector
from integrations.errors import FatalError
from integrations.sandbox.part import Account, Part, Request, Response, json_response
from integrations.sandbox.rows import Row

CREDENTIALS = "credentials.json"
ACCOUNTS = ("recorded", "unused")


@contextmanager
def recorded_part(connector: type[Connector], folder: Path) -> Iterator[type[Part]]:
    """While inside, every sandbox answers for the connector's provider from this folder.

    Raises:
        FatalError: the folder holds no exchange, or a file that is none.
    """
    exchanges = list(_exchanges(folder))
    if not exchanges:
        raise FatalError(f"There are no recorded answers in {folder.name}.")
    slug = connector.provider.slug
    before = Part.registry.get(slug)
    given = folder / CREDENTIALS
    secrets = orjson.loads(given.read_bytes()) if given.exists() else {}
    url = urlsplit(connector.provider.base_url)
    body = {
        "slug": slug,
        "origins": {f"{url.scheme}://{url.netloc}": f"/{slug}"},
        "exchanges": exchanges,
        "secrets": secrets,
    }
    try:
        yield type("Recorded", (RecordedPart,), body)
    finally:
        del Part.registry[slug]
        if before is not None:
            Part.registry[slug] = before


class RecordedPart(Part):
    """Answers from `exchanges`; it has no rows to change."""

    account_ids = ACCOUNTS
    exchanges: ClassVar[list[dict[str, Any]]] = []
    secrets: ClassVar[Mapping[str, str]] = {}

    def credentials(self) -> list[dict[str, Any]]:
        return [{"account_id": id, "account": id, **self.secrets} for id in ACCOUNTS]

    def account_of(self, request: Request) -> str:
        return ACCOUNTS[0]

    def generate(self, account: Account) -> dict[str, list[Row]]:
        return {}

    def answer(self, request: Request) -> Response:
        path = request.path.removeprefix(f"/{self.slug}")
        for exchange in self.exchanges:
            if _fits(exchange["request"], request, path):
                said = exchange["response"]
                answer = json_response(said.get("body"), said.get("status", 200))
                answer.headers.update(said.get("headers", {}))
                return answer
        return self.not_found(request)


def _fits(asked: Mapping[str, Any], request: Request, path: str) -> bool:
    if asked.get("method", "GET") != request.method or asked["path"] != path:
        return False
    query = request.query
    if any(query.get(name) != str(value) for name, value in asked.get("query", {}).items()):
        return False
    wanted = asked.get("body")
    if not wanted:
        return True
    body = orjson.loads(request.body or b"{}")
    return all(body.get(name) == value for name, value in wanted.items())


def _exchanges(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.json")):
        if path.name == CREDENTIALS:
            continue
        held = orjson.loads(path.read_bytes())
        for one in held if isinstance(held, list) else [held]:
            if not isinstance(one, dict) or not {"request", "response"} <= set(one):
                raise FatalError(f"{path.name} holds no request with its response.")
            yield one
