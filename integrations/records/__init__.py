"""The shapes records have, whatever provider they come from, and the values in them.

`transform` makes these. `to_data()` is what is stored: JSON only, every field present, money as
a string beside its currency, times in UTC. A record knows neither its id nor when it changed;
both belong to the Entity.
"""

from integrations.records.base import FieldShape, NormalizedRecord, shape_of
from integrations.records.files import Document, File, Folder, Option, Row, Template
from integrations.records.kinds import Address, InvoiceLine
from integrations.records.mail import addresses, html_text, mime_text
from integrations.records.mapping import mapped
from integrations.records.people import Company, Person, Team, User
from integrations.records.sales import Deal, Invoice, Item, Payment
from integrations.records.talk import Channel, Message, Thread
from integrations.records.values import day, dig, dig_all, found, money, ref, utc
from integrations.records.work import Event, Project, Task

RECORD_TYPES: dict[str, type[NormalizedRecord]] = {
    cls.record_type: cls
    for cls in (
        Person,
        Company,
        User,
        Team,
        Deal,
        Invoice,
        Payment,
        Item,
        Message,
        Channel,
        Thread,
        Project,
        Task,
        Event,
        Document,
        Template,
        File,
        Folder,
        Row,
        Option,
    )
}
"""Every record type by its slug."""

__all__ = [
    "RECORD_TYPES",
    "Address",
    "Channel",
    "Company",
    "Deal",
    "Document",
    "Event",
    "FieldShape",
    "File",
    "Folder",
    "Invoice",
    "InvoiceLine",
    "Item",
    "Message",
    "NormalizedRecord",
    "Option",
    "Payment",
    "Person",
    "Project",
    "Row",
    "Task",
    "Team",
    "Template",
    "Thread",
    "User",
    "addresses",
    "day",
    "dig",
    "dig_all",
    "found",
    "html_text",
    "mapped",
    "mime_text",
    "money",
    "ref",
    "shape_of",
    "utc",
]
