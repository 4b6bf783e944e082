"""What programs show to get in: API keys and short-lived JWTs, each bound to one tenant.

An API key is `hub_<tenant number, base 36>_<43 characters>`; the hub keeps its SHA-256 and the
first few characters. The secret has 256 bits, so a plain hash is enough and looking it up by hash
tells nobody how near a guess was.

A JWT names user and tenant and nothing else that counts: the role is read from the membership with
every request. One algorithm, one exact header, every claim required; whatever a token says about
its own key (kid, jku, x5c, …) makes it invalid.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from django.utils import timezone
from django.utils.encoding import force_bytes

from hub.fields import uuid7
from integrations.errors import TenantNotActiveError, UnauthenticatedError
from tenants.actor import Actor
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.roles import Role

API_KEY = re.compile(r"hub_(?P<number>[0-9a-z]{1,13})_[A-Za-z0-9_-]{43}")
SHOWN = 5  # characters of the secret kept to recognize a key by
TOUCH_AFTER = timedelta(minutes=1)  # last_used_at is no more exact than this

ALGORITHM = "HS256"
ISSUER = "hub"
HEADER = {"alg": ALGORITHM, "typ": "JWT"}
CLAIMS = ("iss", "aud", "sub", "iat", "nbf", "exp", "jti", "typ")
ACCESS = "access"
LIFETIME = timedelta(minutes=15)
LEEWAY = timedelta(seconds=30)
MAX_TOKEN = 4096  # characters; ours have about 450

REFUSAL = "The API key or token is missing, unknown, expired or revoked."


@dataclass(frozen=True)
class Access:
    """A credential that was found valid: who asks, in which tenant."""

    actor: Actor
    tenant: Tenant


def read_credential(credential: str) -> Access:
    """Return whom an API key or a JWT stands for, as the database says it at this moment.

    Raises:
        UnauthenticatedError: it is not valid (any more); the message never says why.
        TenantNotActiveError: it is valid, but its tenant is suspended.
    """
    if credential.startswith("hub_"):
        return _read_api_key(credential)
    return _read_jwt(credential)


def new_api_key(tenant: Tenant) -> tuple[str, str, bytes]:
    """Return a new key as (plain, prefix to show, hash to keep); plain exists only here."""
    start = f"hub_{_base36(tenant.number)}_"
    plain = start + secrets.token_urlsafe(32)
    return plain, plain[: len(start) + SHOWN][:20], hash_of(plain)


def hash_of(plain: str) -> bytes:
    return hashlib.sha256(plain.encode()).digest()


def issue_jwt(*, user: User, tenant: Tenant) -> str:
    """Return an access token for `user` in `tenant`, good for LIFETIME."""
    now = timezone.now()
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": str(tenant.pk),
        "sub": str(user.pk),
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "jti": uuid7().hex,
        "typ": ACCESS,
    }
    return jwt.encode(claims, signing_key(settings.SECRET_KEY), ALGORITHM, headers=HEADER)


def signing_key(secret: str | bytes) -> bytes:
    """Return the key for tokens made from the site's secret, good for nothing else."""
    return hmac.digest(force_bytes(secret), b"hub access tokens", "sha256")


def _read_api_key(plain: str) -> Access:
    form = API_KEY.fullmatch(plain)
    if form is None:
        raise UnauthenticatedError(REFUSAL)
    digest, now = hash_of(plain), timezone.now()
    key = ApiKey.objects.select_related("tenant").filter(hash=digest).first()
    if (
        key is None
        or not hmac.compare_digest(bytes(key.hash), digest)
        or form["number"] != _base36(key.tenant.number)
        or key.revoked_at is not None
        or (key.expires_at is not None and key.expires_at <= now)
    ):
        raise UnauthenticatedError(REFUSAL)
    _require_open(key.tenant)
    if key.last_used_at is None or now - key.last_used_at >= TOUCH_AFTER:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return Access(Actor.api_key(key), key.tenant)


def _read_jwt(token: str) -> Access:
    claims = _verified_claims(token)
    try:
        user_id, tenant_id = UUID(claims["sub"]), UUID(claims["aud"])
    except (ValueError, TypeError, AttributeError) as exc:
        raise UnauthenticatedError(REFUSAL) from exc
    membership = (
        Membership.objects.select_related("user", "tenant")
        .filter(user_id=user_id, tenant_id=tenant_id, user__is_active=True)
        .first()
    )
    if membership is None:
        raise UnauthenticatedError(REFUSAL)
    _require_open(membership.tenant)
    return Access(Actor.user(membership.user, Role(membership.role)), membership.tenant)


def _verified_claims(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN:
        raise UnauthenticatedError(REFUSAL)
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            whole = jwt.decode_complete(
                token,
                signing_key(secret),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                leeway=LEEWAY,
                # The audience is the tenant: it is looked up, and a list of tenants is refused.
                options={"require": list(CLAIMS), "verify_aud": False},
            )
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError) as exc:
            raise UnauthenticatedError(REFUSAL) from exc
        if whole["header"] != HEADER or whole["payload"]["typ"] != ACCESS:
            raise UnauthenticatedError(REFUSAL)
        claims: dict[str, Any] = whole["payload"]
        return claims
    raise UnauthenticatedError(REFUSAL)


def _require_open(tenant: Tenant) -> None:
    if tenant.state == Tenant.State.SUSPENDED:
        raise TenantNotActiveError("This tenant is suspended; its operator can resume it.")
    if not tenant.is_active:
        raise UnauthenticatedError(REFUSAL)


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number or not text:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text
