"""Made-up e-mail: who writes to an organisation, about what, in plain text and in HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from random import Random

from integrations.sandbox.business import Business, Contact, Organisation, skewed

SUBJECTS = (
    "Angebot {number}",
    "Your order {number}",
    "Devis {number} pour {business}",
    "Rechnung R-{number}",
    "Visit in week {week}",
    "Termin am Montag?",
    "Delivery note {number}",
    "Réclamation: livraison incomplète",
    "Prices for next year",
    "見積書 {number}",
)
PARAGRAPHS = (
    "anbei das Angebot {number} wie besprochen. Die Preise gelten bis Monatsende.",
    "please find attached the papers for order {number}. Two boxes are still on their way.",
    "nous vous remercions pour votre visite à {business} & restons à votre disposition.",
    "kann die Lieferung eine Woche früher kommen? Unser Lager ist ab Montag besetzt.",
    "the display units arrived, 3 < 5 as ordered. Could you check with the carrier?",
    "können wir den Termin in KW {week} bestätigen? Größe und Farbe wie im letzten Jahr.",
    "ご確認をお願いいたします。",
)
GREETINGS = ("Guten Tag", "Hello", "Bonjour", "Hi")


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail between a colleague of the organisation and a contact outside."""

    sender: Contact
    recipients: tuple[Contact, ...]
    copied: tuple[Contact, ...]
    subject: str
    lines: tuple[str, ...]
    is_sent: bool

    @property
    def text(self) -> str:
        return "\r\n".join(self.lines)

    @property
    def html(self) -> str:
        shown = "".join(f"<p>{escape(line)}</p>" for line in self.lines if line)
        return f"<html><head><style>p{{margin:0}}</style></head><body>{shown}</body></html>"

    @property
    def preview(self) -> str:
        return " ".join(line for line in self.lines if line)[:120]


def letter(
    rng: Random, owner: Contact, colleagues: tuple[Contact, ...], known: tuple[Business, ...]
) -> Letter:
    """A letter to or from `owner`, whose mailbox it is."""
    business = skewed(rng, known)
    contact: Contact = rng.choice(business.contacts)
    is_sent = rng.random() < 0.3
    numbers = {
        "number": rng.randrange(1000, 9999),
        "week": rng.randrange(1, 53),
        "business": business.name,
    }
    sender, reader = (owner, contact) if is_sent else (contact, owner)
    copied = tuple(rng.sample(colleagues, 1)) if rng.random() < 0.25 else ()
    return Letter(
        sender=sender,
        recipients=(reader,),
        copied=tuple(one for one in copied if one != owner),
        subject=rng.choice(SUBJECTS).format(**numbers),
        lines=(
            f"{rng.choice(GREETINGS)} {reader.first},",
            "",
            rng.choice(PARAGRAPHS).format(**numbers),
            "",
            sender.name,
        ),
        is_sent=is_sent,
    )


def mailbox_owner(organisation: Organisation, address: str) -> Contact:
    """The shared mailbox itself, as somebody who writes and is written to."""
    return Contact("Team", organisation.name, address, "", "")
