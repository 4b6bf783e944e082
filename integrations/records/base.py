"""What all records have in common, and how to ask a record type for its fields."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from operator import attrgetter
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
        for name in _form_of(type(self)).refs:
            if value := getattr(self, name):
                found[name] = value
        return found

    def to_data(self) -> dict[str, Json]:
        """{"name": …, "amount": "12.50", "due_on": "2026-05-31", "company": {"entity_type": …}}"""
        form = _form_of(type(self))
        data = dict(zip(form.names, form.values(self), strict=True))
        for name, dump in form.dumps:
            data[name] = dump(data[name])
        return data

    def validate(self) -> None:
        """Nothing happens if every field is what its type says.

        Raises:
            RecordRejectedError: naming each field that is not, and why.
        """
        problems = list(self._problems())
        if problems:
            raise RecordRejectedError(f"{self.record_type}: {'; '.join(problems)}")

    def _problems(self) -> Iterator[str]:
        form = _form_of(type(self))
        for shape, check, value in zip(form.shapes, form.checks, form.values(self), strict=True):
            if not value and value in _EMPTY:
                if shape.name in self.required:
                    yield f"{shape.name} is missing"
                elif value is None and not shape.optional:
                    yield f"{shape.name} may not be null"
            elif problem := check(value):
                yield f"{shape.name} {problem}"


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field of a record type.

    `kind`: text, flag, integer, decimal, time, day, ref, refs, texts, address or lines.
    """

    name: str
    kind: str
    optional: bool


_EMPTY: tuple[object, ...] = (None, "", ())


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


@dataclass(frozen=True, slots=True)
class _Form:
    """What every record of a type is asked, worked out once: a sync asks it of each record."""

    shapes: tuple[FieldShape, ...]
    names: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    checks: tuple[Callable[[Any], str], ...]
    dumps: tuple[tuple[str, Callable[[Any], Json]], ...]
    refs: tuple[str, ...]


_FORMS: dict[type, _Form] = {}


def _form_of(record_type: type[NormalizedRecord]) -> _Form:
    if record_type not in _FORMS:
        _FORMS[record_type] = _made_form(record_type)
    return _FORMS[record_type]


def _made_form(record_type: type[NormalizedRecord]) -> _Form:
    shapes = shape_of(record_type)
    names = tuple(shape.name for shape in shapes)
    return _Form(
        shapes,
        names,
        values=attrgetter(*names) if len(names) > 1 else _each_of(names),
        checks=tuple(CHECKS[shape.kind] for shape in shapes),
        dumps=tuple((s.name, DUMPS[s.kind]) for s in shapes if s.kind in DUMPS),
        refs=tuple(shape.name for shape in shapes if shape.kind in ("ref", "refs")),
    )


def _each_of(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """As attrgetter, which gives no tuple where there is but one name."""
    return lambda record: tuple(getattr(record, name) for name in names)


def _kind(hint: Any) -> str:
    for known, kind in KINDS.items():
        if hint == known or hint == known | None:
            return kind
    raise TypeError(f"records have no fields of type {hint}")


def _is_optional(hint: Any) -> bool:
    return type(None) in getattr(hint, "__args__", ())
