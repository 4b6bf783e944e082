"""What every way of running the hub shares. local, test and production build on it.

Nothing here opens a file, a socket or a database. What a deployment may set is read from the
environment, once, in the place where it is used; docs/settings.md lists it.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

BASE_DIR = Path(__file__).resolve().parent.parent.parent


def from_environment(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def listed(name: str) -> list[str]:
    return [part.strip() for part in from_environment(name).split(",") if part.strip()]


def number(name: str, default: float, least: float = 0.001) -> float:
    """Return a number not below `least`. What is none ends the start with one sentence."""
    text = from_environment(name) or str(default)
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not least <= found < 1_000_000_000:  # neither nan nor inf passes
        raise ImproperlyConfigured(f"{name} is {text!r}; write a number such as {default}.")
    return found


def log_level(name: str) -> str:
    level = (from_environment(name) or "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"{name} is {level!r}; write DEBUG, INFO, WARNING or ERROR.")
    return level


def texts(name: str, *, like: str) -> dict[str, str]:
    """Return a JSON object of texts, such as `like`; hub/checks.py looks what they say."""
    wanted = f"write {like}."
    try:
        found = json.loads(from_environment(name) or "{}")
    except ValueError:
        raise ImproperlyConfigured(f"{name} is not JSON; {wanted}") from None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ImproperlyConfigured(f"{name} is no JSON object of texts; {wanted}")
    return found


# Apps whose tables live once, in the public schema.
SHARED_APPS = [
    "tenants",  # users, tenants, memberships, API keys, data keys; first: its create_tenant counts
    "django_tenants",  # it replaces `migrate`
    "hub.audit",  # who did what; one log for all, so that it outlives a tenant
    "hub.connect",  # provider apps, connect sessions and attempts: one callback host for all
    "hub.fleet",  # what operations see of every tenant, and the ledger of leases
    "hub",  # commands, checks and the dashboard; no tables
    "django_q",  # the doorbell; in the public schema only, or tasks would be lost in tenants
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.contrib.auth",
    "django.contrib.contenttypes",  # beside auth, or permissions point at the wrong models
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "django.contrib.staticfiles",
]

# Apps whose tables every tenant has in its own schema. The two lists share no table: the search
# path ends in public, so a table missing in a tenant would silently be read from there.
TENANT_APPS = [
    "integrations",  # connections, runs, records: everything that belongs to one customer
]

INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
DATABASE_ROUTERS = ("django_tenants.routers.TenantSyncRouter",)
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = True
AUTH_USER_MODEL = "tenants.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def database(url: str) -> dict[str, Any]:
    """Return Django's settings for a PostgreSQL address, unix sockets included."""
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url)) if url else {}
    except ProgrammingError:  # its text may hold the password
        raise ImproperlyConfigured(
            "DATABASE_URL is not a PostgreSQL address; write postgresql://user@host/database."
        ) from None
    known = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    result = {setting: str(parts.pop(name, "")) for name, setting in known.items()}
    result["PORT"] = str(parts.pop("port", ""))
    timeouts = "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
    options = f"{parts.pop('options', '')} {timeouts}".strip()
    return {
        "ENGINE": "django_tenants.postgresql_backend",
        **result,
        "OPTIONS": {**parts, "options": options},
        "CONN_MAX_AGE": 300,  # seconds; a new connection costs 6 ms, one kept for ever grows
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


DATABASES = {"default": database(from_environment("DATABASE_URL"))}

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "hub.observability.middleware.RequestMiddleware",
    "hub.unavailable.DatabaseFaultMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tenants.middleware.AuthMiddleware",
    "tenants.middleware.TenantMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "hub.urls"
WSGI_APPLICATION = "hub.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
LOGIN_URL = "/admin/login/"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
    }
}

