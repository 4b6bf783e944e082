"""The history of a mailbox: what changed, by growing ids, as far as it is remembered."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.sandbox.gmail_rows import GmailRows
from integrations.sandbox.part import Json
from integrations.sandbox.rows import Row

TYPES = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}


class History:
    """Begins where the rows were made; ids before `oldest` are forgotten."""

    def __init__(self, rows: GmailRows) -> None:
        self.rows = rows
        self.oldest = rows.history_id
        self.epoch = 0
        self._entries: list[Json] = []

    def newest(self, epoch: int) -> int:
        """The mailbox's history id now. In a new cursor epoch everything so far is forgotten."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.rows.history_id += 1000
            self.oldest = self.rows.history_id
        return self.rows.history_id

    def note(self, kind: str, row: Row, *labels: str) -> None:
        """One change of one message, which bears the new id from now on."""
        row.data["historyId"] = self.rows.next_history_id()
        message = {"id": row.id, "threadId": row.data["threadId"]}
        event: Json = {"message": {**message, "labelIds": list(row.data["labelIds"])}}
        if labels:
            event["labelIds"] = list(labels)
        self._entries.append({"id": row.data["historyId"], "messages": [message], kind: [event]})

    def since(self, start: int, types: Sequence[str], label: str) -> list[Json]:
        """What changed after `start`, oldest first."""
        kinds = {TYPES[name] for name in types if name in TYPES} or set(TYPES.values())
        return [
            entry
            for entry in self._entries
            if int(entry["id"]) > start
            for kind in kinds & entry.keys()
            if not label or label in entry[kind][0]["message"]["labelIds"]
        ]
