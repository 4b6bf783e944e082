"""What holds a secret shows it in no text and refuses to be pickled or written as JSON."""

import copy
import json
import logging
import pickle

import orjson
import pytest

from hub.crypto import PlainKey, WrappingKey, new_data_key
from hub.fields import Sealed
from integrations.auth import AppSecrets
from integrations.auth.tokens import TokenAnswer
from integrations.types import AuthContext, Credentials
from tests.keys.conftest import OLD

CANARY = "hubcanary_5b1f"
RAW = CANARY.encode().ljust(32, b"!")
HOLDERS = {
    "sealed value": Sealed(RAW),
    "data key": PlainKey(RAW),
    "wrapping key": WrappingKey(RAW),
    "credentials": Credentials(access_token=CANARY, key=CANARY, extra={"refresh": CANARY}),
    "headers of a call": AuthContext({"Authorization": CANARY}, "https://api.example.com"),
    "provider app": AppSecrets("client", CANARY),
    "tokens": TokenAnswer(CANARY, CANARY),
}
WRITERS = {
    "repr": repr,
    "str": str,
    "format": lambda holder: f"{holder}{holder!r}{holder!s}{holder:}{holder:>80}",
    "percent": lambda holder: "%s %r" % (holder, holder),  # noqa: UP031
    "in a list": lambda holder: str([holder, {"a": holder}]),
    "JSON that takes any text": lambda holder: json.dumps([holder], default=str),
    "an error": lambda holder: repr(ValueError(holder)),
}
REFUSED = {
    "pickle": pickle.dumps,
    "oldest pickle": lambda holder: pickle.dumps(holder, protocol=0),
    "copy": copy.deepcopy,
    "json": json.dumps,
    "orjson": orjson.dumps,
    "orjson of a list": lambda holder: orjson.dumps({"detail": [holder]}),
}
each_holder = pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)


@each_holder
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_no_text_shows_it(holder: object, write: object) -> None:
    assert CANARY not in write(holder)  # type: ignore[operator]
    assert RAW.hex() not in write(holder)  # type: ignore[operator]


@each_holder
@pytest.mark.parametrize("write", REFUSED.values(), ids=REFUSED)
def test_it_is_not_written_at_all(holder: object, write: object) -> None:
    with pytest.raises(TypeError) as refused:
        write(holder)  # type: ignore[operator]

    assert CANARY not in str(refused.value)


@each_holder
def test_a_log_line_does_not_show_it(holder: object, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("hub").warning("held %s %r", holder, holder, extra={"held": holder})

    assert "held" in caplog.text
    assert CANARY not in caplog.text


def test_keys_are_made_masked() -> None:
    assert isinstance(new_data_key(), PlainKey)
    assert repr(WrappingKey.parse(OLD)) == f"WrappingKey({WrappingKey.parse(OLD).id})"
