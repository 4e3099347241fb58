"""One change, one transaction: done again when it lost a race, done once when the request comes twice.

The answer to a change made under an idempotency key is kept in the change's own transaction, so there is never a
change without its answer, nor an answer without its change. Refusals are not kept: they changed nothing, and asking
again is harmless.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from identifiers.changes import Cursor
from registry import origin
from registry.database import Connection, Pool, transaction
from registry.errors import ChangedMeanwhile, Conflict, InvalidFields
from registry.tables import idempotency

ATTEMPTS_MAX: Final = 5
ANSWERS_KEPT: Final = timedelta(hours=24)
LIST_UNDER_WAY_MAX: Final = timedelta(minutes=1)
"""Longer than any list takes: what was begun earlier and has no answer was cut off."""
_UNDER_WAY: Final = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a change leads to: the answer's status and body, and the position the replica has to reach for it.

    `body_kept` is the body for a repeated request where it is another one.
    """

    status: int
    body: msgspec.Raw
    body_kept: msgspec.Raw | None = None
    cursor: Cursor | None = None
    version: int | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """An idempotency key as an account used it, with the hash of the request it came with."""

    account: str
    key: str
    request_sha256: bytes


Work = Callable[[Connection], Awaitable[Outcome]]
"""Makes the change in the transaction it is given."""


async def make_change(pool: Pool, now: datetime, work: Work, claim: Claim | None = None) -> Outcome:
    """Run `work` in one transaction, or give the kept answer of the same request made before.

    Raises `Conflict` when other writers were faster `ATTEMPTS_MAX` times, or are at work on the same key.
    """
    here = origin.current()
    before = dict(here.registered)
    for _ in range(ATTEMPTS_MAX):
        here.registered = dict(before)
        try:
            async with transaction(pool) as connection:
                if claim is not None and (kept := await _kept(connection, now, claim)) is not None:
                    return kept
                outcome = await work(connection)
                if claim is not None:
                    await _keep(connection, now, claim, outcome)
                return outcome
        except ChangedMeanwhile:
            continue
        except Exception:
            here.registered = before
            raise
    raise Conflict(
        "concurrent_change",
        f"others changed the same thing {ATTEMPTS_MAX} times while this was tried",
        remedy="read it again and repeat the change if it still applies",
    )


async def make_list(
    pool: Pool, now: datetime, work: Callable[[], Awaitable[Outcome]], claim: Claim | None = None
) -> Outcome:
    """Run `work`, which commits in parts, or give the kept answer of the same request made before.

    The key is taken before and the answer kept after it, each in a transaction of its own. A list that is cut off in
    between may be repeated after `LIST_UNDER_WAY_MAX`, and is carried out again.
    """
    if claim is None:
        return await work()
    async with transaction(pool) as connection:
        if (kept := await _kept(connection, now, claim)) is not None:
            return kept
        await idempotency.keep(connection, claim.account, claim.key, claim.request_sha256, _UNDER_WAY, now)
    try:
        outcome = await work()
    except Exception:
        async with transaction(pool) as connection:
            await idempotency.forget(connection, claim.account, claim.key)
        raise
    async with transaction(pool) as connection:
        await _keep(connection, now, claim, outcome)
    return outcome


async def _kept(connection: Connection, now: datetime, claim: Claim) -> Outcome | None:
    if not await idempotency.lock(connection, claim.account, claim.key):
        raise _in_progress()
    found = await idempotency.find(connection, claim.account, claim.key, now - ANSWERS_KEPT, now - LIST_UNDER_WAY_MAX)
    if found is None:
        return None
    request_sha256, answer = found
    if request_sha256 != claim.request_sha256:
        raise InvalidFields(
            "idempotency_key_reused",
            "this Idempotency-Key came with another request before",
            remedy="use a new key for a new request, and the same one only to repeat a request unchanged",
        )
    if answer == _UNDER_WAY:
        raise _in_progress()
    return msgspec.json.decode(answer, type=Outcome)


def _in_progress() -> Conflict:
    return Conflict(
        "request_in_progress",
        "a request with this Idempotency-Key is being carried out",
        remedy="wait a second and send the same request again to get its answer",
    )


async def _keep(connection: Connection, now: datetime, claim: Claim, outcome: Outcome) -> None:
    kept = msgspec.structs.replace(outcome, body=outcome.body_kept or outcome.body, body_kept=None)
    answer = msgspec.json.encode(kept).decode()
    await idempotency.keep(connection, claim.account, claim.key, claim.request_sha256, answer, now)
