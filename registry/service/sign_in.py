"""Signing in: a name and a password become a session, a token for 24 hours.

The token is a JWT because existing clients expect one; what it says counts for nothing here. It is found, like every
token, by the hash of its text, so that it ends at once with its session, here and at the resolvers.
"""

import hashlib
import secrets
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from hmac import compare_digest
from typing import Final, NoReturn

import jwt
import msgspec

from identifiers.changes import Cursor
from registry import origin
from registry.authority import Principal
from registry.context import RegistryContext
from registry.database import Connection, connected, transaction
from registry.errors import Conflict, Unauthenticated, one_field
from registry.service import accounts as account_service
from registry.service import one_time_codes, throttle
from registry.service import users as user_service
from registry.service.change import Outcome, make_change
from registry.service.secrets import matches, new_password, seal, session_key, sha256_hex, unseal
from registry.tables import accounts, audit, users
from registry.tables.accounts import Account
from registry.tables.users import User

SESSION: Final = timedelta(hours=24)
SESSIONS_MAX: Final = 1_000
"""Of one account; the oldest ends when there would be more."""
SESSION_KEPT: Final = timedelta(days=1)
"""How long the row of a session stays after its end."""
DATES_WITHIN: Final = timedelta(minutes=10)
"""The hashed form carries a date; about midnight a clock may be this far from ours."""
SIGN_IN: Final = "sign_in"
"""What the audit log calls it, by whichever face it comes."""

_BEIJING: Final = timezone(timedelta(hours=8))
_NAME_CHARACTERS_MAX: Final = 255
_UNKNOWN: Final = "(unknown name)"

