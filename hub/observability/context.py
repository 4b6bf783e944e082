"""Who is being served, by which request: what logs and audit events add to every line."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

request_id: ContextVar[str] = ContextVar("request_id", default="")
client_address: ContextVar[str] = ContextVar("client_address", default="")
tenant_id: ContextVar[UUID | None] = ContextVar("tenant_id", default=None)


@contextmanager
def serving(tenant: UUID) -> Iterator[None]:
    """Name the tenant in logs and audit events for the length of the block."""
    token = tenant_id.set(tenant)
    try:
        yield
    finally:
        tenant_id.reset(token)
