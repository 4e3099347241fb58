"""Handlers: accounts, the caller's own and those it looks after."""

from typing import Any, Final, get_args

import msgspec

from identifiers.changes import Role
from registry import origin
from registry.api import tokens
from registry.api.accounts_shapes import (
    AccountAnswer,
    AccountKeys,
    AccountPage,
    AccountPatch,
    AccountRequest,
    ListedAccount,
    OwnAccountPatch,
    OwnTokenRequest,
    PasswordChange,
    PasswordProof,
    PasswordReset,
    TotpConfirmation,
    TotpSecret,
)
from registry.api.call import Answer, Call, answer, next_cursor, outcome, read_instant
from registry.authority import Action, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, InvalidRequest, one_field
from registry.service import accounts as service
from registry.service import one_time_codes, sign_in, throttle, users
from registry.service.change import Outcome
from registry.service.secrets import NewPassword, hashed_password, new_password, sha256_hex
from registry.states import instant
from registry.tables import accounts as table
from registry.tables import users as user_table
from registry.tables.accounts import Account, AccountKind
from registry.tables.users import User

_FILTERS: Final = {
    "role": get_args(Role),
    "state": ("active", "disabled"),
    "kind": get_args(AccountKind),
}


async def create(call: Call) -> Answer:
    """POST /api/v1/accounts."""
    body = await call.read(AccountRequest)
    principal = call.principal
    enterprise = body.enterprise or principal.enterprise
    service.check_may_give(principal, Action.CREATE_ACCOUNT, body.role, enterprise)
    is_application = body.kind == "application"
    keys = _application_keys(body) if is_application else None
    username = keys.access if keys else _required(body.username, "username")
    password = await _prepared(keys.secret if keys else None, body.password, username)

    async def work(connection: Connection) -> Outcome:
        account, user, cursor = await users.create(
            connection,
            principal.account,
            call.now,
            secret=call.context.secret,
            kind=body.kind,
            username=username,
            password=password,
            role=body.role,
            enterprise=enterprise,
            email=body.email,
            mobile=body.mobile,
            label=body.label or "",
            hashed_login=is_application if body.hashed_login is None else body.hashed_login,
            remarks=body.remarks,
        )
        shown = await _shown(connection, call, account, user)
        made = AccountKeys(shown, username if keys else None, keys.secret if keys else None)
        location = f"/api/v1/accounts/{account.id}"
        return outcome(201, made, cursor, location=location, body_kept=_without_secret(made))

    return await call.change(work)


async def page(call: Call) -> Answer:
    """GET /api/v1/accounts."""
    after, limit = call.page("accounts")
    chosen = {name: _choice(call, name, allowed) for name, allowed in _FILTERS.items()}
    async with call.connected() as connection:
        found = await users.page(
            connection,
            call.principal,
            after,
            limit,
            enterprise=call.query("enterprise"),
            username=call.query("username"),
            **chosen,
        )
    following = next_cursor("accounts", found, limit, found[-1][0].id if found else "")
    return answer(AccountPage([_listed(account, user) for account, user in found], following))


async def get(call: Call) -> Answer:
    """GET /api/v1/accounts/{account}."""
    async with call.connected() as connection:
        account, user = await users.get(connection, call.principal, call.path("account"))
        return answer(await _shown(connection, call, account, user))


async def get_own(call: Call) -> Answer:
    """GET /api/v1/accounts/me."""
    async with call.connected() as connection:
        account = await service.existing(connection, call.principal.account)
        return answer(await _shown(connection, call, account, await user_table.by_account(connection, account.id)))


async def change(call: Call) -> Answer:
    """PATCH /api/v1/accounts/{account}."""
    body = await call.read(AccountPatch)
    principal, account_id = call.principal, call.path("account")

    async def work(connection: Connection) -> Outcome:
        before = await _reached(connection, call, account_id)
        if body.role is not None or body.enterprise is not None:
            service.check_may_give(
                principal, Action.CHANGE_ACCOUNT, body.role or before.role, body.enterprise or before.enterprise
            )
        if account_id == principal.account and (body.role, body.enterprise, body.state) != (None, None, None):
            raise Conflict("own_account", "nobody changes their own role or state", remedy="ask another administrator")
        account, cursor = await service.change(
            connection,
            principal.account,
            call.now,
            account_id,
            role=body.role,
            enterprise=body.enterprise,
            state=body.state,
            label=body.label,
        )
        details = (body.email, body.mobile, body.remarks)
        if details != (None, None, None):
            _, later = await users.change_details(
                connection, principal.account, account_id, email=body.email, mobile=body.mobile, remarks=body.remarks
            )
            cursor = later or cursor
        user = await user_table.by_account(connection, account_id)
        return outcome(200, await _shown(connection, call, account, user), cursor)

    return await call.change(work)


