"""What the OpenAPI description says for every operation: a summary, both ways in, the problem."""

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
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
PROBLEM_ANSWERS = {
    "400": "A parameter that is not known here, or a body that is no JSON",
    "401": "Nobody we know",
    "403": "The role does not allow it, or the tenant is suspended",
    "404": "No such thing, or not yours",
    "409": "The present state does not allow it",
    "422": "What was sent cannot be used",
    "default": "Anything else that went wrong",
}


def describe_problems(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add the problem shape to every operation of the OpenAPI description."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            for status, description in PROBLEM_ANSWERS.items():
                operation["responses"].setdefault(
                    status, {"description": description, "content": content}
                )
    return result
