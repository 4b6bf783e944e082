"""What is known to be a secret, or looks like one, stands in no line of any log."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson
import pytest

from hub.observability import logs
from hub.observability.known_secrets import MOST, remember, remember_values, without_secrets
from integrations.auth.tokens import read_tokens
from integrations.errors import HubError
from integrations.http.answer import Answer, WireAnswer
from integrations.http.error_table import judge
from integrations.types import ErrorCodes, Identity, OAuth2, Provider

SECRET = "k9-made-up-secret-of-nobody"
ACME = Provider(
    slug="acme",
    label="Acme",
    base_url="https://api.acme.example",
    auth=(OAuth2(token_url="https://acme.example/token"),),
    identity=Identity("/me", "id", "name"),
    errors=ErrorCodes(code="error"),
)


@pytest.fixture
def known() -> str:
    remember(SECRET)
    return SECRET


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger with a handler of somebody else's, who knows nothing of redaction."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log = logging.getLogger("somebody.else")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield log, stream
    log.removeHandler(handler)


def test_a_handler_added_by_anybody_gets_redacted_messages(known: str, lines) -> None:
    log, stream = lines

    log.warning("the key %s was refused", known)
    log.warning("Authorization: Bearer abc.def.ghi")
    log.warning(f"sent {known!r}")

    assert "refused" in stream.getvalue()
    assert known not in stream.getvalue()
    assert "abc.def.ghi" not in stream.getvalue()


def test_a_handler_added_by_anybody_gets_redacted_tracebacks(known: str, lines) -> None:
    log, stream = lines

    try:
        raise ValueError(f"cannot use {known}")
    except ValueError:
        log.exception("failed")

    assert "Traceback" in stream.getvalue()
    assert known not in stream.getvalue()


def test_our_own_lines_are_redacted_at_any_depth(known: str) -> None:
    event = {"event": f"with {known}", "deep": {"list": [f"and {known}"]}, "api_key": "short"}

    line = json.dumps(logs.redact(None, "info", event))

    assert known not in line
    assert json.loads(line)["api_key"] == "[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "Bearer aGVsbG8/d29ybGQ+x",
        "Basic aGVsbG86d29ybGQ=",
        "'access_token': 'aGVsbG8'",
        '"refresh_token": "aGVsbG8"',
        "client_secret=aGVsbG8",
        "password = aGVsbG8",
        "code_verifier=aGVsbG8",
        "GET /oauth/acme/callback/?code=aGVsbG8&state=aGVsbG8",
        "GET /connect/aGVsbG8/acme/",
    ],
)
def test_what_looks_like_a_credential_is_masked_unknown_or_not(text: str) -> None:
    assert "aGVsbG8" not in logs.redact_text(text)


def test_a_program_that_ends_in_a_traceback_prints_it_redacted() -> None:
    program = (
        "import django; django.setup()\n"
        "from hub.observability.known_secrets import remember\n"
        "parts = ['k9-made-up', 'secret-of-nobody']\n"
        "remember('-'.join(parts))\n"
        "raise ValueError('-'.join(parts))\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert "ValueError: [redacted]" in ended.stderr
    assert SECRET not in ended.stderr


def test_names_and_ids_are_no_secrets() -> None:
    remember_values({"user_email": "ada@acme.example", "app": "01926f-app-id", "lifetime": 3600})

    said = "ada@acme.example uses 01926f-app-id"

    assert without_secrets(said) == said


def test_short_words_are_not_masked_because_one_is_somebodys_password() -> None:
    remember("secret", "a")

    assert without_secrets("a secret") == "a secret"


def test_only_the_newest_thousand_are_known() -> None:
    remember("the-oldest-secret", *(f"secret-number-{n}" for n in range(MOST)))

    assert without_secrets("the-oldest-secret") == "the-oldest-secret"
    assert without_secrets(f"secret-number-{MOST - 1}") == "[redacted]"


def test_a_secret_within_a_longer_one_leaves_no_rest() -> None:
    remember("secret-abc", "secret-abc-and-more")

    assert without_secrets("it is secret-abc-and-more") == "it is [redacted]"


@pytest.mark.parametrize("said", [SECRET, f"Token {SECRET} is expired"])
def test_a_provider_that_answers_with_our_token_as_its_error_is_not_quoted(
    said: str, known: str
) -> None:
    """The code of an answer goes into messages, and with them into runs, audit and admin."""
    error = judge(Answer(400, {}, {"error": said}), ACME, None, None)

    assert isinstance(error, HubError)
    assert known not in str(error)


@pytest.mark.parametrize("said", [SECRET, f"Token {SECRET} is expired"])
def test_a_token_endpoint_that_repeats_the_token_as_its_error_is_not_quoted(
    said: str, known: str
) -> None:
    wire = WireAnswer(400, {}, orjson.dumps({"error": said}))

    with pytest.raises(HubError) as refused:
        read_tokens(wire, ACME, ACME.auth[0], datetime.now(UTC))  # type: ignore[arg-type]

    assert known not in str(refused.value)
