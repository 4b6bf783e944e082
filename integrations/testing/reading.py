"""Checks of full and incremental reads: everything arrives, as valid records, and stays equal."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from integrations.connectors.base import identify
from integrations.errors import CheckpointExpiredError, HubError
from integrations.records import NormalizedRecord
from integrations.testing.access import client_of
from integrations.testing.checks import Problem, check
from integrations.testing.clock import SkippingClock
from integrations.testing.subject import Subject, copied
from integrations.types import Entity, Ref, Unreadable

MOST_CALLS_BETWEEN = 2
ROWS_CHANGED = 2
SHOWN = 3  # examples in a sentence


@check("answers")
def identity_names_the_account(subject: Subject) -> Iterator[Problem]:
    """The identity call tells whose account it is, by id and by a name for people."""
    assert subject.access is not None
    credentials = subject.access.credentials
    with client_of(subject.connector, subject.sandbox, credentials, SkippingClock()) as client:
        subject.connector(client)
        account = identify(subject.connector, client)
    if not account.id or not account.label:
        yield "", "the account has no id or no label"


@check("answers")
def a_full_read_brings_every_type(subject: Subject) -> Iterator[Problem]:
    """Every declared entity type delivers, and nothing the provider shows is left out."""
    whole = subject.whole()
    for declared in subject.connector.entity_types:
        if not whole.ids(declared.name):
            yield declared.name, "a full read delivered nothing"
            continue
        table = subject.table_of(declared.name)
        if table:
            shown = {id for id, row in subject.rows(table).items() if row["visible"]}
            if missing := shown - whole.ids(declared.name):
                yield declared.name, f"{len(missing)} were left out: {_some(missing)}"
            if extra := whole.ids(declared.name) - shown:
                yield declared.name, f"{len(extra)} are not shown there: {_some(extra)}"
    for name in set(whole.stored) - {one.name for one in subject.connector.entity_types}:
        yield name, "it was delivered without being declared"


@check("answers")
def ids_are_texts_and_unique(subject: Subject) -> Iterator[Problem]:
    """An id is a text that a database takes, and is delivered once in a full read."""
    for entity_type, counts in subject.whole().yielded.items():
        for source_id, count in counts.items():
            if not isinstance(source_id, str) or not source_id.isprintable():
                yield entity_type, f"{source_id!r} is no id"
            elif count > 1:
                yield entity_type, f"{source_id} was delivered {count} times"


@check("answers")
def every_scope_is_read_to_its_end(subject: Subject) -> Iterator[Problem]:
    """A walk ends with a position that is done, in every scope that could be read."""
    whole = subject.whole()
    for name in whole.walked_types:
        ended = whole.finished.get(name, set()) | set(whole.skipped.get(name, {}))
        if open_scopes := set(whole.cursors.get(name, {})) - ended:
            yield name, f"no end in scope {_some(open_scopes) or '(none)'}"
        if name not in whole.cursors:
            yield name, "it gave no position at all"


@check("answers")
def positions_are_close(subject: Subject) -> Iterator[Problem]:
    """Between two positions lie a page and one call for what is below a row, at most."""
    for name, walk in subject.whole().walks.items():
        if walk.calls_between_positions > MOST_CALLS_BETWEEN:
            yield name, f"{walk.calls_between_positions} calls without a position between them"


@check("answers")
def every_entity_becomes_a_record(subject: Subject) -> Iterator[Problem]:
    """What a full read brings becomes valid records of the declared types."""
    connector = subject.connector()
    for declared in subject.connector.entity_types:
        for entity in subject.entities(declared.name):
            if isinstance(entity.payload, Unreadable):
                yield declared.name, f"{entity.source_id} {entity.payload.reason}"
                continue
            record, sentence = _record_of(subject, entity)
            if record is None:
                yield declared.name, sentence
            elif not isinstance(record, declared.record_types):
                yield declared.name, f"{entity.source_id} became a {record.record_type}"
            elif not connector.supports_destination("postgres"):
                yield declared.name, "the hub's own database is no destination for it"


@check("answers")
def transform_is_pure(subject: Subject) -> Iterator[Problem]:
    """The same entity makes an equal record every time, and is not changed by it."""
    for declared in subject.connector.entity_types:
        for entity in subject.entities(declared.name):
            before = copied(entity.payload)
            first, _ = _record_of(subject, entity)
            second, _ = _record_of(subject, entity)
            if first != second:
                yield declared.name, f"{entity.source_id} made two different records"
            if entity.payload != before:
                yield declared.name, f"the payload of {entity.source_id} was changed"


@check("answers")
def references_point_to_declared_types(subject: Subject) -> Iterator[Problem]:
    """A reference names an entity type that exists, and an id."""
    names = {declared.name for declared in subject.connector.entity_types}
    for name in sorted(names):
        unknown: set[str] = set()
        for entity in subject.entities(name):
            record, _ = _record_of(subject, entity)
            for value in record.refs().values() if record else ():
                targets = (value,) if isinstance(value, Ref) else value
                unknown |= {one.entity_type for one in targets if one.entity_type not in names}
        if unknown:
            yield name, f"it refers to {', '.join(sorted(unknown))}, which is not declared"


@check("answers")
def secrets_stay_out_of_addresses(subject: Subject) -> Iterator[Problem]:
    """No address that is called holds a key or a token: addresses end up in logs."""
    subject.reader().read_all()
    assert subject.access is not None
    for secret in subject.access.secrets():
        if any(secret in one["path"] for one in subject.requests()):
            yield "", "a secret stands in an address that was called"
            return


@check("sandbox")
def a_quiet_account_costs_no_more(subject: Subject) -> Iterator[Problem]:
    """Read again with nothing changed: nothing is lost, and it takes no more calls than before."""
    reader = subject.reader()
    reader.read_all()
    before = {name: reader.ids(name) for name in reader.stored}
    calls = {name: walk.calls for name, walk in reader.walks.items()}
    reader.read_all()
    for name, ids in before.items():
        if gone := ids - reader.ids(name):
            yield name, f"{_some(gone)} was taken away though nothing changed"
    for name, walk in reader.walks.items():
        if walk.calls > max(calls[name], len(reader.cursors.get(name, {}))):
            yield name, f"{walk.calls} calls, after {calls[name]} for everything"


@check("sandbox")
def changes_arrive(subject: Subject) -> Iterator[Problem]:
    """What changed at the provider is brought by the next incremental read."""
    reader = subject.reader()
    reader.read_all()
    before = {name: dict(kept) for name, kept in reader.stored.items()}
    changed = yield from _change(subject)
    reader.read_all()
    for name, ids in changed.items():
        for source_id in ids:
            now = reader.stored.get(name, {}).get(source_id)
            if now is None or now.payload == before[name][source_id].payload:
                yield name, f"the change of {source_id} did not arrive"


@check("sandbox")
def additions_arrive(subject: Subject) -> Iterator[Problem]:
    """What was added at the provider is brought by the next incremental read."""
    reader = subject.reader()
    reader.read_all()
    added: dict[str, list[str]] = {}
    for declared in subject.connector.entity_types:
        if table := subject.table_of(declared.name):
            # To lists that hardly ever grow, such as stages, a sandbox part need not add.
            with suppress(ValueError):
                added[declared.name] = subject.control("add", entity=table)["ids"]
    if not added:
        yield "", "the sandbox adds to no table"
    reader.read_all()
    for name, ids in added.items():
        if missing := set(ids) - reader.ids(name):
            yield name, f"{_some(missing)} did not arrive"


@check("sandbox")
def deletions_arrive(subject: Subject) -> Iterator[Problem]:
    """Where deletions are declared as reported, the next read reports them."""
    reader = subject.reader()
    reader.read_all()
    gone: dict[str, str] = {}
    for declared in subject.connector.entity_types:
        table = subject.table_of(declared.name)
        if declared.deletions == "signal" and table:
            gone[declared.name] = _last(reader.ids(declared.name) & set(subject.rows(table)))
            subject.control("delete", entity=table, ids=[gone[declared.name]])
    reader.read_all()
    for name, source_id in gone.items():
        if source_id in reader.ids(name):
            yield name, f"the deletion of {source_id} did not arrive"


@check("sandbox")
def full_and_incremental_agree(subject: Subject) -> Iterator[Problem]:
    """An entity makes an equal record, whether a full or an incremental read brought it."""
    reader = subject.reader()
    reader.read_all()
    for _ in _change(subject):
        pass
    reader.begin_run()
    reader.read_all()
    fresh = subject.reader()
    fresh.read_all()
    for declared in subject.connector.entity_types:
        walk = reader.walks.get(declared.inside or declared.name)
        brought = {one.source_id for one in walk.committed} if walk else set()
        for source_id in sorted(brought & fresh.ids(declared.name)):
            one = reader.stored[declared.name].get(source_id)
            other = fresh.stored[declared.name][source_id]
            if one is None or _record_of(subject, one)[0] != _record_of(subject, other)[0]:
                yield declared.name, f"{source_id} differs between the two ways of reading"


@check("sandbox")
def a_future_start_is_survived(subject: Subject) -> Iterator[Problem]:
    """A backfill date or a clock that lies in the future ends in no error."""
    future = datetime.now(UTC) + timedelta(days=365)
    for reader in (subject.reader(not_before=future), subject.reader(started_at=future)):
        for _ in range(2):
            reader.begin_run()
            for name in reader.walked_types:
                error = reader.error_of(name)
                if error is not None and not isinstance(error, CheckpointExpiredError):
                    yield name, f"{type(error).__name__}: {error}"


@check("sandbox")
def an_empty_account_is_read(subject: Subject) -> Iterator[Problem]:
    """An account without any rows is read to its end, twice, and brings nothing."""
    subject.control("empty")
    reader = subject.reader()
    for _ in range(2):
        reader.begin_run()
        for name in reader.walked_types:
            if error := reader.error_of(name):
                yield name, f"{type(error).__name__}: {error}"
    for name in reader.stored:
        if reader.ids(name):
            yield name, f"{len(reader.ids(name))} arrived from an empty account"


def _change(subject: Subject) -> Generator[Problem, None, dict[str, list[str]]]:
    """Change some rows of every type at the provider; returns the ids by type."""
    changed: dict[str, list[str]] = {}
    for declared in subject.connector.entity_types:
        table = subject.table_of(declared.name)
        if not table:
            yield declared.name, "no table of the sandbox holds these ids; name it in `tables`"
            continue
        ids = sorted(subject.whole().ids(declared.name) & set(subject.rows(table)))
        chosen = ids[:: max(1, len(ids) // ROWS_CHANGED)][:ROWS_CHANGED]
        changed[declared.name] = subject.control("change", entity=table, ids=chosen)["ids"]
    return changed


def _record_of(subject: Subject, entity: Entity) -> tuple[NormalizedRecord | None, str]:
    """The valid record of an entity, or a sentence on why there is none."""
    try:
        record = subject.connector().transform(entity)
        record.validate()
        record.to_data()
    except HubError as error:
        return None, f"{entity.source_id}: {error}"
    except Exception as error:  # as the engine: whatever transform raises is about this one entity
        return None, f"{entity.source_id}: {type(error).__name__}: {error}"
    return record, ""


def _some(ids: set[str]) -> str:
    return ", ".join(sorted(ids)[:SHOWN])


def _last(ids: set[str]) -> str:
    return sorted(ids)[-1]
