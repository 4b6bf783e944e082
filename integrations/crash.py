"""Named points at which a test may end, break, delay or freeze the process, to see what is left.

Nothing happens unless HUB_CRASH says so, as point:nth:ACTION. "after_commit:3:STOP" acts at the
third time this process passes the point. Actions:

- KILL (when none is named): SIGKILL, as by the kernel when memory runs out;
- RAISE: an error that nobody has classed;
- HANG: sleep until a timeout or a signal ends it;
- STOP: SIGSTOP; whoever watches the process wakes it by SIGCONT.
"""

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

Action: TypeAlias = Literal["KILL", "RAISE", "HANG", "STOP"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
HANG_SECONDS = 3600.0  # longer than any lease or timeout

# Every point there is, by what is at work when it is passed.
POINTS: Final[dict[str, tuple[str, ...]]] = {
    "slice": (
        "after_claim",
        "before_audit",
        "after_audit",
        "after_fetch",
        "before_commit",
        "before_checkpoint",
        "after_checkpoint",
        "after_commit",
        "before_release",
        "after_release",
        "before_ack",
    ),
    "access": ("before_token_call", "after_token_call", "after_token_commit"),
    "disconnect": (
        *(f"before_{step}" for step in ("stop", "revoke", "forget", "records", "finish")),
        *(f"after_{step}" for step in ("stop", "revoke", "forget", "records", "finish")),
        "after_revoke_call",
        "after_purge_chunk",
    ),
    "destination": (
        "before_destination_write",
        "after_destination_write",
        "after_destination_note",
        "after_destination_checkpoint",
        "before_destination_release",
    ),
    "closing": (
        *("after_lock_out", "after_bi_access"),
        *("after_connection", "after_revoke_all", "after_drop_schema"),
    ),
    "keys": (
        *("before_wrapped", "after_wrapped", "before_new_keys", "after_new_keys"),
        *("before_batch", "after_batch", "before_retired", "after_retired"),
    ),
}


class CrashError(Exception):
    """RAISE: an error like any that nobody has thought of."""


@dataclass(frozen=True, slots=True)
class Order:
    """Do `action` when `point` is passed for the `nth` time."""

    point: str
    nth: int = 1
    action: Action = "KILL"

    @classmethod
    def read(cls, text: str) -> "Order | None":
        """The order in "point:nth:ACTION"; nth and ACTION may be left out. None for ''.

        Raises:
            ValueError: there is no such point or action.
        """
        if not text:
            return None
        point, _, rest = text.partition(":")
        nth, _, action = rest.partition(":")
        if not any(point in names for names in POINTS.values()):
            raise ValueError(f"HUB_CRASH: there is no point {point!r}.")
        if action not in ("", *ACTIONS):
            raise ValueError(f"HUB_CRASH: {action!r} is none of {', '.join(ACTIONS)}.")
        return cls(point, int(nth or 1), cast(Action, action or "KILL"))


_order = Order.read(os.environ.get("HUB_CRASH", ""))
_passed: Counter[str] = Counter()


def hit(point: str) -> None:
    """Pass a point: nothing, unless this process was told to act here."""
    if _order is None or point != _order.point:
        return
    _passed[point] += 1
    if _passed[point] == _order.nth:
        _act(_order.action)


def arm(text: str) -> None:
    """Obey this order from now on, counting from zero: for a process that was forked."""
    global _order
    _order = Order.read(text)
    _passed.clear()


def has_acted() -> bool:
    """Whether this process came to the point it was told of."""
    return _order is not None and _passed[_order.point] >= _order.nth


def _act(action: Action) -> None:
    if action == "RAISE":
        raise CrashError("A test broke this process here.")
    if action == "HANG":
        time.sleep(HANG_SECONDS)
    else:
        os.kill(os.getpid(), signal.SIGKILL if action == "KILL" else signal.SIGSTOP)
