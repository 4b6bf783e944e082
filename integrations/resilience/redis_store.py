"""Breakers and budgets in Redis: a key each, changed by optimistic locking.

The client library is an optional extra (`pip install hub[redis]`); it is imported when a store is
made, so nothing else needs it.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from integrations.errors import FatalError, HubUnavailableError
from integrations.resilience.store import Change, Document, Documents, Subject

PREFIX: Final = "hub:limits:"
KEPT_SECONDS: Final = 2 * 86_400  # longer than any window; what nobody touches is forgotten
SOCKET_SECONDS: Final = 2.0
TRIES: Final = 50
AWAY_SECONDS: Final = 5.0


class RedisStore:
    """`Store` on one Redis server, whose clock is the one that counts."""

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError:
            raise FatalError(
                "REDIS_URL is set, but Redis's client is not installed: pip install hub[redis]."
            ) from None
        self._errors = redis.RedisError
        self._watch_error = redis.WatchError
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS
        )

    def change(self, subjects: Sequence[Subject], change: Change) -> Documents:
        """See `Store.change`."""
        before, changed = self.change_seen([subject.name for subject in subjects], change)
        return {**before, **changed}

    def change_seen(
        self, names: Sequence[str], change: Change
    ) -> tuple[dict[str, Document | None], dict[str, Document]]:
        """The documents as they were, and those that changed.

        Raises:
            HubUnavailableError: Redis does not answer, or too many want the same documents at once.
        """
        keys = [PREFIX + name for name in names]
        try:
            for _ in range(TRIES):
                with self._redis.pipeline() as pipe:
                    pipe.watch(*keys)
                    kept = pipe.mget(keys)
                    seconds, micros = pipe.time()
                    before: dict[str, Document | None] = {
                        name: orjson.loads(text) if text else None
                        for name, text in zip(names, kept, strict=True)
                    }
                    changed = dict(change(before, seconds + micros / 1e6))
                    if not changed:
                        return before, {}
                    pipe.multi()
                    for name, document in changed.items():
                        # What a person holds open stays so, however long nobody asks.
                        kept_for = None if document.get("is_tripped") else KEPT_SECONDS
                        pipe.set(PREFIX + name, orjson.dumps(document), ex=kept_for)
                    try:
                        pipe.execute()
                    except self._watch_error:
                        continue
                    return before, changed
        except self._errors as exc:
            raise HubUnavailableError("Redis does not answer.", AWAY_SECONDS) from exc
        raise HubUnavailableError("Too many ask for the same limit at once.", retry_after=1.0)

    def read(self, names: Sequence[str]) -> dict[str, Document | None]:
        """The documents as they are. Raises RetryableError if Redis does not answer."""
        return self.change_seen(names, lambda documents, now: {})[0]

    def forget(self, names: Sequence[str]) -> None:
        """Keep none of these any more. Raises RetryableError if Redis does not answer."""
        try:
            self._redis.delete(*(PREFIX + name for name in names))
        except self._errors as exc:
            raise HubUnavailableError("Redis does not answer.", AWAY_SECONDS) from exc

    def close(self) -> None:
        self._redis.close()
