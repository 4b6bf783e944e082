"""The list of checks, and how one of them is run and reported."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from integrations.testing.subject import Subject

Problem = tuple[str, str]
"""(entity type or '', one sentence)."""

Finds = Callable[[Subject], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise every connector keeps. It finds problems; without any it is passed.

    `needs` is what it cannot do without: the declaration alone, answers to read, or a sandbox
    part whose rows it can change.
    """

    name: str
    promise: str
    needs: Literal["declaration", "answers", "sandbox"]
    find: Finds


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended. `detail` is the reason of a skip, or the problems, one a line."""

    check: str
    state: Literal["passed", "failed", "skipped"]
    detail: str = ""


CHECKS: dict[str, Check] = {}
"""Every check by its name, in the order they run."""


def check(needs: Literal["declaration", "answers", "sandbox"]) -> Callable[[Finds], Finds]:
    """Add a function to the checks; its docstring is the promise."""

    def add(find: Finds) -> Finds:
        promise = " ".join((find.__doc__ or "").split())
        CHECKS[find.__name__] = Check(find.__name__, promise, needs, find)
        return find

    return add


def run_check(name: str, subject: Subject, skips: Mapping[str, str] | None = None) -> Outcome:
    """Run one check on the sandbox as at its start.

    `skips` gives reasons, by check ("deletions_arrive") or by check and entity type
    ("changes_arrive:messages"). A reason for an entity type that has no problem is a problem.
    """
    skips = skips or {}
    if name in skips:
        return Outcome(name, "skipped", _reason(skips[name]))
    wanted = CHECKS[name]
    if wanted.needs != "declaration":
        subject.begin()
    excused = {key.partition(":")[2] for key in skips if key.startswith(f"{name}:")}
    problems: list[str] = []
    found: set[str] = set()
    try:
        for entity_type, sentence in wanted.find(subject):
            found.add(entity_type)
            if entity_type not in excused:
                problems.append(f"{entity_type}: {sentence}" if entity_type else sentence)
    except Exception as error:  # the outermost edge: whatever a connector does, the rest is checked
        problems.append(f"it broke off: {type(error).__name__}: {error}")
    problems += [
        f"{entity_type}: the skip hides nothing any more; take it out"
        for entity_type in sorted(excused - found)
    ]
    return Outcome(name, "failed" if problems else "passed", "\n".join(problems))


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("skipping a check needs a reason")
    return text
