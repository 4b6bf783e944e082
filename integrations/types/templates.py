"""Texts with {names} in them, filled from what stays with a connection."""

import re
from collections.abc import Mapping

_NAME = re.compile(r"\{(\w+)\}")
_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,199}")


def names_in(text: str) -> list[str]:
    """["realmId"] for "/v3/company/{realmId}"."""
    return _NAME.findall(text)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with each {name} replaced; an unknown one becomes ''."""
    return _NAME.sub(lambda match: values.get(match[1], ""), text)


def is_plain(value: str) -> bool:
    """True for what can stand between two slashes and mean nothing but itself."""
    return bool(_PLAIN.fullmatch(value))
