"""The provider's consent page: plain HTML, usable in a browser and over HTTP.

The first form on the page is "Allow" with an account already chosen, so that posting it with its
default values is a consent. As an extra that providers do not have, `account=`, `login_hint=` or
`team=` in the query preselects an account by id, name or e-mail domain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode, urlsplit

from integrations.sandbox.oauth import Client, Grant, OAuth
from integrations.sandbox.part import Account, Request, Response

HINTS = ("account", "team", "login_hint")
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_STYLE = """
body{margin:0;background:#f4f5f7;color:#1f2933;font:16px/1.5 system-ui,sans-serif}
main{max-width:27rem;margin:8vh auto;background:#fff;border-radius:12px;padding:2rem;
box-shadow:0 1px 3px rgba(0,0,0,.12)}
h1{font-size:1.3rem;margin:0 0 .25rem}p,ul{margin:.5rem 0 1rem;color:#52606d}
fieldset{border:1px solid #d9e2ec;border-radius:8px;margin:0 0 1.25rem;padding:.75rem 1rem}
label{display:block;padding:.3rem 0}code{font-size:.85em}
button{font:inherit;padding:.55rem 1.4rem;border-radius:8px;border:1px solid #9fb3c8;
background:#fff;cursor:pointer}
button.allow{background:#0b69a3;border-color:#0b69a3;color:#fff}
small{color:#829ab1}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPage:
    """What differs from one provider's page to the next."""

    label: str
    account_word: str
    scopes: Collection[str] = ()
    separators: str = " "
    user_scopes: bool = False
    response_type_needed: bool = True
    pkce_needed: bool = False
    callback_extra: Callable[[Account], Mapping[str, str]] | None = None
    callback_by_post: bool = False


class Consent:
    """One provider's authorize address: checks the question, shows it, takes the answer."""

    def __init__(self, page: ConsentPage, oauth: OAuth, accounts: Mapping[str, Account]) -> None:
        self.page = page
        self.oauth = oauth
        self.accounts = accounts

    def answer(self, request: Request) -> Response:
        """The page for GET; for POST, the way back to the app with a code or an error."""
        asked = {**request.query, **request.form}
        client = self.oauth.find_client(asked.get("client_id", ""))
        reason = self._unacceptable(client, asked)
        if client is None or reason:
            return _page(
                self.page.label, f"<h1>This link does not work</h1><p>{escape(reason)}</p>", 400
            )
        redirect_uri, state = asked["redirect_uri"], asked["state"]
        if asked.get("response_type", "" if self.page.response_type_needed else "code") != "code":
            return self._back(redirect_uri, error="unsupported_response_type", state=state)
        is_proof = asked.get("code_challenge") and asked.get("code_challenge_method") == "S256"
        if self.page.pkce_needed and not is_proof:
            return self._back(redirect_uri, error="invalid_request", state=state)
        scopes = self._split(asked.get("scope", ""))
        user_scopes = self._split(asked.get("user_scope", "")) if self.page.user_scopes else ()
        known = frozenset(self.page.scopes)
        is_scoped = bool(scopes or user_scopes) or not known
        if not is_scoped or not known.issuperset((*scopes, *user_scopes)):
            return self._back(redirect_uri, error="invalid_scope", state=state)
        if request.method == "GET":
            return self._question(request, asked, client, (*scopes, *user_scopes))
        account = self.accounts.get(asked.get("account", ""))
        if asked.get("decision") != "allow" or account is None:
            return self._back(redirect_uri, error="access_denied", state=state)
        request.account = account.id
        code = self.oauth.issue_code(
            Grant(client, account, scopes, user_scopes),
            redirect_uri,
            asked.get("code_challenge", ""),
            asked.get("code_challenge_method", "plain"),
        )
        extra = self.page.callback_extra(account) if self.page.callback_extra else {}
        return self._back(redirect_uri, code=code, state=state, **extra)

    def _unacceptable(self, client: Client | None, asked: Mapping[str, str]) -> str:
        if client is None:
            return "The app is not known here (client_id)."
        redirect_uri = asked.get("redirect_uri", "")
        target = urlsplit(redirect_uri if redirect_uri.isprintable() else "")
        local = target.scheme == "http" and target.hostname in LOOPBACK
        if not target.hostname or not (target.scheme == "https" or local):
            return "The address to return to is missing or not https (redirect_uri)."
        if not asked.get("state"):
            return "The app sent no state, so its answer could not be told from a forged one."
        return ""

    def _split(self, scopes: str) -> tuple[str, ...]:
        for separator in self.page.separators:
            scopes = scopes.replace(separator, " ")
        return tuple(scopes.split())

    def _question(
        self, request: Request, asked: Mapping[str, str], client: Client, scopes: Iterable[str]
    ) -> Response:
        chosen = self._preselected(asked) or client.account
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in asked.items()
            if name not in ("account", "decision")
        )
        choices = "".join(
            f'<label><input type="radio" name="account" value="{escape(account.id)}"'
            f"{' checked' if account.id == chosen else ''}> {escape(account.name)}"
            f" <small>{escape(account.id)}</small></label>"
            for account in self.accounts.values()
        )
        items = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in scopes)
        items = items or "<li>all that you can do yourself</li>"
        back = escape(urlsplit(asked["redirect_uri"]).netloc)
        action = escape(request.path)
        return _page(
            self.page.label,
            f"<h1>Connect to {escape(self.page.label)}</h1>"
            f"<p>An app at <b>{back}</b> asks for access to:</p><ul>{items}</ul>"
            f'<form method="post" action="{action}">{hidden}'
            f"<fieldset><legend>{escape(self.page.account_word)}</legend>{choices}</fieldset>"
            '<input type="hidden" name="decision" value="allow">'
            '<button class="allow" type="submit">Allow</button> '
            '<button type="submit" form="deny">Deny</button></form>'
            f'<form method="post" id="deny" action="{action}">{hidden}'
            '<input type="hidden" name="decision" value="deny"></form>'
            "<p><small>Sandbox: a stand-in for the real page. Nothing leaves this machine."
            "</small></p>",
        )

    def _preselected(self, asked: Mapping[str, str]) -> str:
        hints = [asked[name].lower() for name in HINTS if asked.get(name)]
        for account in self.accounts.values():
            known = {account.id.lower(), account.name.lower(), account.organisation.domain}
            if any(hint in known or hint.rpartition("@")[2] in known for hint in hints):
                return account.id
        return ""

    def _back(self, redirect_uri: str, **answer: str) -> Response:
        if self.page.callback_by_post:
            fields = "".join(
                f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                for name, value in answer.items()
            )
            return _page(
                self.page.label,
                f'<h1>Almost done</h1><form method="post" action="{escape(redirect_uri)}">{fields}'
                '<button class="allow" type="submit">Continue</button></form>',
            )
        joint = "&" if "?" in redirect_uri else "?"
        location = f"{redirect_uri}{joint}{urlencode(answer)}"
        return Response(302, media_type="text/html", headers={"Location": location})


def _page(label: str, body: str, status: int = 200) -> Response:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(label)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )
    return Response(status, html.encode(), media_type="text/html; charset=utf-8")
