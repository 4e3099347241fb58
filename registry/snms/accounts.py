"""Calls about accounts: signing in with a password in clear or hashed, and creating users."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from identifiers.changes import Cursor
from registry.database import Connection
from registry.errors import InvalidFields, TooManyRequests, Unauthenticated
from registry.service import users
from registry.service.secrets import NewPassword, password_from_sha256
from registry.service.sign_in import SignedIn, sign_in_hashed
from registry.service.sign_in import sign_in as service_sign_in
from registry.snms.call import Call
from registry.snms.envelope import Refusal, Status, refused
from registry.snms.members import Members

WRONG: Final = "用户名/密码错误！"
NAME_CHARACTERS_MAX: Final = 50
PASSWORD_CHARACTERS_MAX: Final = 64
CONTACT_CHARACTERS_MAX: Final = 255
REMARKS_CHARACTERS_MAX: Final = 1_024


class NewUser(NamedTuple):
    """A user to be created; of the password only hex(sha256(password)) is known."""

    username: str
    password_sha256: str
    email: str
    mobile: str
    remarks: str
    open_id: str | None
    open_user_name: str | None


async def sign_in(call: Call) -> Any:
    """`POST /identity/token`: a name and a password in clear, or an access key and a secret key."""
    return await _session(call, service_sign_in)


async def sign_in_hashed_form(call: Call) -> Any:
    """`POST /identity/token/v1`: the password hashed together with the date."""
    return await _session(call, sign_in_hashed)


async def create(call: Call) -> Any:
    """`POST /identity/registry`: a user without an enterprise yet. Administrators only."""
    body = await call.members()
    call.check_administrator()
    new = read_new_user(body, contact_limit=CONTACT_CHARACTERS_MAX)
    password = await hashed(new)

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        _, cursor = await create_user(connection, call, new, password)
        return True, cursor

    return await call.change(work)


def read_new_user(body: Members, *, contact_limit: int) -> NewUser:
    """Read the members of a new user; both spellings of its name are taken."""
    return NewUser(
        body.text("userName", "username", limit=NAME_CHARACTERS_MAX),
        body.text("password", limit=CONTACT_CHARACTERS_MAX),
        body.text("email", limit=contact_limit),
        body.text("mobile", limit=contact_limit),
        body.optional_text("remarks", limit=REMARKS_CHARACTERS_MAX) or "",
        body.optional_text("openId", limit=64),
        body.optional_text("openUserName", limit=CONTACT_CHARACTERS_MAX),
    )


async def hashed(new: NewUser) -> NewPassword:
    """Hash the password of a new user; this takes a while, so it is done before any transaction."""
    try:
        return await password_from_sha256(new.password_sha256)
    except InvalidFields as error:
        raise refused("参数password取值不合法", "bad_parameter", "password") from error


async def create_user(connection: Connection, call: Call, new: NewUser, password: NewPassword) -> tuple[str, Cursor]:
    """Create the account of a registered user, who may apply for an enterprise; return its id."""
    account, _, cursor = await users.create(
        connection,
        call.principal.account,
        call.now,
        secret=call.context.secret,
        username=new.username,
        password=password,
        role="applicant",
        email=new.email,
        mobile=new.mobile,
        open_id=new.open_id,
        open_user_name=new.open_user_name,
        remarks=new.remarks,
    )
    return account.id, cursor


async def _session(call: Call, begin: Callable[..., Awaitable[SignedIn]]) -> dict[str, str]:
    body = await call.members()
    username = body.text("username", "userName", limit=NAME_CHARACTERS_MAX)
    password = body.text("password", limit=PASSWORD_CHARACTERS_MAX)
    try:
        begun = await begin(call.context, username=username, password=password, address=call.address, now=call.now)
    except (Unauthenticated, TooManyRequests) as error:
        raise _refusal(error) from error
    return {"token": begun.token}


def _refusal(error: Unauthenticated | TooManyRequests) -> Refusal:
    if isinstance(error, TooManyRequests):
        message = "登录失败次数过多，请稍后再试"
        return Refusal(
            Status.REFUSED,
            message,
            error.code,
            http_status=429,
            always=True,
            retry_after_s=error.retry_after_s,
        )
    return refused(WRONG, "credentials_wrong")
