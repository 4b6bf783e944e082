"""QuickBooks rows of one company: lists, invoices and the payments that settle them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from random import Random
from typing import Any

from integrations.sandbox.business import skewed, stamps
from integrations.sandbox.names import PRODUCTS
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

COUNTS = {"Customer": 250, "Vendor": 60, "Invoice": 700, "Payment": 500}
DAY = 86_400
SUMMER, WINTER = timezone(timedelta(hours=-7)), timezone(timedelta(hours=-8))
CURRENCY_NAMES = {"EUR": "Euro", "GBP": "British Pound Sterling"}
ACCOUNTS = (
    ("Bank", "Bank", "Asset"),
    ("Forderungen (A/R)", "Accounts Receivable", "Asset"),
    ("Verbindlichkeiten (A/P)", "Accounts Payable", "Liability"),
    ("Sales of services", "Income", "Revenue"),
    ("Sales of goods", "Income", "Revenue"),
    ("Inventory", "Other Current Asset", "Asset"),
    ("Cost of goods sold", "Cost of Goods Sold", "Expense"),
    ("Miete", "Expense", "Expense"),
    ("Travel", "Expense", "Expense"),
    ("VAT payable", "Other Current Liability", "Liability"),
    ("Opening balance equity", "Equity", "Equity"),
    ("Petty cash (closed)", "Bank", "Asset"),
)


class QuickBooksRows(Builder):
    """Builds rows. Amounts are kept in cents until written, so that sums agree exactly."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.counts = {name: setting.scaled(count) for name, count in COUNTS.items()}
        self.next_id = 1
        self.customers: list[Json] = []

    def all(self) -> dict[str, list[Row]]:
        """Every entity of the company."""
        base, rng = self.setting.base_time, self.rng
        accounts = [self._account(number) for number in range(len(ACCOUNTS))]
        items = [self._item(number) for number in range(len(PRODUCTS))]
        made: dict[str, list[Json]] = {"Account": accounts, "Item": items}
        for entity in ("Customer", "Vendor"):
            made[entity] = [
                self.business(entity, number, created, modified)
                for number, (created, modified) in enumerate(stamps(rng, base, self.counts[entity]))
            ]
        self.customers = made["Customer"]
        invoice_stamps = sorted(stamps(rng, base, self.counts["Invoice"]))
        made["Invoice"] = [self.invoice(created, modified) for created, modified in invoice_stamps]
        made["Payment"] = self._payments(made["Invoice"])
        self._void_some(made["Invoice"])
        self._sum_balances(made["Invoice"])
        return {entity: [row_of(data) for data in entries] for entity, entries in made.items()}

    def business(self, entity: str, number: int, created: int, modified: int) -> Json:
        """A customer or vendor; properties without value are left out, as QuickBooks does."""
        rng = self.rng
        at = number if entity == "Customer" else len(self.businesses) - 1 - number
        business = self.businesses[at % len(self.businesses)]
        contact = business.contacts[0]
        active = rng.random() > 0.06
        private = entity == "Customer" and rng.random() < 0.12
        name = f"{contact.name} {number}" if private else business.name
        if number >= len(self.businesses):
            name = f"{name} {number}"
        name = name if active else f"{name} (deleted)"
        data: Json = {
            **self._head(created, modified),
            "DisplayName": name,
            "GivenName": contact.first,
            "FamilyName": contact.last,
            "PrintOnCheckName": name,
            "Active": active,
            "Balance": 0,
            "CurrencyRef": self._currency(),
            "PrimaryPhone": {"FreeFormNumber": business.phone},
            "BillAddr": {
                "Id": str(90_000 + number),
                "Line1": business.street,
                "City": business.city,
                "PostalCode": business.postal_code,
                "Country": business.country,
            },
        }
        if not private:
            data["CompanyName"] = business.name
        if rng.random() < 0.92:
            data["PrimaryEmailAddr"] = {"Address": contact.email}
        if entity == "Customer":
            data |= {"FullyQualifiedName": name, "Job": False, "BillWithParent": False}
            data |= {"PreferredDeliveryMethod": "Email", "Taxable": True}
        else:
            data["Vendor1099"] = False
        return data

    def invoice(self, created: int, modified: int) -> Json:
        rng = self.rng
        customer = skewed(rng, self.customers)
        lines, total = [], 0
        for number in range(1, rng.choice((1, 1, 2, 3, 4)) + 1):
            product = rng.randrange(len(PRODUCTS))
            name, _, price = PRODUCTS[product]
            quantity, cents = rng.randrange(1, 9), round(price * 100)
            total += quantity * cents
            lines.append(
                {
                    "Id": str(number),
                    "LineNum": number,
                    "Description": name,
                    "Amount": money(quantity * cents),
                    "DetailType": "SalesItemLineDetail",
                    "SalesItemLineDetail": {
                        "ItemRef": {"value": self.item_id(product), "name": name},
                        "Qty": quantity,
                        "UnitPrice": money(cents),
                        "TaxCodeRef": {"value": "NON"},
                    },
                }
            )
        subtotal = {"Amount": money(total), "DetailType": "SubTotalLineDetail"}
        issued = day_of(created)
        data = {
            **self._head(created, modified),
            "DocNumber": f"R-{1000 + self.next_id}",
            "TxnDate": issued.isoformat(),
            "DueDate": (issued + timedelta(days=rng.choice((14, 30, 30, 60)))).isoformat(),
            "TotalAmt": money(total),
            "Balance": money(total),
            "CurrencyRef": self._currency(),
            "CustomerRef": {"value": customer["Id"], "name": customer["DisplayName"]},
            "EmailStatus": rng.choice(("NotSet", "EmailSent")),
            "PrintStatus": "NeedToPrint",
            "ApplyTaxAfterDiscount": False,
            "LinkedTxn": [],
            "Line": [*lines, {**subtotal, "SubTotalLineDetail": {}}],
        }
        if "PrimaryEmailAddr" in customer:
            data["BillEmail"] = dict(customer["PrimaryEmailAddr"])
        return data

    def payment(self, created: int, modified: int, settled: list[tuple[Json, int]]) -> Json:
        """A payment that settles (invoice, cents) pairs of one customer."""
        total = sum(cents for _, cents in settled)
        customer = settled[0][0]["CustomerRef"]
        payment = {
            **self._head(created, modified),
            "TotalAmt": money(total),
            "UnappliedAmt": 0,
            "ProcessPayment": False,
            "TxnDate": day_of(created).isoformat(),
            "CustomerRef": dict(customer),
            "CurrencyRef": self._currency(),
            "DepositToAccountRef": {"value": "1"},
            "PaymentRefNum": f"Z{self.rng.randrange(10**6):06d}",
            "Line": [
                {
                    "Amount": money(cents),
                    "LinkedTxn": [{"TxnId": invoice["Id"], "TxnType": "Invoice"}],
                }
                for invoice, cents in settled
            ],
        }
        for invoice, cents in settled:
            invoice["Balance"] = money(round(invoice["Balance"] * 100) - cents)
            invoice["LinkedTxn"].append({"TxnId": payment["Id"], "TxnType": "Payment"})
        return payment

    def item_id(self, number: int) -> str:
        return str(len(ACCOUNTS) + 1 + number)

    def _payments(self, invoices: list[Json]) -> list[Json]:
        rng, base = self.rng, self.setting.base_time
        count = min(self.counts["Payment"], len(invoices) * 5 // 7)
        settled = sorted(rng.sample(range(len(invoices)), count))
        pairs = sorted(stamps(rng, base, count))
        payments = []
        for index, (_, modified) in zip(settled, pairs, strict=True):
            invoice = invoices[index]
            open_cents = round(invoice["Balance"] * 100)
            part = open_cents // 2 if rng.random() < 0.1 else open_cents
            created = epoch_of(invoice["MetaData"]["CreateTime"])
            paid = min(created + rng.randrange(1, 45) * DAY, base - DAY)
            payments.append(self.payment(paid, max(paid, modified), [(invoice, part)]))
        return payments

    def _void_some(self, invoices: list[Json]) -> None:
        for invoice in invoices:
            if not invoice["LinkedTxn"] and self.rng.random() < 0.05:
                void(invoice)

    def _sum_balances(self, invoices: list[Json]) -> None:
        owed: dict[str, int] = {}
        for invoice in invoices:
            customer = invoice["CustomerRef"]["value"]
            owed[customer] = owed.get(customer, 0) + round(invoice["Balance"] * 100)
        for customer in self.customers:
            customer["Balance"] = money(owed.get(customer["Id"], 0))
            customer["BalanceWithJobs"] = customer["Balance"]

    def _account(self, number: int) -> Json:
        name, kind, classification = ACCOUNTS[number]
        created = self.setting.base_time - 730 * DAY + number
        return {
            **self._head(created, created),
            "Name": name,
            "FullyQualifiedName": name,
            "Active": "closed" not in name,
            "AccountType": kind,
            "Classification": classification,
            "CurrentBalance": 0,
            "CurrencyRef": self._currency(),
        }

    def _item(self, number: int) -> Json:
        name, kind, price = PRODUCTS[number]
        created = self.setting.base_time - 729 * DAY + number
        return {
            **self._head(created, created),
            "Name": name,
            "FullyQualifiedName": name,
            "Active": "discontinued" not in name,
            "Type": kind,
            "UnitPrice": price,
            "Taxable": False,
            "IncomeAccountRef": {"value": "4" if kind == "Service" else "5"},
        }

    def _head(self, created: int, modified: int) -> Json:
        id, self.next_id = str(self.next_id), self.next_id + 1
        return {
            "Id": id,
            "SyncToken": str(self.rng.randrange(4)),
            "domain": "QBO",
            "sparse": False,
            "MetaData": {
                "CreateTime": stamp_text(created),
                "LastUpdatedTime": stamp_text(modified),
            },
        }

    def _currency(self) -> Json:
        currency = self.account.organisation.currency
        return {"value": currency, "name": CURRENCY_NAMES[currency]}


def void(invoice: Json) -> None:
    """Voided invoices stay, with nothing to pay."""
    invoice |= {"TotalAmt": 0, "Balance": 0, "PrivateNote": "Voided"}
    for line in invoice["Line"]:
        line["Amount"] = 0
        if "SalesItemLineDetail" in line:
            line["SalesItemLineDetail"] |= {"Qty": 0}


def row_of(data: Json) -> Row:
    """A QuickBooks object as a row: its stamp is MetaData.LastUpdatedTime."""
    return Row(data["Id"], float(epoch_of(data["MetaData"]["LastUpdatedTime"])), data)


def money(cents: int) -> float | int:
    """As QuickBooks writes it: 412.5, or 412 without a fraction."""
    return cents / 100 if cents % 100 else cents // 100


def stamp_text(epoch: float) -> str:
    """Epoch seconds with the offset of the company's region: Pacific time, summer and winter."""
    moment = datetime.fromtimestamp(int(epoch), UTC)
    return moment.astimezone(SUMMER if 4 <= moment.month <= 10 else WINTER).isoformat()


def epoch_of(text: str) -> int:
    """The inverse of `stamp_text`; without an offset winter time is meant. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=WINTER)
    return int(moment.timestamp())


def day_of(epoch: int) -> date:
    return datetime.fromtimestamp(epoch, UTC).date()
