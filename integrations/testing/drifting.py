"""Checks of drift: providers change what they send without asking."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import partial
from typing import Any

from integrations.errors import HubError
from integrations.http.answer import Answer
from integrations.http.client import ProviderClient
from integrations.sync.prepare import prepare
from integrations.testing.access import egress_of
from integrations.testing.checks import Problem, check
from integrations.testing.clock import SkippingClock
from integrations.testing.subject import Subject
from integrations.types import Entity, Payload

ENTITIES_TRIED = 5
UNKNOWN = "a_field_nobody_knows"
_PARTS = re.compile(r"[:/|]")


@check("answers")
def a_changed_field_spoils_one_entity_at_most(subject: Subject) -> Iterator[Problem]:
    """A field that is gone or has another type sets its entity aside, or is survived."""
    connector = subject.connector()
    for declared in subject.connector.entity_types:
        for entity in subject.entities(declared.name)[:ENTITIES_TRIED]:
            for what, payload in _drifts(entity.data):
                try:
                    row = prepare(connector, _with(entity, payload))
                except Exception as error:  # the check's whole point
                    yield declared.name, f"{what} ended in {type(error).__name__}: {error}"
                    continue
                if row.kind not in ("record", "rejected") or (
                    row.kind == "rejected" and not row.reason
                ):
                    yield declared.name, f"{what} made it {row.kind} without a reason"


@check("answers")
def a_new_field_changes_nothing(subject: Subject) -> Iterator[Problem]:
    """A field nobody knows leaves the record as it was."""
    connector = subject.connector()
    for declared in subject.connector.entity_types:
        for entity in subject.entities(declared.name)[:ENTITIES_TRIED]:
            new = {UNKNOWN: {"deep": [1, None, {"deeper": "ä"}]}}
            row = prepare(connector, _with(entity, {**entity.data, **new}))
            if row.kind != "record" or row.data != prepare(connector, entity).data:
                yield declared.name, f"{entity.source_id} became {row.kind} {row.reason}"


@check("answers")
def drift_inside_a_page_leaves_the_others(subject: Subject) -> Iterator[Problem]:
    """Rows that have changed their shape do not stop the walk, nor take others with them."""
    for name in subject.whole().walked_types:
        plan = _plan(subject, name)
        spoilt = {entity.source_id for entity, _ in plan}
        reader = subject.prepared(name)
        reader.open_client = partial(_drifting, subject, plan)
        try:
            walk = reader.walk(name)
        except HubError as error:
            yield name, f"it stopped the walk: {type(error).__name__}: {error}"
            continue
        except (
            Exception
        ) as error:  # a connector that trips over a field, which the engine would log
            yield name, f"it broke the walk: {type(error).__name__}: {error}"
            continue
        arrived = {entity.source_id for entity in walk.committed}
        for entity_type in subject.within(name):
            if lost := subject.whole().ids(entity_type) - arrived - spoilt:
                yield name, f"{len(lost)} sound {entity_type} were lost: {sorted(lost)[:3]}"


class DriftingClient(ProviderClient):
    """Changes rows of an answer once they have been read: `plan` says which become what."""

    plan: list[tuple[Entity, Payload]]

    def get(self, path: str, params: Any = None, *, rows_at: str | None = "") -> Answer:
        return self._drifted(super().get(path, params, rows_at=rows_at))

    def post(
        self, path: str, body: Any = None, *, params: Any = None, rows_at: str | None = ""
    ) -> Answer:
        return self._drifted(super().post(path, body, params=params, rows_at=rows_at))

    def _drifted(self, answer: Answer) -> Answer:
        drifts = [(entity.data, payload) for entity, payload in self.plan]
        return Answer(answer.status, answer.headers, _replaced(answer.body, drifts))


def _drifting(
    subject: Subject, plan: list[tuple[Entity, Payload]], clock: SkippingClock
) -> ProviderClient:
    assert subject.access is not None
    connector = subject.connector
    context = connector().authenticate(subject.access.credentials)
    egress = egress_of(subject.sandbox)
    client = DriftingClient(connector.provider, context, egress=egress, clock=clock)
    client.plan = plan
    return client


def _plan(subject: Subject, name: str) -> list[tuple[Entity, Payload]]:
    """One drift for each entity, until every drift of the type's fields has its entity."""
    plan: list[tuple[Entity, Payload]] = []
    for entity_type in sorted(subject.within(name)):
        entities = subject.entities(entity_type)
        fields: dict[str, None] = {}
        for entity in entities:
            fields.update(dict.fromkeys(entity.data))
        wanted = [(field, kind) for field in fields for kind in ("gone", "other")]
        for entity in entities:
            fitting = (one for one in wanted if _fits(entity, one[0]))
            chosen = next(fitting, None)
            if chosen is not None:
                wanted.remove(chosen)
                plan.append((entity, _drifted(entity.data, *chosen)))
    return plan


def _fits(entity: Entity, field: str) -> bool:
    """A field the entity has, and that is no part of its id: without that it is another entity."""
    value = entity.data.get(field)
    is_id = isinstance(value, str | int) and str(value) in _PARTS.split(entity.source_id)
    return field in entity.data and not is_id


def _drifts(payload: Payload) -> Iterator[tuple[str, Payload]]:
    """Every top-level field gone, and with another type; every field one level down gone."""
    for field, value in payload.items():
        yield f"{field} gone", _drifted(payload, field, "gone")
        yield f"{field} of another type", _drifted(payload, field, "other")
        yield f"{field} null", {**payload, field: None}
        for inner in value if isinstance(value, dict) else ():
            yield f"{field}.{inner} gone", {**payload, field: _drifted(value, inner, "gone")}
            yield f"{field}.{inner} changed", {**payload, field: _drifted(value, inner, "other")}


def _drifted(payload: Mapping[str, Any], field: str, kind: str) -> Payload:
    if kind == "gone":
        return {name: value for name, value in payload.items() if name != field}
    return {**payload, field: _other(payload[field])}


def _other(value: Any) -> Any:
    """Something of another type."""
    if isinstance(value, dict | list):
        return "text"
    return {"was": value} if isinstance(value, str) else [str(value)]


def _replaced(node: Any, drifts: list[tuple[Payload, Payload]]) -> Any:
    """The document with each planned row in the place of the sound one."""
    if isinstance(node, list):
        return [_replaced(one, drifts) for one in node]
    if not isinstance(node, dict):
        return node
    for sound, payload in drifts:
        if _is_row_of(node, sound):
            return {name: payload[name] for name in payload if name in {*node, *payload}}
    return {name: _replaced(value, drifts) for name, value in node.items()}


def _is_row_of(node: Payload, payload: Payload) -> bool:
    if len(node) * 2 < len(payload):
        return False
    for name, value in node.items():  # noqa: SIM110  most end at the first name, a million times
        if name not in payload or payload[name] != value:
            return False
    return True


def _with(entity: Entity, payload: Payload) -> Entity:
    return Entity(
        entity.entity_type,
        entity.source_id,
        deepcopy(payload),
        entity.scope,
        entity.changed_at,
        position=entity.position,
    )
