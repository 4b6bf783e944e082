"""GitHub (REST API 2022-11-28) as callers see it: arrays, Link headers, 403 in three meanings.

Facts: GitHub's API description and pages, as collected in November 2026. Chosen here because no
recording was seen: `since` includes its own second; a wrong choice is a 422, an unknown parameter
is ignored; a limit beyond `per_page` 100 is cut. One repository has no issues (410), one is closed
to the hub by its organization (403), one is archived, and one is empty. Codes and refresh tokens
are refused under status 200. Not offered: writes, comments, commits, search, installations.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar
from urllib.parse import urlencode

import orjson

from integrations.sandbox import github_lists as lists
from integrations.sandbox import github_shapes as shapes
from integrations.sandbox.business import SPAN_SECONDS
from integrations.sandbox.consent import ConsentPage
from integrations.sandbox.github_lists import answer_list, failed, refuse
from integrations.sandbox.github_rows import FOREIGN, WITH_CONTENT, GitHubRows, as_issue, iso
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.oauth import Client, Grant, OAuthRefusedError
from integrations.sandbox.oauth_part import OAuthPart
from integrations.sandbox.part import (
    Account,
    Json,
    Request,
    Response,
    Setting,
    Switches,
    demo_secret,
    json_response,
    route,
)
from integrations.sandbox.rows import Row

API = "/github/api"
VERSIONS = ("2022-11-28", "2026-03-10")
SCOPES = ("repo", "public_repo", "read:org", "read:user", "user:email")
REFRESH_SECONDS = 15_897_600
PER_HOUR = 5000
POINTS_PER_MINUTE = 900
CLOSED = (
    "Resource protected by organization SAML enforcement. "
    "You must grant your OAuth token access to this organization."
)


class GitHub(OAuthPart[GitHubRows]):
    """Two users, each of one organization; each of the two apps preselects one of them."""

    slug = "github"
    origins: ClassVar[dict[str, str]] = {
        "https://api.github.com": API,
        "https://github.com": "/github/web",
    }
    account_ids = ("5001001", "5002001")
    authorize_path = "/github/web/login/oauth/authorize"
    token_path = "/github/web/login/oauth/access_token"
    consent_page = ConsentPage(
        label="GitHub",
        account_word="User",
        scopes=SCOPES,
        separators=", ",
        response_type_needed=False,
    )
    builds = GitHubRows
    first_switches = Switches(rotation=True, token_lifetime=28_800)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.minute = RollingWindow(POINTS_PER_MINUTE, 60)
        self.hours: dict[str, tuple[int, int]] = {}
        self.first_names: dict[str, tuple[str, str]] = {}

    def app(self, account: Account) -> Client:
        id, secret = super().app(account).id, demo_secret("github", account.id)
        return Client(f"Iv1.{id}", secret, account.id)

    def generate(self, account: Account) -> dict[str, list[Row]]:
        made = self.builder(account).all()
        for row in made["repositories"]:
            self.first_names[row.data["full_name"]] = (account.id, row.id)
        return made

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        note = f"Note {rng.randrange(10**6)} ✎"
        field = {"issues": "body", "pulls": "body", "users": "name"}.get(entity, "description")
        row.data[field] = note
        if "updated_at" in row.data:
            row.data["updated_at"] = iso(stamp)
            row.stamp = float(int(stamp))

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows = self.further_rows(account, rng)
        number = rng.randrange(10**6)
        if entity == "users":
            return rows.user_row(number, stamp)
        if entity == "repositories":
            row = rows.repository(f"new-{number}", stamp - SPAN_SECONDS)
            row.data |= {"created_at": iso(stamp), "updated_at": iso(stamp)}
            row.stamp = float(int(stamp))
            rows.repositories.append(row)
            return row
        if entity == "organizations":
            data = shapes.organization(rows.next_id(), f"new-{number}", None)
            return Row(str(data["id"]), stamp, data)
        homes = [row for row in rows.repositories[:WITH_CONTENT] if row.data["has_issues"]]
        open_homes = [row for row in homes if row.data["name"] != FOREIGN]
        build = rows.issue if entity == "issues" else rows.pull
        return build(rng.choice(open_homes), int(stamp), int(stamp))

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """A repository takes its issues and pull requests with it."""
        if entity == "repositories":
            for kind in ("issues", "pulls"):
                for below in list(self.table(account, kind).in_scope(row.id)):
                    self.table(account, kind).remove(below.id, stamp)
            rows = self.builder(account)
            rows.repositories = [one for one in rows.repositories if one.id != row.id]
        super().delete(account, entity, row, stamp)

    def not_found(self, request: Request) -> Response:
        return failed(404, "Not Found")

    def fault_in_200(self, request: Request) -> Response:
        return json_response({"message": "Server Error"})

    # OAuth.

    def token(self, request: Request) -> Response:
        try:
            redeemed = self.oauth.redeem(request, default="authorization_code")
        except OAuthRefusedError as refused:
            return self._said(request, {"error": _TOKEN_ERRORS[refused.reason]})
        if redeemed.refresh_token:
            self.oauth.end_access(redeemed.grant)
        return self._said(request, self._tokens(redeemed.grant))

    def _tokens(self, grant: Grant) -> Json:
        """An app's tokens end and are renewed; an OAuth app's live on and name their scopes."""
        if not self.switches.rotation:
            token = self.oauth.issue_access(grant, "gho_", None)
            scope = ",".join(grant.scopes)
            return {"access_token": token, "scope": scope, "token_type": "bearer"}
        lifetime = self.switches.token_lifetime
        return {
            "access_token": self.oauth.issue_access(grant, "ghu_", lifetime),
            "expires_in": lifetime,
            "refresh_token": self.oauth.issue_refresh(grant, "ghr_"),
            "refresh_token_expires_in": REFRESH_SECONDS,
            "scope": "",
            "token_type": "bearer",
        }

    def _said(self, request: Request, said: Json) -> Response:
        """JSON only for those who ask for it."""
        if "application/json" in request.headers.get("accept", ""):
            return json_response(said)
        body = urlencode(said).encode()
        return Response(200, body, media_type="application/x-www-form-urlencoded")

    @route("DELETE", f"{API}/applications/{{client_id}}/token")
    @route("DELETE", f"{API}/applications/{{client_id}}/grant")
    def remove(self, request: Request, client_id: str) -> Response:
        try:
            client = self.oauth.client_of(request, in_body=False)
            found = self.oauth.access.get(str(orjson.loads(request.body)["access_token"]))
        except (OAuthRefusedError, orjson.JSONDecodeError, KeyError, TypeError):
            return self.not_found(request)
        if found is None or found.grant.client != client or client.id != client_id:
            return failed(422, "Validation Failed")
        if request.path.endswith("/grant"):
            found.grant.revoked = True
        found.revoked = True
        return Response(204)

    # The API.

    @route("GET", f"{API}/user")
    def itself(self, request: Request) -> Response:
        account = self._admitted(request)
        shown = shapes.user(int(account.id), f"{account.organisation.key}-hub")
        numbers = ("public_repos", "public_gists", "followers", "following")
        profile = ("company", "blog", "location", "email", "hireable", "bio")
        return json_response(
            {
                **shown,
                **dict.fromkeys(numbers, 0),
                **dict.fromkeys(profile),
                "name": account.name,
                "created_at": "2020-01-01T00:00:00Z",
                "updated_at": "2026-01-01T00:00:00Z",
            }
        )

    @route("GET", f"{API}/user/orgs")
    def organizations(self, request: Request) -> Response:
        account = self._admitted(request)
        return answer_list(request, list(self.table(account, "organizations")), lists.ORGANIZATIONS)

    @route("GET", f"{API}/orgs/{{login}}/members")
    def members(self, request: Request, login: str) -> Response:
        account = self._admitted(request)
        for row in self.table(account, "organizations"):
            if row.data["login"] == login:
                below = self.table(account, "users").in_scope(row.id)
                return answer_list(request, below, lists.MEMBERS)
        return self.not_found(request)

    @route("GET", f"{API}/user/repos")
    def repositories(self, request: Request) -> Response:
        account, query = self._admitted(request), request.query
        if "type" in query and ("affiliation" in query or "visibility" in query):
            return failed(422, "If you specify visibility or affiliation, you cannot specify type.")
        return answer_list(request, list(self.table(account, "repositories")), lists.REPOSITORIES)

    @route("GET", f"{API}/repos/{{owner}}/{{name}}/{{kind}}")
    def below_name(self, request: Request, owner: str, name: str, kind: str) -> Response:
        account = self._admitted(request)
        full_name = f"{owner}/{name}"
        for row in self.table(account, "repositories"):
            if row.data["full_name"].lower() == full_name.lower():
                return self._below(request, account, row, kind)
        known, id = self.first_names.get(full_name, ("", ""))
        if known == account.id and self.table(account, "repositories").find(id):
            url = f"{shapes.API}/repositories/{id}/{kind}"
            body = {"message": "Moved Permanently", "url": url, "documentation_url": lists.DOCS}
            return json_response(body, 301, Location=url)
        return self.not_found(request)

    @route("GET", f"{API}/repositories/{{id}}/{{kind}}")
    def below_id(self, request: Request, id: str, kind: str) -> Response:
        account = self._admitted(request)
        row = self.table(account, "repositories").find(id)
        return self._below(request, account, row, kind) if row else self.not_found(request)

    def _below(self, request: Request, account: Account, row: Row, kind: str) -> Response:
        if row.data["name"] == FOREIGN:
            sso = f"required; url=https://github.com/orgs/{row.data['owner']['login']}/sso"
            return failed(403, CLOSED, X_GitHub_SSO=sso)
        request.path = f"{API}/repositories/{row.id}/{kind}"
        pulls = self.table(account, "pulls").in_scope(row.id)
        if kind == "pulls":
            return answer_list(request, pulls, lists.PULLS)
        if kind != "issues":
            return self.not_found(request)
        if not row.data["has_issues"]:
            return failed(410, "Issues has been disabled in this repository.")
        issues = self.table(account, "issues").in_scope(row.id)
        return answer_list(request, [*issues, *map(as_issue, pulls)], lists.ISSUES)

    def answer(self, request: Request) -> Response:
        response = super().answer(request)
        if request.account and request.path.startswith(API):
            used, reset = self.hours.get(request.account, (0, 0))
            allowed = int(PER_HOUR * self.switches.limits_scale)
            response.headers |= {
                "X-RateLimit-Limit": str(allowed),
                "X-RateLimit-Remaining": str(max(0, allowed - used)),
                "X-RateLimit-Reset": str(reset),
                "X-RateLimit-Used": str(used),
                "X-RateLimit-Resource": "core",
            }
        return response

    def _admitted(self, request: Request) -> Account:
        """The user whose token it is, within the limits, or a refusal."""
        if not request.headers.get("user-agent"):
            raise refuse(403, "Request forbidden by administrative rules.")
        version = request.headers.get("x-github-api-version", VERSIONS[0])
        if version not in VERSIONS:
            raise refuse(400, "The API version is not supported.")
        if not request.bearer:
            raise refuse(401, "Requires authentication")
        token = self.oauth.find_live(request.bearer)
        if token is None:
            raise refuse(401, "Bad credentials")
        account, now = token.grant.account, self.setting.now()
        used, reset = self.hours.get(account.id, (0, 0))
        if now >= reset:
            used, reset = self.hours[account.id] = (0, int(now) + 3600)
        if self.switches.limits:
            scale = self.switches.limits_scale
            if used >= int(PER_HOUR * scale):
                raise refuse(403, f"API rate limit exceeded for user ID {account.id}.")
            if not self.minute.take(account.id, now, scale):
                said = "You have exceeded a secondary rate limit."
                raise refuse(403, said, Retry_After="60")
        self.hours[account.id] = (used + 1, reset)
        return account


_TOKEN_ERRORS = {
    "grant_type": "unsupported_grant_type",
    "client": "incorrect_client_credentials",
    "secret": "incorrect_client_credentials",
    "code": "bad_verification_code",
    "verifier": "bad_verification_code",
    "redirect_uri": "redirect_uri_mismatch",
    "refresh_token": "bad_refresh_token",
}
