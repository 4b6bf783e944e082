"""What people enter into the fields a provider declares, checked before anything else."""

import re
from collections.abc import Iterable, Mapping

from integrations.errors import InvalidInputError
from integrations.types import Field

MAX_INPUT_LENGTH = 4000


def checked_fields(fields: Iterable[Field], given: Mapping[str, str]) -> dict[str, str]:
    """What was entered, stripped, by field name; fields left empty are left out.

    Raises:
        InvalidInputError: a field is missing, odd, or not asked for; `errors` says which.
    """
    declared = {one.name: one for one in fields}
    errors = {
        name: ["This is not asked for; leave it out."] for name in given if name not in declared
    }
    checked: dict[str, str] = {}
    for name, one in declared.items():
        value = given.get(name, "")
        problem = _problem(one, value)
        if problem:
            errors[name] = [problem]
        elif value.strip():
            checked[name] = value.strip()
    if errors:
        named = "; ".join(f"{name}: {said[0]}" for name, said in errors.items())
        raise InvalidInputError(f"The credentials are not complete. {named}", errors)
    return checked


def _problem(declared: Field, value: object) -> str:
    if not isinstance(value, str):
        return f"{declared.label} must be text."
    value = value.strip()
    if not value:
        return f"Enter {declared.label}." if declared.required else ""
    if len(value) > MAX_INPUT_LENGTH or not value.isprintable():
        return f"{declared.label} is too long or holds characters that cannot be sent."
    if declared.pattern and not re.fullmatch(declared.pattern, value):
        return f"{declared.label} does not look right; check it."
    return ""
