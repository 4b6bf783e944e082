"""Looking for secrets in bytes, whichever way they were written there."""

import base64
import json
import pickle
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

PLANTED = "hubcanary_"


def spellings(secret: str) -> dict[str, bytes]:
    """The ways a text may stand in a log, a dump or a page, by name.

    Base64 depends on where in its text a secret begins, so it has three spellings; the characters
    that also depend on what stands around it are left out.
    """
    raw = secret.encode()
    found = {
        "plain": raw,
        "quoted": quote(secret, safe="").encode(),
        "hex": raw.hex().encode(),
        "hex in capitals": raw.hex().upper().encode(),
        "reversed": raw[::-1],
        "as JSON": json.dumps(secret)[1:-1].encode(),
    }
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        whole = encoded[(shift * 8 + 5) // 6 : (shift + len(raw)) * 8 // 6]
        found[f"base64 {shift}"] = whole
        found[f"base64url {shift}"] = whole.replace(b"+", b"-").replace(b"/", b"_")
    return found


def find(haystack: bytes, secrets: dict[str, Iterable[str]]) -> list[str]:
    """Which kinds of secret are in there and how, e.g. "access, base64 1"; [] if none is.

    Of planted ones their common beginning is enough, so that one cut short is found as well.
    """
    hits = []
    for kind, values in {"planted": [PLANTED], **secrets}.items():
        for value in values:
            for spelling, needle in spellings(value).items():
                at = haystack.find(needle)
                if at >= 0:
                    around = haystack[max(0, at - 80) : at + 40].decode("utf-8", "replace")
                    hits.append(f"{kind}, {spelling}: …{around}…")
    return hits


def unpacked(value: Any) -> Iterator[bytes]:
    """What a stored value holds, opened as far as it goes: base64, zlib, pickle."""
    raw = value.encode() if isinstance(value, str) else bytes(value)
    yield raw
    for opened in (_decoded(raw), _inflated(raw)):
        if opened:
            yield from unpacked(opened)
    try:
        yield repr(_everything(pickle.loads(raw))).encode()
    except Exception:  # whatever else it is, it is no pickle
        return


def _decoded(raw: bytes) -> bytes:
    text = raw.strip().strip(b".").split(b":")[0]
    try:
        found = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:
        return b""
    return found if len(found) > 4 and found != raw else b""


def _inflated(raw: bytes) -> bytes:
    try:
        return zlib.decompress(raw)
    except zlib.error:
        return b""


def _everything(value: Any) -> Any:
    return vars(value) if hasattr(value, "__dict__") else value
