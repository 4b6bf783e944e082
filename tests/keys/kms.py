"""A KMS in memory: two versions of a key that never leaves it, and a switch that turns it off.

It does what a real one does: wraps and unwraps by name, binds what it wraps to a context, counts
its calls, and does not answer when it is away.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from hub.crypto import PlainKey, SealBrokenError, short_id
from integrations.errors import RetryableError


class Kms:
    def __init__(self) -> None:
        self.secrets: dict[str, bytes] = {}
        self.calls = 0
        self.is_away = False

    def ask(self, name: str) -> ChaCha20Poly1305:
        self.calls += 1
        if self.is_away:
            raise RetryableError("The KMS does not answer.")
        return ChaCha20Poly1305(self.secrets.setdefault(name, ChaCha20Poly1305.generate_key()))


KMS = Kms()


class KmsKey:
    def __init__(self, name: str) -> None:
        self.name = name
        self.id = short_id(name.encode())

    def wrap(self, data_key: PlainKey, *, owner: str) -> bytes:
        nonce = os.urandom(12)
        return nonce + KMS.ask(self.name).encrypt(nonce, data_key, owner.encode())

    def unwrap(self, wrapped: bytes, *, owner: str) -> bytes:
        try:
            return KMS.ask(self.name).decrypt(wrapped[:12], wrapped[12:], owner.encode())
        except InvalidTag:
            raise SealBrokenError("The KMS refuses to unwrap this for this owner.") from None


def keys(*, names: str) -> list[KmsKey]:
    """What HUB_KMS names; `names` is a list parted by commas."""
    return [KmsKey(name) for name in names.split(",")]


def no_keys() -> list[KmsKey]:
    return []
