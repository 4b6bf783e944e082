"""Rate limits as providers count them: a rolling window, or a bucket that tolerates bursts."""

from __future__ import annotations

import math
from collections import deque


class RollingWindow:
    """At most `allowed` requests in any `seconds`, counted per key."""

    def __init__(self, allowed: int, seconds: float) -> None:
        self.allowed = allowed
        self.seconds = seconds
        self._taken: dict[str, deque[float]] = {}

    def take(self, key: str, now: float, scale: float = 1.0) -> bool:
        """True if one more request fits now. A refused request is not counted."""
        taken = self._taken.setdefault(key, deque())
        while taken and taken[0] <= now - self.seconds:
            taken.popleft()
        if len(taken) >= self.allowed * scale:
            return False
        taken.append(now)
        return True


class Bucket:
    """`per_minute` requests a minute on average, with `burst` minutes' worth saved up."""

    def __init__(self, per_minute: int, burst: float) -> None:
        self.per_minute = per_minute
        self.burst = burst
        self._level: dict[str, tuple[float, float]] = {}

    def wait(self, key: str, now: float, scale: float = 1.0) -> int:
        """0 if one more request fits now, else the whole seconds until it would."""
        rate = self.per_minute * scale / 60
        full = self.per_minute * scale * self.burst
        level, since = self._level.get(key, (full, now))
        level = min(full, level + max(0.0, now - since) * rate)
        if level < 1:
            self._level[key] = (level, now)
            return max(1, math.ceil((1 - level) / rate)) if rate else 60
        self._level[key] = (level - 1, now)
        return 0
