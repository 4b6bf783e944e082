"""Names, addresses and numbers in the form in which two of them are the same."""

import re
import unicodedata

LEGAL_FORMS = frozenset(
    [
        "ab",
        "ag",
        "aps",
        "as",
        "asa",
        "bv",
        "co",
        "company",
        "corp",
        "corporation",
        "doo",
        "eg",
        "ek",
        "ev",
        "gbr",
        "ges",
        "gesellschaft",
        "gmbh",
        "inc",
        "incorporated",
        "kg",
        "kft",
        "kgaa",
        "limited",
        "llc",
        "llp",
        "lp",
        "ltd",
        "mbh",
        "nv",
        "ohg",
        "oy",
        "oyj",
        "plc",
        "pte",
        "pty",
        "sa",
        "sarl",
        "sas",
        "sasu",
        "sl",
        "sp",
        "spa",
        "spzoo",
        "srl",
        "sro",
        "ug",
        "und",
        "and",
        "the",
    ]
)
"""Words of a company's name that say nothing about which company it is."""

TITLES = frozenset(
    [
        "dr",
        "prof",
        "mr",
        "mrs",
        "ms",
        "mx",
        "herr",
        "frau",
        "ing",
        "dipl",
        "mag",
        "phd",
        "md",
        "jr",
        "sr",
    ]
)

FREE_MAIL = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "msn.com",
        "yahoo.com",
        "icloud.com",
        "me.com",
        "aol.com",
        "gmx.de",
        "gmx.net",
        "gmx.at",
        "gmx.ch",
        "web.de",
        "t-online.de",
        "freenet.de",
        "mail.com",
        "mail.ru",
        "yandex.ru",
        "proton.me",
        "protonmail.com",
        "posteo.de",
        "mailbox.org",
        "orange.fr",
        "free.fr",
        "libero.it",
        "qq.com",
        "163.com",
        "zoho.com",
        "fastmail.com",
    ]
)
"""Domains under which anybody gets an address, so that they say nothing about a company."""

SHARED_BOXES = frozenset(
    [
        "info",
        "office",
        "contact",
        "kontakt",
        "hello",
        "sales",
        "support",
        "service",
        "mail",
        "post",
        "team",
        "admin",
        "accounting",
        "billing",
        "invoice",
        "invoices",
        "buchhaltung",
        "rechnung",
        "finance",
        "hr",
        "jobs",
        "noreply",
        "no-reply",
        "newsletter",
    ]
)
"""Addresses before the @ that several people read."""

_WORDS = re.compile(r"[^\W_]+")
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "&": " "})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
PHONE_DIGITS = 8  # of the end, so that +49 731 and 0731 are the same
LEAST_NUMBER = 5  # characters of a registration number that is one


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name without case, accents and punctuation: "Müller, Jörg" → mueller joerg."""
    text = unicodedata.normalize("NFC", name).casefold().translate(_UMLAUTS).translate(_LETTERS)
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return tuple(_WORDS.findall(plain.replace(".", "").replace("'", "")))


def person_name(name: str) -> str:
    """Words in alphabetical order, so that "Jörg Müller" is "Müller, Jörg"; titles left out."""
    words = words_of(name)
    return " ".join(sorted([word for word in words if word not in TITLES] or words))


def company_name(name: str) -> str:
    """Words as they come, without the legal form."""
    words = words_of(name)
    return " ".join([word for word in words if word not in LEGAL_FORMS] or words)


def email_of(text: str) -> str:
    """The address in lower case; '' if it is none, or one that several people read."""
    address = text.strip().casefold()
    local, at, domain = address.rpartition("@")
    is_own = bool(at and local and "." in domain) and local.partition("+")[0] not in SHARED_BOXES
    return address if is_own else ""


def domain_of(text: str) -> str:
    """The domain of an e-mail or web address; '' if there is none, or anybody has one there."""
    rest = text.strip().casefold().rpartition("@")[2]
    host = rest.partition("://")[2] if "://" in rest else rest
    host = re.split(r"[/:?#]", host, maxsplit=1)[0].removeprefix("www.").strip(".")
    return host if "." in host and host not in FREE_MAIL else ""


def phone_of(text: str) -> str:
    """The last digits of a number; '' if there are too few to tell anybody by."""
    digits = "".join(c for c in text if c.isdecimal())
    return digits[-PHONE_DIGITS:] if len(digits) >= PHONE_DIGITS else ""


def number_of(text: str) -> str:
    """A registration number without spaces and punctuation: "DE 123.456.789" → de123456789."""
    plain = "".join(c for c in text.casefold() if c.isalnum())
    return plain if len(plain) >= LEAST_NUMBER and any(c.isdigit() for c in plain) else ""


def pairs_of_letters(name: str) -> frozenset[str]:
    """What `likeness` compares: the pairs of neighbouring letters, word ends included."""
    padded = f" {name} "
    return frozenset(padded[at : at + 2] for at in range(len(padded) - 1))


def likeness(left: frozenset[str], right: frozenset[str]) -> float:
    """How alike two names are, from 0 to 1: twice the pairs they share by all pairs (Dice)."""
    total = len(left) + len(right)
    return 2 * len(left & right) / total if total else 0.0
