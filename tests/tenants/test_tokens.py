"""Access tokens and API keys: what lets somebody in, and the many things that do not."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent, Outcome
from integrations.errors import InvalidInputError, PermissionRefusedError, UnauthenticatedError
from tenants.actor import Actor
from tenants.middleware import AuthMiddleware
from tenants.models import ApiKey, Domain, Membership, Tenant, User
from tenants.roles import Role
from tenants.services import create_api_key, issue_access_token, revoke_api_key
from tenants.tokens import issue_jwt, read_credential, signing_key
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

ADMIN = Actor.system("tests")
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def member(acme: Tenant) -> Membership:
    return MembershipFactory(tenant=acme, role=Role.OPERATOR)


def claims_for(member: Membership, **changes: Any) -> dict[str, Any]:
    """The claims of a valid token, changed; None takes a claim out."""
    now = timezone.now()
    claims = {
        "iss": "hub",
        "aud": str(member.tenant_id),
        "sub": str(member.user_id),
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=15),
        "jti": uuid4().hex,
        "typ": "access",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def signed(claims: dict[str, Any], key: Any = None, algorithm: str = "HS256", **header: Any) -> str:
    key = signing_key(settings.SECRET_KEY) if key is None else key
    return jwt.encode(claims, key, algorithm, headers=header or None)


def signed_with_nothing(claims: dict[str, Any], **header: Any) -> str:
    """A token whose HMAC key is empty, which the library refuses to make."""
    whole = signed(claims, **header)
    start = whole.rpartition(".")[0]
    return f"{start}.{part(hmac.digest(b'', start.encode(), 'sha256'))}"


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def with_header(token: str, header: dict[str, Any]) -> str:
    return ".".join([part(header), *token.split(".")[1:]])


def with_claims(token: str, **changes: Any) -> str:
    start, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return ".".join([start, part({**claims, **changes}), signature])


def ago(**span: float) -> Any:
    return timezone.now() - timedelta(**span)


FORGED: dict[str, Callable[[Membership], str]] = {
    "alg none": lambda m: jwt.encode(claims_for(m), None, "none"),
    "alg none in odd letters": lambda m: with_header(
        jwt.encode(claims_for(m), None, "none"), {"alg": "nOnE", "typ": "JWT"}
    ),
    "alg none, signature kept": lambda m: with_header(
        signed(claims_for(m)), {"alg": "none", "typ": "JWT"}
    ),
    "HS384": lambda m: signed(claims_for(m), algorithm="HS384"),
    "HS512": lambda m: signed(claims_for(m), algorithm="HS512"),
    "RS256 by a key of the forger": lambda m: signed(claims_for(m), RSA_KEY, "RS256"),
    "RS256 header over an HMAC": lambda m: with_header(
        signed(claims_for(m)), {"alg": "RS256", "typ": "JWT"}
    ),
    "another key": lambda m: signed(claims_for(m), b"k" * 32),
    "an empty key": lambda m: signed_with_nothing(claims_for(m)),
    "the site's secret as it is": lambda m: signed(claims_for(m), settings.SECRET_KEY),
    "signature cut off": lambda m: signed(claims_for(m)).rpartition(".")[0] + ".",
    "two parts": lambda m: signed(claims_for(m)).rpartition(".")[0],
    "payload changed": lambda m: with_claims(signed(claims_for(m)), role="admin"),
    "no audience": lambda m: signed(claims_for(m, aud=None)),
    "a list of audiences": lambda m: signed(claims_for(m, aud=[str(m.tenant_id)])),
    "another tenant's audience": lambda m: signed(
        claims_for(m, aud=str(Tenant.objects.get(slug="globex").pk))
    ),
    "the slug as audience": lambda m: signed(claims_for(m, aud="acme")),
    "an unknown tenant": lambda m: signed(claims_for(m, aud=str(uuid4()))),
    "expired": lambda m: signed(claims_for(m, exp=ago(seconds=32))),
    "never expires": lambda m: signed(claims_for(m, exp=None)),
    "not valid yet": lambda m: signed(claims_for(m, nbf=ago(seconds=-60))),
    "issued in the future": lambda m: signed(claims_for(m, iat=ago(seconds=-60))),
    "issued by somebody else": lambda m: signed(claims_for(m, iss="other")),
    "no issuer": lambda m: signed(claims_for(m, iss=None)),
    "a refresh token": lambda m: signed(claims_for(m, typ="refresh")),
    "of no kind": lambda m: signed(claims_for(m, typ=None)),
    "no subject": lambda m: signed(claims_for(m, sub=None)),
    "an unknown person": lambda m: signed(claims_for(m, sub=str(uuid4()))),
    "an e-mail as subject": lambda m: signed(claims_for(m, sub=m.user.email)),
    "kid: a path": lambda m: signed(claims_for(m), kid="../../../../dev/null"),
    "kid: SQL": lambda m: signed(claims_for(m), kid="x' UNION SELECT 'k"),
    "kid: a path and its key": lambda m: signed_with_nothing(claims_for(m), kid="/dev/null"),
    "jku": lambda m: signed(claims_for(m), jku="https://keys.example/jwks.json"),
    "x5u": lambda m: signed(claims_for(m), x5u="https://keys.example/x5c"),
    "a key of its own": lambda m: signed(
        claims_for(m), b"k" * 32, jwk={"kty": "oct", "k": part(b"k" * 32)}
    ),
    "crit": lambda m: signed(claims_for(m), crit=["exp"]),
    "another typ in the header": lambda m: signed(claims_for(m), typ="at+jwt"),
    "payload not JSON": lambda m: ".".join(
        [part({"alg": "HS256", "typ": "JWT"}), part(b"hello"), part(b"s" * 32)]
    ),
    "not a token": lambda m: "let-me-in",
    "empty": lambda m: "",
    "very long": lambda m: "e" * 10_000,
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_answered_401_and_reaches_no_view(member, globex, forge):
    reached = []
    with time_machine.travel(timezone.now(), tick=False):  # or one would come to be valid
        request = RequestFactory().get(
            "/api/v1/records/", headers={"authorization": f"Bearer {forge(member)}"}
        )
        response = AuthMiddleware(lambda seen: reached.append(seen) or HttpResponse())(request)

    assert reached == []
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert json.loads(response.content)["code"] == "unauthenticated"
    event = AuditEvent.objects.get(action=AuditAction.ACCESS_REFUSED)
    assert (event.outcome, event.actor_kind) == (Outcome.REFUSED, "stranger")


def test_a_token_names_tenant_and_person_and_the_role_is_that_of_the_membership(member, acme):
    token = issue_jwt(user=member.user, tenant=acme)
    Membership.objects.filter(pk=member.pk).update(role=Role.VIEWER)

    access = read_credential(token)

    assert access.tenant == acme
    assert access.actor == Actor.user(member.user, Role.VIEWER)


def test_a_token_ends_after_a_quarter_of_an_hour_and_half_a_minute_of_leeway(member, acme):
    before = timezone.now()
    token = issue_jwt(user=member.user, tenant=acme)
    after = timezone.now()

    with time_machine.travel(before + timedelta(minutes=15, seconds=20), tick=False):
        assert read_credential(token).tenant == acme
    with (
        time_machine.travel(after + timedelta(minutes=15, seconds=32), tick=False),
        pytest.raises(UnauthenticatedError),
    ):
        read_credential(token)


WITHDRAWALS: dict[str, Callable[[Membership], Any]] = {
    "membership removed": lambda m: m.delete(),
    "user switched off": lambda m: User.objects.filter(pk=m.user_id).update(is_active=False),
    "tenant closing": lambda m: Tenant.objects.filter(pk=m.tenant_id).update(state="closing"),
    "tenant closed": lambda m: Tenant.objects.filter(pk=m.tenant_id).update(state="closed"),
}


@pytest.mark.parametrize("withdraw", WITHDRAWALS.values(), ids=WITHDRAWALS.keys())
def test_a_good_token_stops_working_at_once_when_its_ground_is_gone(member, acme, withdraw):
    token = issue_jwt(user=member.user, tenant=acme)
    withdraw(member)

    with pytest.raises(UnauthenticatedError):
        read_credential(token)


def test_a_suspended_tenant_is_said_to_be_suspended_and_no_view_is_reached(member, acme):
    _, key = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)
    token = issue_jwt(user=member.user, tenant=acme)
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.SUSPENDED)

    for credential in (key, token):
        request = RequestFactory().get(
            "/api/v1/records/", headers={"authorization": f"Bearer {credential}"}
        )
        response = AuthMiddleware(lambda _: pytest.fail("a view was reached"))(request)

        assert response.status_code == 403
        assert json.loads(response.content)["code"] == "tenant_not_active"


def test_a_superuser_without_membership_has_no_token(acme):
    person = UserFactory(staff=True)

    with pytest.raises(UnauthenticatedError):
        read_credential(issue_jwt(user=person, tenant=acme))


def test_tokens_made_with_the_secret_before_the_last_rotation_still_count(member, acme, settings):
    token = issue_jwt(user=member.user, tenant=acme)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "rotated-" + "y" * 50

    assert read_credential(token).tenant == acme


def test_a_key_opens_its_tenant_with_its_role_and_only_its_hash_is_kept(acme):
    key, plain = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)

    access = read_credential(plain)

    assert (access.tenant, access.actor.role, access.actor.label) == (acme, Role.VIEWER, "BI")
    assert plain.startswith(key.prefix)
    kept = ApiKey.objects.filter(pk=key.pk).values().get()
    assert plain not in repr(kept)
    assert plain.encode() not in bytes(kept["hash"])


def test_making_and_revoking_a_key_is_audited_without_the_key(acme):
    key, plain = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)
    revoke_api_key(key=key, actor=ADMIN)
    revoke_api_key(key=key, actor=ADMIN)

    events = AuditEvent.objects.filter(target_id=str(key.pk)).order_by("at")
    assert [event.action for event in events] == [
        AuditAction.API_KEY_CREATED,
        AuditAction.API_KEY_REVOKED,
    ]
    assert all(plain not in json.dumps(event.detail) for event in events)


SPOILED: dict[str, Callable[[ApiKey, str], str]] = {
    "revoked": lambda key, plain: revoke_api_key(key=key, actor=ADMIN) or plain,
    "expired": lambda key, plain: (
        ApiKey.objects.filter(pk=key.pk).update(expires_at=ago(seconds=1)) and plain
    ),
    "one character changed": lambda key, plain: plain[:-1] + ("A" if plain[-1] != "A" else "B"),
    "cut": lambda key, plain: plain[:-1],
    "with another tenant's number": lambda key, plain: "hub_zz_" + plain.rpartition("_")[2],
    "its hash": lambda key, plain: key.hash.hex(),
    "in capitals": lambda key, plain: plain.upper(),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_key_opens_nothing(acme, spoil):
    key, plain = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)

    with pytest.raises(UnauthenticatedError):
        read_credential(spoil(key, plain))


def test_a_key_that_moved_to_another_tenant_opens_neither(acme, globex):
    key, plain = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)
    ApiKey.objects.filter(pk=key.pk).update(tenant=globex)

    with pytest.raises(UnauthenticatedError):
        read_credential(plain)


def test_using_a_key_is_one_query_and_noted_at_most_once_a_minute(acme, django_assert_num_queries):
    key, plain = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)
    with django_assert_num_queries(2):
        read_credential(plain)
    first_used = ApiKey.objects.get(pk=key.pk).last_used_at

    with django_assert_num_queries(1):
        read_credential(plain)
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        read_credential(plain)

    assert first_used is not None
    assert ApiKey.objects.get(pk=key.pk).last_used_at > first_used


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, None])
def test_only_an_admin_makes_keys(acme, role):
    actor = Actor(kind="user", id="1", label="somebody", role=role)

    with pytest.raises(PermissionRefusedError):
        create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=actor)

    assert not ApiKey.objects.exists()


def test_an_admin_of_one_tenant_makes_no_key_for_another_and_revokes_none(acme, globex):
    key, _ = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)
    ApiKey.objects.filter(pk=key.pk).update(tenant=globex)
    key.refresh_from_db()

    with pytest.raises(PermissionRefusedError):
        create_api_key(tenant=globex, name="BI", role=Role.ADMIN, actor=ADMIN)
    with pytest.raises(PermissionRefusedError):
        revoke_api_key(key=key, actor=ADMIN)


def test_a_key_needs_a_name_and_a_future(acme):
    with pytest.raises(InvalidInputError) as refused:
        create_api_key(
            tenant=acme, name=" ", role=Role.VIEWER, actor=ADMIN, expires_at=ago(seconds=1)
        )

    assert set(refused.value.errors) == {"name", "expires_at"}


def test_the_right_words_give_a_token_and_the_audit_log_says_so(member, acme):
    token = issue_access_token(
        email=member.user.email.upper(), password="correct horse", tenant_slug="acme"
    )

    assert read_credential(token).tenant == acme
    event = AuditEvent.objects.get(action=AuditAction.TOKEN_ISSUED)
    assert (event.actor_label, event.tenant_id) == (member.user.email, acme.pk)


@pytest.mark.parametrize(
    ("email", "password", "tenant"),
    [
        (None, "wrong", "acme"),
        ("nobody@example.com", "correct horse", "acme"),
        (None, "correct horse", "globex"),
        (None, "correct horse", "nowhere"),
    ],
    ids=["wrong password", "unknown person", "not a member there", "unknown tenant"],
)
def test_wrong_words_all_get_the_same_answer_and_are_audited(
    member, globex, email, password, tenant
):
    tried = email or member.user.email

    with pytest.raises(UnauthenticatedError) as refused:
        issue_access_token(email=tried, password=password, tenant_slug=tenant)

    assert str(refused.value) == "User name, password and tenant do not go together."
    event = AuditEvent.objects.get(action=AuditAction.LOGIN_FAILED)
    assert event.detail["email"] == tried
    assert password not in json.dumps(event.detail)


def answered(request: HttpRequest) -> HttpResponse:
    return HttpResponse("view")


def ask(path: str = "/api/v1/records/", **headers: str) -> HttpResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return AuthMiddleware(answered)(RequestFactory().get(path, headers=names))


def test_one_credential_is_sent_in_either_header_and_never_two(acme):
    _, key = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)

    assert ask(authorization=f"Bearer {key}").content == b"view"
    assert ask(authorization=f"bearer {key}").content == b"view"
    assert ask(x_api_key=key).content == b"view"
    assert ask(authorization=f"Bearer {key}", x_api_key=key).status_code == 401
    assert ask(authorization=f"Token {key}").status_code == 401
    assert ask(authorization=key).status_code == 401
    assert ask().status_code == 401


def test_a_key_is_refused_at_a_host_that_belongs_to_another_tenant(acme, globex, settings):
    settings.ALLOWED_HOSTS = ["*"]
    Domain.objects.create(domain="data.globex.example", tenant=globex)
    Domain.objects.create(domain="data.acme.example", tenant=acme)
    _, key = create_api_key(tenant=acme, name="BI", role=Role.VIEWER, actor=ADMIN)

    assert ask(x_api_key=key, host="data.acme.example").content == b"view"
    for host in ("data.globex.example", "DATA.Globex.example:443", "data.globex.example."):
        assert ask(x_api_key=key, host=host).status_code == 401
    forwarded = ask(x_api_key=key, x_forwarded_host="data.globex.example")
    assert forwarded.content == b"view"  # nobody believes that header
