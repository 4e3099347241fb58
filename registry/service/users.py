"""Users and applications: accounts that sign in with a name and a password, or an access key and a secret key."""

import re
import secrets
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from identifiers.changes import Cursor, Role
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, FieldError, InvalidFields
from registry.service import accounts, throttle
from registry.service.secrets import NewPassword, seal
from registry.tables import users
from registry.tables.accounts import Account, AccountKind
from registry.tables.users import User

USERNAME_CHARACTERS_MAX: Final = 50
CONTACT_CHARACTERS_MAX: Final = 255
REMARKS_CHARACTERS_MAX: Final = 1_024
ACCESS_KEY: Final = "ak_"
"""Begins the names of applications, and no person's."""

_USERNAME: Final = re.compile(r"[^\s\x00-\x1f\x7f]+")
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
_MOBILE: Final = re.compile(r"\+?[0-9][0-9 ()-]{2,62}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The keys of an application: the access key is its name, the secret key is shown once."""

    access: str
    secret: str = field(repr=False)


def new_key_pair() -> KeyPair:
    """Make the keys of an application."""
    return KeyPair(ACCESS_KEY + secrets.token_hex(12), new_secret_key())


def new_secret_key() -> str:
    """Make a secret key: 256 random bits."""
    return secrets.token_urlsafe(32)


async def create(
    connection: Connection,
    actor: str,
    now: datetime,
    *,
    secret: bytes,
    username: str,
    password: NewPassword,
    role: Role,
    enterprise: str | None = None,
    email: str | None = None,
    mobile: str | None = None,
    kind: AccountKind = "user",
    label: str = "",
    hashed_login: bool = False,
    open_id: str | None = None,
    open_user_name: str | None = None,
    remarks: str = "",
) -> tuple[Account, User, Cursor]:
    """Make an account that signs in. `secret` is the node's; whether `actor` may, the caller has checked.

    Raises `InvalidFields` with every fault, and `Conflict` `username_taken`, `email_taken` or `mobile_taken`.
    """
    username = unicodedata.normalize("NFC", username)
    _check(username, email, mobile, remarks, kind)
    await accounts.lock_identities(connection)
    await _check_free(connection, username, email, mobile)
    account, cursor = await accounts.create(
        connection, actor, now, kind=kind, role=role, enterprise=enterprise, label=label or username
    )
    user = User(
        account=account.id,
        username=username,
        email=email,
        mobile=mobile,
        password_hash=password.hash,
        hashed_login=seal(secret, account.id, password.sha256_hex) if hashed_login else None,
        open_id=open_id,
        open_user_name=open_user_name,
        remarks=remarks,
        totp_secret=None,
        totp_confirmed=False,
        totp_last_step=0,
    )
    await users.insert(connection, user)
    return account, user, cursor


async def change_details(
    connection: Connection,
    actor: str,
    account_id: str,
    *,
    email: str | None = None,
    mobile: str | None = None,
    remarks: str | None = None,
) -> tuple[User, Cursor | None]:
    """Change how a user is reached; what is None stays. Whether `actor` may, the caller has checked."""
    await accounts.lock_identities(connection)
    account = await accounts.existing(connection, account_id)
    user = await signing_in(connection, account_id)
    changed = replace(
        user,
        email=email or user.email,
        mobile=mobile or user.mobile,
        remarks=user.remarks if remarks is None else remarks,
    )
    if changed == user:
        return user, None
    _check(user.username, changed.email, changed.mobile, changed.remarks, account.kind)
    await _check_free(connection, user.username, changed.email, changed.mobile, but=account_id)
    await users.update(connection, changed)
    # What changed is not the resolver's business, but it belongs into the history of the account.
    return changed, await accounts.record_identity(connection, actor, "update", account)


async def set_password(
    connection: Connection,
    actor: str,
    now: datetime,
    account_id: str,
    *,
    secret: bytes,
    password: NewPassword,
    hashed_login: bool | None = None,
) -> tuple[User, Cursor]:
    """Give an account another password, end its sessions and unlock it. Whether `actor` may, the caller has checked.

    `hashed_login` None: the hashed form of signing in stays possible, or not, as it was.
    """
    await accounts.lock_identities(connection)
    await accounts.lock_credentials(connection, account_id)
    account = await accounts.existing(connection, account_id)
    user = await signing_in(connection, account_id)
    keeps = user.hashed_login is not None if hashed_login is None else hashed_login
    sealed = seal(secret, account_id, password.sha256_hex) if keeps else None
    changed = replace(user, password_hash=password.hash, hashed_login=sealed)
    await users.update(connection, changed)
    await accounts.rise_epoch(connection, actor, now, account)
    await throttle.unlock(connection, user.username)
    return changed, await accounts.record_identity(connection, actor, "update", account)


async def set_totp(
    connection: Connection,
    actor: str,
    account_id: str,
    *,
    sealed: bytes | None,
    confirmed: bool,
    last_step: int = 0,
) -> Cursor:
    """Store what one-time codes are made from; None: signing in asks for none any more."""
    await accounts.lock_identities(connection)
    account = await accounts.existing(connection, account_id)
    user = await signing_in(connection, account_id)
    await users.update(
        connection, replace(user, totp_secret=sealed, totp_confirmed=confirmed, totp_last_step=last_step)
    )
    return await accounts.record_identity(connection, actor, "update", account)


async def unlock(connection: Connection, actor: str, account_id: str) -> Cursor:
    """Let an account try to sign in at once, whatever has failed before."""
    await accounts.lock_identities(connection)
    account = await accounts.existing(connection, account_id)
    user = await signing_in(connection, account_id)
    await throttle.unlock(connection, user.username)
    return await accounts.record_identity(connection, actor, "update", account)


async def get(connection: Connection, principal: Principal, account_id: str) -> tuple[Account, User | None]:
    """Return an account the principal may see. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.READ_ACCOUNT)
    account = await accounts.existing(connection, account_id)
    check_reaches(principal, Action.READ_ACCOUNT, account.enterprise)
    return account, await users.by_account(connection, account_id)


async def page(
    connection: Connection,
    principal: Principal,
    after: str,
    limit: int,
    *,
    enterprise: str | None = None,
    role: str | None = None,
    state: str | None = None,
    kind: str | None = None,
    username: str | None = None,
) -> list[tuple[Account, User | None]]:
    """Return the next accounts the principal may see, in the order of their ids; those that fit."""
    if authorise(principal, Action.LIST_ACCOUNTS) is not Reach.EVERYTHING:
        # An id no enterprise has leaves nothing.
        own = principal.enterprise or ""
        if enterprise not in (None, own):
            return []
        enterprise = own
    return await users.page(
        connection, after, limit, enterprise=enterprise, role=role, state=state, kind=kind, username=username
    )


async def signing_in(connection: Connection, account_id: str) -> User:
    """Return how an account signs in. Raises `Conflict` for one that has tokens only."""
    user = await users.by_account(connection, account_id)
    if user is None:
        raise Conflict(
            "no_password", "this account has tokens only and signs in with no password", remedy="issue a token instead"
        )
    return user


def _check(username: str, email: str | None, mobile: str | None, remarks: str, kind: AccountKind) -> None:
    faults = []
    if len(username) > USERNAME_CHARACTERS_MAX or _USERNAME.fullmatch(username) is None:
        faults.append(FieldError("username", f"a name has 1 to {USERNAME_CHARACTERS_MAX} characters and no blanks"))
    if (kind == "application") != username.lower().startswith(ACCESS_KEY):
        faults.append(FieldError("username", f"{ACCESS_KEY} begins the names of applications, and only these"))
    if email is not None and (len(email) > CONTACT_CHARACTERS_MAX or _EMAIL.fullmatch(email) is None):
        faults.append(FieldError("email", "this is no address such as name@example.com"))
    if mobile is not None and _MOBILE.fullmatch(mobile) is None:
        faults.append(FieldError("mobile", "a number has 3 to 63 digits, perhaps with +, blanks and hyphens"))
    if len(remarks) > REMARKS_CHARACTERS_MAX:
        faults.append(FieldError("remarks", f"remarks have at most {REMARKS_CHARACTERS_MAX:,} characters"))
    if faults:
        detail = f"{faults[0].field}: {faults[0].message}"
        raise InvalidFields(
            "bad_account", detail, remedy="correct the fields and send the request again", errors=tuple(faults)
        )


async def _check_free(
    connection: Connection, username: str, email: str | None, mobile: str | None, *, but: str | None = None
) -> None:
    taken = await users.taken(connection, username, email, mobile, but=but)
    if not taken:
        return
    errors = tuple(FieldError(name, "another account has it") for name in taken)
    if "username" in taken:
        raise Conflict("username_taken", "another account has this name", remedy="choose another", errors=errors)
    if "email" in taken:
        raise Conflict("email_taken", "another account has this e-mail address", remedy="give another", errors=errors)
    raise Conflict("mobile_taken", "another account has this mobile number", remedy="give another", errors=errors)
