"""`manage.py startconnector`: the files of a new connector, which run at once."""

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.errors import HubError
from integrations.testing.openapi import Proposal, proposed, read_document
from integrations.testing.starting import files_of, within_the_lines, write

SLUG = re.compile(r"[a-z][a-z0-9_]{1,39}")
LABEL = re.compile(r"[^\"\\{}$\x00-\x1f\x7f<>&]{1,40}")


class Command(BaseCommand):
    help = "Write connector, sandbox part, test and mark of a new provider; nothing is overwritten."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="lower case letters, digits and _")
        parser.add_argument("--label", help="the provider's name for people")
        parser.add_argument(
            "--openapi", type=Path, metavar="FILE", help="propose from its document"
        )
        parser.add_argument(
            "--into", type=Path, metavar="DIR", default=settings.BASE_DIR, help="the source tree"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        slug, label = options["slug"], options["label"]
        if not SLUG.fullmatch(slug):
            raise CommandError("The slug is made of lower case letters, digits and _.")
        if label is not None and not LABEL.fullmatch(label):
            raise CommandError("The label is a name of up to 40 characters, without quotes.")
        if not options["into"].is_dir():
            raise CommandError("The folder to write into is not there.")
        try:
            proposal = _proposal(slug, options["openapi"])
            label = label or _label(slug, proposal)
            proposal = within_the_lines(slug, label, proposal)
            files = files_of(slug, label, proposal)
            write(files, options["into"])
        except HubError as exc:
            raise CommandError(str(exc)) from exc
        for path in files:
            self.stdout.write(path)
        names = ", ".join(one.name for one in proposal.lists)
        self.stdout.write(f"\nProposed: {names} at {proposal.base_url} ({proposal.sign_in.kind}).")
        self.stdout.write(f'Try it: make test ARGS="tests/contracts -k {slug}"')


def _proposal(slug: str, document: Path | None) -> Proposal:
    if document is None:
        return Proposal(base_url=f"https://api.{slug.replace('_', '-')}.example/v1")
    return proposed(read_document(document), slug)


def _label(slug: str, proposal: Proposal) -> str:
    title = re.sub(r"\s*(REST\s+)?API\b.*", "", proposal.title).strip()
    return title if LABEL.fullmatch(title) else slug.replace("_", " ").title()
