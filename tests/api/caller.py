"""Somebody who calls the API with a credential, as a program would."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants.actor import Actor
from tenants.models import Membership, Tenant
from tenants.roles import Role
from tenants.services import create_api_key
from tenants.tokens import issue_jwt
from tests.factories import MembershipFactory


class Caller:
    """Calls /api/v1/… with one credential; answers are Django's test responses."""

    def __init__(self, credential: str = "", **headers: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if credential:
            self.headers["Authorization"] = f"Bearer {credential}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        path = path if path.startswith("/") else f"/api/v1/{path}"
        sent = {**self.headers, **{name.replace("_", "-"): text for name, text in headers.items()}}
        if method in ("GET", "HEAD"):
            return self.client.generic(method, path, headers=sent)
        data = (
            body
            if isinstance(body, str | bytes)
            else self.client._encode_json(body if body is not None else {}, "application/json")
        )
        kind = sent.pop("Content-Type", "application/json")
        return self.client.generic(method, path, data, content_type=kind, headers=sent)

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None) -> Any:
        return self.call("PATCH", path, body)


def with_key(tenant: Tenant, role: Role = Role.OPERATOR) -> Caller:
    """A program with an API key of `tenant`. Called from within that tenant, or from public."""
    _, plain = create_api_key(
        tenant=tenant, name=f"{role} key", role=role, actor=Actor.system("tests")
    )
    return Caller(plain)


def with_token(tenant: Tenant, role: Role = Role.OPERATOR) -> Caller:
    """A person with an access token for `tenant`."""
    membership: Membership = MembershipFactory(tenant=tenant, role=role)
    return Caller(issue_jwt(user=membership.user, tenant=tenant))


@contextmanager
def reads(expected: int) -> Iterator[None]:
    """Fails unless the block asks the database exactly `expected` questions; SET is none.

    Nor is the one of whose name the host is: it is asked every five seconds, not every time.
    """
    with CaptureQueriesContext(connection) as captured:
        yield
    selects = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
    asked = [sql for sql in selects if 'FROM "tenants_domain"' not in sql]
    assert len(asked) == expected, "\n".join(asked)
