"""Production starts only with everything it needs, whoever starts it."""

import base64
import re
import secrets
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from hub.start import sentence_of as sentence_for
from tests.commands.conftest import database_url, manage, sentence_of

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "hub.settings.production",
    "DATABASE_URL": "postgresql://hub@127.0.0.1:1/hub",  # nobody is there, and nobody is asked
    "SECRET_KEY": secrets.token_urlsafe(64),
    "HUB_ENCRYPTION_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
    "ALLOWED_HOSTS": "hub.example.com",
    "HUB_PUBLIC_URL": "https://hub.example.com",
}


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in PRODUCTION.items() if name not in names}


def test_the_deployment_checks_are_green_on_a_complete_environment():
    run = subprocess.run(
        [sys.executable, "docs/check_deploy.py"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr


def test_nothing_runs_without_a_secret_key():
    refused = manage("check", **without("SECRET_KEY"))

    assert "SECRET_KEY is not set" in sentence_of(refused)


def test_check_names_everything_that_is_missing_at_once():
    refused = manage("check", **without("HUB_ENCRYPTION_KEYS", "ALLOWED_HOSTS", "DATABASE_URL"))

    assert refused.returncode == 1
    assert {"E002", "E003", "E008"} == set(re.findall(r"hub\.(E\d{3})", refused.stderr))


def test_production_starts_no_database_of_its_own():
    refused = manage("worker", **without("DATABASE_URL"))

    assert "DATABASE_URL is not set" in sentence_of(refused)


@pytest.mark.django_db
def test_a_command_that_serves_is_refused_before_it_does_anything():
    environment = {**without("HUB_ENCRYPTION_KEYS"), "DATABASE_URL": database_url()}

    refused = manage("worker", **environment)

    assert refused.returncode == 1
    assert "hub.E002" in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.django_db
def test_the_web_server_ends_with_the_sentence_instead_of_trying_for_ever():
    environment = {**without("HUB_ENCRYPTION_KEYS"), "DATABASE_URL": database_url()}

    # However slow the machine is, gunicorn does not end the worker before it has said why.
    options = ("--log-level", "error", "--timeout", "0", "--no-control-socket")
    refused = manage(
        python=("-m", "gunicorn", "hub.wsgi", "--bind", "127.0.0.1:0", *options), **environment
    )

    assert refused.returncode != 0
    (said,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert "HUB_ENCRYPTION_KEYS is not set" in said
    assert "Traceback" not in refused.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "text", "says"),
    [
        ("53100", "could not extend file: No space left on device", "disk is full"),
        ("57P01", "terminating connection due to administrator command", "does not answer"),
        ("42P01", 'relation "tenants_tenant" does not exist', "migrate_hub"),
        ("55P03", "canceling statement due to lock timeout", None),
        ("23505", "duplicate key value", None),
    ],
    ids=["disk full", "shutting down", "no tables", "a lock", "a duplicate"],
)
def test_what_the_server_says_in_the_middle_of_work_is_a_sentence_if_a_person_can_mend_it(
    code, text, says
):
    statement = f"DO $$ BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = '{code}'; END $$"

    with pytest.raises(DatabaseError) as raised, transaction.atomic():
        connection.cursor().execute(statement)

    said = sentence_for(raised.value)
    assert (said is None) if says is None else (says in str(said))
