"""What Airtable refuses, and how its lists and tokens behave."""

from __future__ import annotations

import base64
import hashlib

import pytest
import requests

from tests.providers.airtable.conftest import API, Tables, code, count_slowly
from tests.sandbox.conftest import CALLBACK, Caller

SITE = "https://airtable.com"
VERIFIER = "v" * 43


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("meta/bases/appNobodyKnows123/tables", (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")),
        ("appNobodyKnows123/Companies", (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")),
        ("{base}/Nothing", (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")),
        ("{base}/Companies/recNobodyKnows123", (404, "NOT_FOUND")),
        ("{base}/Companies?pageSize=101", (422, "INVALID_REQUEST_UNKNOWN")),
        ("{base}/Companies?since=2026-01-01", (422, "INVALID_REQUEST_UNKNOWN")),
        ("{base}/Companies?fields[]=Colour", (422, "UNKNOWN_FIELD_NAME")),
        ("{base}/Companies?filterByFormula=NOT(", (422, "INVALID_FILTER_BY_FORMULA")),
        ("{base}/Companies?offset=17", (422, "INVALID_OFFSET_VALUE")),
        ("{base}/Companies?offset=itr0/rec0", (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")),
        ("nothing", (404, "NOT_FOUND")),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    tables: Tables, path: str, refused: tuple[int, str]
) -> None:
    assert code(tables.get(path.format(base=tables.bases["Operations"]))) == refused


def test_without_a_token_and_with_a_wrong_one(tables: Tables, caller: Caller) -> None:
    url = caller.at(API, "/v0/meta/whoami")
    wrong = {"Authorization": "Bearer pat0.0"}

    assert code(caller.http.get(url)) == (401, "AUTHENTICATION_REQUIRED")
    assert code(caller.http.get(url, headers=wrong)) == (401, "UNAUTHORIZED")


def test_cells_come_by_name_or_by_id_and_empty_ones_not_at_all(tables: Tables) -> None:
    path = tables.path("Operations", "Companies")
    base = tables.bases["Operations"]
    described = tables.get(f"meta/bases/{base}/tables").json()["tables"]
    ids = {field["id"]: field["name"] for field in described[0]["fields"]}
    if described[0]["name"] != "Companies":
        table = next(one for one in described if one["name"] == "Companies")
        ids = {field["id"]: field["name"] for field in table["fields"]}

    by_name = tables.get(path, pageSize=30).json()["records"]
    by_id = tables.get(path, pageSize=30, returnFieldsByFieldId="true").json()["records"]
    some = tables.get(path, **{"fields[]": ["Name", "City"], "pageSize": 30}).json()["records"]

    for named, given, few in zip(by_name, by_id, some, strict=True):
        assert named["fields"] == {ids[id]: cell for id, cell in given["fields"].items()}
        assert set(few["fields"]) == {"Name", "City"}
        assert not [cell for cell in named["fields"].values() if cell in (None, False, "", [])]
    assert any("Active" not in one["fields"] for one in by_name)


def test_a_question_too_long_for_an_address_is_posted(tables: Tables) -> None:
    path = tables.path("Operations", "Contacts")
    asked = {"pageSize": 2, "fields": ["Email"], "returnFieldsByFieldId": False}

    posted = tables.ask("POST", f"{path}/listRecords", json=asked).json()

    assert posted == tables.get(path, **{"pageSize": 2, "fields[]": "Email"}).json()
    assert posted["offset"].startswith("itr")


def test_a_page_leads_to_the_next_while_the_question_stays_the_same(tables: Tables) -> None:
    path = tables.path("Operations", "Orders")
    first = tables.get(path, pageSize=60).json()

    second = tables.get(path, pageSize=60, offset=first["offset"])
    other = tables.get(path, pageSize=60, offset=first["offset"], filterByFormula="{Order}='1'")

    assert "offset" not in second.json()
    assert len(first["records"] + second.json()["records"]) == 90
    assert code(other) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")


def test_a_formula_finds_rows_by_their_text(tables: Tables) -> None:
    path = tables.path("Operations", "Orders")
    names = [one["fields"]["Order"] for one in tables.get(path, pageSize=2).json()["records"]]
    either = ",".join(f"{{Order}}='{name}'" for name in names)

    found = tables.get(path, filterByFormula=f"OR({either})").json()["records"]

    assert [one["fields"]["Order"] for one in found] == names


def test_a_reader_is_not_shown_the_base_of_writers(tables: Tables, caller: Caller) -> None:
    writer = Tables(caller, 1)

    assert set(tables.bases) == {"Operations", "Content calendar"}
    assert set(writer.bases) == {"Operations", "Content calendar", "Hub"}
    assert code(tables.get(f"{writer.bases['Hub']}/Table 1"))[0] == 403


def test_the_sixth_call_at_a_time_locks_everybody_out_of_the_base(
    caller: Caller, tables: Tables
) -> None:
    other = Tables(caller, 1)
    path = tables.path("Content calendar", "Ideas")
    count_slowly(caller)

    answers = [tables.get(path) for _ in range(6)]

    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert answers[5].json()["errors"][0]["error"] == "RATE_LIMIT_REACHED"
    assert "Retry-After" not in answers[5].headers
    assert other.get(path).status_code == 429
    assert tables.get(tables.path("Operations", "Orders")).status_code == 200


def test_a_lockout_ends(caller: Caller, tables: Tables) -> None:
    path = tables.path("Content calendar", "Ideas")
    how = {"limits": True, "limits_scale": 0, "lockout_seconds": 0}
    caller.control("set", slug="airtable", **how)
    refused = tables.get(path)
    caller.control("set", slug="airtable", limits_scale=1)

    assert (refused.status_code, tables.get(path).status_code) == (429, 200)
    assert refused.json()["error"]["type"] == "RATE_LIMIT_REACHED"


def consent(caller: Caller, **changed: str) -> dict[str, str]:
    client = caller.own("/_credentials")["airtable"]["clients"][0]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    asked = {
        "client_id": client["client_id"],
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "data.records:read schema.bases:read",
        "state": "s",
        "code_challenge": challenge.decode().rstrip("="),
        "code_challenge_method": "S256",
        **changed,
    }
    return caller.consent(caller.at(SITE, "/oauth2/v1/authorize"), asked)


def exchange(caller: Caller, auth: bool = True, **form: str) -> requests.Response:
    client = caller.own("/_credentials")["airtable"]["clients"][0]
    pair = (client["client_id"], client["client_secret"]) if auth else None
    named = {} if auth else client
    url = caller.at(SITE, "/oauth2/v1/token")
    return caller.http.post(url, data={**named, "redirect_uri": CALLBACK, **form}, auth=pair)


@pytest.mark.parametrize("changed", [{"code_challenge": ""}, {"code_challenge_method": "plain"}])
def test_consent_without_a_proof_key_leads_back_with_an_error(
    caller: Caller, changed: dict[str, str]
) -> None:
    client = caller.own("/_credentials")["airtable"]["clients"][0]
    asked = {"client_id": client["client_id"], "redirect_uri": CALLBACK, "state": "s"}
    asked |= {"response_type": "code", "scope": "data.records:read", "code_challenge": "x" * 43}
    asked |= {"code_challenge_method": "S256", **changed}

    url = caller.at(SITE, "/oauth2/v1/authorize")
    answer = caller.http.get(url, params=asked, allow_redirects=False)

    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{CALLBACK}?error=invalid_request&state=s"


def test_a_token_answer_has_the_documented_fields(caller: Caller) -> None:
    back = consent(caller)

    answer = exchange(
        caller, grant_type="authorization_code", code=back["code"], code_verifier=VERIFIER
    ).json()

    assert answer["access_token"].startswith("oaa")
    assert answer["refresh_token"].startswith("oar")
    assert answer["scope"] == "data.records:read schema.bases:read"
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert answer["refresh_expires_in"] == 5_184_000


@pytest.mark.parametrize(
    ("form", "auth", "refused"),
    [
        ({"code_verifier": "w" * 43}, True, (400, "invalid_grant")),
        ({"code_verifier": ""}, True, (400, "invalid_grant")),
        ({"redirect_uri": "https://other.example/"}, True, (400, "invalid_grant")),
        ({"grant_type": "password"}, True, (400, "invalid_request")),
        ({}, False, (401, "invalid_client")),
    ],
)
def test_a_code_is_refused_without_verifier_address_or_basic_authentication(
    caller: Caller, form: dict[str, str], auth: bool, refused: tuple[int, str]
) -> None:
    back = consent(caller)
    usual = {"grant_type": "authorization_code", "code": back["code"], "code_verifier": VERIFIER}

    assert code(exchange(caller, auth=auth, **{**usual, **form})) == refused
