"""What entities look like: the fields they have, and what JSON types these hold. Pure.

A shape is {"owner.name": {"types": ["null", "text"], "always": true, "seen": 40, "order": 3,
"values": ["ada", "ben"]}, …}. `[]` stands for the elements of a list, `*` for names that are data
themselves. `always`: present wherever what holds it is. `values`: all that were seen, while they
look like a list of choices; null for free text. `missing` counts from when a field that was always
there is there no more; `gone` says that it was reported.

Shapes hold data of the tenant (the choices, and names that people made up) and stay in its schema.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

Shape = dict[str, dict[str, Any]]
Change = dict[str, Any]  # {"kind": "type", "path": "amount", "was": ["number"], "now": ["text"]}

DEEPEST: Final = 4  # objects in objects
ELEMENTS: Final = 3  # of a list that are looked at
LONGEST_NAME: Final = 60
FIELDS_AT_MOST: Final = 400  # of one entity type
CHOICES_AT_MOST: Final = 12
CHOSEN_FROM: Final = 20  # entities, from which on few values are a list of choices
GONE_AFTER: Final = 20  # entities in a row without a field that was always there
SEEN_AT_MOST: Final = 1_000_000

_TYPES: Final = {
    dict: "object",
    list: "list",
    str: "text",
    bool: "flag",
    int: "number",
    float: "number",
    type(None): "null",
}
_DATA: Final = re.compile(r"\d{3}|[@/.]|^[0-9a-f-]{16,}$")  # a name like this is an id or such
_CHOICE: Final = re.compile(
    r"[a-z][a-z0-9_-]{1,39}|[A-Z][A-Z0-9_-]{1,39}|([A-Z][a-z0-9]{1,15}){2,4}"
)


@dataclass(slots=True)
class Field:
    """One field in a sample."""

    types: set[str] = field(default_factory=set)
    seen: int = 0
    values: set[str] | None = field(default_factory=set)

    def note(self, value: Any) -> None:
        self.seen += 1
        kind = _TYPES[type(value)]
        self.types.add(kind)
        if kind != "text" or self.values is None or value in self.values:
            return
        self.values.add(value)
        if len(self.values) > CHOICES_AT_MOST or not _CHOICE.fullmatch(value):
            self.values = None


@dataclass(slots=True)
class Sample:
    """The fields of some payloads, and how many objects there were at each path."""

    fields: dict[str, Field] = field(default_factory=dict)
    objects: Counter[str] = field(default_factory=Counter)
    entities: int = 0

    def add(self, payload: Mapping[str, Any]) -> None:
        self.entities += 1
        self._walk(payload, "", DEEPEST)

    def _walk(self, node: Mapping[str, Any], path: str, levels: int) -> None:
        self.objects[path] += 1
        for name, value in node.items():
            here = _path(path, name)
            found = self.fields.get(here)
            if found is None:
                if len(self.fields) >= FIELDS_AT_MOST:
                    continue
                found = self.fields[here] = Field()
            found.note(value)
            if levels > 1 and isinstance(value, dict | list):
                self._within(value, here, levels - 1)

    def _within(self, value: Any, path: str, levels: int) -> None:
        if isinstance(value, dict):
            self._walk(value, path, levels)
        elif isinstance(value, list):
            for element in value[:ELEMENTS]:
                if isinstance(element, dict):
                    self._walk(element, f"{path}[]", levels)


def merge(known: Shape, sample: Sample, *, counts_absent: bool = True) -> tuple[bool, list[Change]]:
    """Let `known` cover the sample; return whether that changed it, and what is different.

    Kinds: new, type, null, value, back; gone, or renamed where one like it is new beside it.
    Counts alone are no change. Without `counts_absent` what is absent was never always there.
    """
    merging = _Merging(known, sample)
    merging.look_at_present()
    merging.look_at_absent(counts=counts_absent)
    return merging.has_changed, merging.changes


class _Merging:
    def __init__(self, known: Shape, sample: Sample) -> None:
        self.known = known
        self.sample = sample
        self.order = len(known)  # of the first field that is new
        self.has_changed = False
        self.changes: list[Change] = []

    def look_at_present(self) -> None:
        for path, found in self.sample.fields.items():
            is_everywhere = found.seen == self.sample.objects[_holder(path)] and path[-1] != "*"
            if path in self.known:
                self._compare(path, self.known[path], found, is_everywhere)
            elif len(self.known) < FIELDS_AT_MOST:
                self._add(path, found, is_everywhere)

    def look_at_absent(self, *, counts: bool) -> None:
        """Count the objects in a row that lack what was always there."""
        for path, entry in self.known.items():
            lacking = self.sample.objects[_holder(path)]
            if path in self.sample.fields or not lacking:
                continue
            if not entry["always"] or "gone" in entry:
                continue
            self.has_changed = True
            if not counts:
                entry["always"] = False
                continue
            entry.setdefault("missing_from", self.order)
            entry["missing"] = entry.get("missing", 0) + lacking
            if entry["missing"] >= GONE_AFTER:
                entry["gone"] = True
                self._say_gone(path, entry)

    def _add(self, path: str, found: Field, is_everywhere: bool) -> None:
        self.has_changed = True
        self.known[path] = {
            "types": sorted(found.types),
            "always": is_everywhere,
            "seen": found.seen,
            "values": None if found.values is None else sorted(found.values),
            "order": len(self.known),
        }
        holder = self.known.get(_holder(path).removesuffix("[]"))
        if holder is None or holder["order"] < self.order:  # else that one says it
            self._say("new", path, now=sorted(found.types))

    def _compare(self, path: str, entry: dict[str, Any], found: Field, is_everywhere: bool) -> None:
        if "gone" in entry:
            self._say("back", path)
        if "missing" in entry or (entry["always"] and not is_everywhere):
            entry["always"] = False
            for name in ("missing", "missing_from", "gone"):
                entry.pop(name, None)
            self.has_changed = True
        was, more = entry["types"], found.types.difference(entry["types"])
        if more:
            entry["types"] = sorted({*was, *more})
            self.has_changed = True
            if others := sorted(more - {"null"}):
                if was != ["null"]:
                    self._say("type", path, was=was, now=others)
            else:
                self._say("null", path, was=was)
        self._compare_values(path, entry, found)
        entry["seen"] = min(SEEN_AT_MOST, entry["seen"] + found.seen)

    def _compare_values(self, path: str, entry: dict[str, Any], found: Field) -> None:
        was: list[str] | None = entry["values"]
        if was is None:
            return
        more = None if found.values is None else sorted(found.values.difference(was))
        if more == []:
            return
        self.has_changed = True
        if more is None or len(was) + len(more) > CHOICES_AT_MOST:
            entry["values"] = None
            return
        entry["values"] = sorted([*was, *more])
        if was and entry["seen"] >= max(CHOSEN_FROM, 4 * len(was)):
            for value in more:
                self._say("value", path, value=value)

    def _say_gone(self, path: str, entry: dict[str, Any]) -> None:
        like = [
            other
            for other, one in self.known.items()
            if one["order"] >= entry["missing_from"]
            and _holder(other) == _holder(path)
            and {*one["types"]} & {*entry["types"]} - {"null"}
        ]
        if len(like) == 1:
            self._say("renamed", path, now=like[0])
        else:
            self._say("gone", path)

    def _say(self, kind: str, path: str, **more: Any) -> None:
        self.has_changed = True
        self.changes.append({"kind": kind, "path": path, **more})


def _holder(path: str) -> str:
    """The path of the object that holds the field, '' for the entity itself."""
    return path.rpartition(".")[0]


@lru_cache(4096)
def _path(holder: str, name: str) -> str:
    is_data = len(name) > LONGEST_NAME or not name.strip() or _DATA.search(name)
    shown = "*" if is_data or not name.isprintable() else name
    return f"{holder}.{shown}" if holder else shown