REST_FRAMEWORK: dict[str, Any] = {
    # AuthMiddleware has decided before a view is reached; sessions are never accepted here.
    "DEFAULT_AUTHENTICATION_CLASSES": ["hub.api.MiddlewareAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["hub.api.IsTenantMember"],
    "DEFAULT_PAGINATION_CLASS": "hub.api.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["hub.parameters.KnownFilters"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "hub.openapi.HubSchema",
    "EXCEPTION_HANDLER": "hub.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Hub API",
    "DESCRIPTION": "Connect SaaS accounts, sync them, and read their records.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",  # nothing is loaded from outside
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    # validatorUrl: or the page would show its address to a validator outside
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "validatorUrl": None,
        "defaultModelsExpandDepth": 0,
    },
    "ENUM_NAME_OVERRIDES": {
        "RunStateEnum": "integrations.models.SyncRun.State",
        "RunModeEnum": "integrations.models.SyncRun.Mode",
        "ShadowModeEnum": [("incremental", "Incremental"), ("full", "Full")],
        "PreflightBecauseEnum": "integrations.models.Preflight.Because",
        "DeletionReviewStateEnum": "integrations.models.DeletionReview.State",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "hub.openapi.describe_problems",
    ],
}

# A doorbell: a lost, doubled or deleted task changes nothing, see integrations/queue.py
Q_CLUSTER: dict[str, Any] = {
    "name": from_environment("HUB_CLUSTER", "hub"),
    "orm": "default",
    "broker_class": "integrations.queue.SkipLockedORM",
    "workers": int(number("HUB_WORKERS", 2, least=1)),
    "bulk": 1,
    "queue_limit": 1,
    "timeout": 90,  # seconds; a slice works 45 of them
    "retry": 300,  # seconds; > timeout × (2 + queue_limit)
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "poll": 0.2,
    "catch_up": False,
    "scheduler": False,  # fleet.Due knows when; one bad Schedule row would stop them all
    "recycle": 500,
    "max_rss": 400_000,  # kB
    "guard_cycle": 1,
    "log_level": "WARNING",
}

# The hub's own
HUB_IS_PRODUCTION = False  # hub/checks.py refuses more there
HUB_ENCRYPTION_KEYS = listed("HUB_ENCRYPTION_KEYS")  # the first encrypts, all decrypt
HUB_KMS = from_environment("HUB_KMS")  # what it makes wraps before HUB_ENCRYPTION_KEYS do
HUB_KMS_OPTIONS = texts("HUB_KMS_OPTIONS", like='{"key": "hub", "region": "eu-1"}')
HUB_CONNECTOR_MODULES = listed("HUB_CONNECTOR_MODULES")
# {"https://api.example.com": "http://127.0.0.1:8500/example"}: for a sandbox, a mock or a
# government cloud
HUB_PROVIDER_ADDRESSES = texts(
    "HUB_PROVIDER_ADDRESSES", like='{"https://api.example.com": "https://…"}'
)
HUB_EGRESS_PROXY = from_environment("HUB_EGRESS_PROXY") or None
HUB_EGRESS_CA_BUNDLE = from_environment("HUB_EGRESS_CA_BUNDLE") or None
HUB_EGRESS_ALLOW = listed("HUB_EGRESS_ALLOW")
HUB_COMPOSIO_URL = from_environment("HUB_COMPOSIO_URL", "https://backend.composio.dev/api/v3.1")
HUB_PUBLIC_URL = from_environment("HUB_PUBLIC_URL", "http://127.0.0.1:8000")
HUB_SLICE_SECONDS = number("HUB_SLICE_SECONDS", 45)
HUB_BATCH_ROWS = int(number("HUB_BATCH_ROWS", 5000, least=1))
HUB_WORKER_MEMORY_MB = int(number("HUB_WORKER_MEMORY_MB", 0, least=0))  # 0: no limit
HUB_LEASE_SECONDS = number("HUB_LEASE_SECONDS", 60)  # a killed slice waits so long for the next
HUB_TENANT_CALLS_PER_SECOND = number("HUB_TENANT_CALLS_PER_SECOND", 100, least=0.1)
HUB_LIMITS_FACTOR = number("HUB_LIMITS_FACTOR", 1)  # times what providers' limits are declared as
HUB_RUN_HOURS = number("HUB_RUN_HOURS", 24)
HUB_RUN_STALL_MINUTES = number("HUB_RUN_STALL_MINUTES", 30)
REDIS_URL = from_environment("REDIS_URL")  # breakers and budgets there instead of in PostgreSQL

LOGGING_CONFIG = "hub.observability.logs.configure"
LOGGING = {"level": log_level("HUB_LOG_LEVEL")}
