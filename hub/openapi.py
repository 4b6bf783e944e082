"""What the OpenAPI description says for every operation: a summary, both ways in, the problem."""

import re
from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
)
from drf_spectacular.openapi import AutoSchema

from hub.problems import CONTENT_TYPE

SENTENCE = re.compile(r"(.+?)[.](?:\s+|$)(.*)", re.DOTALL)


class HubSchema(AutoSchema):
    """The first sentence about an operation is its summary, the rest its description.

    Of those that only list or read what a view set holds, the summary says just that.
    """

    def get_summary(self) -> str:
        if declared := super().get_summary():
            return str(declared)
        model = getattr(getattr(self.view, "queryset", None), "model", None)
        if self._is_about_all and model is not None:
            if self._action == "list":
                return f"List {model._meta.verbose_name_plural}"
            return f"Read one {model._meta.verbose_name}"
        return self._sentences()[0]

    def get_description(self) -> str:  # type: ignore[override]  # of DRF's own schema
        if self._is_about_all:
            return super().get_description() if self._action == "list" else ""
        return self._sentences()[1]

    @property
    def _is_about_all(self) -> bool:
        """Whether what is said of the operation is said of the view set."""
        named = self._action in ("list", "retrieve")
        return named and not getattr(self.view, self._action).__doc__

    @property
    def _action(self) -> str:
        return getattr(self.view, "action", None) or ""

    def _sentences(self) -> tuple[str, str]:
        text = super().get_description() or ""
        found = SENTENCE.fullmatch(text)
        return (found[1].replace("\n", " "), found[2]) if found else (text, "")


class AskedNames(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A body of ours may hold nothing but what is described."""

    target_class = "hub.parameters.Asked"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        described = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**described, "additionalProperties": False}


class HubCredentials(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Both ways in, for the OpenAPI description."""

    target_class = "hub.api.MiddlewareAuthentication"
    name = ["bearer", "apiKey"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "description": "An access token from `/api/v1/token/`, or an API key.",
            },
            {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        ]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]  # one of them, not both


PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details: the one shape of every refusal and failure.",
    "required": ["type", "title", "status", "detail", "code", "request_id", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "Per field, what is wrong with it.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}
PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
ABOUT = """
Connect SaaS accounts, sync them, and read their records.

**Getting in.** Send an API key (made in the tenant's admin under *API keys*) or an access token
from `/api/v1/token/` as `Authorization: Bearer …`. Either belongs to one tenant and sees nothing
else.

**Lists** come in pages: `next_cursor` of one page is the `cursor` of the next, and null on the
last. A parameter or a name in a body that an address does not know is refused, so nothing is
misspelt unnoticed.

**Refusals and failures** all have one shape, RFC 9457 problem details: `code` is for programs,
`detail` a sentence for people, `errors` says per field what is wrong.
"""
# Per status: when it comes, and an example of its code and sentence.
PROBLEM_ANSWERS = {
    "400": (
        "A parameter that is not known here, or a body that is no JSON",
        "unknown_parameter",
        "There is no parameter “stat” here; there are cursor, page_size, state.",
    ),
    "401": ("Nobody we know", "unauthenticated", "Send an API key or an access token."),
    "403": (
        "The role does not allow it, or the tenant is suspended",
        "permission_refused",
        "This is not allowed.",
    ),
    "404": (
        "No such thing, or not yours",
        "not_found",
        "There is nothing under this address.",
    ),
    "409": (
        "The present state does not allow it",
        "connection_not_active",
        "Nordlicht is paused; it cannot be read now.",
    ),
    "422": (
        "What was sent cannot be used",
        "invalid_input",
        "What was sent cannot be used; see errors.",
    ),
    "default": (
        "Anything else that went wrong",
        "internal_error",
        "Something went wrong here. Quote the request id to us.",
    ),
}


def describe_problems(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add what the API is like, and the problem shape to every operation of the description."""
    result["info"]["description"] = ABOUT.strip()
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for operations in result["paths"].values():
        for operation in operations.values():
            for status, (description, code, detail) in PROBLEM_ANSWERS.items():
                content = {
                    CONTENT_TYPE: {"schema": PROBLEM_REF, "example": _example(status, code, detail)}
                }
                operation["responses"].setdefault(
                    status, {"description": description, "content": content}
                )
    return result


def _example(status: str, code: str, detail: str) -> dict[str, Any]:
    number = 500 if status == "default" else int(status)
    errors = {"mode": ['"fast" is not a valid choice.']} if number == 422 else {}
    return {
        "type": "about:blank",
        "title": HTTPStatus(number).phrase,
        "status": number,
        "detail": detail,
        "code": code,
        "request_id": "01a1f9ec560475d9a4624e3782e7ff37",
        "errors": errors,
    }
