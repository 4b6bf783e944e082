"""Connectors from outside the source tree register like those inside it."""

import json
from pathlib import Path

from tests.commands.conftest import manage, sentence_of

CONNECTOR = '''
"""A connector as somebody else would write it."""

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.records import Company
from integrations.types import ApiKey, Entity, EntityType, Field, Identity, Position, Provider


@register
class Outside(Declared, Connector):
    provider = Provider(
        slug="{slug}",
        label="{slug} from outside",
        base_url="https://api.{slug}.example",
        auth=(ApiKey(headers={{"X-Key": "{{key}}"}}, fields=(Field("key", "Key", secret=True),)),),
        identity=Identity("/account", "id", "name"),
    )
    entity_types = (EntityType("companies", becomes=Company),)

    def fetch_entities(self, entity_type, since):
        yield Entity.rest(Position("", {{}}, done=True), entity_type)

    def transform(self, raw):
        return Company(name=raw.data["name"])
'''


def write_connector(folder: Path, slug: str) -> str:
    """Return the name of a module with one connector."""
    module = f"connector_of_{slug}"
    (folder / f"{module}.py").write_text(CONNECTOR.format(slug=slug))
    return module


def write_distribution(folder: Path, module: str) -> None:
    """What a package manager leaves beside an installed package that names the module."""
    info = folder / "outside_connectors-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: outside-connectors\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[hub.connectors]\nwhatever = {module}\n")


def listed(**environment: str) -> dict[str, dict]:
    run = manage("connectors", "--json", **environment)
    assert run.returncode == 0, run.stderr
    return {each["slug"]: each for each in json.loads(run.stdout)}


def test_a_module_named_in_the_settings_and_an_installed_one_are_listed(module_folder):
    named = write_connector(module_folder, "initech")
    write_distribution(module_folder, write_connector(module_folder, "hooli"))

    found = listed(HUB_CONNECTOR_MODULES=named, PYTHONPATH=str(module_folder))

    assert {"copper", "quickbooks", "slack", "initech", "hooli"} <= set(found)
    said = {"slug": "initech", "label": "initech from outside", "auth": ["api_key"]}
    assert found["initech"] == found["initech"] | said | {"entity_types": ["companies"]}
    assert found["hooli"]["lines"] == found["initech"]["lines"]
    assert found["hooli"]["lines"]["methods"] > 0


def test_without_being_named_nothing_from_outside_is_loaded(module_folder):
    write_connector(module_folder, "initech")

    assert "initech" not in listed(PYTHONPATH=str(module_folder))


def test_an_installed_connector_that_does_not_import_is_named(module_folder):
    write_distribution(module_folder, "nosuch_module")

    refused = manage("connectors", PYTHONPATH=str(module_folder))

    assert "The connector module nosuch_module does not import" in sentence_of(refused)


def test_two_connectors_may_not_share_a_slug(module_folder):
    named = write_connector(module_folder, "copper")

    refused = manage("connectors", HUB_CONNECTOR_MODULES=named, PYTHONPATH=str(module_folder))

    assert "Two connectors call themselves copper" in sentence_of(refused)
