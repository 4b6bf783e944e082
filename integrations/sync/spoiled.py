"""When a checkpoint must not pass: so many entities were rejected that all may be wrong."""

from collections.abc import Mapping

from integrations.errors import FatalError

REJECTED_AT_MOST = 100  # more of one type in one run: something is wrong with all of them
REJECTED_SHARE = 0.05
REJECTED_BEFORE_SHARE = 20  # the share counts from so many on


def stop_if_spoiled(entity_type: str, line: Mapping[str, int]) -> None:
    """Raise FatalError if very many were rejected; `line` are the run's counts of the type."""
    rejected, read = line["rejected"], line["read"]
    too_large_a_share = rejected >= REJECTED_BEFORE_SHARE and rejected > REJECTED_SHARE * read
    if rejected > REJECTED_AT_MOST or too_large_a_share:
        raise FatalError(
            f"{rejected} of {read} {entity_type} were rejected; the checkpoint stays where"
            " it was. Look at the reasons under rejected records."
        )
