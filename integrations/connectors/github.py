"""GitHub: organizations and their members, repositories, issues and pull requests.

Source: docs.github.com, REST API 2022-11-28, read in November 2026. Issues are read oldest change
first, which `since` allows; pull requests know no `since` and are read newest first. The list of
issues holds pull requests too, which are left out there. A renamed repository is passed over until
it has been listed under its new name. Nothing tells of deletions: only a full read shows them.
403 says "slow down" as well as "not yours". Revoking needs a request no other provider wants, so
people remove the hub themselves. A branch shows its whole repository, so a change there alone is
no change. An app's tokens end after eight hours, an OAuth app's do not.

Unverified: that `since` also brings what changed in that very second (older pages say so, newer
ones do not), and what an organization's refusal says (it is told by the word in its message).
"""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.errors import HubError, ParentSkippedError, RateLimitError
from integrations.http.answer import Answer
from integrations.http.pages import LinkPages, only
from integrations.records import (
    NormalizedRecord,
    Project,
    Task,
    Team,
    User,
    dig,
    mapped,
    utc,
)
from integrations.resilience.retry_after import parse_retry_after
from integrations.types import (
    ApiKey,
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Field,
    Identity,
    Limit,
    OAuth2,
    Payload,
    Provider,
    Ref,
)

SITE = "https://github.com/login/oauth"
KEY = Field("key", "Personal access token", secret=True, pattern=r"(ghp|github_pat)_\w+")
VERSION = "2022-11-28"
PAGE_SIZE = 100
OVERLAP_SECONDS = 60
UPDATED = "updated_at"
BEGINNING = "1970-01-01T00:00:00Z"
NO_DATE = "Thu, 01 Jan 1970 00:00:00 GMT"
MOVED_OR_CLOSED = ("http:301", "http:307", "http:308", "http:410", "http:451")
BRANCHES = ("head", "base")
BELOW: dict[str, Any] = {"parent": "repositories", "changed_at": UPDATED, "ignore": BRANCHES}
NAMED_BY = {"organizations": "login", "repositories": "full_name"}
PAGE = {"per_page": PAGE_SIZE}
NEWEST = {**PAGE, "sort": "updated", "direction": "desc"}
ASKED = {
    "repositories": NEWEST,
    "issues": {**NEWEST, "direction": "asc", "state": "all"},
    "pulls": {**NEWEST, "state": "all"},
}
FLOORS = {"repositories": "since"}
TEAM = {"name": "login", "description": "description"}
PROJECT = {"name": "full_name", "description": "description", "tags": "topics", "url": "html_url"}
TASK = {
    "name": "title",
    "description": "body",
    "assignees": "users:assignees.id",
    "due_at": "milestone.due_on",
    "completed_at": "closed_at",
    "tags": "labels.name",
    "url": "html_url",
}


@register
class GitHubConnector(Declared, Connector):
    provider = Provider(
        slug="github",
        label="GitHub",
        base_url="https://api.github.com",
        auth=(
            OAuth2(
                authorize_url=f"{SITE}/authorize",
                token_url=f"{SITE}/access_token",
                scopes=("repo", "read:org"),
                remove_at="Settings → Applications",
                dead=("bad_refresh_token", "bad_verification_code"),
            ),
            ApiKey({"Authorization": "Bearer {key}"}, (KEY,), "Settings → Developer settings"),
        ),
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION},
        identity=Identity("/user", id="id", label="login"),
        limits=(Limit(5000, 3600, per="account"), Limit(900, 60, concurrent=1)),
        errors=ErrorCodes(skip_parent=MOVED_OR_CLOSED),
    )
    entity_types = (
        EntityType("organizations", Team, path="/user/orgs"),
        EntityType("users", User, parent="organizations", path="/orgs/{}/members"),
        EntityType("repositories", Project, ("users",), path="/user/repos", changed_at=UPDATED),
        EntityType("issues", Task, path="/repos/{}/issues", **BELOW),
        EntityType("pulls", Task, path="/repos/{}/pulls", **BELOW),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: [{"id": 2890010001, "updated_at": "2026-11-19T08:15:30Z", …}], Link: rel="next"."""
        declared = self.entity_type(entity_type)
        if declared.parent:
            return self.per_parent(declared.parent, since, partial(self._listed, declared))
        return self._listed(declared, Entity("", ""), since.at() if since else {})

    def _listed(self, declared: EntityType, parent: Entity, start: Cursor) -> Iterator[Entity]:
        """Lists below a parent go by its name; one that could not be read has none."""
        name = dig(parent.payload, NAMED_BY.get(parent.entity_type, "")) or "-"
        path, asked = declared.path.format(name), ASKED.get(declared.name, PAGE)
        pages = LinkPages(self.http, path, params=asked, scope=parent.source_id)
        if declared.name == "issues":
            walk = pages.keyset(declared, start, _changed_since, UPDATED, PAGE_SIZE, BEGINNING)
            return only(walk, _is_no_pull)
        if declared.changed_at:
            floor = FLOORS.get(declared.name)
            return pages.newest_first(declared, start, UPDATED, floor, OVERLAP_SECONDS, moves=True)
        return pages.entities(declared, start)

    def classify_error(self, answer: Answer) -> HubError | None:
        """A limit under 403, and the refusal of one organization, which is not that of all."""
        said = str(dig(answer.body, "message"))
        is_spent = answer.header("x-ratelimit-remaining") == "0"
        if answer.status in (403, 429) and (is_spent or "rate limit" in said):
            return RateLimitError("GitHub asks for a pause.", _pause(answer, is_spent))
        is_theirs = answer.status == 403 and "organization" in said
        return ParentSkippedError("An organization keeps the hub out.") if is_theirs else None

    def transform(self, raw: Entity) -> NormalizedRecord:
        """Pull requests are tasks too, open, closed or merged."""
        item = raw.data
        match raw.entity_type:
            case "organizations":
                return Team(**mapped(Team, item, TEAM))
            case "users":
                return User(item.get("name") or item["login"], is_bot=item.get("type") == "Bot")
            case "repositories":
                status = "archived" if item.get("archived") else "active"
                return Project(status=status, **mapped(Project, item, PROJECT))
        status = "merged" if item.get("merged_at") else item["state"]
        project = Ref("repositories", raw.scope)
        return Task(status=status, project=project, **mapped(Task, item, TASK))


def _changed_since(stamp: str, page: int) -> Payload:
    return {"since": stamp, "page": page}


def _is_no_pull(issue: Entity) -> bool:
    return dig(issue.payload, "pull_request") is None


def _pause(answer: Answer, is_spent: bool) -> float:
    """Seconds: as many as asked for, else until the hour is over, else a minute."""
    now = parsedate_to_datetime(answer.header("date") or NO_DATE)
    until = utc(answer.header("x-ratelimit-reset")) if is_spent else None
    left = min((until - now).total_seconds(), 3600.0) if until else 60.0
    return parse_retry_after(answer.header("retry-after"), now) or max(left, 1.0)
