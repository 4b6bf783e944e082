"""Processes of the hub that start at once: forked from one that has imported everything.

What a test kills, lets crash or runs beside itself must be a process of its own; that it has read
1,300 modules first shows nothing more. A forked one has its own environment, settings, files and
database connections, and ends as any other. What the apps do once, when they start, it has behind
it: starting is shown by processes that start cold, in tests/commands, tests/settings and wherever
`run_cold` stands. A worker unit is always started cold, since django-q keeps its settings.

`python -m tests.warm <socket>` is the warm process: it takes orders of its parent, forks for each,
and tells how each ended. It ends with its parent.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).parent.parent
POLL_SECONDS = 0.01
ORDER_BYTES = 1 << 18


class Process:
    """A process under way, with what subprocess.Popen offers of it; its output is kept in files."""

    def __init__(self, command: tuple[str, ...], env: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115  read when the process has ended
        self._err = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._told, tells = os.pipe()
        order = json.dumps({"command": command, "env": dict(env)}).encode()
        assert len(order) < ORDER_BYTES
        files = [self._out.fileno(), self._err.fileno(), tells]
        socket.send_fds(_warm(env["DJANGO_SETTINGS_MODULE"]), [order], files)
        os.close(tells)
        self.pid = int(self._line())

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, below zero for the signal that ended it."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a warm process", timeout or 0)
            self.returncode = int(self._line())
            os.close(self._told)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it has said on stdout and on stderr, once it has ended."""
        self.wait(timeout)
        return _all_of(self._out), _all_of(self._err)

    def _line(self) -> bytes:
        """The next number the warm process tells of this one."""
        said = b""
        while not said.endswith(b"\n"):
            read = os.read(self._told, 1)
            assert read, "the warm process ended"
            said += read
        return said


def _all_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def start(*command: str, env: Mapping[str, str]) -> Process:
    """Begin `python <command>` (a file, -m or -c) with these environment variables only."""
    return Process(command, env)


def run(*command: str, env: Mapping[str, str], seconds: float = 120) -> tuple[int, str, str]:
    """Return exit code, output and errors of `python <command>`."""
    process = start(*command, env=env)
    out, err = process.communicate(seconds)
    return process.wait(), out, err


def run_cold(*command: str, env: Mapping[str, str], seconds: float = 120) -> tuple[int, str, str]:
    """The same with an interpreter of its own, as a person starts it."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


_sockets: dict[str, socket.socket] = {}


def _warm(settings: str) -> socket.socket:
    """To the warm process with these settings; it is started when first needed."""
    if settings not in _sockets:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for each in (ours, its):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ORDER_BYTES)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(its.fileno())],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": settings},
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )
        its.close()
        _sockets[settings] = ours
        atexit.register(_end, ours, process)
    return _sockets[settings]


def _end(ours: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    ours.close()
    process.wait(10)


# The warm process.


def main(orders: socket.socket) -> None:
    import django

    django.setup()
    import hub.urls
    import hub.urls_tenant  # noqa: F401

    gc.freeze()  # or the forked would copy what they only look at
    running: dict[int, int] = {}  # process → where to tell how it ended
    while True:
        if select.select([orders], [], [], POLL_SECONDS if running else None)[0]:
            said, files, _, _ = socket.recv_fds(orders, ORDER_BYTES, 3)
            if not said:
                break
            out, err, tells = files
            pid = os.fork()
            if pid == 0:
                orders.close()
                os.dup2(out, 1)
                os.dup2(err, 2)
                os.closerange(3, max(*files, *running.values()) + 1)
                become(**json.loads(said))
            os.close(out)
            os.close(err)
            os.write(tells, b"%d\n" % pid)
            running[pid] = tells
        _tell_of_the_ended(running)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _tell_of_the_ended(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tells = running.pop(pid)
        os.write(tells, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(tells)


def become(command: list[str], env: dict[str, str]) -> NoReturn:
    """Be the process that was ordered, and end as it would, but for taking the interpreter down."""
    try:
        os.environ.clear()
        os.environ.update(env)
        forget_settings(env["DJANGO_SETTINGS_MODULE"])
        do(*command)
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1 if exc.code else 0
        if isinstance(exc.code, str):
            print(exc.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def do(how: str, *rest: str) -> None:
    """What `python <how> <rest>` does."""
    if how == "-m":
        sys.argv = list(rest)
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif how == "-c":
        sys.argv = [how, *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})
    else:
        sys.argv = [how, *rest]
        runpy.run_path(how, run_name="__main__")


def forget_settings(chosen: str) -> None:
    """What was read from the environment before the fork is read from the new one when needed."""
    from django.conf import settings
    from django.db import connections
    from django.utils.functional import empty

    from integrations import crash

    for name in [name for name in sys.modules if name.startswith("hub.settings.")]:
        del sys.modules[name]
    sys.modules.pop(chosen, None)
    settings._wrapped = empty
    for each in connections.all(initialized_only=True):
        assert each.connection is None, "a connection may not be shared"
        del connections[each.alias]
    del connections.settings
    connections._settings = None
    crash.arm(os.environ.get("HUB_CRASH", ""))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
