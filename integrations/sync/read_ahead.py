"""Fetching and parsing run ahead of writing, in a thread that touches no tenant table."""

import queue
import threading
from collections.abc import Iterable, Iterator
from time import monotonic
from types import TracebackType

from integrations.destinations.base import Row

DEPTH = 4  # chunks that wait to be written; a chunk is about a page
CHUNK_ROWS = 200  # a chunk ends at the first position after so many rows, or so much time
CHUNK_SECONDS = 0.25
MOST_ROWS = 2_000  # and here even without a position
PUT_SECONDS = 0.2  # how often a full queue looks whether anybody still wants it


class ReadAhead:
    """Iterate rows in chunks while a thread reads on; what the thread raises is raised here.

    A chunk ends at a position, unless positions are very far apart. Leaving the block ends the
    thread after the row it is at.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self._chunks: queue.Queue[list[Row] | BaseException | None] = queue.Queue(DEPTH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="read-ahead", daemon=True)

    def __enter__(self) -> Iterator[list[Row]]:
        self._thread.start()
        return self._take()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    def _take(self) -> Iterator[list[Row]]:
        while True:
            found = self._chunks.get()
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found

    def _read(self) -> None:
        chunk: list[Row] = []
        begun = monotonic()
        try:
            for row in self._rows:
                chunk.append(row)
                is_long = len(chunk) >= CHUNK_ROWS or monotonic() - begun >= CHUNK_SECONDS
                if (row.position is not None and is_long) or len(chunk) >= MOST_ROWS:
                    self._put(chunk)
                    chunk, begun = [], monotonic()
                if self._stop.is_set():
                    return
            if chunk:
                self._put(chunk)
        # The edge of the thread: whatever happens is carried to the reader of the chunks. What was
        # read before it is handed over first.
        except BaseException as exc:
            if chunk:
                self._put(chunk)
            self._put(exc)
            return
        self._put(None)

    def _put(self, item: list[Row] | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                return self._chunks.put(item, timeout=PUT_SECONDS)
            except queue.Full:
                continue
