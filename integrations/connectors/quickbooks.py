"""QuickBooks Online: what is sold, to whom, invoiced and paid; queries first, then changes.

Source: developer.intuit.com, accounting API v3, minor version 75, read in November 2026. A query
is read oldest change first. Change data capture reaches 30 days back, has no pages and reports at
most 1,000 changes: with as many, or after longer, everything is queried again. Items, customers
and vendors are never deleted, only made inactive; deleted invoices and payments are reported.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import SinglePage
from integrations.records import (
    Address,
    Company,
    Invoice,
    InvoiceLine,
    Item,
    NormalizedRecord,
    Payment,
    Person,
    dig,
    dig_all,
    found,
    mapped,
    money,
    ref,
)
from integrations.types import (
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Identity,
    Limit,
    OAuth2,
    Payload,
    Provider,
    Ref,
)

PAGE_SIZE = 1000
REACH = timedelta(days=29)
OVERLAP_SECONDS = 300
UPDATED = "MetaData.LastUpdatedTime"
BEGINNING = "1970-01-01T00:00:00Z"
CHANGED = "SELECT * FROM {} WHERE MetaData.LastUpdatedTime >= '{}'{}"
IN_ORDER = " ORDERBY MetaData.LastUpdatedTime ASC STARTPOSITION {} MAXRESULTS {}"
AND_INACTIVE = dict.fromkeys(("Item", "Customer", "Vendor"), " AND Active IN (true, false)")
Changing = partial(EntityType, changed_at=UPDATED, lifetime=REACH)
Changes = partial(SinglePage, key="Id", gone=("status", "Deleted"), cap=1000)
ITEM = {"name": "Name", "kind": "Type", "unit_price": "UnitPrice", "is_active": "Active"}
PARTY = {"name": "DisplayName", "emails": "PrimaryEmailAddr.Address", "is_active": "Active"}
OWED = {"currency": "CurrencyRef.value", "customer": "customers:CustomerRef.value"}
PAYMENT = {**OWED, "amount": "TotalAmt", "unapplied_amount": "UnappliedAmt", "paid_on": "TxnDate"}
INVOICE = {
    **OWED,
    "number": "DocNumber",
    "issued_on": "TxnDate",
    "due_on": "DueDate",
    "total": "TotalAmt",
    "open_amount": "Balance",
}


@register
class QuickBooksConnector(Declared, Connector):
    provider = Provider(
        slug="quickbooks",
        label="QuickBooks",
        base_url="https://quickbooks.api.intuit.com/v3/company/{realmId}",
        auth=(
            OAuth2(
                authorize_url="https://appcenter.intuit.com/connect/oauth2",
                token_url="https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
                revoke_url="https://developer.api.intuit.com/v2/oauth2/tokens/revoke",
                revoke_style="json",
                scopes=("com.intuit.quickbooks.accounting",),
                pkce=False,
                token_auth="basic",
                keep=("realmId",),
            ),
        ),
        params={"minorversion": "75"},
        identity=Identity("/companyinfo/{realmId}", "{realmId}", "CompanyInfo.CompanyName"),
        limits=(Limit(500, 60, per="account"), Limit(10, 1)),
        errors=ErrorCodes(
            code="Fault.Error.code",
            refresh=("3200",),
            reauthorize=("100", "120", "3100", "3201"),
            retry=("3001", "10000"),
            not_found=("610",),
            operator=("6190",),
        ),
    )
    entity_types = (
        Changing("items", Item),
        Changing("customers", (Company, Person)),
        Changing("vendors", Company),
        Changing("invoices", Invoice, ("customers", "items"), deletions="signal"),
        Changing("payments", Payment, ("invoices",), deletions="signal"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """A query answers {"QueryResponse": {"Invoice": [{"Id": "204", …}]}}, an empty one {}.

        Changes lie one array deeper, deleted ones as {"Id": "203", "status": "Deleted"}.
        """
        declared, name = self.entity_type(entity_type), entity_type.capitalize()[:-1]
        start = since.at() if since else {}
        if "feed" in start:
            items, asked = f"CDCResponse.QueryResponse.{name}", {"entities": name}
            changes = Changes(self.http, "/cdc", items, params=asked)
            return changes.feed(declared, start, "changedSince", "time", OVERLAP_SECONDS)

        def ask(stamp: str, page: int) -> Payload:
            changed = CHANGED.format(name, stamp, AND_INACTIVE.get(name, ""))
            return {"query": changed + IN_ORDER.format((page - 1) * PAGE_SIZE + 1, PAGE_SIZE)}

        listed = SinglePage(self.http, "/query", f"QueryResponse.{name}", "Id")
        return listed.keyset(declared, start, ask, UPDATED, PAGE_SIZE, BEGINNING, self._now)

    def _now(self) -> Cursor:
        began = self.run.started_at - timedelta(seconds=OVERLAP_SECONDS)
        return {"feed": began.isoformat(timespec="seconds")}

    def transform(self, raw: Entity) -> NormalizedRecord:
        """QuickBooks leaves out properties without a value, so hardly any is required."""
        item = raw.data
        if raw.entity_type == "invoices":
            lines = tuple(_line(line) for line in item.get("Line", ()) if "LineNum" in line)
            status = "paid" if item.get("Balance") == 0 else "open"
            return Invoice(status=status, lines=lines, **mapped(Invoice, item, INVOICE))
        if raw.entity_type == "payments":
            settled = dig_all(item, "Line.LinkedTxn")
            ids = [txn["TxnId"] for txn in settled if txn["TxnType"] == "Invoice"]
            invoices = tuple(Ref("invoices", source_id) for source_id in ids)
            return Payment(invoices=invoices, **mapped(Payment, item, PAYMENT))
        if raw.entity_type == "items":
            return Item(**mapped(Item, item, ITEM))
        shared = _shared(item, role=raw.entity_type[:-1])
        if item.get("CompanyName") or raw.entity_type == "vendors":
            return Company(**shared)
        return Person(first_name=item.get("GivenName"), last_name=item.get("FamilyName"), **shared)


def _shared(item: Payload, role: str) -> dict[str, Any]:
    """What a customer or vendor is, company or person."""
    at = item.get("BillAddr", {})
    parts = ("Line1", "City", "CountrySubDivisionCode", "PostalCode", "Country")
    return {
        **mapped(Company, item, PARTY),
        "phones": found(dig(item, "PrimaryPhone.FreeFormNumber")),
        "role": role,
        "address": Address(*(at.get(part) for part in parts)) if at else None,
    }


def _line(line: Payload) -> InvoiceLine:
    sold = line.get("SalesItemLineDetail", {})
    return InvoiceLine(
        line.get("Description"),
        money(line.get("Amount")),
        money(sold.get("Qty")),
        money(sold.get("UnitPrice")),
        ref("items", dig(sold, "ItemRef.value")),
    )
