"""Sealing of secrets: AES-256-GCM, bound to the place where the value is stored.

A sealed value opens only with the right data key *and* the right binding (tenant, table, row,
field, key id), so a value copied to another row, field or tenant does not open. Data keys are
themselves sealed ("wrapped") by a key from the environment.

Sealed value: version (1 byte) · id of the data key (16) · nonce (12) · ciphertext and tag.
Wrapped key:  version (1 byte) · id of the wrapping key (4) · nonce (12) · ciphertext and tag.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32


class SealBrokenError(Exception):
    """A sealed value did not open: wrong key, wrong place, or changed bytes."""


class EncryptionKeyError(Exception):
    """A key in HUB_ENCRYPTION_KEYS is missing or not usable; the message says what to do."""


@dataclass(frozen=True)
class Binding:
    """Where a sealed value belongs. Opening it anywhere else fails."""

    tenant: str
    table: str
    row: str
    field: str

    def additional_data(self, key_id: UUID) -> bytes:
        return "|".join((self.tenant, self.table, self.row, self.field, key_id.hex)).encode()


@dataclass(frozen=True)
class WrappingKey:
    """A key from the environment that wraps data keys. `id` is the start of its hash."""

    id: bytes
    secret: bytes

    @classmethod
    def parse(cls, text: str) -> "WrappingKey":
        """Read 32 bytes written as base64, URL-safe or not, padded or not."""
        try:
            padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
            secret = base64.b64decode(padded, validate=True)
        except binascii.Error as exc:
            raise EncryptionKeyError("HUB_ENCRYPTION_KEYS holds a key that is not base64.") from exc
        if len(secret) != KEY_BYTES:
            raise EncryptionKeyError(
                f"HUB_ENCRYPTION_KEYS holds a key of {len(secret)} bytes; it must be {KEY_BYTES}."
            )
        return cls(id=hashlib.sha256(secret).digest()[:4], secret=secret)

    def __repr__(self) -> str:
        return f"WrappingKey({self.id.hex()})"


def new_data_key() -> bytes:
    return AESGCM.generate_key(bit_length=KEY_BYTES * 8)


def wrap(data_key: bytes, *, keys: list[WrappingKey], owner: str) -> bytes:
    """Return the data key sealed by the first wrapping key, bound to its `owner`."""
    if not keys:
        raise EncryptionKeyError("HUB_ENCRYPTION_KEYS is empty; set 32 random bytes as base64.")
    first, nonce = keys[0], os.urandom(NONCE_BYTES)
    return (
        VERSION + first.id + nonce + AESGCM(first.secret).encrypt(nonce, data_key, owner.encode())
    )


def unwrap(wrapped: bytes, *, keys: list[WrappingKey], owner: str) -> bytes:
    """Return the data key.

    Raises:
        EncryptionKeyError: the key that wrapped it is not in HUB_ENCRYPTION_KEYS any more.
        SealBrokenError: it belongs to another owner, or its bytes were changed.
    """
    for key in keys:
        if key.id == wrapped[1:5]:
            return _open(key.secret, wrapped[5:], owner.encode())
    raise EncryptionKeyError(
        f"The encryption key {wrapped[1:5].hex()} is missing; put it back into HUB_ENCRYPTION_KEYS."
    )


def seal(plain: bytes, *, key: bytes, key_id: UUID, binding: Binding) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain, binding.additional_data(key_id))
    return VERSION + key_id.bytes + nonce + sealed


def key_id_of(sealed: bytes) -> UUID:
    """Return the id of the data key that a sealed value needs."""
    if len(sealed) < 1 + 16 + NONCE_BYTES + 16 or sealed[:1] != VERSION:
        raise SealBrokenError("This is not a sealed value.")
    return UUID(bytes=sealed[1:17])


def open_sealed(sealed: bytes, *, key: bytes, binding: Binding) -> bytes:
    """Return the plain bytes.

    Raises:
        SealBrokenError: wrong key, wrong place, or changed bytes; it does not say which.
    """
    return _open(key, sealed[17:], binding.additional_data(key_id_of(sealed)))


def _open(key: bytes, nonce_and_sealed: bytes, additional_data: bytes) -> bytes:
    nonce, sealed = nonce_and_sealed[:NONCE_BYTES], nonce_and_sealed[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, sealed, additional_data)
    except InvalidTag:
        raise SealBrokenError("A sealed value does not open in this place.") from None
