"""Sealing of secrets: AES-256-GCM, bound to the place where the value is stored.

A sealed value opens only with the right data key *and* the right binding (tenant, table, row,
field, key id), so a value copied to another row, field or tenant does not open. Data keys are
themselves sealed ("wrapped") by a wrapping key: one from the environment, or one in a KMS.

Sealed value: version (1 byte) · id of the data key (16) · nonce (12) · ciphertext and tag.
Wrapped key:  version (1 byte) · id of the wrapping key (4) · what the wrapping key made of it;
              those of the environment: nonce (12) · ciphertext and tag.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.masked import Masked

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32
TAG_BYTES = 16


class SealBrokenError(Exception):
    """A sealed value did not open: wrong key, wrong place, or changed bytes."""


class EncryptionKeyError(Exception):
    """A wrapping key is missing or not usable; the message says what to do."""


class PlainKey(Masked, bytes):
    """A data key, unwrapped. It exists in memory only."""

    __slots__ = ()


@dataclass(frozen=True)
class Binding:
    """Where a sealed value belongs. Opening it anywhere else fails."""

    tenant: str
    table: str
    row: str
    field: str

    def additional_data(self, key_id: UUID) -> bytes:
        return "|".join((self.tenant, self.table, self.row, self.field, key_id.hex)).encode()


class KeyWrapper(Protocol):
    """One wrapping key: it may lie here, or in a KMS that is asked and never gives it away.

    `id` is eight hex digits, the same for as long as the key lives; `short_id` makes them of a
    KMS key's name. It is stored in front of everything the key has wrapped. `owner` is whose data
    key it is, and must be bound to it (a KMS calls this context or associated data): what was
    wrapped for one owner never unwraps for another.
    """

    @property
    def id(self) -> str: ...

    def wrap(self, data_key: PlainKey, *, owner: str) -> bytes:
        """Return the data key as it may be stored.

        Raises:
            RetryableError: the KMS does not answer; whoever asked comes back later.
        """
        ...

    def unwrap(self, wrapped: bytes, *, owner: str) -> bytes:
        """Return the 32 bytes of the data key.

        Raises:
            SealBrokenError: it belongs to another owner, or its bytes were changed.
            EncryptionKeyError: the KMS no longer has the key, or no longer lets us use it.
            RetryableError: the KMS does not answer.
        """
        ...


class WrappingKey(Masked):
    """A key from the environment."""

    __slots__ = ("_secret", "id")

    def __init__(self, secret: bytes) -> None:
        self.id = short_id(secret)
        self._secret = PlainKey(secret)

    @classmethod
    def parse(cls, text: str) -> "WrappingKey":
        """Read 32 bytes written as base64, URL-safe or not, padded or not."""
        try:
            padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
            secret = base64.b64decode(padded, validate=True)
        except ValueError:  # of base64, or of what is not ASCII
            # Without its cause, which would carry the text along.
            raise EncryptionKeyError(
                "HUB_ENCRYPTION_KEYS holds a key that is not base64."
            ) from None
        if len(secret) != KEY_BYTES:
            raise EncryptionKeyError(
                f"HUB_ENCRYPTION_KEYS holds a key of {len(secret)} bytes; it must be {KEY_BYTES}."
            )
        return cls(secret)

    def wrap(self, data_key: PlainKey, *, owner: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._secret).encrypt(nonce, data_key, owner.encode())

    def unwrap(self, wrapped: bytes, *, owner: str) -> bytes:
        return _open(self._secret, wrapped, owner.encode())

    def __repr__(self) -> str:
        return f"WrappingKey({self.id})"


def short_id(name: bytes) -> str:
    """Return the eight hex digits by which a wrapping key is known."""
    return hashlib.sha256(name).digest()[:4].hex()


def new_data_key() -> PlainKey:
    return PlainKey(AESGCM.generate_key(bit_length=KEY_BYTES * 8))


def wrap(data_key: PlainKey, *, keys: Sequence[KeyWrapper], owner: str) -> bytes:
    """Return the data key sealed by the first wrapping key, bound to its `owner`."""
    if not keys:
        raise EncryptionKeyError("HUB_ENCRYPTION_KEYS is empty; set 32 random bytes as base64.")
    return VERSION + bytes.fromhex(keys[0].id) + keys[0].wrap(data_key, owner=owner)


def wrapping_key_id(wrapped: bytes) -> str:
    """Return the id of the wrapping key that a wrapped data key needs."""
    if len(wrapped) < 1 + 4 or wrapped[:1] != VERSION:
        raise SealBrokenError("This is not a wrapped key.")
    return wrapped[1:5].hex()


def unwrap(wrapped: bytes, *, keys: Sequence[KeyWrapper], owner: str) -> PlainKey:
    """Return the data key.

    Raises:
        EncryptionKeyError: the key that wrapped it is not among `keys` any more.
        SealBrokenError: it belongs to another owner, or its bytes were changed.
    """
    wanted = wrapping_key_id(wrapped)
    for key in keys:
        if key.id == wanted:
            plain = PlainKey(key.unwrap(wrapped[5:], owner=owner))
            if len(plain) != KEY_BYTES:
                raise SealBrokenError("What was unwrapped is no data key.")
            return plain
    raise EncryptionKeyError(
        f"The encryption key {wanted} is missing; put it back into HUB_ENCRYPTION_KEYS"
        " or HUB_KMS_OPTIONS."
    )


def seal(plain: bytes, *, key: PlainKey, key_id: UUID, binding: Binding) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain, binding.additional_data(key_id))
    return VERSION + key_id.bytes + nonce + sealed


def key_id_of(sealed: bytes) -> UUID:
    """Return the id of the data key that a sealed value needs."""
    if len(sealed) < 1 + 16 + NONCE_BYTES + TAG_BYTES or sealed[:1] != VERSION:
        raise SealBrokenError("This is not a sealed value.")
    return UUID(bytes=sealed[1:17])


def open_sealed(sealed: bytes, *, key: PlainKey, binding: Binding) -> bytes:
    """Return the plain bytes.

    Raises:
        SealBrokenError: wrong key, wrong place, or changed bytes; it does not say which.
    """
    return _open(key, sealed[17:], binding.additional_data(key_id_of(sealed)))


def _open(key: PlainKey, nonce_and_sealed: bytes, additional_data: bytes) -> bytes:
    nonce, sealed = nonce_and_sealed[:NONCE_BYTES], nonce_and_sealed[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, sealed, additional_data)
    except (InvalidTag, ValueError):  # ValueError: cut too short to hold a nonce
        raise SealBrokenError("A sealed value does not open in this place.") from None
