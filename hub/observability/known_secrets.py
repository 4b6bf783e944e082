"""The secrets this process has had in hand, so that no text it writes repeats one of them.

Patterns find what looks like a credential; this finds the credential itself, wherever a provider's
answer or somebody's exception has put it. The newest thousand are known, for as long as the process
lives.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping

MASK = "[redacted]"
SHORTEST = 8  # characters; shorter ones are parts of ordinary words
MOST = 1_000

# Names in sealed values that stand for no secret.
_NOT_SECRET = frozenset({"app", "username", "email", "user_email", "client_id"})

_known: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


def remember(*secrets: str) -> None:
    """Mask these from now on."""
    with _lock:
        for secret in secrets:
            if len(secret) >= SHORTEST:
                _known[secret] = None
                _known.move_to_end(secret)
        while len(_known) > MOST:
            _known.popitem(last=False)


def remember_values(named: Mapping[str, object]) -> None:
    """Mask the texts among these values, but for those that identify somebody or something."""
    remember(
        *(
            value
            for name, value in named.items()
            if isinstance(value, str) and name not in _NOT_SECRET
        )
    )


def without_secrets(text: str) -> str:
    """Return the text with a mask in place of every secret that is known."""
    with _lock:
        found = [secret for secret in _known if secret in text]
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
