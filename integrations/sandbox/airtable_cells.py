"""What a cell of Airtable's takes: by its field's type, strictly, or converted with `typecast`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from integrations.sandbox.airtable_access import refuse
from integrations.sandbox.airtable_rows import is_empty, iso
from integrations.sandbox.part import Json

TEXTS = ("singleLineText", "multilineText", "richText", "email", "url", "phoneNumber")
NUMBERS = ("number", "currency", "percent", "rating", "duration")
COMPUTED = (
    "formula",
    "rollup",
    "count",
    "multipleLookupValues",
    "autoNumber",
    "createdTime",
    "lastModifiedTime",
    "createdBy",
    "lastModifiedBy",
    "button",
    "aiText",
    "externalSyncSource",
)
MERGEABLE = (
    "number",
    "singleLineText",
    "multilineText",
    "singleSelect",
    "multipleSelects",
    "date",
)
MOST_CHARACTERS = 100_000
BAD_VALUE = "INVALID_VALUE_FOR_COLUMN"
BAD_CHOICE = "INVALID_MULTIPLE_CHOICE_OPTIONS"
_NUMBER = re.compile(r"[^0-9.,-]")

Link = Callable[[Json, str, bool], str]
"""From a link field, what was sent and `typecast` to the id of the row linked to."""


class Cells:
    """Converts what is sent for one request. `may_design` allows new choices of selects; they are
    added to their field when `keep_choices` is called."""

    def __init__(self, *, typecast: bool, may_design: bool, link: Link) -> None:
        self.typecast = typecast
        self.may_design = may_design
        self.link = link
        self._new_choices: list[tuple[Json, str]] = []

    def read(self, field: Json, value: Any) -> Any:
        """The cell as it is kept; None clears it. Raises RefusalError."""
        type = field["type"]
        if type in COMPUTED:
            said = f'Field "{field["name"]}" cannot accept a value because the field is computed'
            raise refuse(422, BAD_VALUE, said)
        if is_empty(value):
            return None
        if type in TEXTS:
            return self._text(field, value)
        if type in NUMBERS:
            return self._number(field, value)
        reads: dict[str, Callable[[Json, Any], Any]] = {
            "checkbox": self._checkbox,
            "date": self._date,
            "dateTime": self._time,
            "singleSelect": self._choice,
            "multipleSelects": self._choices,
            "multipleRecordLinks": self._links,
            "multipleAttachments": self._attachments,
            "singleCollaborator": self._person,
        }
        if type not in reads:
            raise _bad(field)
        return reads[type](field, value)

    def keep_choices(self) -> None:
        """New choices become part of their fields."""
        for field, name in self._new_choices:
            choices: list[Json] = field["options"]["choices"]
            if name not in [choice["name"] for choice in choices]:
                choices.append(
                    {"id": f"sel{len(choices):014d}", "name": name, "color": "grayLight2"}
                )
        self._new_choices.clear()

    def _text(self, field: Json, value: Any) -> str:
        if self.typecast and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
            raise _bad(field)
        return value

    def _number(self, field: Json, value: Any) -> float:
        if self.typecast and isinstance(value, str):
            try:
                value = float(_NUMBER.sub("", value).replace(",", ""))
            except ValueError:
                raise _bad(field) from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _bad(field)
        return value

    def _checkbox(self, field: Json, value: Any) -> bool | None:
        if self.typecast and isinstance(value, str):
            return value.lower() in ("true", "checked", "yes", "1") or None
        if not isinstance(value, bool):
            raise _bad(field)
        return value

    def _date(self, field: Json, value: Any) -> str:
        try:
            return date.fromisoformat(value[:10]).isoformat()
        except (TypeError, ValueError):
            raise _bad(field) from None

    def _time(self, field: Json, value: Any) -> str:
        try:
            at = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise _bad(field) from None
        return iso((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())

    def _choice(self, field: Json, value: Any) -> str:
        if not isinstance(value, str):
            raise _bad(field)
        known = [choice["name"] for choice in field["options"]["choices"]]
        if value not in known:
            if not (self.typecast and self.may_design):
                said = f'Insufficient permissions to create new select option ""{value}""'
                raise refuse(422, BAD_CHOICE, said)
            self._new_choices.append((field, value))
        return value

    def _choices(self, field: Json, value: Any) -> list[str]:
        if self.typecast and isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if not isinstance(value, list):
            raise _bad(field)
        return [self._choice(field, one) for one in value]

    def _links(self, field: Json, value: Any) -> list[str]:
        if self.typecast and isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise _bad(field)
        return [self.link(field, one, self.typecast) for one in value]

    def _attachments(self, field: Json, value: Any) -> list[Json]:
        if not isinstance(value, list):
            raise _bad(field)
        if not all(isinstance(one, dict) and (one.get("url") or one.get("id")) for one in value):
            raise refuse(422, "INVALID_ATTACHMENT_OBJECT", "An attachment needs a url or an id")
        return [
            {"id": f"att{number:014d}", "filename": str(one.get("url")).rpartition("/")[2], **one}
            for number, one in enumerate(value)
        ]

    def _person(self, field: Json, value: Any) -> Json:
        if not isinstance(value, dict) or not (value.get("id") or value.get("email")):
            raise _bad(field)
        return value


def _bad(field: Json) -> Exception:
    said = f'Field "{field["name"]}" cannot accept the provided value'
    return refuse(422, BAD_VALUE, said)
