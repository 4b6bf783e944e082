"""What a connector declares and what travels between connector and engine; frozen, no Django."""

from integrations.types.access import (
    AuthContext,
    Credentials,
    RunContext,
)
from integrations.types.auth import (
    ApiKey,
    Auth,
    Basic,
    ClientCredentials,
    Field,
    OAuth2,
)
from integrations.types.entity import (
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    Json,
    Payload,
    Position,
    Ref,
    Unreadable,
    unreadable_id,
)
from integrations.types.provider import (
    Account,
    Accounts,
    ErrorCodes,
    Hmac,
    Identity,
    Limit,
    Provider,
    Quota,
    Webhook,
)

__all__ = [
    "Account",
    "Accounts",
    "ApiKey",
    "Auth",
    "AuthContext",
    "Basic",
    "Checkpoint",
    "ClientCredentials",
    "Credentials",
    "Cursor",
    "Entity",
    "EntityType",
    "ErrorCodes",
    "Field",
    "Hmac",
    "Identity",
    "Json",
    "Limit",
    "OAuth2",
    "Payload",
    "Position",
    "Provider",
    "Quota",
    "Ref",
    "RunContext",
    "Unreadable",
    "Webhook",
    "unreadable_id",
]
