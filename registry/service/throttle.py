"""How often somebody may try to sign in: by name and by address, with a growing lock on a name.

A try is counted before the password is looked at, and taken back when it was right: however many come at once, no more
than `FAILURES_MAX` are looked at in `WINDOW`. Names that nobody has are counted alike, so the answer tells nothing.
"""

import hashlib
import math
import unicodedata
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final

from registry import journal
from registry.database import Connection
from registry.errors import TooManyRequests
from registry.tables import users
from registry.tables.users import Failures

FAILURES_MAX: Final = 10
WINDOW: Final = timedelta(minutes=10)
LOCK_FIRST: Final = timedelta(minutes=1)
"""From the tenth failure in a row a name is locked: for this long, and twice as long after each further one …"""
LOCK_MAX: Final = timedelta(hours=1)
"""… up to this."""
FORGOTTEN_AFTER: Final = timedelta(days=1)
_DOUBLINGS_MAX: Final = 16
_IPV6_SITE_BITS: Final = 64


async def take_place(connection: Connection, username: str, address: str, now: datetime) -> None:
    """Count a try for its name and its address. Raises `TooManyRequests`, and then counts nothing."""
    name, place = subject_of_name(username), subject_of_address(address)
    found = await _locked(connection, name, place)
    wait = max(waiting_time(found[name], now), waiting_time(found[place], now))
    if wait > timedelta(0):
        raise TooManyRequests(
            "too_many_failures",
            "signing in has failed too often with this name, or from this address",
            remedy="wait as Retry-After says; an administrator can unlock an account at once",
            retry_after_s=math.ceil(wait.total_seconds()),
        )
    await users.store_failures(connection, name, with_failure(found[name], now, locks=True), now)
    await users.store_failures(connection, place, with_failure(found[place], now, locks=False), now)


async def give_back(
    connection: Connection, username: str, address: str, tried_at: datetime, *, signed_in: bool
) -> None:
    """Take back a try that was no failure. After signing in the name begins anew."""
    name, place = subject_of_name(username), subject_of_address(address)
    found = await _locked(connection, name, place)
    if signed_in:
        await users.forget_failures(connection, name)
    else:
        await users.store_failures(connection, name, without_failure(found[name], tried_at), tried_at)
    await users.store_failures(connection, place, without_failure(found[place], tried_at), tried_at)


async def unlock(connection: Connection, username: str) -> None:
    """Let a name begin anew."""
    name = subject_of_name(username)
    await _locked(connection, name)
    await users.forget_failures(connection, name)


async def locked_until(connection: Connection, username: str, now: datetime) -> datetime | None:
    """Return until when a name is locked, None if it is not."""
    name = subject_of_name(username)
    found = (await users.failures(connection, [name])).get(name)
    return found.locked_until if found and found.locked_until and found.locked_until > now else None


def waiting_time(failures: Failures, now: datetime) -> timedelta:
    """Return how long the next try has to wait; zero or less: not at all."""
    wait = timedelta(0)
    recent = [at for at in failures.recent if at > now - WINDOW]
    if len(recent) >= FAILURES_MAX:
        wait = recent[-FAILURES_MAX] + WINDOW - now
    if failures.locked_until is not None:
        wait = max(wait, failures.locked_until - now)
    return wait


def with_failure(failures: Failures, now: datetime, *, locks: bool) -> Failures:
    """Count one more failure."""
    recent = (*(at for at in failures.recent if at > now - WINDOW), now)[-FAILURES_MAX:]
    consecutive = failures.consecutive + 1
    until = None
    if locks and consecutive >= FAILURES_MAX:
        until = now + min(LOCK_FIRST * 2 ** min(consecutive - FAILURES_MAX, _DOUBLINGS_MAX), LOCK_MAX)
    return Failures(recent, consecutive, until)


def without_failure(failures: Failures, tried_at: datetime) -> Failures:
    """Take back the failure counted at an instant, and the lock that it led to."""
    recent = list(failures.recent)
    if tried_at in recent:
        recent.remove(tried_at)
    return replace(failures, recent=tuple(recent), consecutive=max(failures.consecutive - 1, 0), locked_until=None)


def subject_of_name(username: str) -> str:
    """Return what failures of a name are kept under: its hash, as people type passwords into the wrong field."""
    plain = unicodedata.normalize("NFC", username).lower()
    return "name " + hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def subject_of_address(address: str) -> str:
    """Return what failures from an address are kept under; in IPv6 its site, as one host has 2^64 addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return f"address {address[:64]}"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        site = int(parsed) >> (128 - _IPV6_SITE_BITS) << (128 - _IPV6_SITE_BITS)
        return f"address {IPv6Address(site)}/{_IPV6_SITE_BITS}"
    return f"address {getattr(parsed, 'ipv4_mapped', None) or parsed}"


async def _locked(connection: Connection, *subjects: str) -> dict[str, Failures]:
    for subject in sorted(subjects):
        await journal.serialise(connection, "sign_in", subject)
    found = await users.failures(connection, subjects)
    return {subject: found.get(subject, Failures()) for subject in subjects}
