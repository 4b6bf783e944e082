"""Checks of trouble: whose turn it is, nothing of it becomes data, and afterwards it goes on."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    HubError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.testing.checks import Problem, check
from integrations.testing.reader import Reader
from integrations.testing.subject import Subject

WAIT_SECONDS = 7  # longer than a call sleeps through
SHORT_WAIT_SECONDS = 2
CUT_AT_BYTES = 20


@check("answers")
def a_pause_that_is_asked_for_is_kept(subject: Subject) -> Iterator[Problem]:
    """429: a long Retry-After is handed on in seconds, a short one is waited for."""
    headers = {"Retry-After": str(WAIT_SECONDS)}
    for error in _spoilt(subject, status=429, headers=headers, body="{}"):
        if not isinstance(error, RateLimitError):
            yield "", f"429 is {_named(error)}, no RateLimitError"
        elif error.retry_after != WAIT_SECONDS:
            yield "", f"Retry-After {WAIT_SECONDS} was understood as {error.retry_after}"
    yield from _goes_on(subject)
    name = subject.longest()
    reader = subject.prepared(name)
    headers = {"Retry-After": str(SHORT_WAIT_SECONDS)}
    subject.control("fault", status=429, headers=headers, body="{}")
    if error := reader.error_of(name):
        yield name, f"one short pause ended the walk with {_named(error)}"
    elif sum(reader.clock.slept) < SHORT_WAIT_SECONDS:
        yield name, f"it waited {sum(reader.clock.slept)} s instead of {SHORT_WAIT_SECONDS}"


@check("answers")
def a_broken_provider_is_asked_again(subject: Subject) -> Iterator[Problem]:
    """500, 502 and 503 can be retried."""
    for status in (500, 502, 503):
        for error in _spoilt(subject, status=status, body="{}"):
            if not isinstance(error, RetryableError):
                yield "", f"{status} is {_named(error)}, no RetryableError"
    yield from _goes_on(subject)


@check("answers")
def a_web_page_is_no_data(subject: Subject) -> Iterator[Problem]:
    """HTML instead of JSON can be retried, whatever the status."""
    for status in (200, 502):
        for error in _spoilt(subject, html=True, status=status):
            if not isinstance(error, RetryableError):
                yield "", f"a web page with status {status} is {_named(error)}"
    yield from _goes_on(subject)


@check("answers")
def half_an_answer_is_no_data(subject: Subject) -> Iterator[Problem]:
    """A body that is cut off, an empty one and a connection that is reset can be retried."""
    for order in ({"truncate": CUT_AT_BYTES}, {"status": 200, "body": ""}, {"reset": True}):
        for error in _spoilt(subject, **order):
            if not isinstance(error, RetryableError):
                yield "", f"{next(iter(order))} is {_named(error)}, no RetryableError"
    yield from _goes_on(subject)


@check("sandbox")
def the_providers_own_fault_is_no_data(subject: Subject) -> Iterator[Problem]:
    """A passing fault in the provider's own words, under status 200, can be retried."""
    for error in _spoilt(subject, fault=True):
        if not isinstance(error, RetryableError):
            yield "", f"the provider's own fault is {_named(error)}, no RetryableError"
    yield from _goes_on(subject)


@check("sandbox")
def an_expired_token_is_renewed_mid_list(subject: Subject) -> Iterator[Problem]:
    """Access that expires in the middle of a list is refused as such, and renewed it goes on."""
    name = subject.longest()
    reader = subject.prepared(name)
    walk = reader.walk(name, lambda entity: entity.position is not None)
    if walk.is_over and subject.whole().walks[name].calls > 1:
        yield name, "the walk has no position in its middle"
    assert subject.access is not None
    if subject.access.refresh_token:
        subject.control("expire_tokens")
    else:
        subject.control("fault", status=401, body="{}", count=None)
    error = reader.error_of(name)
    if not isinstance(error, AccessTokenRefusedError | ReauthorizationRequiredError):
        yield name, f"refused access is {_named(error)}"
    elif subject.access.refresh_token and not isinstance(error, AccessTokenRefusedError):
        yield name, f"an expired token is {_named(error)}, which nobody would renew"
    subject.control("clear_faults")
    subject.renew()
    yield from _ended(subject, reader, name)


