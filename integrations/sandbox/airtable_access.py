"""Who may ask Airtable what, and how often: tokens, scopes, bases, and the lock-out of 30 seconds.

A base answers five requests a second, all callers together; a person's tokens may make fifty. Who
asks for more gets 429 and is locked out of that base, or of everything.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.airtable_rows import AirtableRows
from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.oauth import OAuthRefusedError
from integrations.sandbox.oauth_part import OAuthPart
from integrations.sandbox.part import (
    Account,
    Json,
    RefusalError,
    Request,
    Response,
    Setting,
    Switches,
    demo_secret,
    json_response,
)
from integrations.sandbox.rows import Row

API = "/airtable/api/v0"
RECORDS = f"{API}/(?!meta/){{base}}/{{table}}"
OAUTH = "/airtable/web/oauth2/v1"
READ, WRITE = "data.records:read", "data.records:write"
SCHEMA_READ, SCHEMA_WRITE = "schema.bases:read", "schema.bases:write"
EMAIL = "user.email:read"
SCOPES = (READ, WRITE, SCHEMA_READ, SCHEMA_WRITE, EMAIL, "webhook:manage")
REFRESH_SECONDS = 5_184_000
PER_SECOND_AND_BASE = 5
PER_SECOND_AND_USER = 50
LOCKOUT_SECONDS = 30.0
FORBIDDEN = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"
_KEPT_BASES: dict[tuple[int, float, int, str], str] = {}


@dataclass(slots=True)
class AirtableSwitches(Switches):
    """`lockout_seconds` follows a 429. With `partial_writes`, records of a refused request that
    come before the bad one have been written all the same."""

    lockout_seconds: float = LOCKOUT_SECONDS
    partial_writes: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose token it is and what it allows."""

    account: Account
    scopes: tuple[str, ...]
    is_oauth: bool

    def sees(self, row: Row) -> bool:
        """What is kept for writers is shown to those who may write."""
        return row.visible or WRITE in self.scopes


