"""Putting the handlers of authentication and administration together for one worker."""

from collections.abc import Awaitable, Callable

from identifiers.handle_wire.codes import Op
from resolver.handle.auth.administration import Administration
from resolver.handle.auth.answering_challenges import AnsweringChallenges, Perform, PermitsFor, permits_reading
from resolver.handle.auth.authentication import HandleAuthentication
from resolver.handle.auth.session_setup import SessionSetups
from resolver.handle.exchange import Answer, Answers, Request, User
from resolver.registry_calls import RegistryCalls

Resolve = Callable[[Request, User], Awaitable[Answer]]
"""Answers a resolution as a user who has proved to be one: `Resolution.answer_as`."""


def add_handlers(authentication: HandleAuthentication, calls: RegistryCalls, resolve: Resolve) -> None:
    """Let `authentication` handle every operation that needs to know who speaks."""
    administration = Administration(authentication, calls)
    if authentication.keys.knows_elsewhere:
        calls.hand_over(authentication.rights.groups)

    async def resolution(request: Request, user: User) -> Answers:
        return await resolve(request, user)

    perform: dict[int, Perform] = dict.fromkeys(administration.handlers, administration.perform)
    permits: dict[int, PermitsFor] = dict.fromkeys(administration.handlers, administration.permits)
    perform[Op.RESOLUTION] = resolution
    permits[Op.RESOLUTION] = permits_reading(authentication.rights.may_read_record)
    challenges = AnsweringChallenges(authentication, perform, permits)
    setups = SessionSetups(authentication)
    authentication.add_handlers({**administration.handlers, **challenges.handlers, **setups.handlers})
