"""What an OpenAPI document says that a connector has to know: address, sign-in, lists.

Versions 2 and 3 are read, as JSON or YAML, also compressed with gzip. It is a proposal: which lists
are worth syncing, and how they page, no document says.
"""

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import yaml

from integrations.errors import InvalidInputError

MOST_BYTES = 64 * 1024 * 1024
MOST_LISTS = 8
MOST_SCOPES = 8
DEEPEST_REFERENCE = 20
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_IDENTITIES = ("/me", "/user", "/users/me", "/account", "/users/@me", "/whoami", "/myself")
_NAMES = ("name", "title", "display_name", "displayName", "label", "subject", "full_name", "key")


@dataclass(frozen=True, slots=True)
class Listed:
    """One list: a GET at `path` whose rows lie at `items` ('' if the answer is the list)."""

    name: str
    path: str
    items: str = ""
    key: str = "id"
    shown: str = "name"


@dataclass(frozen=True, slots=True)
class SignIn:
    """`kind` is oauth2, api_key, basic; `header` and `prefix` say how a key is sent."""

    kind: str = "api_key"
    header: str = "Authorization"
    prefix: str = "Bearer "
    authorize_url: str = ""
    token_url: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is known about a provider before anybody has written a line."""

    base_url: str
    sign_in: SignIn = field(default_factory=SignIn)
    lists: tuple[Listed, ...] = (Listed("contacts", "/contacts"),)
    identity: str = "/me"
    title: str = ""


def read_document(path: Path) -> dict[str, Any]:
    """The document as a mapping.

    Raises:
        InvalidInputError: there is no such file, or no OpenAPI document in it.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError) as exc:
        raise InvalidInputError(f"{path.name} cannot be read.") from exc
    if len(raw) > MOST_BYTES:
        raise InvalidInputError(f"{path.name} is larger than a document of this kind ever is.")
    try:
        is_json = raw.lstrip()[:1] in (b"{", b"[")
        document = orjson.loads(raw) if is_json else yaml.safe_load(raw)
    except (ValueError, yaml.YAMLError, RecursionError) as exc:
        raise InvalidInputError(f"{path.name} is neither JSON nor YAML.") from exc
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise InvalidInputError(f"{path.name} is no OpenAPI document: it has no paths.")
    return document


def proposed(document: Mapping[str, Any], slug: str) -> Proposal:
    """What to begin with.

    Raises:
        InvalidInputError: no GET of the document answers with a list.
    """
    lists = tuple(_lists(document))[:MOST_LISTS]
    if not lists:
        raise InvalidInputError(
            "No GET of this document answers with a list of objects without being told an id first."
        )
    paths = document["paths"]
    identity = next((one for one in _IDENTITIES if "get" in (paths.get(one) or {})), "/me")
    title = _mapping(document.get("info")).get("title")
    return Proposal(
        base_url=_base_url(document) or f"https://api.{slug.replace('_', '-')}.example",
        sign_in=_sign_in(document),
        lists=lists,
        identity=identity,
        title=title if isinstance(title, str) else "",
    )


def _lists(document: Mapping[str, Any]) -> Iterator[Listed]:
    """Lists that can be asked for without knowing anything, the shortest addresses first."""
    seen: set[str] = set()
    for path in sorted(document["paths"], key=lambda path: (str(path).count("/"), str(path))):
        operation = _mapping(_mapping(document["paths"][path]).get("get"))
        if "{" in str(path) or not operation or operation.get("deprecated"):
            continue
        found = _rows_of(document, _answer(document, operation))
        steps = [_named(step) for step in str(path).split("/") if step]
        name = next((step for step in reversed(steps) if step), "")
        if found is None or name in seen or not name[:1].isalpha() or len(name) < 2:
            continue
        seen.add(name)
        items, properties = found
        key = "id" if "id" in properties else next(iter(_ids(properties)), "id")
        shown = next((one for one in _NAMES if one in properties), key)
        yield Listed(name[:40], str(path), items, key, shown)


