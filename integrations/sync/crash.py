"""Named points at which a test may end the process, to see what is left.

Nothing happens unless HUB_CRASH says so: "after_commit:3" kills this process with SIGKILL at the
third time the point is passed.
"""

import os
import signal
from collections import Counter

_wanted, _, _nth = os.environ.get("HUB_CRASH", "").partition(":")
_passed: Counter[str] = Counter()


def hit(point: str) -> None:
    """Pass a point.

    In the engine: "after_fetch", "before_commit", "after_commit", "before_release". Where access is
    renewed: "before_token_call", "after_token_call", "after_token_commit". In a
    disconnect: "before_stop", "after_stop" and so on for each step, "after_revoke_call" between
    the provider's answer and its note, "after_purge_chunk".
    """
    if point != _wanted:
        return
    _passed[point] += 1
    if _passed[point] == int(_nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
