"""The hub refuses to start half-configured: each mistake has its number and one sentence."""

import base64
from typing import Any

import pytest
from django.core.checks import run_checks

from hub.checks import CHECKS, QUEUE_RULES
from hub.embedded_postgres import data_folder

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def production(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings as a complete deployment has them; a test spoils one."""
    settings.HUB_IS_PRODUCTION = True
    settings.SECRET_KEY = "kq3Zr9-vT1xW8yB5mN2cL7pD4sF6gH0jE_aUiOoQwRtYuXzVb-27"
    settings.HUB_ENCRYPTION_KEYS = [KEY]
    settings.ALLOWED_HOSTS = ["hub.example.com"]
    settings.HUB_PUBLIC_URL = "https://hub.example.com"
    settings.HUB_EGRESS_ALLOW = []
    settings.HUB_PROVIDER_ADDRESSES = {}
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "db.example.com")
    return settings


def found() -> list[tuple[str, str]]:
    return [(str(each.id), each.msg) for each in run_checks(tags=[CHECKS])]


def the_only_one() -> tuple[str, str]:
    (one,) = found()
    return one


def test_a_complete_deployment_has_nothing_to_mend(production):
    assert found() == []


@pytest.mark.parametrize(
    ("name", "value", "number", "says"),
    [
        ("SECRET_KEY", "short", "E001", "50 random characters"),
        ("SECRET_KEY", "a" * 80, "E001", "too easy to guess"),
        ("HUB_ENCRYPTION_KEYS", [], "E002", "32 random bytes"),
        ("HUB_ENCRYPTION_KEYS", ["§§§"], "E002", "not base64"),
        ("HUB_ENCRYPTION_KEYS", [KEY, "c2hvcnQ="], "E002", "5 bytes"),
        ("ALLOWED_HOSTS", [], "E003", "list the host names"),
        ("HUB_EGRESS_ALLOW", ["127.0.0.1"], "E004", "127.0.0.1"),
        ("HUB_EGRESS_ALLOW", ["crm.example.com", "10.0.0.0/8"], "E004", "10.0.0.0/8"),
        ("HUB_EGRESS_ALLOW", ["0.0.0.0/0"], "E004", "0.0.0.0/0"),
        ("HUB_EGRESS_ALLOW", ["::/0"], "E004", "::/0"),
        ("HUB_EGRESS_ALLOW", ["fd00::1"], "E004", "fd00::1"),
        ("HUB_EGRESS_ALLOW", ["localhost"], "E004", "localhost"),
        ("HUB_EGRESS_ALLOW", ["127.1"], "E004", "127.1"),
        ("HUB_PUBLIC_URL", "http://hub.example.com", "E005", "https://"),
        ("HUB_PUBLIC_URL", "hub.example.com", "E005", "no address"),
        ("HUB_PUBLIC_URL", "https://hub:port", "E005", "no address"),
        ("HUB_SLICE_SECONDS", 80.0, "E006", "less than 80"),
        ("HUB_WORKER_MEMORY_MB", 100, "E006", "300 or more"),
        ("HUB_LEASE_SECONDS", 30.0, "E011", "more than 55"),
        ("HUB_PROVIDER_ADDRESSES", {"api.copper.com": "https://x.example"}, "E009", "api.copper"),
        ("HUB_PROVIDER_ADDRESSES", {"https://a.example": "nonsense"}, "E009", "a.example"),
        ("HUB_PROVIDER_ADDRESSES", {"https://a.example": "http://b.example"}, "E009", "https"),
        ("HUB_EGRESS_PROXY", "proxy.example.com:3128", "E010", "http://proxy"),
        ("HUB_EGRESS_CA_BUNDLE", "/nowhere/ca.pem", "E010", "/nowhere/ca.pem"),
        ("REDIS_URL", "localhost:6379", "E013", "redis://"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_production_is_named_with_what_to_change(
    name: str, value: Any, number: str, says: str, production: Any
) -> None:
    if name == "HUB_SLICE_SECONDS":
        production.HUB_LEASE_SECONDS = 300.0
    setattr(production, name, value)

    code, sentence = the_only_one()

    assert code == f"hub.{number}"
    assert says in sentence
    assert sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize(("name", "value"), [("NAME", ""), ("HOST", None)], ids=["none", "laptop"])
def test_production_needs_a_database_of_its_own(name, value, production, monkeypatch):
    value = str(data_folder()) if value is None else value
    monkeypatch.setitem(production.DATABASES["default"], name, value)

    assert the_only_one()[0] == "hub.E008"


@pytest.mark.parametrize("name", sorted(QUEUE_RULES))
def test_the_queue_may_not_be_set_to_do_work_twice(name, settings):
    wrong = {"ack_failures": False, "catch_up": True, "scheduler": True}.get(name, 7)
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, name: wrong, "retry": 5000}

    assert the_only_one()[0] == "hub.E006"


@pytest.mark.parametrize(("retry", "is_refused"), [(270, True), (271, False)])
def test_the_queue_waits_longer_than_any_task_can_take(retry, is_refused, settings):
    """R2: retry > timeout × (2 + queue_limit)."""
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "retry": retry}

    assert [code for code, _ in found()] == (["hub.E006"] if is_refused else [])


def test_no_app_has_tables_in_both_places(settings):
    settings.TENANT_APPS = [*settings.TENANT_APPS, "hub.audit"]

    assert "hub.audit is in SHARED_APPS and in TENANT_APPS" in the_only_one()[1]


def test_the_queue_has_no_tables_in_tenants(settings):
    settings.SHARED_APPS = [app for app in settings.SHARED_APPS if app != "django_q"]
    settings.TENANT_APPS = [*settings.TENANT_APPS, "django_q"]

    assert "tasks would be lost" in the_only_one()[1]


def test_on_a_laptop_loopback_and_http_are_fine(settings):
    settings.HUB_EGRESS_ALLOW = ["127.0.0.1"]
    settings.HUB_PROVIDER_ADDRESSES = {"https://api.copper.com": "http://127.0.0.1:8500/copper"}

    assert found() == []