def _answer(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of what a successful call answers."""
    responses = _mapping(operation.get("responses"))
    response = _resolved(document, responses.get("200"))
    if "schema" in response:
        return _resolved(document, response["schema"])
    for media_type, content in _mapping(response.get("content")).items():
        if "json" in str(media_type):
            return _resolved(document, _mapping(content).get("schema"))
    return {}


def _rows_of(
    document: Mapping[str, Any], schema: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]] | None:
    """(where the rows lie, their properties); None if this is no list of objects."""
    if properties := _item_properties(document, schema):
        return "", properties
    for name, inner in _properties(document, schema).items():
        if "." not in str(name) and (
            properties := _item_properties(document, _resolved(document, inner))
        ):
            return str(name), properties
    return None


def _item_properties(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if schema.get("type") != "array":
        return {}
    return _properties(document, _resolved(document, schema.get("items")))


def _properties(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(_mapping(schema.get("properties")))
    for part in schema.get("allOf") or ():
        found |= _mapping(_resolved(document, part).get("properties"))
    return found


def _resolved(document: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    """The node behind a local reference; {} behind any other."""
    for _ in range(DEEPEST_REFERENCE):
        reference = _mapping(node).get("$ref")
        if not isinstance(reference, str):
            return _mapping(node)
        node = document if reference.startswith("#/") else {}
        for step in reference.removeprefix("#/").split("/"):
            node = _mapping(node).get(step.replace("~1", "/").replace("~0", "~"))
    return {}


def _base_url(document: Mapping[str, Any]) -> str:
    """The first https server with its variables' defaults; '' if there is none."""
    for server in document.get("servers") or ():
        url = str(_mapping(server).get("url", ""))
        for name, variable in _mapping(_mapping(server).get("variables")).items():
            url = url.replace(f"{{{name}}}", str(_mapping(variable).get("default", "")))
        if _is_plain(url):
            return url.rstrip("/")
    url = f"https://{document.get('host', '')}{document.get('basePath', '')}"
    return url.rstrip("/") if document.get("host") and _is_plain(url) else ""


def _is_plain(url: str) -> bool:
    parts = urlsplit(url)
    return (
        parts.scheme == "https"
        and bool(re.fullmatch(r"[A-Za-z0-9.-]+", parts.netloc))
        and (re.fullmatch(r"[A-Za-z0-9._~/-]*", parts.path) is not None)
    )


def _sign_in(document: Mapping[str, Any]) -> SignIn:
    """OAuth 2 with a code if the document has it, else the first key or password it names."""
    declared = _mapping(_mapping(document.get("components")).get("securitySchemes"))
    schemes = [
        _resolved(document, one)
        for one in (declared or _mapping(document.get("securityDefinitions"))).values()
    ]
    for scheme in schemes:
        if scheme.get("type") == "oauth2" and (found := _code_flow(scheme)):
            return found
    for scheme in schemes:
        kind, name = scheme.get("type"), str(scheme.get("name", ""))
        if kind == "apiKey" and scheme.get("in") == "header" and re.fullmatch(r"[\w-]+", name):
            prefix = "Bearer " if name.lower() == "authorization" else ""
            return SignIn(header=name, prefix=prefix)
        if kind == "basic" or (kind == "http" and scheme.get("scheme") == "basic"):
            return SignIn("basic")
    return SignIn()


def _code_flow(scheme: Mapping[str, Any]) -> SignIn | None:
    flows = _mapping(scheme.get("flows"))
    flow = _mapping(flows.get("authorizationCode"))
    if not flow and scheme.get("flow") == "accessCode":
        flow = scheme
    authorize, token = str(flow.get("authorizationUrl", "")), str(flow.get("tokenUrl", ""))
    if not (_is_plain(authorize) and _is_plain(token)):
        return None
    scopes = [
        str(one) for one in _mapping(flow.get("scopes")) if re.fullmatch(r"[\w.:/-]+", str(one))
    ]
    reading = [one for one in scopes if "read" in one.lower()] or scopes or ["read"]
    return SignIn("oauth2", "", "", authorize, token, tuple(reading[:MOST_SCOPES]))


def _ids(properties: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in properties if name.lower().endswith(("id", "key", "sha", "uuid")))


def _named(step: str) -> str:
    """ "TimeEntries.json" as an entity type is called: time_entries."""
    step = re.sub(r"\.json$", "", step)
    step = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", step).lower()
    return _NOT_A_NAME.sub("_", step.rpartition(".")[2] or step).strip("_")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
