"""What the base of all connectors does so that they need not."""

from __future__ import annotations

import pickle
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from integrations.connectors.base import Connector, Declared, base_url_of, identify
from integrations.errors import (
    FatalError,
    NotFoundError,
    ParentSkippedError,
    ReauthorizationRequiredError,
)
from integrations.http.answer import Answer
from integrations.records import NormalizedRecord, Option
from integrations.types import (
    ApiKey,
    Auth,
    AuthContext,
    Basic,
    Checkpoint,
    Credentials,
    Cursor,
    Entity,
    EntityType,
    Field,
    Identity,
    OAuth2,
    Position,
    Provider,
    RunContext,
)


def provider(base_url: str = "https://api.acme.example", *auth: Auth, **more: Any) -> Provider:
    return Provider(
        slug="acme",
        label="Acme",
        base_url=base_url,
        auth=auth or (OAuth2(),),
        identity=more.pop("identity", Identity("/me", "account.id", "account.name")),
        **more,
    )


class Acme(Declared, Connector):
    provider: ClassVar[Provider] = provider()
    entity_types = (
        EntityType("rooms", becomes=Option),
        EntityType("notes", becomes=Option, parent="rooms"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        return iter(())

    def transform(self, raw: Entity) -> NormalizedRecord:
        return Option(name=raw.data["name"])


class Answers:
    """A client that knows the answers by path."""

    context = AuthContext({}, "https://api.acme.example", extra={"realmId": "123"})

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.classify: Any = None

    def get(self, path: str, params: Any = None, *, rows_at: Any = "") -> Answer:
        self.asked.append(path)
        found = self.answers.get(path.strip("/"))
        if found is None:
            raise NotFoundError("gone")
        return Answer(200, {}, found)


def with_auth(*auth: Auth) -> Acme:
    class Signed(Acme):
        pass

    Signed.provider = provider("https://api.acme.example", *auth)
    return Signed()


def test_a_token_is_sent_as_bearer() -> None:
    context = with_auth(OAuth2()).authenticate(Credentials("hubcanary"))

    assert context.auth == {"Authorization": "Bearer hubcanary"}


def test_a_key_fills_the_declared_headers() -> None:
    way = ApiKey({"X-Key": "{key}", "X-User": "{mail}"}, (Field("key", "Key"), Field("mail", "E")))

    context = with_auth(way).authenticate(Credentials(key="k", extra={"mail": "a@acme.example"}))

    assert context.auth == {"X-Key": "k", "X-User": "a@acme.example"}


def test_basic_may_have_a_fixed_half() -> None:
    context = with_auth(Basic(defaults={"password": "x"})).authenticate(Credentials(username="key"))

    assert context.auth == {"Authorization": "Basic " + b64encode(b"key:x").decode()}


def test_of_several_ways_the_first_that_is_complete_is_taken() -> None:
    signed = with_auth(ApiKey({"X-Key": "{key}"}), OAuth2())

    assert signed.authenticate(Credentials(key="k", access_token="t")).auth == {"X-Key": "k"}
    assert "Authorization" in signed.authenticate(Credentials(access_token="t")).auth


@pytest.mark.parametrize("way", [OAuth2(), ApiKey({"X-Key": "{key}"}), Basic()])
def test_missing_credentials_ask_for_a_new_connection(way: Auth) -> None:
    with pytest.raises(ReauthorizationRequiredError):
        with_auth(way).authenticate(Credentials())


def test_access_is_never_shown_and_never_pickled() -> None:
    """T19."""
    credentials = Credentials("hubcanary1", "hubcanary2", "u", "hubcanary3", {"x": "hubcanary4"})
    context = AuthContext({"Authorization": "hubcanary5"}, "https://hubcanary6.example")

    for held in (credentials, context):
        assert "hubcanary" not in f"{held} {held!r} {[held]} { {'held': held} }"
        with pytest.raises(TypeError):
            pickle.dumps(held)


INSTANCE = provider("{instance_url}/data", hosts=("*.my.acme.example",))


@pytest.mark.parametrize(
    "value", ["https://eu7.my.acme.example", "https://eu7.my.acme.example/", "https://a.b.my.acme.example:443"]
)  # fmt: skip
def test_an_instance_of_the_provider_becomes_the_base_url(value: str) -> None:
    assert base_url_of(INSTANCE, {"instance_url": value}) == value.rstrip("/") + "/data"


@pytest.mark.parametrize(
    "value",
    [
        "http://eu7.my.acme.example",
        "https://my.acme.example.evil.example",
        "https://evil.example/.my.acme.example",
        "https://evil.example#.my.acme.example",
        "https://evil.example?.my.acme.example",
        "https://user@eu7.my.acme.example",
        "https://eu7.my.acme.example@evil.example",
        "https://eu7.my.acme.example:8443",
        "https://127.0.0.1",
        "https://[::1",
        "javascript://eu7.my.acme.example",
    ],
)
def test_an_instance_elsewhere_is_not_called(value: str) -> None:
    with pytest.raises(FatalError, match="instance_url"):
        base_url_of(INSTANCE, {"instance_url": value})


def test_a_missing_value_of_the_base_url_asks_for_a_new_connection() -> None:
    with pytest.raises(ReauthorizationRequiredError, match="instance_url"):
        base_url_of(INSTANCE, {})


def test_identity_is_read_by_path_or_from_what_was_kept() -> None:
    client: Any = Answers(me={"account": {"id": 7, "name": "Nordlicht"}})
    assert identify(Acme, client).id == "7"
    assert identify(Acme, client).label == "Nordlicht"

    class Kept(Acme):
        provider = provider(identity=Identity("/me", "{realmId}", "nothing.here"))

    assert (identify(Kept, client).id, identify(Kept, client).label) == ("123", "123")


def test_an_answer_that_does_not_say_whose_account_it_is_is_fatal() -> None:
    client: Any = Answers(me={"account": {"id": None}})

    with pytest.raises(FatalError):
        identify(Acme, client)


def test_a_connector_brings_its_own_word_on_errors_to_the_client() -> None:
    client: Any = Answers()

    connector = Acme(client)

    assert client.classify == connector.classify_error
    assert connector.classify_error(Answer(418)) is None


@pytest.mark.parametrize("need", ["http", "run"])
def test_a_connector_made_for_transform_alone_says_what_it_lacks(need: str) -> None:
    with pytest.raises(FatalError):
        getattr(Acme(), need)

    run = RunContext(datetime(2026, 11, 20, tzinfo=UTC))
    assert Acme(run=run).run is run


# One walk per parent.


def rooms(*names: str) -> list[Entity]:
    return [Entity("rooms", name, {"name": name}) for name in names]


def notes_of(room: Entity, cursor: Cursor) -> Iterator[Entity]:
    scope = room.source_id
    if scope == "locked":
        yield Entity("notes", "locked:1", {}, scope, position=Position(scope, {"page": 2}))
        raise ParentSkippedError("not yours")
    if scope == "vanished":
        raise NotFoundError("gone")
    for number in range(cursor.get("n", 0), 2):
        is_last = number == 1
        place = Position(scope, {} if is_last else {"n": number + 1}, done=is_last)
        yield Entity("notes", f"{scope}:{number}", {}, scope, position=place)


def walk(since: Checkpoint | None, *names: str) -> list[Entity]:
    connector = Acme(known=lambda entity_type: rooms(*names))
    return list(connector.per_parent("rooms", since, notes_of))


def test_every_parent_has_its_own_walk_and_position() -> None:
    came = walk(None, "a", "b")

    assert [one.source_id for one in came] == ["a:0", "a:1", "b:0", "b:1"]
    assert [one.position.scope for one in came if one.position and one.position.done] == ["a", "b"]


def test_finished_parents_are_passed_over_and_an_open_one_goes_on() -> None:
    since = Checkpoint({"a": {}, "b": {"n": 1}}, finished=frozenset({"a"}))

    assert [one.source_id for one in walk(since, "a", "b", "c")] == ["b:1", "c:0", "c:1"]


@pytest.mark.parametrize(
    ("name", "cursor", "code"),
    [("locked", {"page": 2}, "parent_skipped"), ("vanished", {}, "not_found_at_provider")],
)
def test_a_parent_that_may_not_be_read_is_skipped_with_the_reason(
    name: str, cursor: Cursor, code: str
) -> None:
    came = walk(None, "a", name, "b")

    skipped = [one.position for one in came if one.position and one.position.skipped]
    assert skipped == [Position(name, cursor, done=False, skipped=code)]
    assert came[-1].source_id == "b:1"


# Details.


def listed() -> list[Entity]:
    two = {"page": "p2"}
    return [
        Entity("notes", "1", {"id": 1}),
        Entity("notes", "2", {"id": 2}, position=Position("", two)),
        Entity.gone("notes", "3"),
        Entity("notes", "4", {"id": 4}),
        Entity("notes", "5", {"id": 5}),
        Entity.rest(Position("", {}, done=True)),
    ]


def test_details_bring_the_whole_entity_and_a_place_to_rest_after_each() -> None:
    client: Any = Answers(
        **{"notes/1": {"full": 1}, "notes/2": {"full": 2}, "notes/5": {"full": 5}}
    )

    came = list(Acme(client).details(listed(), "/notes/{id}", {"page": "p1", "seen": ["0"]}))

    assert [(one.source_id, one.deleted) for one in came] == [
        ("1", False), ("2", False), ("3", True), ("4", True), ("5", False), ("", False),
    ]  # fmt: skip
    assert came[0].payload == {"full": 1}
    assert [one.position.cursor for one in came if one.position] == [
        {"page": "p1", "seen": ["0", "1"]},
        {"page": "p2"},
        {"page": "p2", "seen": ["3", "4"]},
        {"page": "p2", "seen": ["3", "4", "5"]},
        {},
    ]


def test_details_are_asked_for_only_where_they_are_needed() -> None:
    client: Any = Answers(**{"notes/4": {"full": 4}})

    came = list(
        Acme(client).details(listed(), "/notes/{id}", None, lambda one: one.source_id == "4")
    )

    assert client.asked == ["/notes/4"]
    assert [one.payload for one in came if not one.is_rest and not one.deleted] == [
        {"id": 1}, {"id": 2}, {"full": 4}, {"id": 5},
    ]  # fmt: skip
