"""What the simulator asks of a reporter (docking contract 9.10): issued in order, kept with the answers."""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sync.calendar_time import instant
from sync.collecting.header import TABLES
from sync.collecting.problems import Problem
from sync.top_node.book import Book

REASON_CHARACTERS_MAX: Final = 1_024
RESULTS: Final = ("done", "refused", "accepted")
KEYS_MAX: Final = 1_000

Body = Mapping[str, Any]


class Directives:
    """The directives of every reporter."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def issue(self, reporter: str, kind: str, body: Body, reason: str, now: datetime) -> dict[str, Any]:
        """Issue a directive; raises Problem if the reporter could not make sense of it."""
        check = _BODIES.get(kind)
        if check is None:
            raise Problem(400, "malformed", f"{kind!r} is no kind of directive; there are {', '.join(_BODIES)}")
        if not check(body):
            raise Problem(400, "malformed", f"this is no body of a directive {kind}")
        if not isinstance(reason, str) or len(reason) > REASON_CHARACTERS_MAX:
            raise Problem(400, "malformed", f"reason is a text of at most {REASON_CHARACTERS_MAX} characters")
        with self._book.transaction():
            last = self._book.one("SELECT coalesce(max(number), 0) AS number FROM directives")
            # Whoever reads them as files goes by the order of their names.
            directive_id = f"d-{(0 if last is None else last['number']) + 1:08d}-{uuid.uuid4().hex[:8]}"
            self._book.db.execute(
                "INSERT INTO directives (directive_id, reporter, issued_at, kind, body, reason) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (directive_id, reporter, instant(now), kind, json.dumps(body, ensure_ascii=False), reason),
            )
            if kind == "resend_range":
                self._drop_receipts(reporter, body)
        return {"id": directive_id, "issued_at": instant(now), "kind": kind, "body": body, "reason": reason}

    def after(self, reporter: str, after: str, limit: int) -> list[dict[str, Any]]:
        """Return the reporter's directives behind the one with this id ("" for the first), answered ones too."""
        number = 0
        if after:
            known = self._book.one(
                "SELECT number FROM directives WHERE directive_id = ? AND reporter = ?", after, reporter
            )
            if known is None:
                raise Problem(400, "malformed", "after names no directive of this reporter")
            number = known["number"]
        rows = self._book.all(
            "SELECT directive_id, issued_at, kind, body, reason FROM directives "
            "WHERE reporter = ? AND number > ? ORDER BY number LIMIT ?",
            reporter,
            number,
            limit,
        )
        return [
            {
                "id": row["directive_id"],
                "issued_at": row["issued_at"],
                "kind": row["kind"],
                "body": json.loads(row["body"]),
                "reason": row["reason"],
            }
            for row in rows
        ]

    def acknowledge(self, reporter: str, directive_id: str, answer: Body, now: datetime) -> None:
        """Note the reporter's answer; a later one replaces an earlier. Raises Problem."""
        result, text = answer.get("result"), answer.get("text", "")
        if result not in RESULTS or not isinstance(text, str) or len(text) > REASON_CHARACTERS_MAX:
            raise Problem(400, "malformed", f"result is one of {', '.join(RESULTS)}, text at most 1,024 characters")
        with self._book.transaction():
            changed = self._book.db.execute(
                "UPDATE directives SET result = ?, result_text = ?, answered_at = ? "
                "WHERE directive_id = ? AND reporter = ?",
                (result, text, instant(now), directive_id, reporter),
            )
            if not changed.rowcount:
                raise Problem(404, "unknown_directive", "this directive was never issued")

    def exists(self, reporter: str, directive_id: str, kind: str) -> bool:
        """Whether such a directive was issued to the reporter."""
        query = "SELECT 1 FROM directives WHERE directive_id = ? AND reporter = ? AND kind = ?"
        return self._book.one(query, directive_id, reporter, kind) is not None

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest directives with their answers, for people."""
        rows = self._book.all(
            "SELECT directive_id, reporter, issued_at, kind, body, reason, result, result_text, answered_at "
            "FROM directives ORDER BY number DESC LIMIT ?",
            limit,
        )
        return [dict(row) for row in rows]

    def _drop_receipts(self, reporter: str, body: Body) -> None:
        self._book.db.execute(
            "UPDATE batches SET dropped = 1 WHERE reporter = ? AND table_id = ? AND scope = ? "
            "AND sequence BETWEEN ? AND ?",
            (reporter, body["table"], body["scope"], body["from_sequence"], body["to_sequence"]),
        )


def _names_stream(body: Body) -> bool:
    return body.get("table") in TABLES and isinstance(body.get("scope"), str)


def _range(body: Body) -> bool:
    first, last = body.get("from_sequence"), body.get("to_sequence")
    return _names_stream(body) and type(first) is int and type(last) is int and 1 <= first <= last


def _keys(body: Body) -> bool:
    keys = body.get("keys")
    return _names_stream(body) and isinstance(keys, list) and 0 < len(keys) <= KEYS_MAX


def _period(body: Body) -> bool:
    return _names_stream(body) and isinstance(body.get("period"), dict | str)


def _tables(body: Body) -> bool:
    tables = body.get("tables")
    return tables is None or tables == "all" or (isinstance(tables, list) and all(one in TABLES for one in tables))


def _escrow_verdict(body: Body) -> bool:
    return isinstance(body.get("deposit_id"), str) and body.get("verdict") in ("pending", "accepted", "rejected")


def _prefix_decision(body: Body) -> bool:
    return isinstance(body.get("prefix"), str) and body.get("decision") in ("approved", "rejected")


_BODIES: Final[Mapping[str, Callable[[Body], bool]]] = {
    "resend_range": _range,
    "send_full": _names_stream,
    "correct_rows": _keys,
    "resend_facts": _period,
    "pause": _tables,
    "resume": _tables,
    "escrow_verdict": _escrow_verdict,
    "prefix_decision": _prefix_decision,
    "takeover_started": lambda body: isinstance(body.get("scope"), str),
    "takeover_ended": lambda body: isinstance(body.get("scope"), str),
    "rotate_key": lambda body: isinstance(body.get("not_after"), str),
}
KINDS: Final = tuple(_BODIES)
