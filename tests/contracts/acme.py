"""Acme in the sandbox: a provider from outside, as somebody else would write its part.

Companies are listed by a mark of the last change, oldest first; notes below each company.
"""

from __future__ import annotations

from random import Random
from typing import Any

import orjson

from integrations.sandbox.part import (
    Account,
    Part,
    RefusalError,
    Request,
    Response,
    demo_secret,
    json_response,
    route,
)
from integrations.sandbox.rows import Row

SLUG = "acme_outside"
PAGE = 10
COMPANIES, NOTES = 25, 90


class AcmePart(Part):
    slug = SLUG
    origins = {"https://api.acme-outside.example": f"/{SLUG}"}
    account_ids = ("a1", "a2")

    def credentials(self) -> list[dict[str, str]]:
        return [{"account_id": id, "key": self._key(id)} for id in self.accounts]

    def account_of(self, request: Request) -> str:
        keys = {self._key(id): id for id in self.accounts if id not in self.revoked}
        return keys.get(request.headers.get("x-key", ""), "")

    def generate(self, account: Account) -> dict[str, list[Row]]:
        base = self.setting.base_time - 10_000
        companies = [self._company(f"c{n}", base + n) for n in range(COMPANIES)]
        notes = [self._note(f"n{n}", base + n, f"c{n % (COMPANIES - 1)}") for n in range(NOTES)]
        return {"company": companies, "note": notes}

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        row.data["name" if entity == "company" else "text"] = f"changed {rng.random()}"
        row.data["changed"] = row.stamp = int(stamp)

    def create(
        self, account: Account, entity: str, stamp: float, rng: Random, wishes: dict[str, Any]
    ) -> Row:
        number = 1000 + len(self.table(account, entity))
        if entity == "company":
            return self._company(f"c{number}", int(stamp))
        return self._note(f"n{number}", int(stamp), "c1")

    @route("GET", f"/{SLUG}/me")
    def me(self, request: Request) -> Response:
        return json_response({"id": self._admitted(request).id, "name": "Acme"})

    @route("GET", f"/{SLUG}/companies")
    def companies(self, request: Request) -> Response:
        rows = list(self.table(self._admitted(request), "company"))
        return self._page(request, rows)

    @route("GET", f"/{SLUG}/companies/{{id}}/notes")
    def notes(self, request: Request, id: str) -> Response:
        return self._page(request, self.table(self._admitted(request), "note").in_scope(id))

    def _page(self, request: Request, rows: list[Row]) -> Response:
        asked = request.query
        since = int(asked.get("since", 0))
        rows = sorted((row for row in rows if row.stamp >= since), key=lambda row: row.id)
        first = int(asked.get("cursor") or 0)
        page, after = rows[first : first + PAGE], first + PAGE
        body = {"cursor": str(after) if after < len(rows) else None, "now": int(self.setting.now())}
        items = [orjson.loads(row.encoded()) for row in page]
        return json_response({**body, "items": items})

    def _admitted(self, request: Request) -> Account:
        if request.account not in self.accounts:
            raise RefusalError(json_response({"error": "bad_key"}, 401))
        return self.accounts[request.account]

    def _key(self, account_id: str) -> str:
        return demo_secret(SLUG, account_id)

    def _company(self, id: str, stamp: int) -> Row:
        return Row(id, stamp, {"id": id, "name": f"Company {id}", "changed": stamp})

    def _note(self, id: str, stamp: int, company: str) -> Row:
        data = {"id": id, "text": f"Note {id}", "company": company, "changed": stamp}
        return Row(id, stamp, data, scope=company)