@check("sandbox")
def lost_access_needs_a_person(subject: Subject) -> Iterator[Problem]:
    """Access that the customer has taken back ends the walk, and no row is taken for data."""
    name = subject.whole().walked_types[0]
    reader = subject.reader()
    subject.control("revoke")
    error = reader.error_of(name)
    if not isinstance(error, AccessTokenRefusedError | ReauthorizationRequiredError):
        yield name, f"lost access is {_named(error)}"
    if reader.ids(name):
        yield name, "rows arrived with access that was lost"


@check("sandbox")
def an_old_checkpoint_is_said_to_be_old(subject: Subject) -> Iterator[Problem]:
    """Where cursors have expired, the walk says so or goes on without loss; then all is there."""
    reader = subject.reader()
    reader.read_all()
    subject.control("expire_cursors")
    reader.begin_run()
    for name in reader.walked_types:
        error = reader.error_of(name)
        if error is not None and not isinstance(error, CheckpointExpiredError):
            yield name, f"an old checkpoint is {_named(error)}"
            continue
        if error is not None:
            reader.forget(name)
        yield from _ended(subject, reader, name)


@check("sandbox")
def a_closed_parent_is_passed_over(subject: Subject) -> Iterator[Problem]:
    """A parent that may not be read, or is gone, is skipped; the others are read."""
    for declared in subject.connector.entity_types:
        if declared.parent is None or declared.inside is not None:
            continue
        name = declared.name
        scopes = Counter(one.scope for one in subject.whole().stored[name].values())
        closed = scopes.most_common(1)[0][0] if scopes else ""
        if not closed or len(scopes) < 2:
            yield name, "the sandbox has too few parents to tell"
            continue
        reader = subject.prepared(name)
        subject.control("fault", path=_naming(closed), status=404, body="{}", count=None)
        error = reader.error_of(name)
        subject.control("clear_faults")
        if error is not None:
            yield name, f"one closed parent ended the walk with {_named(error)}"
        elif closed not in reader.skipped.get(name, {}):
            yield name, f"{closed} was closed and is not reported as skipped"
        others = {id for id, one in subject.whole().stored[name].items() if one.scope != closed}
        if lost := others - reader.ids(name):
            yield name, f"{len(lost)} of other parents were lost with it"


def _spoilt(subject: Subject, **order: Any) -> Iterator[HubError | None]:
    """What the longest walk ends with when its first, and a later, request is spoilt so.

    Raises:
        AssertionError: a row arrived that is not the provider's, or more than the sound pages.
    """
    name = subject.longest()
    for skip in sorted({0, subject.whole().walks[name].calls // 2}):
        reader = subject.prepared(name)
        subject.control("fault", skip=skip, count=None, **order)
        yield reader.error_of(name)
        subject.control("clear_faults")
        for entity_type in subject.within(name):
            known = subject.whole().stored.get(entity_type, {})
            for source_id, entity in reader.stored.get(entity_type, {}).items():
                assert source_id in known, f"{source_id} came out of a spoilt answer"
                assert entity.payload == known[source_id].payload, f"{source_id} was spoilt"


def _goes_on(subject: Subject) -> Iterator[Problem]:
    """After trouble in its middle, a walk goes on from its last position to its end."""
    name = subject.longest()
    reader = subject.prepared(name)
    skip = subject.whole().walks[name].calls // 2
    subject.control("fault", skip=skip, count=None, status=503, body="{}")
    reader.error_of(name)
    subject.control("clear_faults")
    yield from _ended(subject, reader, name)


def _ended(subject: Subject, reader: Reader, name: str) -> Iterator[Problem]:
    if error := reader.error_of(name):
        yield name, f"it does not go on: {_named(error)}: {error}"
        return
    for entity_type in subject.within(name):
        if lost := subject.whole().ids(entity_type) - reader.ids(entity_type):
            yield name, f"{len(lost)} of {entity_type} were lost: {sorted(lost)[:3]}"


def _naming(source_id: str) -> str:
    """A pattern for paths and queries that name the id, written plainly or quoted."""
    either = "|".join({re.escape(source_id), re.escape(quote(source_id, safe=""))})
    return rf"(?<![A-Za-z0-9._-])(?:{either})(?![A-Za-z0-9._-])"


def _named(error: HubError | None) -> str:
    return "no error at all" if error is None else type(error).__name__
