"""Every refusal and failure under /api/ has one shape, whoever refuses."""

import json
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client, RequestFactory
from rest_framework import exceptions

from hub.api import exception_handler, handler400, handler403, handler404, handler500
from hub.audit.models import AuditAction, AuditEvent
from integrations import errors
from integrations.connectors.registry import entity_type_names, provider_slugs
from integrations.records import RECORD_TYPES
from tenants.roles import Role
from tests.api.caller import Caller
from tests.api.rows import connected
from tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db
FIELDS = {"type", "title", "status", "detail", "code", "request_id", "errors"}


def problem_in(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem in an answer, after checking that it is one, and this one."""
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert set(body) == FIELDS
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    return body


STATUSES = [
    (errors.UnauthenticatedError("x"), 401, "unauthenticated"),
    (errors.PermissionRefusedError("x"), 403, "permission_refused"),
    (errors.TenantNotActiveError("x"), 403, "tenant_not_active"),
    (errors.NotFoundRefusedError("x"), 404, "not_found"),
    (errors.UnknownProviderError("x"), 404, "unknown_provider"),
    (errors.TenantNotFoundError("x"), 404, "tenant_not_found"),
    (errors.NameTakenError("x"), 409, "name_taken"),
    (errors.AlreadyRunningError("x"), 409, "already_running"),
    (errors.ConnectionNotActiveError("x"), 409, "connection_not_active"),
    (errors.ReadTooSoonError("x"), 409, "read_too_soon"),
    (errors.RefusedError("x"), 409, "refused"),
    (errors.InvalidInputError("x", {"a": ["b"]}), 422, "invalid_input"),
    (errors.RateLimitError("x", retry_after=12.2), 503, "rate_limited"),
    (errors.BudgetSpentError("x", retry_after=12.2), 503, "budget_spent"),
    (errors.ProviderUnavailableError("x"), 503, "provider_unavailable"),
    (errors.FatalError("inner secret"), 500, "fatal"),
    (errors.EgressRefusedError("inner secret"), 500, "egress_refused"),
    (ZeroDivisionError("inner secret"), 500, "internal_error"),
    (Http404("inner secret"), 404, "not_found"),
    (PermissionDenied("inner secret"), 403, "permission_refused"),
    (exceptions.NotAuthenticated(), 401, "unauthenticated"),
    (exceptions.ParseError(), 400, "parse_error"),
    (exceptions.Throttled(wait=7), 429, "throttled"),
]


@pytest.mark.parametrize(
    ("error", "status", "code"), STATUSES, ids=[type(row[0]).__name__ for row in STATUSES]
)
def test_an_error_has_its_status_and_code_and_our_own_mistakes_say_nothing(error, status, code):
    response = exception_handler(error, {})

    body = problem_in(response, status, code)
    assert "inner secret" not in response.content.decode()
    assert body["detail"]
    assert response.has_header("WWW-Authenticate") == (status == 401)
    assert response.has_header("Retry-After") == (status in (429, 503))


def test_a_pause_is_told_in_whole_seconds_rounded_up():
    response = exception_handler(errors.RateLimitError("x", retry_after=12.2), {})

    assert response["Retry-After"] == "13"


def test_every_error_of_the_hub_has_a_status():
    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(inner) for inner in kind.__subclasses__()))

    for kind in below(errors.HubError):
        assert exception_handler(kind("x"), {}).status_code in (
            401,
            403,
            404,
            409,
            410,
            422,
            500,
            503,
        )


def test_wrong_fields_are_named_one_by_one(api):
    connection = connected()

    response = api.post(
        f"connections/{connection.pk}/sync-runs/", {"mode": "sideways", "entity_types": [[]]}
    )

    body = problem_in(response, 422, "invalid_input")
    assert set(body["errors"]) == {"mode", "entity_types.0"}
    assert all(isinstance(said, list) for said in body["errors"].values())


def test_a_body_that_names_what_is_not_there_is_refused_with_what_is(api):
    connection = connected()

    response = api.post(f"connections/{connection.pk}/sync-runs/", {"from": "2026-01-31"})

    body = problem_in(response, 422, "invalid_input")
    assert body["errors"] == {
        "from": ["There is no such name here; there are entity_types, mode, not_before."]
    }
    assert not connection.sync_runs.exists()


def test_a_wrong_choice_is_answered_with_those_there_are(api):
    response = api.post(f"connections/{connected().pk}/sync-runs/", {"mode": "sideways"})

    said = problem_in(response, 422, "invalid_input")["errors"]["mode"]
    assert said == ["Choose one of: incremental, full, backfill."]


@pytest.mark.parametrize(
    ("method", "kind", "said"),
    [
        ("DELETE", "application/json", "This address takes POST, OPTIONS."),
        ("POST", "text/plain", "Send JSON, with the header Content-Type: application/json."),
    ],
)
def test_what_the_address_does_not_take_is_answered_with_what_it_takes(api, method, kind, said):
    response = api.call(method, "token/", "a=b", Content_Type=kind)

    assert response.json()["detail"] == said


BAD_REQUESTS = [
    ("a body that is no JSON", "POST", "token/", "{not json", {}, 400, "parse_error"),
    ("a method the address has not", "DELETE", "providers/", None, {}, 405, "method_not_allowed"),
    ("a form", "POST", "token/", "a=b", {"Content_Type": "text/plain"}, 415,
     "unsupported_media_type"),
    ("an answer we cannot give", "GET", "providers/", None, {"Accept": "image/png"}, 406,
     "not_acceptable"),
    ("an address that is not there", "GET", "nowhere/", None, {}, 404, "not_found"),
    ("an address without its slash", "POST", "providers", None, {}, 404, "not_found"),
    ("an unknown id", "GET", "records/4711/", None, {}, 404, "not_found"),
    ("an id that is none", "GET", "connections/4711/", None, {}, 404, "not_found"),
    ("an id no database has", "GET", f"records/{10**30}/", None, {}, 404, "not_found"),
    ("a page that is too long", "GET", "records/?page_size=1001", None, {}, 422, "invalid_input"),
    ("a page of nothing", "GET", "records/?page_size=0", None, {}, 422, "invalid_input"),
    ("a cursor of somebody's own", "GET", "records/?cursor=%00x", None, {}, 422, "invalid_input"),
    ("a NUL in a search", "GET", "records/?search=a%00b", None, {}, 422, "invalid_input"),
    ("a date that is none", "GET", "records/?changed_since=soon", None, {}, 422, "invalid_input"),
]  # fmt: skip


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [row[1:] for row in BAD_REQUESTS],
    ids=[row[0] for row in BAD_REQUESTS],
)
def test_a_bad_request_is_a_problem_with_and_without_debug(
    api, settings, debug, method, path, body, headers, status, code
):
    settings.DEBUG = debug

    problem_in(api.call(method, path, body, **headers), status, code)


@pytest.mark.parametrize("path", ["providers/", "records/", "connections/", "nowhere/"])
def test_nobody_gets_in_without_a_credential_and_the_refusal_is_audited(acme, path):
    response = Caller().get(path)

    problem_in(response, 401, "unauthenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")
    event = AuditEvent.objects.get(action=AuditAction.ACCESS_REFUSED)
    assert event.detail == {"path": f"/api/v1/{path}", "code": "unauthenticated"}


def test_a_session_counts_for_nothing_under_the_api(acme):
    client = Client()
    client.force_login(MembershipFactory(tenant=acme, role=Role.ADMIN).user)

    problem_in(client.get("/api/v1/records/"), 401, "unauthenticated")
    problem_in(client.get("/t/acme/api/v1/records/"), 404, "not_found")


def test_the_request_id_in_a_problem_is_the_one_in_the_header(api):
    response = api.get("records/4711/", X_Request_Id="order-4711-again")

    assert response["X-Request-Id"] == "order-4711-again"
    assert json.loads(response.content)["request_id"] == "order-4711-again"


def test_a_host_we_do_not_serve_is_a_problem_too(api):
    problem_in(api.get("records/", Host="elsewhere.example"), 400, "bad_request")


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (lambda request: handler400(request, Exception()), 400, "bad_request"),
        (lambda request: handler403(request, Exception()), 403, "permission_refused"),
        (lambda request: handler404(request, Http404()), 404, "not_found"),
        (lambda request: handler500(request), 500, "internal_error"),
    ],
)
def test_the_sites_own_handlers_answer_problems_below_api_and_pages_elsewhere(answer, status, code):
    problem_in(answer(RequestFactory().get("/api/v1/x/")), status, code)

    page = answer(RequestFactory().get("/admin/x/"))
    assert page.status_code == status
    assert page["Content-Type"].startswith("text/html")


def test_the_handlers_are_wired():
    urls = import_module(django_settings.ROOT_URLCONF)

    names = ("handler400", "handler403", "handler404", "handler500")
    assert [getattr(urls, name) for name in names] == [f"hub.api.{name}" for name in names]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("connections/", "cursor, page_size, provider, status"),
        ("deletion-reviews/", "connection, cursor, page_size, state"),
        ("changes/", "connection, cursor, entity_type, page_size, record_type"),
        ("destinations/", "cursor, page_size"),
    ],
)
def test_a_parameter_that_is_misspelt_is_refused_and_not_ignored(api, path, known):
    body = problem_in(api.get(f"{path}?provder=copper"), 400, "unknown_parameter")

    assert body["detail"] == f"There is no parameter “provder” here; there are {known}."


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        ("records/", "record_type", lambda: RECORD_TYPES),
        ("records/", "entity_type", entity_type_names),
        ("changes/", "record_type", lambda: RECORD_TYPES),
        ("changes/", "entity_type", entity_type_names),
        ("identity-groups/", "record_type", lambda: ("person", "company")),
        ("connections/", "provider", provider_slugs),
        ("deletion-reviews/", "state", lambda: ("pending", "approved", "refused", "outdated")),
    ],
)
def test_a_filter_by_what_there_is_not_is_answered_with_what_there_is(api, path, name, known):
    names = list(known())

    body = problem_in(api.get(f"{path}?{name}=compny"), 422, "invalid_input")

    assert body["errors"] == {name: [f"Choose one of: {', '.join(names)}."]}
    assert api.get(f"{path}?{name}={names[0]}").status_code == 200


def test_an_account_that_is_not_connected_yet_has_no_records(api):
    assert api.get("records/?source_system=copper:1").json()["results"] == []


def test_one_object_takes_no_parameters(api):
    path = f"connections/{connected().pk}/"

    body = problem_in(api.get(f"{path}?status=active"), 400, "unknown_parameter")

    assert body["detail"] == "There is no parameter “status” here; this address takes none."
    assert api.get(f"{path}?format=json").status_code == 200


def test_every_list_that_is_described_refuses_what_its_description_does_not_name(api):
    """Whatever the way in: of a path with ids, the parameter is looked at before the object."""
    described = json.loads(Client().get("/api/schema/?format=json").content)["paths"]
    lists = [path for path, ways in described.items() if "get" in ways and "{" not in path]

    refused = {path: api.get(f"{path}?nonsense=1").status_code for path in lists}

    assert set(refused.values()) == {400}, refused
