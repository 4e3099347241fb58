"""Op 200: the proof that a challenge asked for, and then the request that was challenged (handle wire 13).

Also op 2001, the login of the industrial-internet client, which is nothing but a challenge (20.2), and op 201, where
another server asks whether a proof is right (13.5).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from identifiers.handle_changes import Refused as NotPlanned
from identifiers.handle_rights import folded_name
from identifiers.handle_wire.answers import Challenge, Verified
from identifiers.handle_wire.codes import Op, ResponseCode
from identifiers.handle_wire.message import Message
from identifiers.handle_wire.requests import ChallengeResponse, Login, Resolution, VerifyChallenge, decode_request
from identifiers.handle_wire.versions import has_digest
from identifiers.octets import WireError
from identifiers.values import Reference
from resolver.handle.auth.authentication import HandleAuthentication
from resolver.handle.auth.bound import bind, bound_to
from resolver.handle.auth.challenges import Pending, challenge_of, fingerprint_of, original
from resolver.handle.auth.proofs import Permits, anything
from resolver.handle.auth.rights import NOT_RESPONSIBLE, NOT_SERVED
from resolver.handle.exchange import Answer, Answers, Handler, Refused, Request, User, error

POLL_S: Final = 0.02
"""How often a message that came twice looks whether the first one was answered."""

Perform = Callable[[Request, User], Awaitable[Answers]]
"""Carries a request out as a user who has proved to be one. Raises Refused, and WireError."""
PermitsFor = Callable[[Request], Permits]


class AnsweringChallenges:
    """The handlers of op 200, 201 and 2001. `perform` and `permits` by op code are for what was challenged."""

    def __init__(
        self, authentication: HandleAuthentication, perform: Mapping[int, Perform], permits: Mapping[int, PermitsFor]
    ) -> None:
        self._authentication = authentication
        self._perform = perform
        self._permits = permits

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """The handlers by op code."""
        return {
            Op.CHALLENGE_RESPONSE: self.answer,
            Op.VERIFY_CHALLENGE: self.verify,
            Op.LOGIN: self.log_in,
        }

    async def log_in(self, request: Request) -> Answer:
        """Challenge a login; what is proved then belongs to this connection and session id."""
        decode_request(Op.LOGIN, request.message.body)
        if request.peer.transport != "tcp" or not request.session_id:
            raise Refused(ResponseCode.AUTHENTICATION_ERROR, "A login needs a connection and a session id")
        return self._authentication.challenge_login(request)

    async def verify(self, request: Request) -> Answer:
        """Say whether another server's user has proved to know a secret that is kept here."""
        asked = decode_request(Op.VERIFY_CHALLENGE, request.message.body)
        assert isinstance(asked, VerifyChallenge)  # noqa: S101 - what this operation decodes to
        authentication = self._authentication
        if authentication.keys.is_elsewhere(asked.user):
            raise Refused(NOT_RESPONSIBLE, NOT_SERVED)
        right = await authentication.proofs.is_right(
            Reference(asked.user, asked.index),
            asked.proof,
            Challenge(asked.digest, asked.nonce),
            address=request.peer.address,
        )
        return Answer(ResponseCode.SUCCESS, Verified(right))

    async def answer(self, request: Request) -> Answers:
        """Check a proof, carry the original request out, and answer that one (op code, flags, digest, session)."""
        response = decode_request(Op.CHALLENGE_RESPONSE, request.message.body)
        assert isinstance(response, ChallengeResponse)  # noqa: S101 - what this operation decodes to
        if not request.session_id:
            raise Refused(ResponseCode.AUTHENTICATION_TIMEOUT, "There is no challenge")
        bound = bound_to(request.peer, request.session_id)
        if bound is not None and bound.challenge is not None:
            pending, bound.challenge = bound.challenge, None
            if self._authentication.challenges.is_over(pending):
                raise Refused(ResponseCode.AUTHENTICATION_TIMEOUT, "The challenge has expired")
            answered = await self._carry_out(request, response, pending)
            if isinstance(answered, Answer):
                bound.answered = fingerprint_of(request.message), answered
            return answered
        if bound is not None and bound.answered is not None and bound.answered[0] == fingerprint_of(request.message):
            return bound.answered[1]
        taken = self._authentication.challenges.take(request.session_id)
        if taken is None:
            return await self._again(request)
        self._authentication.challenges.begin_answer(request, taken)
        answers: Answers | None = None
        try:
            answers = await self._carry_out(request, response, taken)
        finally:
            single = answers if isinstance(answers, Answer) else None
            self._authentication.challenges.keep_answer(request, single)
        return answers

    async def _again(self, request: Request) -> Answer:
        """Answer a message whose challenge is gone: as before if it is the same one, else with what became of it."""
        challenges = self._authentication.challenges
        while (kept := challenges.kept_answer(request)) is not None:
            if (answer := kept.answer()) is not None:
                return answer
            await asyncio.sleep(POLL_S)
        bound = bound_to(request.peer, request.session_id)
        if challenges.was_issued(request.session_id) or (bound is not None and bound.answered is not None):
            raise Refused(ResponseCode.AUTHENTICATION_TIMEOUT, "The challenge has expired, or was used")
        raise Refused(ResponseCode.SESSION_TIMEOUT, "There was no such challenge")

    async def _carry_out(self, request: Request, response: ChallengeResponse, pending: Pending) -> Answers:
        challenged = original(pending, request.peer, request.started)
        message = challenged.message
        try:
            user = await self._proved(request, response, challenged, pending)
            claimed = Reference(response.user, response.index)
            if challenged.session_id and challenged.op != Op.LOGIN:
                self._authentication.sessions.authenticate(challenged.session_id, user, claimed)
            if challenged.op == Op.LOGIN:
                answers: Answers = _logged_in(request, challenged, user)
            else:
                answers = await self._perform[challenged.op](challenged, user)
        except Refused as refused:
            return refused.answer(message)
        except NotPlanned as refused:
            return error(refused.code, refused.text, message)
        except WireError as fault:
            return error(fault.rc, fault.message, message)
        return replace(answers, original=message) if isinstance(answers, Answer) else _parts(answers, message)

    async def _proved(
        self, request: Request, response: ChallengeResponse, challenged: Request, pending: Pending
    ) -> User:
        user = Reference(response.user, response.index)
        permits = self._permits[challenged.op](challenged) if challenged.op in self._permits else anything
        if challenged.op == Op.LOGIN:
            _check_same(challenged, user)
        return await self._authentication.proofs.check(
            user,
            response.type,
            response.proof,
            challenge_of(pending, challenged),
            address=request.peer.address,
            permits=permits,
            has_algorithm=has_digest(challenged.version),
        )


