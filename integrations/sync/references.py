"""What records refer to: which record that is, and what a person calls it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db import connection

from integrations.destinations.change import Change
from integrations.types import Ref

Target = tuple[str, str, str]  # source system, entity type, source id

_FIND = """
SELECT r.source_system, r.entity_type, r.source_id, r.id, r.title
FROM unnest(%s::text[], %s::text[], %s::text[]) AS k(source_system, entity_type, source_id)
JOIN integrations_record r ON r.source_system = k.source_system
    AND r.entity_type = k.entity_type AND r.source_id = k.source_id
"""


@dataclass(frozen=True, slots=True)
class Titles:
    """The records that references lead to, as far as they are stored: id and title of each."""

    found: dict[Target, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, wanted: Iterable[tuple[Change, Ref]]) -> "Titles":
        """Look all of them up, in one statement."""
        targets = {target_of(change, ref) for change, ref in wanted}
        if not targets:
            return cls()
        columns = [list(column) for column in zip(*sorted(targets), strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_FIND, columns)
            return cls({(row[0], row[1], row[2]): (row[3], row[4]) for row in cursor.fetchall()})

    def of_change(self, change: Change) -> Callable[[Ref], str]:
        """The title of what this record refers to, '' while it is not stored."""
        return lambda ref: self.found.get(target_of(change, ref), (0, ""))[1]

    def record_id(self, change: Change, ref: Ref) -> int | None:
        found = self.found.get(target_of(change, ref))
        return found[0] if found else None


def target_of(change: Change, ref: Ref) -> Target:
    return change.source_system, ref.entity_type, ref.source_id
