"""Checks of what a connector declares; nothing is called."""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from integrations import auth
from integrations.connectors.lines import MOST_DECLARED_LINES, MOST_METHOD_LINES, count_lines
from integrations.connectors.registry import register
from integrations.errors import FatalError
from integrations.records import RECORD_TYPES
from integrations.sync.order import in_order
from integrations.testing.checks import Problem, check
from integrations.testing.subject import Subject
from integrations.types import (
    ApiKey,
    Auth,
    Basic,
    ClientCredentials,
    Credentials,
    EntityType,
    OAuth2,
    Provider,
    templates,
)

ROWS_OF_THE_TABLE = (
    "refresh",
    "reauthorize",
    "retry",
    "not_found",
    "skip_parent",
    "unavailable",
    "expired",
    "restart_list",
    "operator",
)


@check("declaration")
def it_can_be_registered(subject: Subject) -> Iterator[Problem]:
    """Slug, base URL, ways to sign in and entity types are declared; nothing is after itself."""
    try:
        register(subject.connector)
    except FatalError as error:
        yield "", str(error)


@check("declaration")
def ways_to_sign_in_are_complete(subject: Subject) -> Iterator[Problem]:
    """Every way to sign in says all that is needed to use it, over https."""
    provider = subject.connector.provider
    for way in provider.auth:
        for sentence in _way_problems(provider, way):
            yield "", f"{way.kind}: {sentence}"


def _way_problems(provider: Provider, way: Auth) -> Iterator[str]:
    if isinstance(way, OAuth2):
        complete = auth.oauth_of(provider)
        for name in ("authorize_url", "token_url"):
            address = getattr(complete, name)
            if not address.startswith("https://"):
                yield f"{name} is missing or not https"
        if complete.revoke_url and not complete.revoke_url.startswith("https://"):
            yield "revoke_url is not https"
        if not complete.scopes:
            yield "it asks for no scope"
        if twice := set(complete.scopes) & set(complete.optional_scopes):
            yield f"{', '.join(sorted(twice))} is both needed and optional"
        if not complete.dead:
            yield "no code of the token endpoint says that a grant is over"
        return
    names = [asked.name for asked in way.fields]
    if len(set(names)) != len(names):
        yield "a field is asked for twice"
    if not any(asked.secret for asked in way.fields):
        yield "none of its fields is secret"
    if isinstance(way, ApiKey):
        known = {*names, *(asked.name for asked in provider.fields)}
        for text in way.headers.values():
            for name in templates.names_in(text):
                if name not in known:
                    yield f"a header needs {name}, which no field asks for"
    if isinstance(way, Basic) and not {"username", "password"} & {*names, *way.defaults}:
        yield "neither user name nor password comes from anywhere"
    if isinstance(way, ClientCredentials) and not way.token_url.startswith("https://"):
        yield "token_url is missing or not https"


@check("declaration")
def addresses_can_be_filled(subject: Subject) -> Iterator[Problem]:
    """Whatever stands in braces in an address stays with the connection; hosts are named."""
    provider = subject.connector.provider
    kept = {asked.name for asked in provider.fields}
    if provider.accounts is not None:
        kept |= set(provider.accounts.keep)
    for way in provider.auth:
        kept |= set(way.keep) if isinstance(way, OAuth2) else {one.name for one in way.fields}
    texts = {"base_url": provider.base_url, "identity.path": provider.identity.path}
    texts |= {"identity.id": provider.identity.id, "identity.label": provider.identity.label}
    for where, text in texts.items():
        for name in templates.names_in(text):
            if name not in kept:
                yield "", f"{where} needs {name}, which nothing keeps with the connection"
    if not all(texts.values()):
        yield "", "identity lacks a path, an id or a label"
    if not provider.identity.path.startswith(("/", "https://")):
        yield "", "identity.path is neither a path nor an https address"
    if provider.base_url.startswith("{") and not provider.hosts:
        yield "", "the base URL comes with the connection, so `hosts` must say which are allowed"
    for host in provider.hosts:
        if "/" in host or urlsplit(f"//{host}").hostname is None or host.strip("*.") == "":
            yield "", f"{host!r} in hosts is no host"


