"""Where reading ahead stops when the slice is over."""

from collections.abc import Iterator
from threading import Event

from integrations.destinations.base import Row
from integrations.sync.read_ahead import ReadAhead
from integrations.types import Position


def end_of(scope: str) -> Row:
    return Row("rest", "people", "", scope, Position(scope, {}, done=True))


def read(*rows: Row) -> tuple[list[Row], bool]:
    """What is still read when the stop comes before the first row; whether that was all."""
    told = Event()

    def waiting() -> Iterator[Row]:
        told.wait(60)
        yield from rows

    with ReadAhead(waiting()) as chunks:
        chunks.stop()
        told.set()
        return [row for chunk in chunks for row in chunk], chunks.is_exhausted


def test_a_stop_at_the_end_of_the_whole_list_notices_that_it_was_all() -> None:
    assert read(end_of("")) == ([end_of("")], True)


def test_a_stop_at_the_end_of_one_scope_leaves_the_others_for_the_next_slice() -> None:
    assert read(end_of("sales"), end_of("support")) == ([end_of("sales")], False)


def test_a_stop_behind_the_end_of_the_list_reads_one_more_row_at_most() -> None:
    assert read(end_of(""), end_of("archive"), end_of("more")) == (
        [end_of(""), end_of("archive")],
        False,
    )
