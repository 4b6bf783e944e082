"""Stripe's objects of one account: products, customers, invoices with their lines, charges."""

from __future__ import annotations

from random import Random
from typing import Any

from integrations.sandbox.business import DAY, skewed, stamps
from integrations.sandbox.names import PRODUCTS
from integrations.sandbox.part import Account, Builder, Setting
from integrations.sandbox.rows import Row

Json = dict[str, Any]

COUNTS = {"customers": 90, "invoices": 190, "charges": 150}
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
YEN_EVERY = 15
"""Every so manieth invoice is in a currency without decimals."""


class StripeRows(Builder):
    """Builds objects with every field that the API always sends; ids look like Stripe's own."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        super().__init__(setting, account, rng)
        self.counts = {name: setting.scaled(count) for name, count in COUNTS.items()}
        self.products: list[Json] = []
        self.customers: list[Json] = []
        self.numbers = 0
        self.ids = 0

    def all(self) -> dict[str, list[Row]]:
        """Every kind of object of the account."""
        rng, base = self.rng, self.setting.base_time
        began = base - 900 * DAY
        self.products = [self.product(number, began + number) for number in range(len(PRODUCTS))]
        made: dict[str, list[tuple[Json, int]]] = {
            "products": [(data, data["updated"]) for data in self.products]
        }
        pairs = stamps(rng, base, self.counts["customers"])
        made["customers"] = [
            (self.customer(number, created), changed)
            for number, (created, changed) in enumerate(pairs)
        ]
        self.customers = [data for data, _ in made["customers"]]
        for name, build in (("invoices", self.invoice), ("charges", self.charge)):
            pairs = sorted(stamps(rng, base, self.counts[name]))
            made[name] = [(build(created), changed) for created, changed in pairs]
        return {
            name: [Row(data["id"], float(changed), data) for data, changed in entries]
            for name, entries in made.items()
        }

    def product(self, number: int, created: int) -> Json:
        """One thing that is sold; the last of them not any more."""
        name, kind, _ = PRODUCTS[number % len(PRODUCTS)]
        suffix = f" {number}" if number >= len(PRODUCTS) else ""
        return {
            "id": self._id("prod_", 14),
            "object": "product",
            "active": "discontinued" not in name,
            "created": created,
            "default_price": self._id("price_1", 23),
            "description": self.rng.choice((None, f"{name} – unit price on request")),
            "images": [],
            "livemode": True,
            "marketing_features": [],
            "metadata": {},
            "name": name + suffix,
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "type": "service" if kind == "Service" else "good",
            "unit_label": None,
            "updated": created + self.rng.randrange(800 * DAY),
            "url": None,
        }

    def customer(self, number: int, created: int) -> Json:
        """A business with its name, or a person; one in twenty has left no name at all."""
        business = self.businesses[number % len(self.businesses)]
        contact = business.contacts[number % 3]
        is_private, is_nameless = number % 4 == 3, number % 20 == 7
        name = None if is_nameless else contact.name if is_private else business.name
        address = {
            "city": business.city,
            "country": business.country,
            "line1": business.street,
            "line2": None,
            "postal_code": business.postal_code,
            "state": None,
        }
        return {
            "id": self._id("cus_", 14),
            "object": "customer",
            "address": None if is_nameless else address,
            "balance": 0,
            "business_name": None if is_private or is_nameless else business.name,
            "created": created,
            "currency": self.account.organisation.currency.lower(),
            "default_source": None,
            "delinquent": self.rng.random() < 0.05,
            "description": None,
            "discount": None,
            "email": contact.email,
            "individual_name": contact.name if is_private else None,
            "invoice_prefix": "".join(self.rng.choices(LETTERS.upper(), k=8)),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "livemode": True,
            "metadata": {},
            "name": name,
            "next_invoice_sequence": 1,
            "phone": business.phone if self.rng.random() < 0.7 else None,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        }

    def invoice(self, created: int) -> Json:
        """A draft, an open, paid, void or uncollectible invoice with one to three lines."""
        rng, self.numbers = self.rng, self.numbers + 1
        customer = skewed(rng, self.customers)
        currency = "jpy" if self.numbers % YEN_EVERY == 0 else customer["currency"]
        id = self._id("in_1", 23)
        lines = [self._line(id, currency, created) for _ in range(rng.randrange(1, 4))]
        total = sum(line["amount"] for line in lines)
        status = rng.choices(
            ("paid", "open", "draft", "void", "uncollectible"), (60, 20, 10, 5, 5)
        )[0]
        finalized = None if status == "draft" else created + 3600
        paid = total if status == "paid" else 0
        reached = {
            "paid": "paid_at",
            "void": "voided_at",
            "uncollectible": "marked_uncollectible_at",
        }
        transitions: Json = dict.fromkeys(reached.values()) | {"finalized_at": finalized}
        if status in reached:
            transitions[reached[status]] = created + 7200
        return {
            **_ALWAYS_ON_AN_INVOICE,
            "id": id,
            "amount_due": total,
            "amount_paid": paid,
            "amount_remaining": 0 if status == "void" else total - paid,
            "attempt_count": int(status == "paid"),
            "attempted": status == "paid",
            "created": created,
            "currency": currency,
            "customer": customer["id"],
            "customer_email": customer["email"],
            "customer_name": customer["name"],
            "due_date": created + 14 * DAY,
            "effective_at": finalized,
            "hosted_invoice_url": f"https://invoice.stripe.com/i/{id}" if finalized else None,
            "lines": {
                "object": "list",
                "data": lines,
                "has_more": False,
                "url": f"/v1/invoices/{id}/lines",
            },
            "number": f"{customer['invoice_prefix']}-{self.numbers:04d}" if finalized else None,
            "period_end": created,
            "period_start": created - 30 * DAY,
            "status": status,
            "status_transitions": transitions,
            "subtotal": total,
            "subtotal_excluding_tax": total,
            "total": total,
            "total_excluding_tax": total,
        }

    def _line(self, invoice: str, currency: str, created: int) -> Json:
        rng, number = self.rng, self.rng.randrange(len(PRODUCTS))
        product, quantity = self.products[number], rng.randrange(1, 6)
        price = round(PRODUCTS[number][2] * 100)
        return {
            "id": self._id("il_1", 23),
            "object": "line_item",
            "amount": price * quantity,
            "currency": currency,
            "description": product["name"],
            "discount_amounts": [],
            "discountable": True,
            "discounts": [],
            "invoice": invoice,
            "livemode": True,
            "metadata": {},
            "parent": None,
            "period": {"end": created, "start": created - 30 * DAY},
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": {"price": product["default_price"], "product": product["id"]},
                "type": "price_details",
                "unit_amount_decimal": str(price),
            },
            "quantity": quantity,
            "subtotal": price * quantity,
            "taxes": [],
        }

    def charge(self, created: int) -> Json:
        """A payment by card: most succeed, a few fail, are pending or were given back."""
        rng = self.rng
        customer = skewed(rng, self.customers)
        amount = rng.randrange(500, 250_000)
        status = rng.choices(("succeeded", "failed", "pending"), (90, 7, 3))[0]
        is_refunded = status == "succeeded" and rng.random() < 0.06
        return {
            "id": self._id("ch_3", 23),
            "object": "charge",
            "amount": amount,
            "amount_captured": amount if status == "succeeded" else 0,
            "amount_refunded": amount if is_refunded else 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": self._id("txn_3", 23) if status == "succeeded" else None,
            "billing_details": {
                "address": customer["address"],
                "email": customer["email"],
                "name": customer["name"],
                "phone": customer["phone"],
                "tax_id": None,
            },
            "calculated_statement_descriptor": self.account.organisation.key.upper(),
            "captured": status == "succeeded",
            "created": created,
            "currency": customer["currency"],
            "customer": customer["id"],
            "description": rng.choice((None, "Rechnung beglichen", "Subscription update")),
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": "card_declined" if status == "failed" else None,
            "failure_message": "Your card was declined." if status == "failed" else None,
            "fraud_details": {},
            "livemode": True,
            "metadata": {},
            "on_behalf_of": None,
            "outcome": None,
            "paid": status == "succeeded",
            "payment_intent": self._id("pi_3", 23),
            "payment_method": self._id("pm_1", 23),
            "payment_method_details": {"type": "card", "card": {"brand": "visa", "country": "DE"}},
            "receipt_email": None,
            "receipt_number": None,
            "receipt_url": None,
            "refunded": is_refunded,
            "review": None,
            "shipping": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": status,
            "transfer_data": None,
            "transfer_group": None,
        }

    def event_id(self) -> str:
        return self._id("evt_1", 23)

    def _id(self, prefix: str, length: int) -> str:
        """Never given out before; what is made later sorts later."""
        self.ids += 1
        number = f"{self.ids:07d}"
        return prefix + number + "".join(self.rng.choices(LETTERS, k=length - len(number)))


_ALWAYS_ON_AN_INVOICE: Json = {
    "object": "invoice",
    "account_country": "DE",
    "account_name": None,
    "account_tax_ids": None,
    "amount_overpaid": 0,
    "amount_shipping": 0,
    "application": None,
    "auto_advance": False,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "automatically_finalizes_at": None,
    "billing_reason": "manual",
    "collection_method": "send_invoice",
    "custom_fields": None,
    "customer_address": None,
    "customer_phone": None,
    "customer_shipping": None,
    "customer_tax_exempt": "none",
    "customer_tax_ids": [],
    "default_payment_method": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "ending_balance": None,
    "footer": None,
    "from_invoice": None,
    "invoice_pdf": None,
    "issuer": {"type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "livemode": True,
    "metadata": {},
    "next_payment_attempt": None,
    "on_behalf_of": None,
    "parent": None,
    "payment_settings": {
        "default_mandate": None,
        "payment_method_options": None,
        "payment_method_types": None,
    },
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "test_clock": None,
    "total_discount_amounts": [],
    "total_pretax_credit_amounts": [],
    "total_taxes": [],
    "webhooks_delivered_at": None,
}
