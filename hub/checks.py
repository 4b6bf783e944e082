"""System checks hub.E001…: the hub refuses to start half-configured, and says what to change.

`manage.py` runs them before its commands, the web server before its first request. Each message is
one sentence for whoever sets the environment. E012 asks the database; `check --database default`
and every migration run it, and every start makes the same test before anything else.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from hub.crypto import EncryptionKeyError, WrappingKey
from hub.embedded_postgres import data_folder
from hub.pooler import MIXED, mixes_clients
from hub.start import CHECKS
from integrations.http.addresses import AllowList
from tenants.keys import wrapping_keys

SECRET_CHARACTERS = 50
SECRET_DIFFERENT_CHARACTERS = 10
CALL_SECONDS_PAST_A_SLICE = 10  # how long a call may go on when its slice is over
LEAST_WORKER_MEMORY_MB = 300
# What the queue must not be set to otherwise: each would run work twice or lose the reason.
QUEUE_RULES = {
    "bulk": 1,
    "queue_limit": 1,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "scheduler": False,
    "broker_class": "integrations.queue.SkipLockedORM",
}


class Finding(NamedTuple):
    number: int
    sentence: str


def registered(find: Callable[[], Iterator[Finding]]) -> Callable[[], Iterator[Finding]]:
    """Make a system check of a function that yields findings."""

    def check(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
        return [Error(sentence, id=f"hub.E{number:03}") for number, sentence in find()]

    register(check, CHECKS)
    return find


@registered
def secrets() -> Iterator[Finding]:
    if settings.HUB_IS_PRODUCTION and (
        len(settings.SECRET_KEY) < SECRET_CHARACTERS
        or len(set(settings.SECRET_KEY)) < SECRET_DIFFERENT_CHARACTERS
    ):
        yield Finding(1, "SECRET_KEY is too easy to guess; set it to 50 random characters or more.")
    if not settings.HUB_ENCRYPTION_KEYS and not settings.HUB_KMS:
        yield Finding(
            2, "HUB_ENCRYPTION_KEYS is not set; set it to 32 random bytes, written as base64."
        )
    try:
        for text in settings.HUB_ENCRYPTION_KEYS:
            WrappingKey.parse(text)
    except EncryptionKeyError as exc:
        yield Finding(
            2, f"{str(exc).rstrip('.')}; write each key as the base64 of 32 random bytes."
        )
        return
    try:
        wrapping_keys()
    except EncryptionKeyError as exc:
        yield Finding(2, str(exc))


@registered
def addresses_of_the_hub() -> Iterator[Finding]:
    parts = _parts(settings.HUB_PUBLIC_URL)
    if parts is None or parts.scheme not in ("http", "https"):
        yield Finding(5, "HUB_PUBLIC_URL is no address; write it as https://hub.example.com.")
    elif settings.HUB_IS_PRODUCTION and parts.scheme != "https":
        yield Finding(
            5, "HUB_PUBLIC_URL must begin with https://, or sign-ins would travel unencrypted."
        )
    if settings.HUB_IS_PRODUCTION and not settings.ALLOWED_HOSTS:
        yield Finding(3, "ALLOWED_HOSTS is not set; list the host names the hub is reached by.")


@registered
def the_way_out() -> Iterator[Finding]:
    allowed = AllowList(tuple(settings.HUB_EGRESS_ALLOW))
    if settings.HUB_IS_PRODUCTION and (inside := allowed.leading_inside):
        yield Finding(
            4,
            f"HUB_EGRESS_ALLOW opens {', '.join(inside)}, which lies inside your own network; "
            "take it out in production.",
        )
    for address, instead in settings.HUB_PROVIDER_ADDRESSES.items():
        parts, other = _parts(address), _parts(instead)
        if parts is None or parts.scheme != "https":
            yield Finding(
                9,
                f"HUB_PROVIDER_ADDRESSES replaces {address!r}, which is no provider's address; "
                "name it as https://api.example.com.",
            )
        elif (
            other is None
            or other.scheme not in ("http", "https")
            or (other.scheme == "http" and not allowed.has_host(other.hostname or ""))
        ):
            yield Finding(
                9,
                f"HUB_PROVIDER_ADDRESSES puts something in the place of {address} that the hub "
                "does not call; name an https address, or open its host in HUB_EGRESS_ALLOW.",
            )
    proxy = _parts(settings.HUB_EGRESS_PROXY or "http://none.example")
    if proxy is None or proxy.scheme not in ("http", "https"):
        yield Finding(
            10, "HUB_EGRESS_PROXY is no proxy; write it as http://proxy.example.com:3128."
        )
    bundle = settings.HUB_EGRESS_CA_BUNDLE
    if bundle and not Path(bundle).is_file():
        yield Finding(
            10, f"HUB_EGRESS_CA_BUNDLE names no file ({bundle}); name one with certificates."
        )


@registered
def the_queue() -> Iterator[Finding]:
    queue = settings.Q_CLUSTER
    for name, wanted in QUEUE_RULES.items():
        if queue.get(name) != wanted:
            yield Finding(
                6, f"Q_CLUSTER[{name!r}] must be {wanted!r}, or work would be done twice or lost."
            )
    at_least = queue["timeout"] * (2 + queue["queue_limit"])
    if queue["retry"] <= at_least:
        yield Finding(
            6,
            f"Q_CLUSTER['retry'] is {queue['retry']} s; it must be more than {at_least} s, "
            "which is timeout × (2 + queue_limit), or work that waits would be done twice.",
        )
    if 0 < settings.HUB_WORKER_MEMORY_MB < LEAST_WORKER_MEMORY_MB:
        yield Finding(
            6,
            f"HUB_WORKER_MEMORY_MB is {settings.HUB_WORKER_MEMORY_MB}; it must be 0 for no limit, "
            f"or {LEAST_WORKER_MEMORY_MB} or more, or workers could not begin.",
        )
    slice_ends = settings.HUB_SLICE_SECONDS + CALL_SECONDS_PAST_A_SLICE
    if queue["timeout"] <= slice_ends:
        yield Finding(
            6,
            f"HUB_SLICE_SECONDS is {settings.HUB_SLICE_SECONDS:g}; it must be less than "
            f"{queue['timeout'] - CALL_SECONDS_PAST_A_SLICE:g}, or slices would be killed.",
        )
    if settings.HUB_IS_PRODUCTION and slice_ends >= settings.HUB_LEASE_SECONDS:
        yield Finding(
            11,
            f"HUB_LEASE_SECONDS is {settings.HUB_LEASE_SECONDS:g}; it must be more than "
            f"{slice_ends:g}, or work would be taken from whoever does it.",
        )


@registered
def apps() -> Iterator[Finding]:
    if both := sorted(set(settings.SHARED_APPS) & set(settings.TENANT_APPS)):
        yield Finding(
            7,
            f"{', '.join(both)} is in SHARED_APPS and in TENANT_APPS; keep it in one of them, "
            "or one tenant's rows may land in the public schema.",
        )
    if "django_q" in settings.TENANT_APPS:
        yield Finding(
            7, "Move django_q from TENANT_APPS to SHARED_APPS, or tasks would be lost in tenants."
        )


@registered
def the_database() -> Iterator[Finding]:
    if not settings.HUB_IS_PRODUCTION:
        return
    used = settings.DATABASES["default"]
    if not used["NAME"]:
        yield Finding(8, "DATABASE_URL is not set; set it to postgresql://user@host/database.")
    elif used["HOST"] == str(data_folder()):
        yield Finding(
            8, "DATABASE_URL names the embedded server, which is for a laptop; name your own."
        )


@registered
def the_shared_limits() -> Iterator[Finding]:
    if not settings.REDIS_URL:
        return
    if urlsplit(settings.REDIS_URL).scheme not in ("redis", "rediss", "unix"):
        yield Finding(13, "REDIS_URL is no address of Redis; write redis://host:6379/0.")
    elif find_spec("redis") is None:
        yield Finding(
            13, "REDIS_URL is set, but Redis's client is not installed: pip install hub[redis]."
        )


@register(Tags.database)
def the_pooler(
    app_configs: Sequence[AppConfig] | None = None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """E012: what stands in front of each database keeps its clients' search_path apart."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        wrapper = connections[alias]
        params = wrapper.get_connection_params()
        if mixes_clients(lambda w=wrapper, p=params: w.get_new_connection(p)):  # type: ignore[misc]
            found.append(Error(MIXED, id="hub.E012"))
    return found


def _parts(address: str) -> Any:
    """The parts of an address with a host and nothing that does not belong there, or None."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is no number
    except ValueError:
        return None
    return parts if parts.hostname and not parts.query and not parts.fragment else None
