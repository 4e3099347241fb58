"""Accounts and their tokens: making, changing, disabling, and telling whose token came with a request.

Two locks put changes in order. `lock_identities` is for whatever changes an account or its groups; `lock_credentials`
for whatever makes or ends a token of one account. Who needs both takes them in this order, before writing anything.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from identifiers.changes import KIND_CREDENTIAL, KIND_IDENTITY, Cursor, Op, Role
from registry import journal, origin
from registry.authority import SCOPES, Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, Forbidden, NotFound, Unauthenticated, one_field
from registry.ids import new_id, new_token, token_sha256
from registry.states import credential_state, identity_state, to_millisecond
from registry.tables import accounts, enterprises
from registry.tables.accounts import Account, AccountKind, AccountState, Token

ACCOUNTS_PER_ENTERPRISE_MAX: Final = 10_000
TOKENS_PER_ACCOUNT_MAX: Final = 100
TOKEN_CHARACTERS_MAX: Final = 1_024
OF_THE_NODE: Final[tuple[Role, ...]] = ("administrator", "reviewer", "auditor")
OF_AN_ENTERPRISE: Final[tuple[Role, ...]] = ("enterprise_administrator", "enterprise_user")
GIVEN_BY_ENTERPRISES: Final[tuple[Role, ...]] = (*OF_AN_ENTERPRISE, "reader")
"""The roles that an enterprise's administrator may give, in its own enterprise."""

_HOW_TO_SEND: Final = "send the header Authorization: Bearer <token> with a token that counts; sign in to get one"
_PAGE: Final = 1_000


async def authenticate(connection: Connection, token: str, now: datetime) -> Principal:
    """Return whom a token speaks for. Raises `Unauthenticated` for one that does not count, without saying why not."""
    found = await _found(connection, token)
    if found is None or not found.counts_at(now):
        raise Unauthenticated("token_invalid", "the token is unknown, expired or revoked", remedy=_HOW_TO_SEND)
    scopes = None if found.scopes is None else frozenset(found.scopes)
    return Principal(found.account, found.role, found.enterprise, scopes)


async def own_token(connection: Connection, token: str) -> Token | None:
    """Return the token that came with a request."""
    return await _found(connection, token)


async def lock_identities(connection: Connection) -> None:
    """Wait for other transactions that change accounts or groups, until the end of ours."""
    await journal.serialise(connection, KIND_IDENTITY, "*")


async def lock_credentials(connection: Connection, account: str) -> None:
    """Wait for other transactions that make or end tokens of an account, until the end of ours."""
    await journal.serialise(connection, KIND_CREDENTIAL, account)


async def create(
    connection: Connection,
    actor: str | None,
    now: datetime,
    *,
    kind: AccountKind,
    role: Role,
    enterprise: str | None,
    label: str,
) -> tuple[Account, Cursor]:
    """Make an account. `actor` None: the account itself, at the first start. Whether it may, the caller has checked."""
    await lock_identities(connection)
    await _check_role(connection, role, enterprise)
    await _check_room(connection, enterprise)
    at = to_millisecond(now)
    account = Account(new_id("acc"), kind, role, enterprise, "active", label, 0, at, at)
    await accounts.insert(connection, account)
    return account, await record_identity(connection, actor or account.id, "create", account)


async def change(
    connection: Connection,
    actor: str,
    now: datetime,
    account_id: str,
    *,
    role: Role | None = None,
    enterprise: str | None = None,
    state: AccountState | None = None,
    label: str | None = None,
) -> tuple[Account, Cursor | None]:
    """Change what is given of an account; no cursor if nothing is new. Whether it may, the caller has checked.

    A role of the node leaves the enterprise. Tokens and sessions go on with the new role; disabling ends them all.
    """
    await lock_identities(connection)
    await lock_credentials(connection, account_id)
    before = await existing(connection, account_id)
    new_role = role or before.role
    new_enterprise = None if new_role in OF_THE_NODE else enterprise or before.enterprise
    changed = replace(
        before,
        role=new_role,
        enterprise=new_enterprise,
        state=state or before.state,
        label=before.label if label is None else label,
    )
    if changed == before:
        return before, None
    if (changed.role, changed.enterprise) != (before.role, before.enterprise):
        await _check_role(connection, changed.role, changed.enterprise)
    if changed.enterprise != before.enterprise:
        await _check_room(connection, changed.enterprise)
    changed = replace(changed, updated_at=to_millisecond(now))
    await accounts.update(connection, changed)
    if changed.state == "disabled":
        await end_tokens(connection, actor, now, account_id)
    elif (changed.role, changed.enterprise) != (before.role, before.enterprise):
        for token in await accounts.counting(connection, account_id, now):
            await _record(connection, actor, "update", token)
    return changed, await record_identity(connection, actor, "update", changed)


