"""What answers of token endpoints mean, however odd they are."""

import ast
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

import integrations
from integrations.auth import AppSecrets, TokenAnswer, UndeclaredRefusalError, expiry
from integrations.auth.tokens import read_tokens
from integrations.errors import (
    AppRefusedError,
    FatalError,
    HubError,
    ProviderUnavailableError,
    RateLimitError,
    ReauthorizationRequiredError,
)
from integrations.http.answer import WireAnswer
from integrations.types import ErrorCodes, Identity, OAuth2, Provider

SPEAKING = {"requests", "urllib3", "httpx", "aiohttp", "http.client", "urllib.request"}
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DECLARED = OAuth2(
    authorize_url="https://acme.example/authorize",
    token_url="https://acme.example/token",
    scopes=("read",),
    keep=("instance_url",),
    dead=("invalid_grant", "grant_used_up"),
)
ACME = Provider(
    slug="acme",
    label="Acme",
    base_url="https://api.acme.example",
    auth=(DECLARED,),
    identity=Identity("/me", "id", "name"),
    errors=ErrorCodes(code="problem.code", reauthorize=("gone",), retry=("busy",)),
)


def read(body: Any, status: int = 200, **headers: str) -> TokenAnswer:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_tokens(WireAnswer(status, named, raw), ACME, DECLARED, NOW)


def lifetime(expires_in: Any, *, is_refreshable: bool = True) -> float | None:
    answer = read({"access_token": "a", "expires_in": expires_in})
    ends_at = expiry(answer, DECLARED, is_refreshable=is_refreshable, now=NOW)
    return None if ends_at is None else (ends_at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (3600.5, 3600.5),
        (0, 10),
        (-5, 10),
        (10**12, 90 * 86_400),
        ("1e999", 90 * 86_400),
        (None, 55 * 60),
        ("soon", 55 * 60),
        (True, 55 * 60),
        ([3600], 55 * 60),
        ("nan", 55 * 60),
    ],
)
def test_every_lifetime_is_made_sense_of(expires_in: Any, seconds: float) -> None:
    assert lifetime(expires_in) == seconds


def test_a_token_without_lifetime_and_refresh_token_lives_until_it_is_refused() -> None:
    assert lifetime(None, is_refreshable=False) is None


def test_a_declared_lifetime_is_assumed_before_ours() -> None:
    declared = OAuth2(lifetime=timedelta(hours=2))

    ends_at = expiry(read({"access_token": "a"}), declared, is_refreshable=True, now=NOW)

    assert ends_at == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("read write", ("read", "write")),
        ("read,write", ("read", "write")),
        (["read", "write"], ("read", "write")),
        ("", None),
        (None, None),
    ],
)
def test_granted_scopes_are_read_in_every_spelling(
    scope: Any, granted: tuple[str, ...] | None
) -> None:
    assert read({"access_token": "a", "scope": scope}).scopes == granted


def test_declared_fields_of_the_answer_are_kept_and_nothing_else() -> None:
    answer = read({"access_token": "a", "instance_url": "https://eu.acme.example", "id": "x"})

    assert answer.kept == {"instance_url": "https://eu.acme.example"}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "invalid_grant"}, ReauthorizationRequiredError),
        (400, {"error": "grant_used_up"}, ReauthorizationRequiredError),
        (200, {"ok": False, "error": "invalid_grant"}, ReauthorizationRequiredError),
        (200, {"problem": {"code": "gone"}}, ReauthorizationRequiredError),
        (401, {"error": "invalid_client"}, AppRefusedError),
        (400, {"error": "unauthorized_client"}, AppRefusedError),
        (200, {"ok": False, "error": "bad_client_secret"}, AppRefusedError),
        (401, {}, AppRefusedError),
        (400, {"error": "unsupported_grant_type"}, FatalError),
        (400, {"error": "something_new"}, UndeclaredRefusalError),
        (403, {}, UndeclaredRefusalError),
        (302, {}, UndeclaredRefusalError),
        (200, {}, UndeclaredRefusalError),
        (200, {"access_token": ""}, UndeclaredRefusalError),
        (200, {"access_token": 5}, UndeclaredRefusalError),
        (200, {"ok": False}, UndeclaredRefusalError),
        (200, {"access_token": "a", "error": "something_new"}, UndeclaredRefusalError),
        (200, {"problem": {"code": "busy"}}, ProviderUnavailableError),
        (400, {"error": "temporarily_unavailable"}, ProviderUnavailableError),
        (500, b"<html>", ProviderUnavailableError),
        (503, {"error": "invalid_grant"}, ProviderUnavailableError),
        (200, b"<html>", ProviderUnavailableError),
        (400, b"<html>", ProviderUnavailableError),
        (200, b"[]", ProviderUnavailableError),
        (200, b'{"access_tok', ProviderUnavailableError),
        (429, {}, RateLimitError),
    ],
)
def test_every_refusal_says_who_acts_next(status: int, body: Any, error: type[HubError]) -> None:
    with pytest.raises(error) as refused:
        read(body, status)

    assert type(refused.value) is error


def test_a_pause_that_is_asked_for_is_passed_on() -> None:
    with pytest.raises(RateLimitError) as refused:
        read({}, 429, retry_after="30")

    assert refused.value.retry_after == 30


def test_a_message_never_repeats_what_the_provider_wrote() -> None:
    with pytest.raises(UndeclaredRefusalError) as refused:
        read({"error": "odd\n<b>hubcanary-1</b>" + "x" * 500, "error_description": "hubcanary-2"})

    assert "hubcanary-2" not in str(refused.value)
    assert "<" not in str(refused.value) and "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "secret", [AppSecrets("id", "hubcanary"), TokenAnswer("hubcanary", "hubcanary")]
)
def test_secrets_show_nothing_of_themselves(secret: object) -> None:
    assert "hubcanary" not in f"{secret!r} {secret}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_only_the_door_out_speaks_http() -> None:
    """Whatever left otherwise would escape the guard against inside addresses."""
    top = Path(integrations.__file__).parents[1]
    doors = (top / "integrations" / "http", top / "integrations" / "sandbox")
    files = [
        path
        for app in ("hub", "integrations", "tenants")
        for path in (top / app).rglob("*.py")
        if not any(path.is_relative_to(door) for door in doors)
    ]

    assert len(files) > 50
    assert [str(p.relative_to(top)) for p in files if imported_by(p) & SPEAKING] == []


def imported_by(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{one.name}" for one in node.names}
    return names
