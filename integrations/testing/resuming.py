"""Checks of stopping anywhere and going on: nothing is lost, nothing committed comes again."""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy

from integrations.testing.checks import Problem, check
from integrations.testing.reader import Reader
from integrations.testing.subject import Subject
from integrations.types import Entity

MOST_CHANGED = 30
MOST_STOPS = 40
"""Of one type. With more positions than that, only every so manieth is a stop."""


@check("answers")
def stopped_at_every_position_it_goes_on(subject: Subject) -> Iterator[Problem]:
    """Killed at every position in turn, the walk ends with all there is."""
    yield from _stopped(subject, beyond=0)


@check("answers")
def stopped_between_positions_it_goes_on(subject: Subject) -> Iterator[Problem]:
    """Killed an entity after every position in turn, the walk ends with all there is."""
    yield from _stopped(subject, beyond=1)


@check("answers")
def what_is_committed_does_not_come_again(subject: Subject) -> Iterator[Problem]:
    """A walk that goes on passes over what was committed before it was stopped."""
    for name in subject.whole().walked_types:
        reader = subject.prepared(name)
        if sentence := _in_pieces(subject, reader, name, beyond=1):
            yield name, sentence
            continue
        for entity_type in subject.within(name):
            whole = subject.whole().yielded.get(entity_type, Counter())
            for source_id, count in reader.yielded.get(entity_type, Counter()).items():
                if count > whole[source_id]:
                    yield name, f"{entity_type} {source_id} came {count} times"
                    break


@check("sandbox")
def an_incremental_read_can_be_stopped_too(subject: Subject) -> Iterator[Problem]:
    """Killed at every position of an incremental read, the read still brings every change."""
    for name in subject.whole().walked_types:
        subject.begin()
        through, stopped = subject.prepared(name), subject.prepared(name)
        through.walk(name)
        stopped.walk(name)
        for entity_type in subject.within(name):
            if table := subject.table_of(entity_type):
                ids = sorted(subject.whole().ids(entity_type) & set(subject.rows(table)))
                subject.control("change", entity=table, ids=ids[:MOST_CHANGED])
        for reader in (through, stopped):
            reader.begin_run()
        through.read(name)
        if sentence := _in_pieces(subject, stopped, name, beyond=0):
            yield name, sentence
            continue
        for entity_type in subject.within(name):
            one, other = through.stored.get(entity_type, {}), stopped.stored.get(entity_type, {})
            differing = {
                source_id
                for source_id in {*one, *other}
                if source_id not in one
                or source_id not in other
                or one[source_id].payload != other[source_id].payload
            }
            if differing:
                yield name, f"{len(differing)} of {entity_type} differ: {sorted(differing)[:3]}"


def _stopped(subject: Subject, *, beyond: int) -> Iterator[Problem]:
    for name in subject.whole().walked_types:
        reader = subject.prepared(name)
        if sentence := _in_pieces(subject, reader, name, beyond=beyond):
            yield name, sentence
            continue
        for entity_type in subject.within(name):
            whole, ids = subject.whole().ids(entity_type), reader.ids(entity_type)
            if lost := whole - ids:
                yield name, f"{len(lost)} of {entity_type} were lost: {sorted(lost)[:3]}"
            if more := ids - whole:
                yield name, f"{len(more)} of {entity_type} are not in a full read"


def _in_pieces(subject: Subject, reader: Reader, name: str, *, beyond: int) -> str:
    """Walk a type in pieces that end `beyond` entities after a position; '' if it came to its end.

    A scope that was skipped is asked for again by every walk and is therefore no place to stop.
    """
    positions = sum(one.position is not None for one in subject.whole().walks[name].entities)
    every = 1 + positions // MOST_STOPS
    for _ in range(MOST_STOPS):
        before = deepcopy((reader.cursors.get(name), reader.finished.get(name)))
        if reader.walk(name, _Stop(every, beyond)).is_over or _has_all(subject, reader, name):
            return ""
        if before == (reader.cursors.get(name), reader.finished.get(name)):
            return "it does not get on: a walk ended where the one before did"
    reader.walk(name)
    return ""


def _has_all(subject: Subject, reader: Reader, name: str) -> bool:
    """Every scope has come to its end, though the walk was stopped before it could say so."""
    scopes = set(subject.whole().cursors[name]) - set(subject.whole().skipped.get(name, {}))
    return scopes <= reader.finished.get(name, set())


class _Stop:
    """Says yes `beyond` entities after the `every`th position."""

    def __init__(self, every: int, beyond: int) -> None:
        self.positions_left = every
        self.beyond = beyond

    def __call__(self, entity: Entity) -> bool:
        if self.positions_left > 0:
            position = entity.position
            if position is None or position.skipped:
                return False
            self.positions_left -= 1
            return self.positions_left == 0 and self.beyond == 0
        self.beyond -= 0 if entity.is_rest else 1
        return self.beyond <= 0
