"""What every recorded answer is, by its path in the folder of samples: the one list of them.

`test_recorded_answers` treats each as what it is called here. A path begins with the provider's
slug. READMEs and licences beside the answers are not answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from integrations.auth.composio import read_account, read_accounts, read_auth_config, read_link
from integrations.errors import (
    AccessTokenRefusedError,
    EntityTypeUnavailableError,
    FatalError,
    HubError,
    NotFoundError,
    ProviderUnavailableError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.http.composio import read_proxied


@dataclass(frozen=True)
class Entities:
    """One entity, or `count` of them at the dotted path `at`, without the list around them."""

    entity_type: str
    at: str = ""
    count: int = 1


@dataclass(frozen=True)
class Page:
    """One page of a list, read by the connector's own walk.

    With `is_brief` it brings its entities in part: each is asked for once more. With `plain_at` it
    answers a list in another order than the one we ask for, so it is read as a plain list with
    its rows there.
    """

    entity_type: str
    count: int
    is_brief: bool = False
    plain_at: str = ""


@dataclass(frozen=True)
class OtherPage:
    """A page of entities no connector declares; their rows lie at `at` with their id at `key`."""

    at: str
    key: str
    count: int


@dataclass(frozen=True)
class Error:
    """A refusal with the status it came with, and whose turn it makes it."""

    status: int
    outcome: type[HubError]
    at: str = ""


@dataclass(frozen=True)
class Errors:
    """Several refusals in one file, by name."""

    named: dict[str, Error]


@dataclass(frozen=True)
class Webhook:
    """A notification. It brings no entity, only the ids (at `ids_at`) of those to ask for."""

    entity_type: str
    ids_at: str
    source_ids: tuple[str, ...]


@dataclass(frozen=True)
class OfGateway:
    """An answer of the gateway's own API, who reads it, and what it then says."""

    read: Callable[[Any], Any]
    told: dict[str, Any]


@dataclass(frozen=True)
class NotOurs:
    """Nothing the hub ever asks for, for this reason."""

    because: str


XML = NotOurs("XML: the hub asks for JSON and takes nothing else for an answer")
Kind = Entities | Page | OtherPage | Error | Errors | Webhook | OfGateway | NotOurs

RECORDED: dict[str, Kind] = {
    "airtable/BaseSchema.json": Page("tables", 2),
    "airtable/Bases.json": Page("bases", 2),
    "airtable/TableSchema.json": Entities("tables"),
    "airtable/Webhook.json": NotOurs("settings of a webhook; the hub polls"),
    "airtable/WebhookNotification.json": Webhook("bases", "base.id", ("app00000000000000",)),
    "airtable/WebhookPayload.TableChanged.json": Webhook(
        "rows", "destroyedRecordIds", ("rec00000000000002",)
    ),
    "airtable/WebhookPayload.json": Webhook(
        "tables", "destroyedTableIds", ("tbl20000000000000", "tbl20000000000001")
    ),
    "basecamp/events_list.json": NotOurs("the history of one recording; changes are polled"),
    "basecamp/messages_list.json": Page("messages", 2),
    "basecamp/projects_error-limit.json": Error(507, ProviderUnavailableError),
    "basecamp/projects_get.json": Entities("projects"),
    "basecamp/projects_list.json": Page("projects", 2),
    "basecamp/recordings_list.json": Page("messages", 3, is_brief=True),
    "basecamp/todolists_list.json": NotOurs("to-dos are listed for all their lists together"),
    "basecamp/webhooks_event-todo-created.json": Webhook(
        "todos", "recording.id", ("9007199254741200",)
    ),
    "composio/auth_config_create_201.shape.json": OfGateway(read_auth_config, {"id": "string"}),
    "composio/connected_account_get.shape.json": OfGateway(
        read_account, {"id": "string", "toolkit": "string", "is_pending": True, "is_usable": False}
    ),
    "composio/connected_accounts_list.shape.json": OfGateway(
        read_accounts, {"id": "string", "status": "INITIALIZING"}
    ),
    "composio/error.shape.json": Error(400, FatalError),
    "composio/link_create_201.shape.json": OfGateway(
        read_link, {"url": "string", "account": "string"}
    ),
    "composio/proxy_execute_200.shape.json": OfGateway(
        read_proxied, {"status": 200, "file_url": "string"}
    ),
    "composio/tool_execute_200.shape.json": NotOurs("no tools are called, only the proxy"),
    "composio/trigger_instances_active.shape.json": NotOurs("its triggers are not used"),
    "copper/companies_search_with_custom_fields.json": Page("companies", 1),
    "copper/custom_field_definitions.json": Page("custom_fields", 12),
    "copper/error_invalid_params.json": Error(422, FatalError),
    "copper/error_not_found.json": Error(404, NotFoundError),
    "copper/error_unprocessable_entity.json": Error(422, FatalError),
    "copper/projects_search_page1.json": OtherPage("", "id", 2),
    "pandadoc/contacts_list.json": Page("contacts", 2),
    "pandadoc/document_status.json": Entities("documents"),
    "pandadoc/documents_list.json": Page("documents", 2, plain_at="results"),
    "pandadoc/errors.json": Errors(
        {
            "400RequestError": Error(400, FatalError, "400RequestError.example"),
            "400ValidationError": Error(400, FatalError, "400ValidationError.example"),
            "401": Error(401, AccessTokenRefusedError, "401.example"),
            "403": Error(403, EntityTypeUnavailableError, "403.example"),
            "404": Error(404, NotFoundError, "404.example"),
            "409": Error(409, RetryableError, "409.example"),
            "423": Error(423, RetryableError, "423.example"),
            "429": Error(429, RateLimitError, "429.example"),
        }
    ),
    "pandadoc/member_current.json": Entities("members"),
    "pandadoc/members_list.json": Page("members", 2),
    "pandadoc/templates_list.json": Page("templates", 1),
    "pandadoc/webhook_events_list.json": NotOurs("a log of what was sent to some webhook"),
    "pandadoc/webhook_subscriptions_list.json": NotOurs("settings of webhooks; the hub polls"),
    "quickbooks/account-read-empty.json": Page("customers", 0),
    "quickbooks/account-read-with-next-page.json": OtherPage("QueryResponse.Account", "Name", 1),
    "quickbooks/change_data_capture_response.xml": XML,
    "quickbooks/customer-read.json": Entities("customers", "QueryResponse.Customer"),
    "quickbooks/customer_duplicate_error.xml": XML,
    "quickbooks/deleted_customer.xml": XML,
    # Their codes were simplified by whoever recorded them: 100 is QuickBooks' sign-in failure.
    "quickbooks/error-bad-request.json": Error(400, ReauthorizationRequiredError),
    "quickbooks/fault.xml": XML,
    "quickbooks/fetch_payment_by_id.xml": XML,
    "quickbooks/invoice_delete_success_response.xml": XML,
    "quickbooks/item-read.json": Entities("items", "QueryResponse.Item"),
    "quickbooks/php-sdk-transfer.json": NotOurs("a transfer without an id; they are not synced"),
    "quickbooks/write-error.json": Error(400, ReauthorizationRequiredError),
}
