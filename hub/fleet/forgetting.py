"""What the public schema forgets with time: links to the connect page, clicks there, sign-ins.

Attempts hold sealed verifiers, and a choice's sealed tokens; sessions hold the hashes of links.
A day after they have ended nobody can use them nor wonders any more why a link is too old.
"""

from datetime import timedelta
from typing import Any

from django.db import connection

CONNECT_KEPT = timedelta(days=1)  # attempts and sessions, after the time at which they end
SIGN_INS_KEPT = timedelta()  # likewise
AT_ONCE = 10_000

_ATTEMPTS = """
DELETE FROM public.connect_connectattempt WHERE id IN (
    SELECT id FROM public.connect_connectattempt
    WHERE expires_at < now() - %(connect_kept)s LIMIT %(rows)s
)
"""
_SESSIONS = """
DELETE FROM public.connect_connectsession WHERE id IN (
    SELECT s.id FROM public.connect_connectsession s
    WHERE s.expires_at < now() - %(connect_kept)s AND NOT EXISTS (
        SELECT FROM public.connect_connectattempt a WHERE a.session_id = s.id
    )
    LIMIT %(rows)s
)
"""
_SIGN_INS = """
DELETE FROM public.django_session WHERE session_key IN (
    SELECT session_key FROM public.django_session
    WHERE expire_date < now() - %(sign_ins_kept)s LIMIT %(rows)s
)
"""


def forget_ended() -> bool:
    """Forget at most 10,000 of each kind that have ended; return whether none is left."""
    values: dict[str, Any] = {
        "connect_kept": CONNECT_KEPT,
        "sign_ins_kept": SIGN_INS_KEPT,
        "rows": AT_ONCE,
    }
    most = 0
    for statement in (_ATTEMPTS, _SESSIONS, _SIGN_INS):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            most = max(most, cursor.rowcount)
    return most < AT_ONCE
