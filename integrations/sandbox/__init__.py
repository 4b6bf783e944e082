"""An offline stand-in for all providers, and for a gateway to them, on one loopback port.

It speaks their wire formats and refuses what they refuse. It imports nothing of the hub; only the
demo and the tests name it. A new provider is one new module here with a `Part` subclass.

    python -m integrations.sandbox --port 0      # prints: sandbox ready on http://127.0.0.1:PORT
    with Sandbox(seed=7) as sandbox: …           # the same in a thread of the test

Every provider holds one account of each of two made-up organisations. The rows follow from seed
and base time (today 00:00 UTC unless told) and are the same in every process.

Its own addresses:

    GET    /_addresses     {"https://slack.com": "http://127.0.0.1:PORT/slack", …}
    GET    /_credentials   made-up keys, clients and accounts per provider
    GET    /_truth?slug=&account=&entity=   {"rows": [{"id", "stamp", "sha256", "scope", "visible",
                           "poison"}], "deleted": {id: stamp}}; the hash is SHA-256 over the row as
                           orjson writes it with sorted keys, without poison; `visible` is false for
                           what the account's key or bot cannot see
    GET    /_requests?slug=&since=   every provider request: n, time, slug, account, method, path,
                           body, token (hash), status, rows, fault;   DELETE forgets them
    GET    /_state         switches and token counters per provider
    GET    /_log?slug=&since=        what a provider that can be written to was made to write: see
                           its module; entry number n comes with since < n
    POST   /_control       one order as a JSON object; answers {"ok": true, …}, or 400 and "error"

Orders. `account` is an id or a name and defaults to the first; `slug` is optional where marked:

    {"action": "change", "slug", "account", "entity", "count": 1 | "ids": [], "set": {},
        "unset": []}
    {"action": "delete", "slug", "account", "entity", "count": 1 | "ids": []}
    {"action": "add", "slug", "account", "entity", "count": 1, "set": {}}
                           for Slack messages also "channel" and "thread_ts" (a reply)
        Each takes "at" (epoch seconds, default now) and answers {"ids": [], "stamp": …}. Which rows
        are hit follows from the seed and the order alone. Deleting is done the provider's way.
    {"action": "empty", "slug", "account"}   the account holds nothing, and never has
    {"action": "poison", "slug", "account", "entity", "index" | "id", "kind", "field": "poison"}
        kind: nul, surrogate, nan, huge_int, deep, infinite; index counts in order of change.
        {"action": "heal", "slug", "account", "entity"} takes it out again.
    {"action": "set", "slug"?, …}   limits (true), limits_scale (1.0), token_lifetime (seconds, for
        tokens given out from now on), token_requests (how many requests such a token also lives at
        most; 0 for any), rotation, refresh_grace_seconds (0), reuse_revokes (false), latency_ms
        (0); Airtable also has lockout_seconds (30.0) and partial_writes (false)
    {"action": "expire_tokens", "slug"?}     {"action": "expire_cursors", "slug"?}
    {"action": "revoke", "slug", "account"}  {"action": "restore", "slug", "account"} (keys only)
    {"action": "fault", …}  see `faults.Fault`: which requests (slug, account, method, path as a
        regular expression over path and query, request number, skip, count) and what happens
        (status, headers, body, html, fault, truncate, reset, delay_ms, drip_ms)
    {"action": "clear_faults"}               {"action": "reset"} (everything, grants included)
"""

from integrations.sandbox.server import Sandbox

__all__ = ["Sandbox"]