async def rise_epoch(connection: Connection, actor: str, now: datetime, account: Account) -> Cursor | None:
    """End every session of an account, because its password is another one. The caller holds both locks."""
    changed = replace(account, epoch=account.epoch + 1, updated_at=to_millisecond(now))
    await accounts.update(connection, changed)
    return await end_tokens(connection, actor, now, account.id, sessions_only=True)


async def end_tokens(
    connection: Connection, actor: str, now: datetime, account_id: str, *, sessions_only: bool = False
) -> Cursor | None:
    """Make the tokens and sessions of an account count no more. The caller holds the lock for its credentials."""
    counting = await accounts.counting(connection, account_id, now)
    return await end(connection, actor, now, [one for one in counting if one.kind == "session" or not sessions_only])


async def end(connection: Connection, actor: str, now: datetime, tokens: Sequence[Token]) -> Cursor | None:
    """Make tokens count no more. The caller holds the lock for the credentials of their account."""
    at = to_millisecond(now)
    await accounts.revoke(connection, [token.id for token in tokens], at)
    cursor = None
    for token in tokens:
        cursor = await _record(connection, actor, "withdraw", replace(token, revoked_at=at))
    return cursor


async def purge_sessions(connection: Connection, before: datetime, limit: int = _PAGE) -> int:
    """Remove sessions that expired before an instant, here and from the replicas; returns how many."""
    async with connection.transaction():
        ended = await accounts.ended_sessions(connection, before, limit)
        for token in ended:
            await _record(connection, token.account, "withdraw", replace(token, revoked_at=token.expires_at))
        await accounts.delete(connection, [token.id for token in ended])
    return len(ended)


async def issue(
    connection: Connection,
    actor: str | None,
    now: datetime,
    *,
    role: Role,
    enterprise: str | None,
    label: str,
    expires_at: datetime | None,
    scopes: Sequence[str] | None = None,
) -> tuple[Token, str, Cursor]:
    """Make an account and its token; the secret in the answer is kept nowhere. `actor` None: the account itself."""
    check_token(now, expires_at, scopes)
    account, _ = await create(connection, actor, now, kind="token", role=role, enterprise=enterprise, label=label)
    return await add_token(
        connection, actor or account.id, now, account, label=label, expires_at=expires_at, scopes=scopes
    )


async def issue_for(
    connection: Connection,
    actor: str,
    now: datetime,
    account_id: str,
    *,
    label: str,
    expires_at: datetime | None,
    scopes: Sequence[str] | None,
) -> tuple[Token, str, Cursor]:
    """Make another token of an account. Raises `NotFound`, and `Conflict` for a disabled account or too many."""
    check_token(now, expires_at, scopes)
    await lock_credentials(connection, account_id)
    account = await existing(connection, account_id)
    if account.state != "active":
        raise Conflict("account_disabled", f"the account {account_id} is disabled", remedy="activate the account first")
    counting = await accounts.counting(connection, account_id, now)
    if sum(token.kind == "token" for token in counting) >= TOKENS_PER_ACCOUNT_MAX:
        raise Conflict(
            "too_many_tokens",
            f"an account has at most {TOKENS_PER_ACCOUNT_MAX} tokens that count",
            remedy="revoke those that are not used any more",
        )
    return await add_token(connection, actor, now, account, label=label, expires_at=expires_at, scopes=scopes)


