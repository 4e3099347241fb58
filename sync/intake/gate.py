"""Who may report here: an enterprise's own node, by its signature, for a prefix answered elsewhere (9.11, 9.12).

Nonces are remembered by this process alone. Whoever replays a request after a restart, within the five minutes that
a signature lives, gets the answer it got before: batches are idempotent.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from aiohttp import web

from identifiers.request_signing import (
    Nonces,
    SignatureRefused,
    check_content,
    read_signature,
)
from registry.signed_requests import REPORTING, check_signed, message_of, public_of
from registry.tables import prefixes, report_keys
from registry.tables.prefixes import Prefix
from sync.batch import PROFILE
from sync.calendar_time import instant
from sync.collecting.problems import Problem
from sync.collecting.rate import BatchRate
from sync.database import Pool, connected

BATCHES_PER_S: Final = 50


class Gate:
    """Checks requests of reporters."""

    def __init__(self, pool: Pool, node: str, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._node = node
        self._now = now
        self._nonces = Nonces()
        self._rate = BatchRate(BATCHES_PER_S)

    async def admit(self, request: web.Request) -> str:
        """Return the id of the key that signed a request; its content is not looked at. Raises Problem."""
        reporter = request.headers.get("Idn-Reporter", "")
        if request.headers.get("Idn-Profile") != PROFILE or not reporter:
            raise Problem(400, "malformed", f"Idn-Profile must be {PROFILE}, Idn-Reporter the reporter's prefix")
        message = message_of(request)
        try:
            presented = read_signature(message.headers)
            async with connected(self._pool) as connection:
                stored = await report_keys.by_id(connection, presented.key_id)
                prefix = await prefixes.by_prefix(connection, reporter) if stored is not None else None
            key = None if stored is None or stored.revoked_at is not None else public_of(stored)
            await check_signed(presented, key, message, None, now=self._now(), nonces=self._nonces)
        except SignatureRefused as error:
            raise self._refused(error) from error
        if not self._may_report(prefix):
            raise Problem(403, "forbidden_scope", f"{reporter} is not answered by a node of its own")
        return presented.key_id

    async def check_content(self, request: web.Request, content: bytes) -> None:
        """Raise Problem unless the content is the one that was signed."""
        try:
            await asyncio.to_thread(check_content, message_of(request), content)
        except SignatureRefused as error:
            raise self._refused(error) from error

    def check_rate(self, reporter: str) -> None:
        """Raise Problem if a reporter hands in more batches a second than it may."""
        self._rate.check(reporter)

    def _may_report(self, prefix: Prefix | None) -> bool:
        return (
            prefix is not None
            and prefix.prefix.startswith(f"{self._node}.")
            and prefix.hosting == "routed"
            and prefix.state in REPORTING
        )

    def _refused(self, error: SignatureRefused) -> Problem:
        return Problem(401, error.code, str(error), more={"server_time": instant(self._now())})
