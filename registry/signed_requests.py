"""Signed requests as they reach this process, and the stored keys of enterprises' own nodes (docking contract 9.11)."""

import asyncio
from datetime import datetime
from functools import lru_cache
from typing import Final

from aiohttp import web

from identifiers.request_signing import Message, Nonces, Presented, check_nonce, check_request
from identifiers.signing_keys import PublicKey, read_public
from registry.tables.report_keys import ReportKey

SCHEME: Final = "X-Idnode-Scheme"
"""What the client spoke to the worker that passed the request on."""
REPORTING: Final = ("active", "suspended", "withdrawing")
"""States of a prefix in which its own node may report, and read what it may."""


def uri_of(request: web.Request) -> str:
    """Return the address of a request as the client sees it."""
    return f"{request.headers.get(SCHEME, request.scheme)}://{request.host}{request.raw_path}"


def message_of(request: web.Request) -> Message:
    """Return what was signed of a request, as the client sees it."""
    return Message(request.method, uri_of(request), {name.lower(): value for name, value in request.headers.items()})


async def check_signed(
    presented: Presented,
    key: PublicKey | None,
    message: Message,
    content: bytes | None,
    *,
    now: datetime,
    nonces: Nonces,
) -> None:
    """Do what `check_request` does, with what takes its time in a thread: SM2 signatures, digests of large bodies.

    The nonce is looked at here afterwards, since `nonces` are for one thread. Raises SignatureRefused.
    """
    await asyncio.to_thread(check_request, presented, key, message, content, now=now, nonces=None)
    check_nonce(presented, now, nonces)


@lru_cache(maxsize=1_024)
def public_of(stored: ReportKey) -> PublicKey:
    """Return a registered key, revoked or not, as one that verifies."""
    return read_public(stored.key_id, stored.public_key, not_before=stored.not_before, not_after=stored.not_after)
