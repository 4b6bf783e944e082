"""What all records have in common, and how to ask a record type for its fields."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_type_hints

from integrations.errors import RecordRejectedError
from integrations.records.kinds import CHECKS, DUMPS, KINDS
from integrations.types import Json, Ref


@dataclass(frozen=True)
class NormalizedRecord:
    """Base of all record types. `required` fields may not be empty."""

    record_type: ClassVar[str] = ""
    required: ClassVar[tuple[str, ...]] = ()

    def refs(self) -> dict[str, Ref | tuple[Ref, ...]]:
        """The fields that point to other entities, empty ones left out."""
        found: dict[str, Ref | tuple[Ref, ...]] = {}
        for shape in shape_of(type(self)):
            if shape.kind in ("ref", "refs") and (value := getattr(self, shape.name)):
                found[shape.name] = value
        return found

    def to_data(self) -> dict[str, Json]:
        """{"name": …, "amount": "12.50", "due_on": "2026-05-31", "company": {"entity_type": …}}"""
        return {s.name: DUMPS[s.kind](getattr(self, s.name)) for s in shape_of(type(self))}

    def validate(self) -> None:
        """Nothing happens if every field is what its type says.

        Raises:
            RecordRejectedError: naming each field that is not, and why.
        """
        problems = list(self._problems())
        if problems:
            raise RecordRejectedError(f"{self.record_type}: {'; '.join(problems)}")

    def _problems(self) -> Iterator[str]:
        for shape in shape_of(type(self)):
            value = getattr(self, shape.name)
            if value is None or value == "" or value == ():
                if shape.name in self.required:
                    yield f"{shape.name} is missing"
                elif value is None and not shape.optional:
                    yield f"{shape.name} may not be null"
            elif problem := CHECKS[shape.kind](value):
                yield f"{shape.name} {problem}"


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field of a record type.

    `kind`: text, flag, integer, decimal, time, day, ref, refs, texts, address or lines.
    """

    name: str
    kind: str
    optional: bool


_SHAPES: dict[type, tuple[FieldShape, ...]] = {}


def shape_of(record_type: type[NormalizedRecord]) -> tuple[FieldShape, ...]:
    """The fields of a record type in their order, as views, forms and checks need them."""
    if record_type not in _SHAPES:
        hints = get_type_hints(record_type)
        _SHAPES[record_type] = tuple(
            FieldShape(f.name, _kind(hints[f.name]), optional=_is_optional(hints[f.name]))
            for f in fields(record_type)
        )
    return _SHAPES[record_type]


def _kind(hint: Any) -> str:
    for known, kind in KINDS.items():
        if hint == known or hint == known | None:
            return kind
    raise TypeError(f"records have no fields of type {hint}")


def _is_optional(hint: Any) -> bool:
    return type(None) in getattr(hint, "__args__", ())