async def change_own(call: Call) -> Answer:
    """PATCH /api/v1/accounts/me."""
    body = await call.read(OwnAccountPatch)
    principal = call.principal
    service.check_not_narrowed(principal)

    async def work(connection: Connection) -> Outcome:
        user, cursor = await users.change_details(
            connection, principal.account, principal.account, email=body.email, mobile=body.mobile
        )
        account = await service.existing(connection, principal.account)
        return outcome(200, await _shown(connection, call, account, user), cursor)

    return await call.change(work)


async def unlock(call: Call) -> Answer:
    """POST /api/v1/accounts/{account}:unlock."""
    account_id = call.path("account")

    async def work(connection: Connection) -> Outcome:
        await _reached(connection, call, account_id)
        cursor = await users.unlock(connection, call.principal.account, account_id)
        return await _answered(connection, call, account_id, cursor)

    return await call.change(work)


async def reset_password(call: Call) -> Answer:
    """POST /api/v1/accounts/{account}:reset-password."""
    body = await call.read(PasswordReset)
    account_id = call.path("account")
    async with call.connected() as connection:
        account = await _reached(connection, call, account_id)
        user = await users.signing_in(connection, account_id)
    secret_key = users.new_secret_key() if account.kind == "application" else None
    if secret_key is not None and body.password is not None:
        raise one_field("bad_account", "password", "the node makes the secret key of an application: leave this out")
    password = await _prepared(secret_key, body.password, user.username)

    async def work(connection: Connection) -> Outcome:
        await _reached(connection, call, account_id)
        changed, cursor = await users.set_password(
            connection,
            call.principal.account,
            call.now,
            account_id,
            secret=call.context.secret,
            password=password,
            hashed_login=body.hashed_login,
        )
        shown = await _shown(connection, call, await service.existing(connection, account_id), changed)
        made = AccountKeys(shown, changed.username if secret_key else None, secret_key)
        return outcome(200, made, cursor, body_kept=_without_secret(made))

    return await call.change(work)


async def reset_totp(call: Call) -> Answer:
    """POST /api/v1/accounts/{account}:reset-totp."""
    account_id = call.path("account")

    async def work(connection: Connection) -> Outcome:
        await _reached(connection, call, account_id)
        cursor = await users.set_totp(connection, call.principal.account, account_id, sealed=None, confirmed=False)
        return await _answered(connection, call, account_id, cursor)

    return await call.change(work)


async def change_own_password(call: Call) -> Answer:
    """POST /api/v1/accounts/me:change-password."""
    body = await call.read(PasswordChange)
    set_password = await sign_in.change_own_password(
        call.context,
        call.principal,
        current=body.current,
        new=body.new,
        address=origin.current().address,
        now=call.now,
    )

    async def work(connection: Connection) -> Outcome:
        user, cursor = await set_password(connection)
        account = await service.existing(connection, call.principal.account)
        return outcome(200, await _shown(connection, call, account, user), cursor)

    return await call.change(work)


async def enrol_totp(call: Call) -> Answer:
    """POST /api/v1/accounts/me:enrol-totp."""
    user = await _confirmed(call)

    async def work(connection: Connection) -> Outcome:
        secret, cursor = await sign_in.enrol_totp(call.context, call.principal, connection)
        shown = TotpSecret(secret, one_time_codes.uri(secret, user.username))
        return outcome(200, shown, cursor, body_kept=msgspec.Raw(msgspec.json.encode(TotpSecret(None, None))))

    return await call.change(work)


async def confirm_totp(call: Call) -> Answer:
    """POST /api/v1/accounts/me:confirm-totp."""
    body = await call.read(TotpConfirmation)
    service.check_not_narrowed(call.principal)

    async def work(connection: Connection) -> Outcome:
        cursor = await sign_in.confirm_totp(call.context, call.principal, call.now, connection, body.code)
        return await _answered(connection, call, call.principal.account, cursor)

    return await call.change(work)


async def disable_totp(call: Call) -> Answer:
    """POST /api/v1/accounts/me:disable-totp."""
    await _confirmed(call)

    async def work(connection: Connection) -> Outcome:
        cursor = await users.set_totp(
            connection, call.principal.account, call.principal.account, sealed=None, confirmed=False
        )
        return await _answered(connection, call, call.principal.account, cursor)

    return await call.change(work)


