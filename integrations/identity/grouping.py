"""From pairs to groups: whoever matches somebody of a group joins it, unless that was forbidden."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from integrations.identity.matching import Match

LARGEST = 20  # members; beyond, a chain of likenesses has lost its beginning
SURE = 0.85  # a match below joins single records to a group, never two groups to one another


@dataclass(slots=True)
class Group:
    """Records that look like one, and the matches that hold them together."""

    members: set[int]
    matches: list[Match] = field(default_factory=list)

    @property
    def confidence(self) -> float:
        """That of the weakest match: without it the group would fall apart."""
        return min((match.confidence for match in self.matches), default=1.0)


def groups(
    matches: Sequence[Match],
    *,
    settled: Iterable[set[int]] = (),
    forbidden: Iterable[tuple[int, int]] = (),
) -> list[Group]:
    """Groups of two or more, the surest matches first. `settled` groups begin as they are.

    Two that are forbidden (the smaller id first) never come into one group, whoever else matches
    both. Settled groups that nobody joins are left out.
    """
    of: dict[int, Group] = {}
    for members in settled:
        group = Group(set(members))
        of.update(dict.fromkeys(members, group))
    apart: defaultdict[int, set[int]] = defaultdict(set)
    for left, right in forbidden:
        apart[left].add(right)
        apart[right].add(left)
    for match in matches:
        one = of.setdefault(match.left, Group({match.left}))
        other = of.setdefault(match.right, Group({match.right}))
        if one is other or len(one.members) + len(other.members) > LARGEST:
            continue
        if match.confidence < SURE and len(one.members) > 1 and len(other.members) > 1:
            continue
        if any(apart[member] & other.members for member in one.members if member in apart):
            continue
        one.members |= other.members
        one.matches += [*other.matches, match]
        of.update(dict.fromkeys(other.members, one))
    found = {id(group): group for group in of.values() if group.matches}
    return sorted(found.values(), key=lambda group: (-group.confidence, min(group.members)))