_Proof = Callable[[User | None], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has just begun. `token` is shown once."""

    token: str = field(repr=False)
    account: Account
    expires_at: datetime
    cursor: Cursor | None


async def sign_in(
    context: RegistryContext, *, username: str, password: str, address: str, now: datetime, totp: str | None = None
) -> SignedIn:
    """Begin a session with a name and a password in clear, or an access key and a secret key.

    Raises `Unauthenticated` `credentials_wrong`, alike for whatever is wrong, or `totp_required`; `TooManyRequests`.
    """

    async def proves(user: User | None) -> bool:
        return await matches(user.password_hash if user else None, sha256_hex(password))

    return await _sign_in(context, username, address, now, proves, totp)


async def sign_in_hashed(
    context: RegistryContext, *, username: str, password: str, address: str, now: datetime
) -> SignedIn:
    """Begin a session with `password` = hex(sha256(hex(sha256(password)) + D)), D a date, where the account allows it.

    An account with one-time codes does not: this form has no place for them. Raises as `sign_in`.
    """

    async def proves(user: User | None) -> bool:
        if user is None or user.hashed_login is None or user.totp_confirmed:
            return False
        try:
            digest = unseal(context.secret, user.account, user.hashed_login)
        except Conflict:
            return False
        sent = password.lower().encode(errors="replace")
        return any(compare_digest(hashed_form(digest, day), sent) for day in accepted_dates(now))

    return await _sign_in(context, username, address, now, proves, None)


def hashed_form(digest: str, day: str) -> bytes:
    """Return what a client sends instead of the password, from hex(sha256(password)) and a date `yyyy-MM-dd`."""
    return hashlib.sha256((digest + day).encode()).hexdigest().encode()


def accepted_dates(now: datetime) -> set[str]:
    """Return the dates that the hashed form may carry: Beijing's within ten minutes, and UTC's."""
    moments = [(now + apart).astimezone(_BEIJING) for apart in (-DATES_WITHIN, timedelta(0), DATES_WITHIN)]
    return {moment.date().isoformat() for moment in (*moments, now.astimezone(UTC))}


async def sign_out(connection: Connection, principal: Principal, now: datetime, token: str) -> Cursor | None:
    """End the session that a request came with. Raises `Conflict` if its token is none."""
    await account_service.lock_credentials(connection, principal.account)
    found = await account_service.own_token(connection, token)
    if found is None or found.kind != "session":
        raise Conflict(
            "no_session", "this request came with a token and not with a session", remedy="revoke the token instead"
        )
    return await account_service.end(connection, principal.account, now, [found])


async def change_own_password(
    context: RegistryContext, principal: Principal, *, current: str, new: str, address: str, now: datetime
) -> Callable[[Connection], Awaitable[tuple[User, Cursor]]]:
    """Check the present password and the new one; the change itself is what is returned, for a transaction."""
    user = await confirm_password(context, principal, password=current, address=address, now=now)
    password = await new_password(new, user.username, member="new")

    async def change(connection: Connection) -> tuple[User, Cursor]:
        return await user_service.set_password(
            connection, principal.account, now, principal.account, secret=context.secret, password=password
        )

    return change


async def confirm_password(
    context: RegistryContext,
    principal: Principal,
    *,
    password: str,
    address: str,
    now: datetime,
    member: str = "current",
) -> User:
    """Make sure that whoever holds the token also knows the password; failures count as those of signing in."""
    account_service.check_not_narrowed(principal)
    async with connected(context.pool) as connection:
        user = await user_service.signing_in(connection, principal.account)
    await _take_place(context, user.username, address, now)
    if not await matches(user.password_hash, sha256_hex(password)):
        raise one_field("wrong_password", member, "this is not the present password")
    async with transaction(context.pool) as connection:
        await throttle.give_back(connection, user.username, address, now, signed_in=True)
    return user


async def enrol_totp(context: RegistryContext, principal: Principal, connection: Connection) -> tuple[str, Cursor]:
    """Begin with one-time codes: store a new secret, and return it. Signing in asks for codes once one is confirmed."""
    user = await user_service.signing_in(connection, principal.account)
    if user.totp_confirmed:
        raise Conflict("totp_enrolled", "one-time codes are in use already", remedy="switch them off first")
    secret = one_time_codes.new_secret()
    sealed = seal(context.secret, principal.account, secret)
    cursor = await user_service.set_totp(
        connection, principal.account, principal.account, sealed=sealed, confirmed=False
    )
    return secret, cursor


async def confirm_totp(
    context: RegistryContext, principal: Principal, now: datetime, connection: Connection, code: str
) -> Cursor:
    """Switch one-time codes on, with the first code as the proof that the person's device makes the right ones."""
    user = await user_service.signing_in(connection, principal.account)
    if user.totp_secret is None or user.totp_confirmed:
        raise Conflict("totp_not_begun", "there is nothing to confirm", remedy="enrol first")
    step = one_time_codes.step_of(unseal(context.secret, user.account, user.totp_secret), code, now)
    if step is None:
        raise one_field("wrong_code", "code", "this is not the present code: check the clock of the device")
    return await user_service.set_totp(
        connection, principal.account, principal.account, sealed=user.totp_secret, confirmed=True, last_step=step
    )


async def _sign_in(
    context: RegistryContext, username: str, address: str, now: datetime, proves: _Proof, totp: str | None
) -> SignedIn:
    username = unicodedata.normalize("NFC", username[:_NAME_CHARACTERS_MAX])
    await _take_place(context, username, address, now)
    async with connected(context.pool) as connection:
        user = await users.by_name(connection, username)
        account = await accounts.account(connection, user.account) if user else None
    if not await proves(user) or user is None or account is None or account.state != "active":
        await _refuse(context, user, address, "credentials_wrong")
    step = None
    if user.totp_confirmed and user.totp_secret is not None:
        if totp is None:
            async with transaction(context.pool) as connection:
                await throttle.give_back(connection, username, address, now, signed_in=False)
            await _refuse(context, user, address, "totp_required")
        step = one_time_codes.step_of(unseal(context.secret, user.account, user.totp_secret), totp, now)
        if step is None:
            await _refuse(context, user, address, "credentials_wrong")
    begun = await _begin(context, user, account, address, now, step)
    if begun is None:
        await _refuse(context, user, address, "credentials_wrong")
    context.barrier.wake()
    if begun.cursor is not None:
        await context.barrier.wait(begun.cursor, context.settings.resolvable_wait_s)
    return begun


async def _begin(
    context: RegistryContext, user: User, account: Account, address: str, now: datetime, step: int | None
) -> SignedIn | None:
    """Store the session; None if the account, its password or the code's use has changed since they were looked at."""
    expires_at = now + SESSION
    text = _token(context.secret, account, now, expires_at)

    async def work(connection: Connection) -> Outcome:
        await account_service.lock_credentials(connection, account.id)
        current = await accounts.account(connection, account.id)
        stored = await users.by_account(connection, account.id)
        if current is None or stored is None or current.state != "active":
            return _NOTHING
        if current.epoch != account.epoch or stored.password_hash != user.password_hash:
            return _NOTHING
        if step is not None and not await users.use_step(connection, account.id, step):
            return _NOTHING
        counting = await accounts.counting(connection, account.id, now)
        sessions = [token for token in counting if token.kind == "session"]
        if len(sessions) >= SESSIONS_MAX:
            await account_service.end(connection, account.id, now, sessions[: len(sessions) - SESSIONS_MAX + 1])
        _, _, cursor = await account_service.add_token(
            connection, account.id, now, current, label="session", expires_at=expires_at, session=text
        )
        await throttle.give_back(connection, user.username, address, now, signed_in=True)
        await _log(connection, account.id, address, user.username, origin.OK)
        return Outcome(status=1, body=msgspec.Raw(b"{}"), cursor=cursor)

    outcome = await make_change(context.pool, now, work)
    return SignedIn(text, account, expires_at, outcome.cursor) if outcome is not _NOTHING else None


_NOTHING: Final = Outcome(status=0, body=msgspec.Raw(b"{}"))


def _token(secret: bytes, account: Account, now: datetime, expires_at: datetime) -> str:
    claims = {
        "sub": account.id,
        "role": account.role,
        "ent": account.enterprise,
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": secrets.token_hex(16),
        "epoch": account.epoch,
    }
    return jwt.encode(claims, session_key(secret), algorithm="HS256")


async def _take_place(context: RegistryContext, username: str, address: str, now: datetime) -> None:
    async with transaction(context.pool) as connection:
        await throttle.take_place(connection, username, address, now)


async def _refuse(context: RegistryContext, user: User | None, address: str, code: str) -> NoReturn:
    async with connected(context.pool) as connection:
        await _log(connection, user.account if user else None, address, user.username if user else _UNKNOWN, code)
    if code == "totp_required":
        raise Unauthenticated(
            "totp_required", "this account signs in with a one-time code too", remedy="send it with the password"
        )
    raise Unauthenticated(
        "credentials_wrong", "the name, the password or the one-time code is wrong", remedy="check what was typed"
    )


async def _log(connection: Connection, account: str | None, address: str, name: str, result: str) -> None:
    here = origin.current()
    here.logged = True
    await audit.insert_access(
        connection,
        actor=account,
        address=address,
        action=SIGN_IN,
        object_=f"user {name}",
        result=result,
        request_id=here.request_id,
    )