def permits_reading(may_read: Callable[[User, str], Awaitable[bool]]) -> PermitsFor:
    """Return the check for a resolution that was challenged."""

    def permits(request: Request) -> Permits:
        asked = decode_request(Op.RESOLUTION, request.message.body)
        assert isinstance(asked, Resolution)  # noqa: S101 - what this operation decodes to
        return lambda user: may_read(user, asked.name)

    return permits


def _logged_in(request: Request, challenged: Request, user: User) -> Answer:
    bind(request.peer, challenged.session_id).user = user
    return Answer(ResponseCode.SUCCESS)


def _check_same(challenged: Request, user: User) -> None:
    asked = decode_request(Op.LOGIN, challenged.message.body)
    assert isinstance(asked, Login)  # noqa: S101 - what this operation decodes to
    if asked.index != user.index or folded_name(asked.user) != folded_name(user.handle):
        raise Refused(ResponseCode.AUTHENTICATION_FAILED, "The proof is another user's than the login's")


async def _parts(answers: AsyncIterator[Answer], message: Message) -> AsyncIterator[Answer]:
    """Give the parts of a list as the answer to the request that was challenged."""
    try:
        async for answer in answers:
            yield replace(answer, original=message)
    except Refused as refused:
        yield replace(refused.answer(message), close=True)