class AirtableAccess(OAuthPart[AirtableRows]):
    """Two people; each of the two apps preselects one of them, and each has two tokens: one to
    read the bases with, one to write as well."""

    switches: AirtableSwitches
    keys: dict[str, Asker]
    authorize_path = f"{OAUTH}/authorize"
    token_path = f"{OAUTH}/token"
    consent_page = ConsentPage(
        label="Airtable",
        account_word="User",
        scopes=SCOPES,
        pkce_needed=True,
    )
    builds = AirtableRows
    first_switches = AirtableSwitches(rotation=True, reuse_revokes=True, token_lifetime=3600)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.keys = {
            _personal_token(id, what): Asker(account, scopes, is_oauth=False)
            for id, account in self.accounts.items()
            for what, scopes in (("read", (READ, SCHEMA_READ, EMAIL)), ("write", SCOPES))
        }
        self.base_calls = RollingWindow(PER_SECOND_AND_BASE, 1)
        self.user_calls = RollingWindow(PER_SECOND_AND_USER, 1)
        self.locked_until: dict[str, float] = {}
        self._ids_given = 0

    def credentials(self) -> Json:
        """`keys` are personal access tokens with their scopes; those that may write name the base
        that is kept for them."""
        keys = [
            {"key": key, "account": asker.account.id, "scopes": list(asker.scopes)}
            | ({"base": self._kept_base(asker.account)} if WRITE in asker.scopes else {})
            for key, asker in self.keys.items()
        ]
        return {**super().credentials(), "keys": keys}

    def _kept_base(self, account: Account) -> str:
        """The same for the same setting, so that rows need not be made only to name it."""
        made_from = self.setting.seed, self.setting.scale, self.setting.base_time, account.id
        if made_from not in _KEPT_BASES:
            bases = self.table(account, "bases")
            _KEPT_BASES[made_from] = next(row.id for row in bases if not row.visible)
        return _KEPT_BASES[made_from]

    def account_of(self, request: Request) -> str:
        known = self.keys.get(request.bearer)
        return known.account.id if known else super().account_of(request)

    def not_found(self, request: Request) -> Response:
        return json_response({"error": "NOT_FOUND"}, 404)

    def fault_in_200(self, request: Request) -> Response:
        return json_response({"error": {"type": "RATE_LIMIT_REACHED", "message": "Try again."}})

    # OAuth.

    def token(self, request: Request) -> Response:
        """Every refresh gives a new pair and ends the one before."""
        try:
            redeemed = self.oauth.redeem(request, in_body=False)
        except OAuthRefusedError as refused:
            said = "invalid_request" if refused.reason == "grant_type" else refused.code
            return _refused_token(said, 401 if refused.is_client else 400)
        if redeemed.refresh_token:
            self.oauth.end_access(redeemed.grant)
        lifetime = self.switches.token_lifetime
        return json_response(
            {
                "access_token": self.oauth.issue_access(redeemed.grant, "oaa", lifetime),
                "refresh_token": self.oauth.issue_refresh(redeemed.grant, "oar"),
                "token_type": "Bearer",
                "scope": " ".join(redeemed.grant.scopes),
                "expires_in": lifetime,
                "refresh_expires_in": REFRESH_SECONDS,
            }
        )

    # Admission.

    def admitted(self, request: Request, scope: str = "", base: str = "") -> Asker:
        """Whose token it is, or a refusal: unknown, not allowed, or too many requests."""
        asker = self._asker(request)
        self._count(asker.account.id, self.user_calls)
        if base:
            self._count(base, self.base_calls)
        if scope and scope not in asker.scopes:
            raise forbidden()
        return asker

    def base(self, asker: Asker, id: str, levels: tuple[str, ...] = ()) -> Row:
        """The base, if the token reaches it and its permission level is one of `levels`."""
        row = self.table(asker.account, "bases").find(id)
        if row is None or not asker.sees(row):
            raise forbidden()
        if levels and row.data["permissionLevel"] not in levels:
            raise forbidden()
        return row

    def table_in(self, asker: Asker, base: Row, name: str) -> Row:
        """The base's table with this id or name."""
        for row in self.table(asker.account, "tables").in_scope(base.id):
            if name in (row.id, row.data["name"]):
                return row
        raise forbidden()

    def new_id(self, prefix: str) -> str:
        """An id for what a caller makes; the same in every process that is asked the same."""
        self._ids_given += 1
        return prefix + demo_secret("airtable", "made", self._ids_given, length=14)

    def _asker(self, request: Request) -> Asker:
        if not request.bearer:
            raise refuse(401, "AUTHENTICATION_REQUIRED", "Authentication required")
        known = self.keys.get(request.bearer)
        if known and known.account.id not in self.revoked:
            return known
        token = self.oauth.find_live(request.bearer)
        if token is None:
            raise refuse(401, "UNAUTHORIZED", "Invalid authentication token")
        return Asker(token.grant.account, token.grant.scopes, is_oauth=True)

    def _count(self, key: str, window: RollingWindow) -> None:
        now = self.setting.now()
        if not self.switches.limits:
            return
        if now >= self.locked_until.get(key, 0.0):
            if window.take(key, now, self.switches.limits_scale):
                return
            self.locked_until[key] = now + self.switches.lockout_seconds
        said = "You have made too many requests in a short period of time. Try again later."
        if window is self.base_calls:
            raise RefusalError(
                json_response({"errors": [{"error": "RATE_LIMIT_REACHED", "message": said}]}, 429)
            )
        raise refuse(429, "RATE_LIMIT_REACHED", said)


def refuse(status: int, type: str, message: str) -> RefusalError:
    error = {"type": type, "message": message}
    return RefusalError(json_response({"error": error}, status))


def forbidden() -> RefusalError:
    said = "Invalid permissions, or the requested model was not found."
    return refuse(403, FORBIDDEN, said)


def _refused_token(error: str, status: int) -> Response:
    said = "The request for a token was refused."
    return json_response({"error": error, "error_description": said}, status)


def _personal_token(*purpose: str) -> str:
    name, secret = demo_secret("pat", *purpose, length=14), demo_secret(*purpose, length=64)
    return f"pat{name}.{secret}"
