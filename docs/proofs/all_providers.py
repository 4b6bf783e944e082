"""On an empty data folder the demo brings records of every entity type of every provider."""

import tempfile
from pathlib import Path

from demo import demo

TENANTS = 2


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="hub-proof-") as folder:
        Path(folder).chmod(0o755)
        said = demo(folder)
    providers = int(str(said["providers"]))
    wanted = providers * TENANTS
    holds = (
        providers > 0
        and said["connections"] == wanted
        and said["runs"] == {"succeeded": wanted, "failed": 0}
        and said["undelivered"] == []
    )
    print(
        f"{providers} providers in {said['tenants']} tenants, {said['entity_types']} entity types:"
        f" {said['records']} records; without any: {said['undelivered'] or 'none'}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
