"""The control endpoint: every action it takes is a method here, named after the action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from random import Random

import orjson

from integrations.sandbox.faults import Fault
from integrations.sandbox.part import Account, Json, Part
from integrations.sandbox.rows import POISONS, Row, Table, by_id
from integrations.sandbox.world import World


class Control:
    """Changes a world on request. All errors of the caller are ValueError."""

    def __init__(self, world: World) -> None:
        self.world = world

    def act(self, order: Json) -> Json:
        """Carry out one order, e.g. {"action": "delete", "slug": "copper", "entity": "people"}."""
        order = dict(order)
        name = str(order.pop("action", ""))
        action = _ACTIONS.get(name)
        if action is None:
            raise ValueError(f"action must be one of: {', '.join(sorted(_ACTIONS))}")
        with self.world.lock:
            return {"ok": True, **action(self, order)}

    def change(self, order: Json) -> Json:
        """Change `count` rows, or those named by `ids`; `set` and `unset` say how."""
        part, account, entity, table = self._place(order)
        stamp, rng = self._stamp(order), self._rng("change", order)
        rows = self._chosen(order, table, rng)
        for row in rows:
            part.touch(account, entity, row, stamp, rng)
            row.data.update(order.get("set", {}))
            for field in order.get("unset", ()):
                row.data.pop(field, None)
            table.put(row)
        return {"ids": [row.id for row in rows], "stamp": stamp}

    def delete(self, order: Json) -> Json:
        """Delete rows as the provider does: gone, or marked, or left as a stub."""
        part, account, entity, table = self._place(order)
        stamp = self._stamp(order)
        rows = self._chosen(order, table, self._rng("delete", order))
        for row in rows:
            part.delete(account, entity, row, stamp)
        return {"ids": [row.id for row in rows], "stamp": stamp}

    def add(self, order: Json) -> Json:
        """Add `count` rows that all changed at the same moment."""
        part, account, entity, table = self._place(order)
        stamp, rng = self._stamp(order), self._rng("add", order)
        ids = []
        for _ in range(int(order.get("count", 1))):
            row = part.create(account, entity, stamp, rng, order)
            row.data.update(order.get("set", {}))
            table.put(row)
            ids.append(row.id)
        return {"ids": ids, "stamp": stamp}

    def empty(self, order: Json) -> Json:
        """The account holds nothing, and never has."""
        part = self._part(order)
        part.empty(self._account(order, part))
        return {}

    def poison(self, order: Json) -> Json:
        """Make the row at `index` (in order of change) or with `id` unreadable in one field."""
        _, _, _, table = self._place(order)
        kind = order.get("kind", "nul")
        if kind not in POISONS:
            raise ValueError(f"kind must be one of: {', '.join(POISONS)}")
        row = self._one(order, table)
        row.poison = (str(order.get("field", "poison")), kind)
        row.forget_encoding()
        return {"ids": [row.id]}

    def heal(self, order: Json) -> Json:
        """Take the poison out of every row of the entity."""
        _, _, _, table = self._place(order)
        healed = [row for row in table if row.poison]
        for row in healed:
            row.poison = None
            row.forget_encoding()
        return {"ids": [row.id for row in healed]}

    def set(self, order: Json) -> Json:
        """Turn switches of one provider, or of all without a slug; some have more than others."""
        for part in self._parts(order):
            known = {entry.name for entry in fields(part.switches)} | {"slug"}
            if unknown := set(order) - known:
                raise ValueError(f"unknown switches: {', '.join(sorted(unknown))}")
        for part in self._parts(order):
            for name, value in order.items():
                if name != "slug":
                    setattr(part.switches, name, type(getattr(part.switches, name))(value))
        return {part.slug: asdict(part.switches) for part in self._parts(order)}

    def expire_tokens(self, order: Json) -> Json:
        """All access tokens that can expire have expired."""
        for part in self._parts(order):
            part.expire_tokens()
        return {}

    def expire_cursors(self, order: Json) -> Json:
        """Cursors given out so far are refused."""
        for part in self._parts(order):
            part.switches.cursor_epoch += 1
        return {}

    def revoke(self, order: Json) -> Json:
        """Keys and grants of the account stop working."""
        part = self._part(order)
        part.revoke(self._account(order, part))
        return {}

    def restore(self, order: Json) -> Json:
        """Keys of the account work again; its grants stay revoked."""
        part = self._part(order)
        part.restore(self._account(order, part))
        return {}

    def fault(self, order: Json) -> Json:
        """Order a fault, see `Fault` for the keys."""
        try:
            self.world.faults.append(Fault.ordered(order))
        except TypeError as exc:
            raise ValueError(str(exc)) from exc
        return {"faults": len(self.world.faults)}

    def clear_faults(self, order: Json) -> Json:
        """No ordered fault is left."""
        self.world.faults.clear()
        return {}

    def reset(self, order: Json) -> Json:
        """Everything as at the start, grants and tokens included."""
        self.world.reset()
        return {}

    def truth(self, slug: str, account: str, entity: str) -> Json:
        """Every existing row as id, stamp and hash, oldest change first, and what was deleted."""
        with self.world.lock:
            place = {"slug": slug, "account": account, "entity": entity}
            _, found, _, table = self._place(place)
            return {
                "slug": slug,
                "account": found.id,
                "entity": entity,
                "rows": [row.truth() for row in table.changed_between(None, None)],
                "deleted": table.deleted,
            }

    def log(self, slug: str, since: int) -> list[Json]:
        """What the provider wrote down after entry number `since`."""
        with self.world.lock:
            return [dict(entry) for entry in self._part({"slug": slug}).log[since:]]

    def state(self) -> Json:
        """Switches, counters and table sizes of every provider."""
        with self.world.lock:
            return {
                slug: {"switches": asdict(part.switches), **part.state()}
                for slug, part in self.world.parts.items()
            }

    def _parts(self, order: Json) -> list[Part]:
        return [self._part(order)] if order.get("slug") else list(self.world.parts.values())

    def _part(self, order: Json) -> Part:
        part = self.world.parts.get(str(order.get("slug")))
        if part is None:
            raise ValueError(f"slug must be one of: {', '.join(self.world.parts)}")
        return part

    def _account(self, order: Json, part: Part) -> Account:
        wanted = order.get("account") or next(iter(part.accounts))
        for account in part.accounts.values():
            if wanted in (account.id, account.name):
                return account
        raise ValueError(f"account must be one of: {', '.join(part.accounts)}")

    def _place(self, order: Json) -> tuple[Part, Account, str, Table]:
        part = self._part(order)
        account = self._account(order, part)
        tables, entity = part.tables(account), str(order.get("entity"))
        if entity not in tables:
            raise ValueError(f"entity must be one of: {', '.join(tables)}")
        return part, account, entity, tables[entity]

    def _stamp(self, order: Json) -> float:
        return float(order.get("at", self.world.setting.now()))

    def _rng(self, action: str, order: Json) -> Random:
        text = orjson.dumps(order, option=orjson.OPT_SORT_KEYS).decode()
        return Random(f"{self.world.setting.seed}:{action}:{text}")

    def _chosen(self, order: Json, table: Table, rng: Random) -> list[Row]:
        if "ids" in order:
            return [self._one({"id": id}, table) for id in order["ids"]]
        candidates = sorted((row for row in table if row.visible), key=by_id)
        return rng.sample(candidates, min(int(order.get("count", 1)), len(candidates)))

    def _one(self, order: Json, table: Table) -> Row:
        if "id" in order:
            row = table.find(str(order["id"]))
            if row is None:
                raise ValueError(f"no row {order['id']}")
            return row
        visible = [row for row in table.changed_between(None, None) if row.visible]
        index = int(order.get("index", 0))
        if not -len(visible) <= index < len(visible):
            raise ValueError(f"index {index} is beyond {len(visible)} rows")
        return visible[index]


_ACTIONS: dict[str, Callable[[Control, Json], Json]] = {
    action.__name__: action
    for action in (
        Control.change,
        Control.delete,
        Control.add,
        Control.empty,
        Control.poison,
        Control.heal,
        Control.set,
        Control.expire_tokens,
        Control.expire_cursors,
        Control.revoke,
        Control.restore,
        Control.fault,
        Control.clear_faults,
        Control.reset,
    )
}
