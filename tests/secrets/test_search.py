"""The search itself: it finds what is there, and nothing else."""

import base64
import pickle
import zlib

import pytest

from tests.secrets.provider import canary
from tests.secrets.search import find, unpacked

SECRET = "k9/made+up=secret:of-nobody"


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "client:"])
@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.encode(),
        lambda text: text.encode().hex().encode(),
        lambda text: text.encode().hex().upper().encode(),
        lambda text: base64.b64encode(text.encode()),
        lambda text: base64.urlsafe_b64encode(text.encode()),
        lambda text: pickle.dumps({"deep": [text]}),
    ],
    ids=["plain", "hex", "capitals", "base64", "base64url", "pickle"],
)
def test_a_secret_is_found_however_it_is_written(before, write):
    assert find(b"noise " + write(before + SECRET + "!") + b" noise", {"key": [SECRET]})


def test_a_planted_one_is_found_although_it_was_cut_short():
    assert find(canary("access")[:18].encode(), {})


def test_a_compressed_pickle_in_base64_is_opened():
    packed = base64.b64encode(zlib.compress(pickle.dumps(({"token": SECRET},))))

    assert find(b"\n".join(unpacked(packed)), {"key": [SECRET]})


def test_nothing_is_found_where_nothing_is():
    assert find(b"the quick brown fox" * 1000, {"key": [SECRET]}) == []