async def add_token(
    connection: Connection,
    actor: str,
    now: datetime,
    account: Account,
    *,
    label: str,
    expires_at: datetime | None,
    scopes: Sequence[str] | None = None,
    session: str | None = None,
) -> tuple[Token, str, Cursor]:
    """Store a token of an account: a new secret, or the text of a session. The caller has checked that it may be."""
    secret = session or new_token()
    token = Token(
        id=new_id("tok"),
        kind="token" if session is None else "session",
        account=account.id,
        role=account.role,
        enterprise=account.enterprise,
        account_state=account.state,
        scopes=None if scopes is None else sorted(set(scopes)),
        sha256=token_sha256(secret),
        label=label,
        created_at=to_millisecond(now),
        expires_at=to_millisecond(expires_at) if expires_at else None,
        revoked_at=None,
    )
    await accounts.insert_token(connection, token)
    return token, secret, await _record(connection, actor, "create", token)


async def revoke(
    connection: Connection, principal: Principal, now: datetime, token_id: str
) -> tuple[Token, Cursor | None]:
    """Make a token count no more; nothing changes if it was revoked already. Raises `NotFound` or `Forbidden`."""
    check_reaches(principal, Action.REVOKE_TOKEN, (await _existing_token(connection, token_id)).enterprise)
    return await _revoke(connection, principal, now, token_id)


async def revoke_own(
    connection: Connection, principal: Principal, now: datetime, token_id: str
) -> tuple[Token, Cursor | None]:
    """Do as `revoke` for a token of the principal's own account; others' are not found."""
    if (await _existing_token(connection, token_id)).account != principal.account:
        raise _unknown_token(token_id)
    return await _revoke(connection, principal, now, token_id)


async def page(connection: Connection, principal: Principal, after: str, limit: int) -> list[Token]:
    """Return the next tokens the principal may see, in the order of their ids."""
    if authorise(principal, Action.LIST_TOKENS) is Reach.EVERYTHING:
        return await accounts.page(connection, after, limit)
    # An id no enterprise has leaves nothing.
    return await accounts.page(connection, after, limit, enterprise=principal.enterprise or "")


async def own_page(connection: Connection, principal: Principal, after: str, limit: int) -> list[Token]:
    """Return the next tokens of the principal's own account."""
    return await accounts.page(connection, after, limit, account=principal.account)


def check_may_give(principal: Principal, action: Action, role: Role, enterprise: str | None) -> None:
    """Raise `Forbidden` unless the principal may make somebody with this role, in this enterprise."""
    check_reaches(principal, action, enterprise)
    if role in OF_THE_NODE:
        check_not_narrowed(principal)
    if principal.role == "administrator":
        return
    if role not in GIVEN_BY_ENTERPRISES:
        raise Forbidden(
            "role_not_yours_to_give",
            f"the role {role} is given by the node's administrators",
            remedy=f"give one of {', '.join(GIVEN_BY_ENTERPRISES)}",
        )


def check_not_narrowed(principal: Principal) -> None:
    """Raise `Forbidden` for a token narrowed to some work: it must not change what the whole account rests on."""
    if principal.scopes is not None:
        raise Forbidden(
            "scope_not_granted", "this token is narrowed to other work", remedy="sign in, or use a token without scopes"
        )


def check_scopes_held(principal: Principal, scopes: Sequence[str] | None) -> None:
    """Raise `Forbidden` if a narrowed token would make one that may do more than itself."""
    if principal.scopes is not None and (scopes is None or not principal.scopes.issuperset(scopes)):
        raise Forbidden(
            "scope_not_granted",
            "a token cannot make another one that may do more",
            remedy=f"ask for scopes among {', '.join(sorted(principal.scopes))}",
        )


def check_token(now: datetime, expires_at: datetime | None, scopes: Sequence[str] | None) -> None:
    """Raise `InvalidFields` for a time of expiry that has passed, and for scopes there are not."""
    if expires_at is not None and expires_at <= now:
        raise one_field("bad_token", "expires_at", "this is in the past")
    if scopes is not None and not scopes:
        raise one_field("bad_token", "scopes", "a token without any scope is of no use: name some, or leave them out")
    for at, scope in enumerate(scopes or ()):
        if scope not in SCOPES:
            raise one_field("bad_token", f"scopes[{at}]", f"a scope is one of {', '.join(SCOPES)}")


