"""Record types for people and the groups they form."""

from dataclasses import dataclass

from integrations.records.base import NormalizedRecord
from integrations.records.kinds import Address
from integrations.types import Ref


@dataclass(frozen=True)
class Person(NormalizedRecord):
    """A human being; `role` says in what capacity: lead, customer, member, or ''."""

    record_type = "person"
    required = ("name",)

    name: str
    first_name: str | None = None
    last_name: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    title: str | None = None
    role: str = ""
    company: Ref | None = None
    company_name: str | None = None
    owner: Ref | None = None
    address: Address | None = None
    tags: tuple[str, ...] = ()
    is_active: bool = True


@dataclass(frozen=True)
class Company(NormalizedRecord):
    """An organization; `role` as in Person: customer, vendor, or ''.

    `registration_number` is that of a register or tax office, such as a VAT id.
    """

    record_type = "company"
    required = ("name",)

    name: str
    domain: str | None = None
    registration_number: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    role: str = ""
    owner: Ref | None = None
    primary_contact: Ref | None = None
    parent: Ref | None = None
    address: Address | None = None
    tags: tuple[str, ...] = ()
    is_active: bool = True


@dataclass(frozen=True)
class User(NormalizedRecord):
    """Somebody with a seat at the provider: a colleague of the tenant, or a bot there."""

    record_type = "user"
    required = ("name",)

    name: str
    email: str | None = None
    title: str | None = None
    phone: str | None = None
    is_active: bool = True
    is_bot: bool = False


@dataclass(frozen=True)
class Team(NormalizedRecord):
    """A group of users."""

    record_type = "team"
    required = ("name",)

    name: str
    description: str | None = None
    members: tuple[Ref, ...] = ()
    is_active: bool = True