@check("declaration")
def the_error_table_is_clear(subject: Subject) -> Iterator[Problem]:
    """Every code of the error table stands in one row of it only."""
    table = subject.connector.provider.errors
    if table is None:
        return
    counts = Counter(code for row in ROWS_OF_THE_TABLE for code in set(getattr(table, row)))
    for code, count in counts.items():
        if count > 1:
            yield "", f"{code} stands in {count} rows"
        if code.startswith("http:") and not code.removeprefix("http:").isdecimal():
            yield "", f"{code} is no status"
    if counts and not table.code:
        yield "", "`code` does not say where the codes are"


@check("declaration")
def limits_are_data(subject: Subject) -> Iterator[Problem]:
    """The provider's limits are declared, and can be kept."""
    provider = subject.connector.provider
    if not provider.limits:
        yield "", "no limit is declared"
    for limit in provider.limits:
        if limit.requests < 1 or limit.per_seconds <= 0 or limit.cost < 1 or limit.lockout < 0:
            yield "", f"{limit.requests} requests in {limit.per_seconds} s cannot be kept"
        if limit.concurrent is not None and limit.concurrent < 1:
            yield "", "a limit allows no call at a time"
        if limit.cost > limit.requests:
            yield "", f"a call to {limit.path} costs more than there is"
    for quota in provider.quotas:
        if not quota.header or not 0 < quota.pause_at <= 1:
            yield "", f"the quota of {quota.header or 'no header'} cannot be read"


@check("declaration")
def entity_types_are_consistent(subject: Subject) -> Iterator[Problem]:
    """Record types exist, lifetimes and intervals are positive, scopes are asked for."""
    connector = subject.connector
    walked = {declared.name for declared in in_order(connector.entity_types)}
    scopes = {
        scope
        for way in connector.provider.auth
        if isinstance(way, OAuth2)
        for scope in (*way.scopes, *way.optional_scopes)
    }
    for declared in connector.entity_types:
        for sentence in _type_problems(declared, walked, scopes):
            yield declared.name, sentence


def _type_problems(declared: EntityType, walked: set[str], scopes: set[str]) -> Iterator[str]:
    for record_type in declared.record_types:
        if RECORD_TYPES.get(record_type.record_type) is not record_type:
            yield f"{record_type.__name__} is no record type of the hub"
    for span in (declared.lifetime, declared.min_interval):
        if span is not None and span.total_seconds() <= 0:
            yield "a lifetime or interval is not positive"
    if declared.inside is not None and declared.inside not in walked:
        yield f"it comes inside {declared.inside}, which is not walked itself"
    if scopes and (unknown := set(declared.scopes) - scopes):
        yield f"it needs {', '.join(sorted(unknown))}, which is never asked for"


@check("declaration")
def it_stays_within_its_lines(subject: Subject) -> Iterator[Problem]:
    """A connector is short: so many lines in methods and helper functions, so many declared."""
    counted = count_lines(subject.connector)
    if counted.methods > MOST_METHOD_LINES:
        yield "", f"{counted.methods} lines in methods; {MOST_METHOD_LINES} are the most"
    if counted.declared > MOST_DECLARED_LINES:
        yield "", f"{counted.declared} lines declared; {MOST_DECLARED_LINES} are the most"


@check("declaration")
def signing_in_shows_no_secret(subject: Subject) -> Iterator[Problem]:
    """`authenticate` gives the same for the same credentials, and hides what is secret."""
    provider = subject.connector.provider
    names = {asked.name for asked in provider.fields}
    for way in provider.auth:
        if isinstance(way, OAuth2):
            names |= set(way.keep)
        else:
            names |= {asked.name for asked in way.fields}
    names |= set(provider.accounts.keep) if provider.accounts else set()
    names |= set(templates.names_in(provider.base_url))
    secret = "s3cret-of-the-check"
    extra = {name: _plausible(provider, name, secret) for name in names}
    given = Credentials(secret, secret, "name", secret, extra)
    first, second = (subject.connector().authenticate(given) for _ in range(2))
    if (first.auth, first.base_url) != (second.auth, second.base_url):
        yield "", "two calls with the same credentials differ"
    if not first.auth:
        yield "", "no header carries the access"
    if secret in repr(first) or secret in first.base_url:
        yield "", "the access stands in a text that may be logged"


def _plausible(provider: Provider, name: str, secret: str) -> str:
    """A value for {name}: an address of a declared host where the base URL begins with it."""
    if provider.base_url.startswith(f"{{{name}}}"):
        host = next(iter(provider.hosts), "api.acme.example")
        return f"https://{host.replace('*', 'acme')}"
    is_in_address = name in templates.names_in(provider.base_url)
    return "acme" if is_in_address else secret
