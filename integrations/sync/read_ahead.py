"""Fetching and parsing run ahead of writing, in a thread that touches no tenant table."""

import queue
import threading
from collections.abc import Iterable, Iterator
from time import monotonic
from types import TracebackType

from integrations.destinations.base import Row

DEPTH = 4  # chunks that wait to be written; a chunk is about a page
CHUNK_ROWS = 200  # a chunk ends at the first position after so many rows, bytes or so much time
CHUNK_BYTES = 1024 * 1024
CHUNK_SECONDS = 0.25
MOST_ROWS = 2_000  # and here even without a position
JOIN_SECONDS = 60.0  # longer than any call may take
PUT_SECONDS = 0.2  # how often a full queue looks whether anybody still wants it


class ReadAhead:
    """Iterate rows in chunks while a thread reads on; what the thread raises is raised here.

    A chunk ends at a position, unless positions are very far apart. `stop()` lets the thread end
    after the row it is at, and what it has read still comes; leaving the block drops it. Only
    behind the end of a whole list it goes on by one row, to see whether that was all.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.is_exhausted = False
        self._rows = rows
        self._chunks: queue.Queue[list[Row] | BaseException | None] = queue.Queue(DEPTH)
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._read, name="read-ahead", daemon=True)

    def __enter__(self) -> "ReadAhead":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._abandoned.set()
        self._thread.join(timeout=JOIN_SECONDS)

    def __iter__(self) -> Iterator[list[Row]]:
        while True:
            found = self._chunks.get()
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found

    def stop(self) -> None:
        """Read no further than the row at hand."""
        self._stopping.set()

    def _read(self) -> None:
        chunk: list[Row] = []
        size = 0
        end: BaseException | None = None
        begun = monotonic()
        try:
            for row in self._rows:
                chunk.append(row)
                size += row.size
                is_long = len(chunk) >= CHUNK_ROWS or size >= CHUNK_BYTES
                is_long = is_long or monotonic() - begun >= CHUNK_SECONDS
                if (row.position is not None and is_long) or len(chunk) >= MOST_ROWS:
                    self._put(chunk)
                    chunk, size, begun = [], 0, monotonic()
                if self._stopping.is_set() and not _may_be_last(row):
                    break
            else:
                self.is_exhausted = True
        # The edge of the thread: whatever happens is carried to the reader of the chunks. What was
        # read before it is handed over first.
        except BaseException as exc:
            end = exc
        if chunk:
            self._put(chunk)
        self._put(end)

    def _put(self, item: list[Row] | BaseException | None) -> None:
        while not self._abandoned.is_set():
            try:
                self._chunks.put(item, timeout=PUT_SECONDS)
            except queue.Full:
                continue
            return


def _may_be_last(row: Row) -> bool:
    """Whether a list without scopes ends here: stopped now, it would be read again from its start.

    A finished scope is passed over when the walk goes on; the whole list is not.
    """
    return row.position is not None and row.position.done and row.position.scope == ""
