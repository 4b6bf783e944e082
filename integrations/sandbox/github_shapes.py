"""The bare shapes of GitHub's objects: every field that is always sent, most of them addresses."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

API = "https://api.github.com"
SITE = "https://github.com"

SHARED = (
    "active_lock_reason", "assignee", "assignees", "author_association", "body", "closed_at",
    "comments_url", "created_at", "html_url", "labels", "locked", "milestone", "number", "state",
    "title", "updated_at", "user",
)  # fmt: skip
"""What a pull request and its face as an issue show alike."""

_BELOW_USER = (
    "events", "followers", "following", "gists", "organizations", "received_events", "repos",
    "starred", "subscriptions",
)  # fmt: skip
_BELOW_REPOSITORY = (
    "archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare",
    "contents", "contributors", "deployments", "downloads", "events", "forks", "git_commits",
    "git_refs", "git_tags", "hooks", "issue_comment", "issue_events", "issues", "keys", "labels",
    "languages", "merges", "milestones", "notifications", "pulls", "releases", "stargazers",
    "statuses", "subscribers", "subscription", "tags", "teams", "trees",
)  # fmt: skip


def user(id: int, login: str) -> Json:
    url = f"{API}/users/{login}"
    return {
        "login": login,
        "id": id,
        "node_id": f"U_{id}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{SITE}/{login}",
        **{f"{name}_url": f"{url}/{name}" for name in _BELOW_USER},
        "type": "Bot" if login.endswith("[bot]") else "User",
        "site_admin": False,
    }


def organization(id: int, login: str, description: str | None) -> Json:
    url = f"{API}/orgs/{login}"
    return {
        "login": login,
        "id": id,
        "node_id": f"O_{id}",
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{id}",
        "description": description,
    }


def repository(id: int, owner: Json, name: str) -> Json:
    full_name = f"{owner['login']}/{name}"
    url, site = f"{API}/repos/{full_name}", f"{SITE}/{full_name}"
    counts = ("forks", "open_issues", "stargazers", "watchers")
    return {
        "id": id,
        "node_id": f"R_{id}",
        "name": name,
        "full_name": full_name,
        "owner": {**user(owner["id"], owner["login"]), "type": "Organization"},
        "private": False,
        "html_url": site,
        "description": f"The {name} of {owner['login']}",
        "fork": False,
        "url": url,
        **{f"{part}_url": f"{url}/{part}" for part in _BELOW_REPOSITORY},
        "clone_url": f"{site}.git",
        "git_url": f"git://github.com/{full_name}.git",
        "ssh_url": f"git@github.com:{full_name}.git",
        "svn_url": site,
        "mirror_url": None,
        "homepage": None,
        "language": "Python",
        **{f"{count}_count": 0 for count in counts},
        "forks": 0,
        "open_issues": 0,
        "watchers": 0,
        "size": 108,
        "default_branch": "main",
        "license": None,
        "has_discussions": False,
        "has_downloads": True,
        "has_pages": False,
        "has_projects": True,
        "has_wiki": True,
        "disabled": False,
        "visibility": "public",
        "permissions": {"admin": False, "pull": True, "push": True},
    }


def label(id: int, name: str) -> Json:
    return {
        "id": id,
        "node_id": f"LA_{id}",
        "url": f"{API}/labels/{id}",
        "name": name,
        "description": f"About {name}",
        "color": "d73a4a",
        "default": False,
    }


def issue(id: int, number: int, repository: Json) -> Json:
    url = f"{repository['url']}/issues/{number}"
    return {
        "id": id,
        "node_id": f"I_{id}",
        "number": number,
        "url": url,
        "repository_url": repository["url"],
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{repository['html_url']}/issues/{number}",
        "active_lock_reason": None,
        "author_association": "MEMBER",
        "comments": 0,
        "locked": False,
        "milestone": None,
    }


def pull(id: int, number: int, repository: Json) -> Json:
    url, site = f"{repository['url']}/pulls/{number}", f"{repository['html_url']}/pull/{number}"
    issue_url = f"{repository['url']}/issues/{number}"
    places = {
        "comments_url": f"{issue_url}/comments",
        "commits_url": f"{url}/commits",
        "html_url": site,
        "issue_url": issue_url,
        "review_comment_url": f"{url}/comments{{/number}}",
        "review_comments_url": f"{url}/comments",
        "statuses_url": f"{repository['url']}/statuses/{id:040x}",
    }
    links = {name.removesuffix("_url"): {"href": place} for name, place in places.items()}
    return {
        "id": id,
        "node_id": f"PR_{id}",
        "number": number,
        "url": url,
        **places,
        "diff_url": f"{site}.diff",
        "patch_url": f"{site}.patch",
        "_links": {**links, "self": {"href": url}},
        "active_lock_reason": None,
        "author_association": "MEMBER",
        "auto_merge": None,
        "base": _branch("main", repository, id),
        "draft": False,
        "head": _branch(f"fix-{number}", repository, id + 1),
        "locked": False,
        "merge_commit_sha": None,
        "merged_at": None,
        "milestone": None,
        "requested_reviewers": [],
        "requested_teams": [],
    }


def _branch(name: str, repository: Json, number: int) -> Json:
    owner = repository["owner"]
    return {
        "label": f"{owner['login']}:{name}",
        "ref": name,
        "repo": dict(repository),
        "sha": f"{number:040x}",
        "user": owner,
    }