async def issue_own_token(call: Call) -> Answer:
    """POST /api/v1/accounts/me/tokens."""
    body = await call.read(OwnTokenRequest)
    principal = call.principal
    expires_at = read_instant(body.expires_at, "expires_at") if body.expires_at is not None else None
    service.check_scopes_held(principal, body.scopes)

    async def work(connection: Connection) -> Outcome:
        token, secret, cursor = await service.issue_for(
            connection,
            principal.account,
            call.now,
            principal.account,
            label=body.label,
            expires_at=expires_at,
            scopes=body.scopes,
        )
        return tokens.issued(token, secret, cursor)

    return await call.change(work)


async def page_own_tokens(call: Call) -> Answer:
    """GET /api/v1/accounts/me/tokens."""
    after, limit = call.page("own-tokens")
    async with call.connected() as connection:
        found = await service.own_page(connection, call.principal, after, limit)
    return tokens.paged("own-tokens", found, limit)


async def revoke_own_token(call: Call) -> Answer:
    """DELETE /api/v1/accounts/me/tokens/{token}."""
    principal, token_id = call.principal, call.path("token")

    async def work(connection: Connection) -> Outcome:
        token, cursor = await service.revoke_own(connection, principal, call.now, token_id)
        return outcome(200, tokens.shown(token), cursor)

    return await call.change(work)


async def _reached(connection: Connection, call: Call, account_id: str) -> Account:
    """Return an account that the caller may change. A narrowed token changes none of the node's own."""
    principal = call.principal
    authorise(principal, Action.CHANGE_ACCOUNT)
    account = await service.existing(connection, account_id)
    check_reaches(principal, Action.CHANGE_ACCOUNT, account.enterprise)
    if account.role in service.OF_THE_NODE:
        service.check_not_narrowed(principal)
    return account


async def _confirmed(call: Call) -> User:
    body = await call.read(PasswordProof)
    return await sign_in.confirm_password(
        call.context, call.principal, password=body.current, address=origin.current().address, now=call.now
    )


async def _answered(connection: Connection, call: Call, account_id: str, cursor: Any) -> Outcome:
    account = await service.existing(connection, account_id)
    user = await user_table.by_account(connection, account_id)
    return outcome(200, await _shown(connection, call, account, user), cursor)


async def _shown(connection: Connection, call: Call, account: Account, user: User | None) -> AccountAnswer:
    groups = await table.groups_of(connection, [account])
    until = await throttle.locked_until(connection, user.username, call.now) if user else None
    return AccountAnswer(
        id=account.id,
        kind=account.kind,
        role=account.role,
        enterprise=account.enterprise,
        state=account.state,
        label=account.label,
        username=user.username if user else None,
        email=user.email if user else None,
        mobile=user.mobile if user else None,
        remarks=user.remarks if user else None,
        hashed_login=user is not None and user.hashed_login is not None,
        totp=user is not None and user.totp_confirmed,
        groups=groups.get(account.id, []),
        locked_until=instant(until) if until else None,
        created_at=instant(account.created_at),
        updated_at=instant(account.updated_at),
    )


def _listed(account: Account, user: User | None) -> ListedAccount:
    return ListedAccount(
        id=account.id,
        kind=account.kind,
        role=account.role,
        enterprise=account.enterprise,
        state=account.state,
        label=account.label,
        username=user.username if user else None,
        created_at=instant(account.created_at),
        updated_at=instant(account.updated_at),
    )


def _application_keys(body: AccountRequest) -> users.KeyPair:
    for member in ("username", "password"):
        if getattr(body, member) is not None:
            raise one_field("bad_account", member, "the node makes the keys of an application: leave this out")
    return users.new_key_pair()


async def _prepared(secret_key: str | None, password: str | None, username: str) -> NewPassword:
    """Hash what an account will sign in with, before a connection is held for it."""
    if secret_key is not None:
        return await hashed_password(sha256_hex(secret_key))
    return await new_password(_required(password, "password"), username)


def _required(value: str | None, member: str) -> str:
    if value is None:
        raise one_field("bad_account", member, "this is required for a user")
    return value


def _without_secret(made: AccountKeys) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(msgspec.structs.replace(made, secret_key=None)))


def _choice(call: Call, name: str, allowed: tuple[str, ...]) -> str | None:
    value = call.query(name)
    if value is not None and value not in allowed:
        raise InvalidRequest(
            "bad_filter", f"{name} is one of {', '.join(allowed)}", remedy=f"correct the parameter {name}"
        )
    return value
