"""What a destination of tables offers: it is told which tables there should be, and takes rows.

A destination type is a class: its `slug`, what people enter for it, and how it writes. The engine
that follows the change feed (integrations.sync.follow) knows no type by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from integrations.destinations.change import Change
from integrations.destinations.columns import Column
from integrations.http.egress import Egress
from integrations.resilience.deadline import Deadline
from integrations.resilience.guard import Gate
from integrations.types import Credentials, Field, Json, Limit

Schema = dict[str, Any]
"""What a type remembers of the tables it found or made; JSON, opaque to everyone else."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that should be there, with these columns; link columns are made when needed."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row to write under its `key`; `links` is {column: {other table: [external id, …]}}."""

    key: str
    values: Mapping[str, Json]
    links: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: its external id, or the reason why it was refused; or both, if it is
    there without its links.

    `has_lost_links`: it was refused only because a row it links to is no longer there.
    """

    key: str
    external_id: str = ""
    is_new: bool = False
    reason: str = ""
    has_lost_links: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """How a destination is reached: where (settings), as whom, by which door, how often."""

    settings: Mapping[str, str]
    credentials: Credentials
    egress: Egress
    deadline: Deadline
    gate: Gate


class TableDestination(ABC):
    """Speaks to one place with tables. Made for one slice, for one thread, closed at its end.

    Every method may raise RetryableError (asked again later), DestinationBlockedError (somebody
    must repair something there) and AccessTokenRefusedError (renewed once).
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]]
    """What is entered; the secret ones are sealed, the others are its settings."""
    place: ClassVar[str]
    """The setting that says where the rows go; two destinations never share one."""
    provider: ClassVar[str] = ""
    """The provider whose connections can lend their access, if there is one."""
    lends: ClassVar[tuple[str, ...]] = ()
    """The scopes such a connection must have been granted."""
    rows_per_request: ClassVar[int] = 10
    limits: ClassVar[tuple[Limit, ...]] = ()

    @classmethod
    @abstractmethod
    def to_be_made_anew(cls, schema: Schema) -> Schema:
        """What to remember instead, so that what was removed there is made anew."""

    @abstractmethod
    def __init__(self, access: Access, schema: Schema) -> None:
        """`schema` is what an earlier slice remembered, or {}."""

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """What the next slice should remember."""

    @property
    @abstractmethod
    def calls(self) -> int:
        """Requests made so far, tries included."""

    @abstractmethod
    def prepare(self, tables: Sequence[Table]) -> None:
        """Every table and column is there afterwards; made where missing, never changed."""

    @abstractmethod
    def upsert(self, table: str, rows: Sequence[TableRow]) -> list[Outcome]:
        """Write at most `rows_per_request` rows; the same again changes nothing and adds none."""

    @abstractmethod
    def delete(self, table: str, external_ids: Sequence[str]) -> None:
        """At most `rows_per_request` rows are gone afterwards, also those that were before."""

    @abstractmethod
    def holds(self, change: Change) -> bool:
        """Whether the record was itself read from a table that we write: it must not go round."""

    @abstractmethod
    def close(self) -> None: ...
