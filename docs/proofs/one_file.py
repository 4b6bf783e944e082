"""A provider is files of its own: leaving them out leaves it out, and adding it changed no other.

First on the tree: for each provider a copy of the repository without its files knows every other
provider, and the sandbox speaks every other. Then in the history: of the last three connectors one
at least came with a commit that only added files. Where the history is cut off (a shallow clone,
or commits put together into one) only the first is shown, and the figure says so.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = ("hub", "integrations", "tenants", "templates")
LAST = 3
WHERE = ("integrations/connectors/", "integrations/sandbox/", "tests/providers/")
OWN = ("integrations/connectors", "integrations/sandbox", "templates/static/hub/marks")
KNOWN = """
import json
from integrations.connectors import registry
from integrations.sandbox.part import Setting
from integrations.sandbox.world import World

registry.load()
slugs = [each.provider.slug for each in registry.all_connectors()]
print(json.dumps([slugs, sorted(World(Setting()).parts)]))
"""


def main() -> int:
    providers, parts = known(ROOT)
    entangled = [slug for slug in providers if not stands_alone(slug, providers, parts)]
    for slug in entangled:
        print(f"{slug}: without its files something else is missing too")
    added = last_added(providers)
    alone = []
    for slug, commit in added:
        changes = changes_of(commit)
        others = [path for kind, path in changes if kind != "A"]
        names = [path for _, path in changes if of(slug, path)]
        has_all = all(any(path.startswith(where) for path in names) for where in WHERE)
        print(f"{commit[:9]} {slug}: {len(changes)} files, of them changed: {others or 'none'}")
        if not others and has_all:
            alone.append(slug)
    said = (
        f"added without changing a file, of the last {LAST}: {', '.join(alone) or 'none'}"
        if added
        else "the history is cut off here, so it is shown on the files alone"
    )
    whole = len(providers) - len(entangled)
    print(f"{whole} of {len(providers)} providers are files of their own; {said}")
    return 0 if providers and not entangled and (alone or not added) else 1


def of(slug: str, path: str) -> bool:
    """Whether a file is the provider's: connector, part of the sandbox, tests or mark."""
    name = PurePosixPath(path)
    own = name.stem == slug or name.stem.startswith(f"{slug}_")
    return (own and str(name.parent) in OWN) or path.startswith(f"tests/providers/{slug}/")


def known(tree: Path) -> tuple[list[str], list[str]]:
    """The providers and the sandbox's parts in a tree; both empty if it does not even load."""
    done = subprocess.run(
        [sys.executable, "-c", KNOWN], cwd=tree, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        return [], []
    connectors, parts = json.loads(done.stdout)
    return connectors, parts


def stands_alone(slug: str, providers: list[str], parts: list[str]) -> bool:
    """Whether a copy without the provider's files has all others, in connectors and sandbox."""
    with tempfile.TemporaryDirectory(prefix="hub-proof-") as folder:
        copy = Path(folder)
        for part in CODE:
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        for path in [*copy.rglob("*")]:
            if path.is_file() and of(slug, path.relative_to(copy).as_posix()):
                path.unlink()
        left = known(copy)
    return left == tuple([one for one in all_of if one != slug] for all_of in (providers, parts))


def last_added(providers: list[str]) -> list[tuple[str, str]]:
    """(slug, commit) of the last connectors that came one by one; [] without such a history."""
    found = []
    for slug in providers:
        path = f"integrations/connectors/{slug}.py"
        commit = git("log", "-1", "--diff-filter=A", "--format=%ct %H", "--", path).strip()
        if commit:
            at, commit = commit.split()
            connectors = [
                name
                for kind, name in changes_of(commit)
                if kind == "A"
                and any(name == f"integrations/connectors/{one}.py" for one in providers)
            ]
            if len(connectors) == 1 and git("rev-list", "--parents", "-1", commit).split()[1:]:
                found.append((int(at), slug, commit))
    return [(slug, commit) for _, slug, commit in sorted(found, reverse=True)[:LAST]]


def changes_of(commit: str) -> list[tuple[str, str]]:
    """(letter, path) of every file of a commit: A added, M changed."""
    shown = git("show", "--format=", "--name-status", "--no-renames", commit)
    return [(line[0], line.split("\t")[-1]) for line in shown.splitlines() if line]


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
