"""Stripe: products, customers, invoices and charges; lists first, then events.

Source: docs.stripe.com, API version 2026-10-28.endive, read in November 2026. Hardly any object
says when it changed, so everything is listed once and then followed through events, which are
kept for 30 days. An event holds its object as it was, laid out in the version of that day: taken
as it is when that is ours, else the object is asked for again. Amounts count the smallest unit,
also of ISK and UGX, which have two decimals here. An invoice brings its first ten lines. Charges
are never deleted. Deauthorizing needs an account's id, so people remove the hub themselves.

Unverified: whether `read_only` is offered to new platforms, how late an event may become visible
(five minutes are read again), and the status that comes with `account_invalid`.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.errors import HubError, ListRestartError
from integrations.http.answer import Answer
from integrations.http.pages import LastIdPages, first_of_each
from integrations.records import (
    Address,
    Company,
    Invoice,
    InvoiceLine,
    Item,
    NormalizedRecord,
    Payment,
    Person,
    day,
    dig,
    found,
    mapped,
    money,
    ref,
)
from integrations.types import (
    ApiKey,
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Field,
    Identity,
    Limit,
    OAuth2,
    Payload,
    Provider,
)

VERSION = "2026-10-28.endive"
KEY = Field("key", "Restricted API key", secret=True, pattern=r"(rk|sk)_\w+")
PAGE = {"limit": 100}
Told = partial(EntityType, lifetime=timedelta(days=29), newest_wins=True, free_names=("metadata",))
Listed = partial(LastIdPages, items="data", param="starting_after", field="id", more="has_more")
Events = partial(Listed, path="/events", key="data.object.id")
CHANGES = "created updated deleted"
NEWEST_FIRST: dict[str, Any] = {"stamp": "created", "floor_param": "created[gte]", "overlap": 300}
KINDS = {
    "products": CHANGES,
    "customers": CHANGES,
    "invoices": f"{CHANGES} finalized sent overdue paid payment_failed voided marked_uncollectible",
    "charges": "pending succeeded failed captured expired updated refunded",
}
EVENTS = {name: [f"{name[:-1]}.{kind}" for kind in KINDS[name].split()] for name in KINDS}
WHOLE = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
THOUSANDTHS = "bhd jod kwd omr tnd"
DIGITS = {**dict.fromkeys(WHOLE.split(), 0), **dict.fromkeys(THOUSANDTHS.split(), 3)}
ITEM = {"name": "name", "description": "description", "kind": "type", "is_active": "active"}
NAMES = ("business_name", "name", "email", "id")
REACHED = {"emails": "email", "phones": "phone"}
ADDRESS = ("line1", "city", "state", "postal_code", "country")
OWED = {"status": "status", "customer": "customers:customer"}
CHARGE = {**OWED, "amount": "amount", "paid_on": "created"}
AMOUNTS = {"total": "total", "open_amount": "amount_remaining"}
INVOICE = {**OWED, **AMOUNTS, "number": "number", "due_on": "due_date"}


@register
class StripeConnector(Declared, Connector):
    provider = Provider(
        slug="stripe",
        label="Stripe",
        base_url="https://api.stripe.com/v1",
        auth=(
            ApiKey({"Authorization": "Bearer {key}"}, (KEY,), "Developers → API keys"),
            OAuth2(
                authorize_url="https://connect.stripe.com/oauth/authorize",
                token_url="https://connect.stripe.com/oauth/token",
                scopes=("read_only",),
                pkce=False,
                remove_at="Settings → Installed apps",
                keep=("stripe_user_id",),
                lifetime=timedelta(days=90),
            ),
        ),
        headers={"Stripe-Version": VERSION},
        identity=Identity("/account", id="id", label="settings.dashboard.display_name"),
        limits=(Limit(10, 1, per="account"),),
        errors=ErrorCodes(
            code="error.code",
            reauthorize=("api_key_expired", "account_invalid", "secret_key_required"),
            retry=("rate_limit", "lock_timeout", "http:409", "http:424"),
            operator=("platform_api_key_expired",),
        ),
    )
    entity_types = (
        Told("products", Item, changed_at="updated"),
        Told("customers", (Company, Person)),
        Told("invoices", Invoice, after=("customers", "products")),
        Told("charges", Payment, after=("customers",), deletions="never"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: {"object": "list", "data": [{"id": "in_1QAb", …}], "has_more": true}."""
        declared = self.entity_type(entity_type)
        start = since.at() if since else {}
        if "high" in start:
            return self._changed(declared, start)
        now = partial(dict[str, Any], high=int(self.run.started_at.timestamp()))
        return Listed(self.http, f"/{entity_type}", params=PAGE).entities(declared, start, now)

    def _changed(self, declared: EntityType, start: Cursor) -> Iterator[Entity]:
        """The newest event of each object: {"id": "evt_1", "data": {"object": {…}}, …}.

        A walk gone on with has forgotten what it saw newer, so it asks for each object again.
        """
        asked, gone = {**PAGE, "types[]": EVENTS[declared.name]}, f"{declared.name[:-1]}.deleted"
        events = Events(self.http, params=asked, gone=("type", gone))
        stamped = replace(declared, changed_at="created")
        changes = events.newest_first(stamped, start, **NEWEST_FIRST, detailed=True)
        path, only_if = f"/{declared.name}/{{id}}", None if "walk" in start else _is_other_version
        for entity in self.details(first_of_each(changes), path, start, only_if):
            payload = dig(entity.payload, "data.object") or entity.payload
            is_gone = entity.deleted or dig(payload, "deleted") is True
            yield replace(entity, payload=payload, deleted=is_gone)

    def classify_error(self, answer: Answer) -> HubError | None:
        """A list cannot go on behind an object that was deleted meanwhile."""
        if answer.is_success or dig(answer.body, "error.param") != "starting_after":
            return None
        return ListRestartError("The list ended at something that has been deleted since.")

    def transform(self, raw: Entity) -> NormalizedRecord:
        """A customer with a business name is a company; one without any name goes by its id."""
        item = raw.data
        if raw.entity_type == "products":
            return Item(**mapped(Item, item, ITEM))
        if raw.entity_type == "customers":
            kind = Company if item.get("business_name") else Person
            name = found(*map(item.get, NAMES))[0]
            address = Address.of(item.get("address"), ADDRESS)
            return kind(name, role="customer", address=address, **mapped(kind, item, REACHED))
        currency, digits = item["currency"].upper(), DIGITS.get(item["currency"], 2)
        if raw.entity_type == "charges":
            paid = {"status": "refunded"} if item.get("refunded") else {}
            return Payment(currency=currency, **mapped(Payment, item, CHARGE, digits) | paid)
        issued_on = day(dig(item, "status_transitions.finalized_at") or item["created"])
        lines = tuple(_line(line, digits) for line in dig(item, "lines.data") or ())
        owed = mapped(Invoice, item, INVOICE, digits)
        return Invoice(currency=currency, issued_on=issued_on, lines=lines, **owed)


def _line(line: Payload, digits: int) -> InvoiceLine:
    price = money(dig(line, "pricing.unit_amount_decimal"), digits)
    product = ref("products", dig(line, "pricing.price_details.product"))
    amount, quantity = money(line["amount"], digits), money(line.get("quantity"))
    return InvoiceLine(line.get("description"), amount, quantity, price, product)


def _is_other_version(event: Entity) -> bool:
    return bool(dig(event.payload, "api_version") != VERSION)
