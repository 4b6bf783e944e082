"""A TCP proxy that spoils connections: slow, late, cut short, reset, silent or half open.

    with TcpChaos(5432) as chaos:
        chaos.set(Trouble(drip=0.01))  # callers use chaos.port; chaos.set() heals

`upstream` is a port on loopback or the path of a unix socket. Trouble applies to connections made
after it was set, and to the answers of those that are open; what the caller sends always arrives.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

CHUNK = 16_384


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to what the other side answers; all zero: nothing."""

    delay: float = 0  # seconds before each piece
    rate: int = 0  # bytes per second
    drip: float = 0  # seconds between single bytes
    cut_after: int | None = None  # bytes of one connection, then it is closed
    reset_after: int | None = None  # bytes of one connection, then RST
    black_hole: bool = False  # accepted, and never a word
    half_open: bool = False  # their end is dead, ours is never told
    cut_at: tuple[bytes, ...] = ()  # once the caller has sent these in turn, no answer comes


class TcpChaos:
    """Listens on a port of loopback, in a thread of its own."""

    def __init__(self, upstream: int | str = 0) -> None:
        self.upstream = upstream
        self.trouble = Trouble()
        self.cuts = 0  # connections spoiled for good
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tcp-chaos", daemon=True)
        self._open: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> "TcpChaos":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)

    def set(self, trouble: Trouble | None = None) -> None:
        """From now on this; without an argument all is well again."""
        self.trouble = trouble or Trouble()

    def drop_all(self) -> None:
        """Reset every connection that is open."""
        for one in list(self._open):
            self._loop.call_soon_threadsafe(_reset, one)

    def _run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.trouble.black_hole:
            await reader.read(-1)
            return
        try:
            if isinstance(self.upstream, str):
                above, to = await asyncio.open_unix_connection(self.upstream)
            else:
                above, to = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, to}
        link = _Link(self, writer)
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(link.up(reader, to), link.down(above))
        self._open -= {writer, to}
        for each in (writer, to):
            each.close()


class _Link:
    """One connection through the proxy."""

    def __init__(self, chaos: TcpChaos, writer: asyncio.StreamWriter) -> None:
        self.chaos = chaos
        self.writer = writer
        self.sent = 0
        self.seen = 0  # of what `cut_at` names

    async def up(self, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            marks = self.chaos.trouble.cut_at
            while self.seen < len(marks) and marks[self.seen] in data:
                self.seen += 1
            to.write(data)
            await to.drain()
        with suppress(OSError):
            to.write_eof()

    async def down(self, above: asyncio.StreamReader) -> None:
        while data := await above.read(CHUNK):
            trouble = self.chaos.trouble
            if trouble.half_open:
                continue
            if trouble.delay:
                await asyncio.sleep(trouble.delay)
            if trouble.cut_at and self.seen >= len(trouble.cut_at):
                self._end(_reset)
                return
            for limit, end in (
                (trouble.cut_after, asyncio.StreamWriter.close),
                (trouble.reset_after, _reset),
            ):
                if limit is not None and self.sent + len(data) >= limit:
                    await self._send(data[: max(0, limit - self.sent)], trouble)
                    self._end(end)
                    return
            await self._send(data, trouble)
        self.writer.close()

    async def _send(self, data: bytes, trouble: Trouble) -> None:
        step = 1 if trouble.drip else len(data)
        for start in range(0, len(data), max(1, step)):
            await asyncio.sleep(trouble.drip or (step / trouble.rate if trouble.rate else 0))
            self.writer.write(data[start : start + step])
            await self.writer.drain()
        self.sent += len(data)

    def _end(self, how: Callable[[asyncio.StreamWriter], None]) -> None:
        self.chaos.cuts += 1
        how(self.writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