async def existing(connection: Connection, account_id: str) -> Account:
    """Return an account. Raises `NotFound`."""
    found = await accounts.account(connection, account_id)
    if found is None:
        raise NotFound(
            "unknown_account", f"there is no account {account_id}", remedy="list the accounts to find its id"
        )
    return found


async def record_identity(connection: Connection, actor: str, op: Op, account: Account) -> Cursor:
    """Tell the journal who an account is and in which groups; the caller holds the lock for identities."""
    groups = await accounts.groups_of(connection, [account])
    return await _record_identity(connection, actor, op, account, groups.get(account.id, []))


async def record_members(
    connection: Connection, actor: str, account_ids: Sequence[str], enterprise_ids: Sequence[str]
) -> Cursor | None:
    """Tell the journal the groups of accounts and of all accounts of enterprises, after their groups have changed."""
    members = {one: await existing(connection, one) for one in account_ids}
    for enterprise in enterprise_ids:
        after = ""
        while found := await accounts.accounts_of(connection, enterprise, after, _PAGE):
            after = found[-1].id
            members.update((account.id, account) for account in found)
    groups = await accounts.groups_of(connection, list(members.values()))
    cursor = None
    for account in members.values():
        cursor = await _record_identity(connection, actor, "update", account, groups.get(account.id, []), audited=False)
    return cursor


async def _record_identity(
    connection: Connection, actor: str, op: Op, account: Account, groups: list[str], *, audited: bool = True
) -> Cursor:
    origin.current().credentials_changed = True
    after = identity_state(account, groups)
    return await journal.append(
        connection, actor=actor, kind=KIND_IDENTITY, key=account.id, op=op, after=after, audited=audited
    )


async def _check_role(connection: Connection, role: Role, enterprise: str | None) -> None:
    if role in OF_THE_NODE and enterprise is not None:
        raise one_field("bad_account", "enterprise", f"the role {role} belongs to no enterprise: leave it out")
    if role in OF_AN_ENTERPRISE and enterprise is None:
        raise one_field("bad_account", "enterprise", "this role needs the id of its enterprise")
    if enterprise is not None and await enterprises.by_id(connection, enterprise) is None:
        raise one_field("unknown_enterprise", "enterprise", f"there is no enterprise {enterprise}")


async def _check_room(connection: Connection, enterprise: str | None) -> None:
    if enterprise is not None and await accounts.count_of(connection, enterprise) >= ACCOUNTS_PER_ENTERPRISE_MAX:
        raise Conflict(
            "too_many_accounts",
            f"an enterprise has at most {ACCOUNTS_PER_ENTERPRISE_MAX:,} accounts",
            remedy="give tokens to accounts that exist instead",
        )


async def _found(connection: Connection, token: str) -> Token | None:
    if not 0 < len(token) <= TOKEN_CHARACTERS_MAX:
        return None
    # The comparison is of hashes, by an index: its time says nothing about the token.
    return await accounts.by_hash(connection, token_sha256(token))


async def _existing_token(connection: Connection, token_id: str) -> Token:
    token = await accounts.by_id(connection, token_id)
    if token is None:
        raise _unknown_token(token_id)
    return token


def _unknown_token(token_id: str) -> NotFound:
    return NotFound("unknown_token", f"there is no token {token_id}", remedy="list the tokens to find its id")


async def _revoke(
    connection: Connection, principal: Principal, now: datetime, token_id: str
) -> tuple[Token, Cursor | None]:
    await lock_credentials(connection, (await _existing_token(connection, token_id)).account)
    token = await _existing_token(connection, token_id)
    if token.revoked_at is not None:
        return token, None
    revoked = replace(token, revoked_at=to_millisecond(now))
    return revoked, await end(connection, principal.account, now, [token])


async def _record(connection: Connection, actor: str, op: Op, token: Token) -> Cursor:
    if op != "create":
        origin.current().credentials_changed = True
    # A session's beginning and end have entries of access of their own, which are not kept for ever.
    return await journal.append(
        connection,
        actor=actor,
        kind=KIND_CREDENTIAL,
        key=token.sha256.hex(),
        op=op,
        after=credential_state(token),
        audited=token.kind != "session",
    )
