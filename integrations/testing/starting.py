"""The files a new connector begins with: it runs at once, against a sandbox part of its own.

What they say of the provider is a guess or comes from its OpenAPI document. The contract suite
holds from the first minute; making it true, step by step, is the work that is left.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from integrations.connectors.lines import MOST_DECLARED_LINES, count_source
from integrations.errors import InvalidInputError, NameTakenError
from integrations.testing.openapi import Listed, Proposal, SignIn

SKELETONS = Path(__file__).parent / "skeletons"
WIDTH = 100
ROOM_LINES = 8
"""Declared lines left for the error table and what else is found out."""

RECORDS = {
    "Company": ("compan", "organi", "customer", "vendor", "supplier"),
    "Person": ("contact", "people", "person", "lead", "candidate", "subscriber"),
    "User": ("user", "member", "owner", "agent", "admin"),
    "Team": ("team", "group", "workspace"),
    "Deal": ("deal", "opportunit"),
    "Invoice": ("invoice",),
    "Payment": ("payment", "charge", "refund", "payout"),
    "Item": ("product", "item", "price", "plan"),
    "Message": ("message", "comment", "note", "email"),
    "Channel": ("channel", "room"),
    "Thread": ("thread", "conversation"),
    "Project": ("project", "board"),
    "Task": ("task", "issue", "todo", "ticket", "card"),
    "Event": ("event", "meeting", "appointment"),
    "Document": ("document", "contract", "proposal"),
    "Template": ("template",),
    "File": ("file", "attachment", "upload"),
    "Folder": ("folder", "director"),
    "Row": ("row", "record"),
}
SHOWN_AS = {"Message": "text", "Invoice": "number", "Channel": "name"}
"""The field of a record type that holds what others hold as their name."""

WITHOUT_NAME = ("Payment", "Thread", "Event", "Row")


def within_the_lines(slug: str, label: str, proposal: Proposal) -> Proposal:
    """With so many of the lists that the connector may still grow."""
    while len(proposal.lists) > 1:
        written = _filled("connector.txt", _said(slug, label, proposal))
        if count_source(written).declared <= MOST_DECLARED_LINES - ROOM_LINES:
            return proposal
        proposal = replace(proposal, lists=proposal.lists[:-1])
    return proposal


def files_of(slug: str, label: str, proposal: Proposal) -> dict[str, str]:
    """{path from the repository's root: text} of connector, sandbox part, tests and mark."""
    said = _said(slug, label, proposal)
    tests = f"tests/providers/{slug}"
    part = "part_oauth.txt" if proposal.sign_in.kind == "oauth2" else "part_key.txt"
    payloads = {
        f"{tests}/payloads/{one.name}.json": json.dumps(_example(one), indent=2) + "\n"
        for one in proposal.lists
    }
    return {
        f"integrations/connectors/{slug}.py": _filled("connector.txt", said),
        f"integrations/sandbox/{slug}.py": _filled(part, said),
        f"{tests}/__init__.py": "",
        f"{tests}/test_{slug}.py": _filled("test.txt", said),
        **payloads,
        f"templates/static/hub/marks/{slug}.svg": _filled("mark.txt", said),
    }


def write(files: dict[str, str], root: Path) -> None:
    """Write the files below `root`; a mark that is there already is left as it is.

    Raises:
        NameTakenError: one of the others is there; nothing was written.
        InvalidInputError: the folder cannot be written to.
    """
    there = [path for path in files if (root / path).exists() and not path.endswith(".svg")]
    if there:
        raise NameTakenError(f"{there[0]} is there already; nothing was written.")
    try:
        for path, text in files.items():
            target = root / path
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
    except OSError as exc:
        raise InvalidInputError(f"{root.name} cannot be written to.") from exc


def record_of(name: str) -> str:
    """The record type an entity type of this name probably becomes; Option if none fits."""
    for record_type, beginnings in RECORDS.items():
        words = name.split("_")
        if any(words[-1].startswith(beginning) for beginning in beginnings):
            return record_type
    return "Option"


def _said(slug: str, label: str, proposal: Proposal) -> dict[str, str]:
    """What stands in the skeletons' places."""
    return {
        "class_name": "".join(part.title() for part in slug.split("_")),
        "slug": slug,
        "label": label,
        "letters": "".join(word[0] for word in label.split() if word[0].isalnum())[:2] or "?",
        "base_url": proposal.base_url,
        "identity": proposal.identity,
        **_declared(proposal),
        **_stood_in(slug, proposal),
    }


def _declared(proposal: Proposal) -> dict[str, str]:
    """What the connector declares."""
    way, auth = _auth(proposal.sign_in)
    records = {record_of(one.name) for one in proposal.lists}
    types = {"Checkpoint", "Entity", "EntityType", "Identity", "Limit", "Provider", way}
    imports = [
        _imported("integrations.records", [*sorted({*records, "NormalizedRecord"}), "mapped"]),
        _imported("integrations.types", sorted(types)),
    ]
    return {
        "imports": "\n".join(imports),
        "auth": auth,
        "fields": "\n".join(f"    {_text(one.name)}: {_fields(one)}," for one in proposal.lists),
        "types": _tuple(map(_entity_type, proposal.lists), "    "),
    }


def _auth(sign_in: SignIn) -> tuple[str, str]:
    if sign_in.kind == "basic":
        return "Basic", "Basic(),"
    if sign_in.kind == "api_key":
        sent = f"{{{_text(sign_in.header)}: {_text(f'{sign_in.prefix}{{key}}')}}}"
        return "ApiKey", f"ApiKey(headers={sent}),"
    inside = " " * 16
    lines = [
        "",
        "            OAuth2(",
        f"{inside}authorize_url={_text(sign_in.authorize_url)},",
        f"{inside}token_url={_text(sign_in.token_url)},",
        f"{inside}scopes={_tuple(map(_text, sign_in.scopes), inside)},",
        "            ),",
        "        ",
    ]
    return "OAuth2", "\n".join(lines)


def _fields(one: Listed) -> str:
    record_type = record_of(one.name)
    if record_type in WITHOUT_NAME:
        return "{}"
    name = SHOWN_AS.get(record_type, "name")
    return f"{{{_text(name)}: {_text(one.shown)}}}"


def _entity_type(one: Listed) -> str:
    told = [_text(one.name), record_of(one.name), f"path={_text(one.path)}"]
    told += [f"items={_text(one.items)}"] if one.items else []
    told += [f"key={_text(one.key)}"] if one.key != "id" else []
    line = f"EntityType({', '.join(told)})"
    if len(line) + 9 <= WIDTH:
        return line
    return "EntityType(\n" + "".join(f"            {each},\n" for each in told) + "        )"


def _stood_in(slug: str, proposal: Proposal) -> dict[str, str]:
    """What the sandbox part says."""
    base = urlsplit(proposal.base_url)
    sign_in = proposal.sign_in
    origins = {f"https://{base.netloc}": f"/{slug}"}
    paths = {}
    for name in ("authorize", "token"):
        url = urlsplit(getattr(sign_in, f"{name}_url"))
        at = origins.setdefault(f"https://{url.netloc}", f"/{slug}/_{name}") if url.netloc else ""
        paths[f"{name}_path"] = at + url.path
    secret = f'demo_secret("{slug}", id)'
    is_basic = sign_in.kind == "basic"
    given = ['"username": id', f'"password": {secret}'] if is_basic else [f'"key": {secret}']
    return {
        **paths,
        "prefix": base.path,
        "origin": f"https://{base.netloc}",
        "origins": _dict(origins, "    "),
        "scopes": _tuple(map(_text, sign_in.scopes), ""),
        "examples": "\n".join(f"    {_text(one.name)}: {_shown(one)}," for one in proposal.lists),
        "keys": _dict({one.name: one.key for one in proposal.lists}, ""),
        "routes": "\n".join(_route(slug, base.path, one) for one in proposal.lists),
        "given": "\n".join(f"{' ' * 16}{line}," for line in given),
        "header": "authorization" if is_basic else sign_in.header.lower(),
        "more_imports": "from base64 import b64encode\n" if is_basic else "",
        "sent": (
            f'"Basic " + b64encode(f"{{id}}:{{{secret}}}".encode()).decode()'.replace(
                f'"{slug}"', "self.slug"
            )
            if is_basic
            else f"{_text(sign_in.prefix)} + {secret}"
            if sign_in.prefix
            else secret
        ),
    }


def _route(slug: str, prefix: str, one: Listed) -> str:
    rows = f"self._rows(request, {_text(one.name)})"
    body = f"{{{_text(one.items)}: {rows}}}" if one.items else rows
    return (
        f'\n    @route("GET", "/{slug}{prefix}{one.path}")\n'
        f"    def list_{one.name}(self, request: Request) -> Response:\n"
        f"        return json_response({body})"
    )


def _shown(one: Listed) -> str:
    return "{}" if one.shown == one.key else json.dumps({one.shown: one.name.replace("_", " ")})


def _example(one: Listed) -> dict[str, str]:
    return {one.key: "1", **({} if one.shown == one.key else {one.shown: "Example"})}


def _imported(module: str, names: Iterable[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _tuple(written: Iterable[str], indent: str) -> str:
    """One on its line, several one below the other, as ruff would have them."""
    each = list(written)
    if len(each) == 1 and "\n" not in each[0] and len(indent + each[0]) < WIDTH - 20:
        return f"({each[0]},)"
    return "(\n" + "".join(f"{indent}    {one},\n" for one in each) + f"{indent})"


def _dict(pairs: dict[str, str], indent: str) -> str:
    lines = (f"{indent}    {_text(key)}: {_text(value)},\n" for key, value in pairs.items())
    return "{\n" + "".join(lines) + f"{indent}}}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _filled(skeleton: str, said: dict[str, str]) -> str:
    return Template((SKELETONS / skeleton).read_text()).substitute(said)
