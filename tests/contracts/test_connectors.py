"""Every connector of the hub keeps the contract: one suite, found through the registry.

What a provider cannot do, and which table of the sandbox is which entity type where the ids do not
show it, stands beside its own tests: `SKIPS` and `TABLES` of tests/providers/<slug>/contract.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations.sandbox import Sandbox
from integrations.testing import CHECKS, Subject, run_check
from tests.contracts.own import OURS, WITH_PART, own

SCALE = 2.0
"""Large enough for several pages of everything that grows."""


def cases() -> Iterator[object]:
    """A case for each connector and check, and one for each entity type a check leaves out."""
    for connector in OURS:
        slug = connector.provider.slug
        group = pytest.mark.xdist_group(f"contract-{slug}")
        by_type = [name for name in own(slug).skips if ":" in name]
        needs = None if slug in WITH_PART else "declaration"
        possible = [one.name for one in CHECKS.values() if needs in (None, one.needs)]
        for name in (*possible, *by_type):
            yield pytest.param(slug, name, id=f"{slug}-{name}", marks=group)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=5, scale=SCALE) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def subjects(sandbox: Sandbox) -> dict[str, Subject]:
    return {
        connector.provider.slug: Subject(connector, sandbox, own(connector.provider.slug).tables)
        for connector in OURS
    }


@pytest.mark.parametrize(("slug", "name"), list(cases()))
def test_a_connector_keeps_the_contract(subjects: dict[str, Subject], slug: str, name: str) -> None:
    skips = own(slug).skips
    check, _, entity_type = name.partition(":")
    if entity_type:
        pytest.skip(f"{slug}: {name}: {skips[name]}")

    outcome = run_check(check, subjects[slug], skips)

    if outcome.state == "skipped":
        pytest.skip(f"{slug}: {name}: {outcome.detail}")
    assert outcome.state == "passed", f"{CHECKS[check].promise}\n{outcome.detail}"


def test_every_connector_has_a_part_in_the_sandbox() -> None:
    without = {connector.provider.slug for connector in OURS} - WITH_PART

    assert not without
