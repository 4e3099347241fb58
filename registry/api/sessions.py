"""Handlers: signing in and out."""

from registry import origin
from registry.api.accounts_shapes import SessionAnswer, SessionEnd, SignInRequest
from registry.api.call import Answer, Call, answer, outcome
from registry.database import Connection
from registry.service import sign_in as service
from registry.service.change import Outcome
from registry.states import instant


async def begin(call: Call) -> Answer:
    """POST /api/v1/sessions."""
    body = await call.read(SignInRequest)
    begun = await service.sign_in(
        call.context,
        username=body.username,
        password=body.password,
        address=origin.current().address,
        now=call.now,
        totp=body.totp,
    )
    shown = SessionAnswer(
        token=begun.token,
        account=begun.account.id,
        role=begun.account.role,
        enterprise=begun.account.enterprise,
        expires_at=instant(begun.expires_at),
    )
    return answer(shown, 201, Cache_Control="no-store")


async def end(call: Call) -> Answer:
    """DELETE /api/v1/sessions/current."""
    principal = call.principal

    async def work(connection: Connection) -> Outcome:
        cursor = await service.sign_out(connection, principal, call.now, call.token)
        return outcome(200, SessionEnd(principal.account, instant(call.now)), cursor)

    return await call.change(work)
