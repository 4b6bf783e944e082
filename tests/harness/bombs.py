"""Answers that are small on the wire and take more memory than a worker has."""

import gzip
from functools import cache

from tests.harness.simulator import Fault

BOMB_MB = 12  # as text; as objects some 25 times as much


@cache
def page_bomb() -> Fault:
    """A page of four million empty rows, well within what an answer may be."""
    rows = b"{}," * (BOMB_MB * 1024 * 1024 // 3)
    body = b'{"items": [' + rows + b"{}]}"
    return Fault(200, (("Content-Encoding", "gzip"),), gzip.compress(body, 1))
