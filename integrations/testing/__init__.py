"""One suite of checks that every connector passes, also those from outside the source tree.

    from integrations.testing import connector_contract

    def test_acme_keeps_the_contract():
        connector_contract(AcmeConnector)

runs against the sandbox part with the connector's slug. (Whoever defines a `Part` has it in every
sandbox.) With a folder of recorded answers instead, `recorded=Path("answers")`, the checks run that
need no change at the provider; see `recorded` for what such a folder holds.

A check is skipped only with a reason: `skips={"deletions_arrive": "Acme reports none."}`, or for
one entity type: `{"changes_arrive:notes": "Acme sends no notes after they were changed."}`.
"""

from integrations.testing import drifting, facts, failing, reading, resuming
from integrations.testing.checks import CHECKS, Check, Outcome, run_check
from integrations.testing.contract import ContractBrokenError, connector_contract
from integrations.testing.subject import Subject

__all__ = [
    "CHECKS",
    "Check",
    "ContractBrokenError",
    "Outcome",
    "Subject",
    "connector_contract",
    "drifting",
    "facts",
    "failing",
    "reading",
    "resuming",
    "run_check",
]
