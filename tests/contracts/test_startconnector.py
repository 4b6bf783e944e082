"""`manage.py startconnector` writes a connector that keeps the contract before anybody edits it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from integrations.connectors import registry
from integrations.sandbox.part import Part
from integrations.testing import connector_contract
from integrations.types import ApiKey, Basic, OAuth2

CONTACT = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
WITH_OAUTH: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Acme CRM REST API v2"},
    "servers": [
        {"url": "https://{region}.acme-crm.example/v2", "variables": {"region": {"default": "eu"}}}
    ],
    "components": {
        "schemas": {"Contact": CONTACT},
        "securitySchemes": {
            "o": {
                "type": "oauth2",
                "flows": {
                    "authorizationCode": {
                        "authorizationUrl": "https://login.acme-crm.example/authorize",
                        "tokenUrl": "https://login.acme-crm.example/token",
                        "scopes": {"contacts.read": "", "deals.read": "", "contacts.write": ""},
                    }
                },
            }
        },
    },
    "paths": {
        "/contacts": {
            "get": {
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {
                                        "data": {
                                            "type": "array",
                                            "items": {"$ref": "#/components/schemas/Contact"},
                                        }
                                    },
                                }
                            }
                        }
                    }
                }
            }
        },
        "/contacts/{id}": {"get": {"responses": {"200": {}}}},
        "/sales/dealPipelines.json": {
            "get": {
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "array",
                                    "items": {"properties": {"gid": {}, "title": {}}},
                                }
                            }
                        }
                    }
                }
            }
        },
        "/me": {"get": {"responses": {"200": {}}}},
    },
}
WITH_BASIC: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Bolt"},
    "host": "api.bolt.example",
    "basePath": "/rest",
    "securityDefinitions": {"b": {"type": "basic"}},
    "paths": {
        "/invoices": {
            "get": {"responses": {"200": {"schema": {"type": "array", "items": CONTACT}}}}
        }
    },
}
WITH_KEY: dict[str, Any] = {
    **WITH_BASIC,
    "securityDefinitions": {"k": {"type": "apiKey", "in": "header", "name": "X-Bolt-Key"}},
}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test loads is forgotten after it."""
    registered, parts = dict(registry._registered), dict(Part.registry)
    yield
    for now, before in ((registry._registered, registered), (Part.registry, parts)):
        now.clear()
        now.update(before)  # type: ignore[arg-type]


def start(slug: str, into: Path, **options: Any) -> str:
    out = StringIO()
    call_command("startconnector", slug, into=into, stdout=out, **options)
    return out.getvalue()


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"started_{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def loaded(slug: str, root: Path) -> Any:
    """The connector that was written; its sandbox part is known too."""
    load(root / f"integrations/sandbox/{slug}.py")
    load(root / f"integrations/connectors/{slug}.py")
    return registry.get_connector(slug)


def saved(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def test_what_is_written_keeps_the_whole_contract_at_once(tmp_path: Path) -> None:
    start("bolt_crm", tmp_path, label="Bolt CRM")
    connector = loaded("bolt_crm", tmp_path)

    outcomes = connector_contract(connector)

    assert {one.state for one in outcomes} == {"passed"}
    assert connector.provider.label == "Bolt CRM"


def test_a_document_gives_address_sign_in_and_lists(tmp_path: Path) -> None:
    said = start("acme_crm", tmp_path, openapi=saved(tmp_path, WITH_OAUTH))
    connector = loaded("acme_crm", tmp_path)

    provider, (way,) = connector.provider, connector.provider.auth
    assert (provider.label, provider.base_url) == ("Acme CRM", "https://eu.acme-crm.example/v2")
    assert isinstance(way, OAuth2)
    assert way.authorize_url == "https://login.acme-crm.example/authorize"
    assert way.token_url == "https://login.acme-crm.example/token"
    assert way.scopes == ("contacts.read", "deals.read")
    lists = {one.name: (one.path, one.items, one.key) for one in connector.entity_types}
    assert lists == {
        "contacts": ("/contacts", "data", "id"),
        "deal_pipelines": ("/sales/dealPipelines.json", "", "gid"),
    }
    assert "contacts, deal_pipelines" in said
    outcomes = connector_contract(connector)
    assert {one.state for one in outcomes} == {"passed"}


@pytest.mark.parametrize(("document", "way"), [(WITH_BASIC, Basic), (WITH_KEY, ApiKey)])
def test_keys_and_passwords_are_proposed_too(
    tmp_path: Path, document: dict[str, Any], way: type
) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text(yaml.safe_dump(document))
    start("bolt", tmp_path, openapi=path)
    connector = loaded("bolt", tmp_path)

    outcomes = connector_contract(connector)

    assert isinstance(connector.provider.auth[0], way)
    assert connector.provider.base_url == "https://api.bolt.example/rest"
    assert {one.state for one in outcomes} == {"passed"}


def test_what_is_written_is_formatted_and_clean(tmp_path: Path) -> None:
    start("plain", tmp_path)
    start("acme_crm", tmp_path, openapi=saved(tmp_path, WITH_OAUTH))
    start("bolt", tmp_path, openapi=saved(tmp_path, WITH_BASIC))
    ruff = [str(Path(sys.executable).parent / "ruff")]
    config = ["--config", "pyproject.toml", str(tmp_path)]

    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([*ruff, *command, *config], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    start("bolt", tmp_path)
    written = tmp_path / "integrations/connectors/bolt.py"
    written.write_text("mine")

    with pytest.raises(CommandError, match=r"integrations/connectors/bolt\.py is there already"):
        start("bolt", tmp_path)

    assert written.read_text() == "mine"


def test_a_connector_of_the_hub_cannot_be_started_again() -> None:
    out = StringIO()
    with pytest.raises(CommandError, match=r"copper\.py is there already; nothing was written"):
        call_command("startconnector", "copper", stdout=out)


@pytest.mark.parametrize(
    ("slug", "options", "sentence"),
    [
        ("Bolt", {}, "The slug is made of lower case letters, digits and _."),
        ("../bolt", {}, "The slug is made of lower case letters, digits and _."),
        ("bolt", {"label": 'B"olt'}, "The label is a name of up to 40 characters, without quotes."),
        ("bolt", {"openapi": Path("missing.json")}, "missing.json cannot be read."),
    ],
)
def test_bad_input_ends_in_one_sentence(
    tmp_path: Path, slug: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CommandError) as refused:
        start(slug, tmp_path, **options)

    assert str(refused.value) == sentence
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is neither JSON nor YAML"),
        ("a: [", "is neither JSON nor YAML"),
        ("[]", "is no OpenAPI document"),
        ("{}", "is no OpenAPI document"),
        ('{"paths": {"/a": {"get": 7}, "/b": null}}', "No GET of this document"),
        ('{"paths": {"/a/{id}": {"get": {}}}}', "No GET of this document"),
        (
            '{"paths": {"/a": {"get": {"responses": {"200": {"$ref": "#/x"}}}}},'
            ' "x": {"$ref": "#/x"}}',
            "No GET of this document",
        ),
    ],
)
def test_a_document_that_says_nothing_ends_in_one_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(text)

    with pytest.raises(CommandError, match=sentence):
        start("bolt", tmp_path, openapi=path)

    assert [one.name for one in tmp_path.iterdir()] == ["openapi.json"]
