"""What the pages name is there: files they link to or mention, commands, and make's targets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(settings.BASE_DIR)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)\)")
MENTIONED = re.compile(r"`((?:hub|tenants|integrations|templates|tests|docs|deploy)/[\w/.@-]+)`")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    lost = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]

    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_a_page_mentions_exists(page: Path) -> None:
    lost = [path for path in MENTIONED.findall(page.read_text()) if not (ROOT / path).exists()]

    assert lost == []


def test_every_command_of_the_readme_exists() -> None:
    table = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)", table, re.MULTILINE)

    assert len(named) > 5
    assert [name for name in named if name not in get_commands()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)

    assert [name for name in named if name not in targets] == []


def test_every_decision_is_listed_and_short() -> None:
    folder = ROOT / "docs" / "decisions"
    notes = sorted(folder.glob("0*.md"))
    listed = re.findall(r"\((0[^)]+)\)", (folder / "README.md").read_text())

    assert [note.name for note in notes] == listed
    assert [note.name for note in notes if len(note.read_text().splitlines()) > 25] == []


def test_the_screenshot_is_small_enough_to_be_cloned() -> None:
    sizes = {name_of(image): image.stat().st_size for image in (ROOT / "docs/images").iterdir()}

    assert sizes
    assert all(size <= 300_000 for size in sizes.values())
