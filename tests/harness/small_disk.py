"""A disk that can be filled up: a folder with a file system of its own, in memory.

Nobody but the process that made it and those it starts sees it, and it is gone with them. Whoever
is not root makes it in a user namespace of its own; a machine may forbid both.
"""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

CLONE_NEWNS = 0x20000
CLONE_NEWUSER = 0x10000000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
KEPT_BYTES = 4096  # less than a page of PostgreSQL

_libc = ctypes.CDLL(None, use_errno=True)


class NoSmallDiskError(Exception):
    """This machine allows nobody here to mount anything; the message says what it said."""


def mount_apart() -> None:
    """Let this process mount what nobody else sees; call it before there are threads.

    Raises:
        NoSmallDiskError: the machine does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWNS if user == 0 else CLONE_NEWNS | CLONE_NEWUSER)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)


class SmallDisk:
    """An empty disk of `size` bytes at `folder`."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _call("mount", b"tmpfs", bytes(folder), b"tmpfs", 0, b"mode=0755,size=%d" % size)

    def fill(self) -> None:
        """Take all the room there is."""
        self._ballast.touch()
        with self._ballast.open("r+b") as file:
            while (room := self._room - KEPT_BYTES) > 0:
                with suppress(OSError):  # somebody else has taken some of it meanwhile
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), room)

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink()

    def close(self) -> None:
        _libc.umount2(bytes(self.folder), 2)  # at once for us, and in the end for who still uses it

    @property
    def _room(self) -> int:
        left = os.statvfs(self.folder)
        return left.f_bavail * left.f_frsize

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


def _call(name: str, *values: object) -> None:
    if getattr(_libc, name)(*values) != 0:
        said = os.strerror(ctypes.get_errno())
        raise NoSmallDiskError(f"no disk can be mounted here: {name} says {said}")
