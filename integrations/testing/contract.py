"""The whole suite for one connector."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from integrations.connectors.base import Connector
from integrations.sandbox import Sandbox
from integrations.testing.checks import CHECKS, Outcome, run_check
from integrations.testing.recorded import recorded_part
from integrations.testing.subject import Subject


class ContractBrokenError(AssertionError):
    """A connector does not keep the contract; the message names each check and its problems."""


def connector_contract(
    connector: type[Connector],
    *,
    recorded: Path | None = None,
    skips: Mapping[str, str] | None = None,
    tables: Mapping[str, str] | None = None,
    scale: float = 1.0,
) -> list[Outcome]:
    """How each check ended; skipped ones with their reason.

    `tables` names the sandbox's table of an entity type where its ids do not show it.

    Raises:
        ContractBrokenError: some checks failed.
    """
    skips = {**_not_possible(recorded), **(skips or {})}
    with ExitStack() as stack:
        if recorded is not None:
            stack.enter_context(recorded_part(connector, recorded))
        sandbox = stack.enter_context(Sandbox(scale=scale))
        subject = Subject(connector, sandbox, tables or {})
        outcomes = [run_check(name, subject, skips) for name in CHECKS]
    failed = [f"{one.check}: {one.detail}" for one in outcomes if one.state == "failed"]
    if failed:
        raise ContractBrokenError("\n".join(failed))
    return outcomes


def _not_possible(recorded: Path | None) -> dict[str, str]:
    if recorded is None:
        return {}
    reason = "recorded answers cannot change"
    return {one.name: reason for one in CHECKS.values() if one.needs == "sandbox"}
