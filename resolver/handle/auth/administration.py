"""Op 100 to 106 and 300 to 302: what administrators want, checked, proved if need be, done by the registry (17, 18).

What anyone may be told is told from the replica; rights and the record itself are the registry's to check.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import msgspec

from identifiers.handle_changes import Refused as NotPlanned
from identifiers.handle_requests import (
    Add,
    Create,
    Delete,
    HandleAnswer,
    Home,
    ListDerived,
    ListHandles,
    ListHomed,
    Listing,
    Modify,
    Operation,
    Remove,
    Unhome,
)
from identifiers.handle_wire import codes
from identifiers.handle_wire import requests as wire
from identifiers.handle_wire.answers import Created, Names
from identifiers.handle_wire.codes import Op, ResponseCode
from resolver.handle.auth.authentication import HandleAuthentication
from resolver.handle.auth.proofs import Permits
from resolver.handle.exchange import Answer, Answers, Handler, Refused, Request, User, error
from resolver.registry_calls import RegistryCalls

PAGE: Final = 1_000
"""Names asked of the registry at a time."""
_QUOTAS: Final = (603, 604, 605)
_LISTING: Final = (ListHandles, ListDerived, ListHomed)


class Administration:
    """The handlers of administration, and what it takes to carry an operation out for a user."""

    def __init__(self, authentication: HandleAuthentication, calls: RegistryCalls) -> None:
        self._authentication = authentication
        self._calls = calls

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """The handlers by op code."""
        return dict.fromkeys(_READING, self.answer)

    async def answer(self, request: Request) -> Answers:
        """Carry an operation out, or challenge its sender. Raises Refused, and WireError."""
        if self._authentication.settings.read_only:
            raise Refused(ResponseCode.SERVER_BACKUP, "This node is a mirror: it answers lookups only")
        operation = operation_of(request)
        try:
            self._check_enabled(operation)
            self._authentication.rights.check_openly(operation)
            user = self._authentication.reader(request)
            if user is None and not self._authentication.rights.is_anonymous(operation):
                return self._authentication.challenge(request)
        except NotPlanned as refused:
            raise Refused(refused.code, refused.text) from refused
        answers = await self._carried_out(request, operation, user)
        if isinstance(answers, Answer) and answers.rc == ResponseCode.AUTHENTICATION_NEEDED:
            return self._authentication.challenge(request)  # the replica lags: the record is no longer open to anyone
        return answers

    async def perform(self, request: Request, user: User) -> Answers:
        """Carry out what was challenged, as the user who has proved to be one."""
        operation = operation_of(request)
        self._check_enabled(operation)
        self._authentication.rights.check_openly(operation)
        return await self._carried_out(request, operation, user)

    def permits(self, request: Request) -> Permits:
        """Return who may do what a request asks for."""
        needs = self._authentication.rights.needs_of(operation_of(request))
        return lambda user: self._authentication.rights.meets(user, needs)

    async def _carried_out(self, request: Request, operation: Operation, user: User | None) -> Answers:
        if isinstance(operation, _LISTING):
            return await self._list(request, operation, user)
        answer = await self._ask(request, operation, user)
        if answer.code != ResponseCode.SUCCESS:
            return self._refusal(request, answer)
        if isinstance(operation, Create):
            name = answer.name if operation.mint else operation.name
            return Answer(ResponseCode.SUCCESS, Created(name), overwrote=answer.replaced)
        return Answer(ResponseCode.SUCCESS, overwrote=answer.replaced and request.has(codes.OVERWRITE))

    async def _list(self, request: Request, operation: Listing, user: User | None) -> Answers:
        """Ask for the first page at once, so that a refusal is an answer by itself; then give the parts."""
        first = await self._ask(request, operation, user)
        if first.code != ResponseCode.SUCCESS:
            return self._refusal(request, first)
        return self._parts(request, operation, user, first)

    async def _parts(
        self, request: Request, operation: Listing, user: User | None, page: HandleAnswer
    ) -> AsyncIterator[Answer]:
        """Give some names at a time. The next page is read when the one before it was written."""
        at_a_time = self._authentication.settings.limits.names_per_part
        while True:
            names = page.names
            for at in range(0, max(len(names), 1), at_a_time):
                is_last = page.next is None and at + at_a_time >= len(names)
                part = Names(tuple(names[at : at + at_a_time]))
                yield Answer(ResponseCode.SUCCESS, part, more=not is_last)
            if page.next is None:
                return
            page = await self._ask(request, msgspec.structs.replace(operation, after=page.next), user)
            if page.code != ResponseCode.SUCCESS:
                refusal = self._refusal(request, page)
                yield Answer(refusal.rc, refusal.body, close=True)
                return

    async def _ask(self, request: Request, operation: Operation, user: User | None) -> HandleAnswer:
        peer = request.peer
        return await self._calls.execute(operation, user=user, face=peer.face, address=peer.address)

    def _refusal(self, request: Request, answer: HandleAnswer) -> Answer:
        code = answer.code
        if code in _QUOTAS and not self._authentication.is_login(request):
            code = ResponseCode.SERVER_TOO_BUSY
        return error(code, answer.text)

    def _check_enabled(self, operation: Operation) -> None:
        if isinstance(operation, ListHandles | ListDerived) and not self._authentication.settings.lists:
            raise Refused(ResponseCode.OPERATION_NOT_SUPPORTED, "Lists are switched off")


def operation_of(request: Request) -> Operation:
    """Return what a request asks of the registry. Raises WireError."""
    return _READING[request.op](request)


def _create(request: Request) -> Create:
    asked = wire.decode_request(request.op, request.message.body)
    assert isinstance(asked, wire.CreateHandle)  # noqa: S101 - what this operation decodes to
    overwrite, mint = request.has(codes.OVERWRITE), request.has(codes.MINT_SUFFIX)
    return Create(asked.name, asked.values, overwrite=overwrite, mint=mint)


def _add(request: Request) -> Add:
    asked = wire.decode_request(request.op, request.message.body)
    assert isinstance(asked, wire.AddValue)  # noqa: S101 - as above
    return Add(asked.name, asked.values, overwrite=request.has(codes.OVERWRITE))


def _modify(request: Request) -> Modify:
    asked = wire.decode_request(request.op, request.message.body)
    assert isinstance(asked, wire.ModifyValue)  # noqa: S101 - as above
    return Modify(asked.name, asked.values, overwrite=request.has(codes.OVERWRITE))


def _other(request: Request) -> Operation:
    match wire.decode_request(request.op, request.message.body):
        case wire.DeleteHandle(name=name):
            return Delete(name)
        case wire.RemoveValue(name=name, indexes=indexes):
            return Remove(name, indexes)
        case wire.ListHandles(prefix=prefix):
            return ListHandles(prefix, limit=PAGE)
        case wire.ListPrefixes(prefix=prefix):
            return ListDerived(prefix, limit=PAGE)
        case wire.HomePrefix(prefix=prefix):
            return Home(prefix)
        case wire.UnhomePrefix(prefix=prefix):
            return Unhome(prefix)
    return ListHomed(limit=PAGE)


_READING: Final[dict[int, Callable[[Request], Operation]]] = {
    Op.CREATE_HANDLE: _create,
    Op.DELETE_HANDLE: _other,
    Op.ADD_VALUE: _add,
    Op.REMOVE_VALUE: _other,
    Op.MODIFY_VALUE: _modify,
    Op.LIST_HANDLES: _other,
    Op.LIST_PREFIXES: _other,
    Op.HOME_PREFIX: _other,
    Op.UNHOME_PREFIX: _other,
    Op.LIST_HOMED_PREFIXES: _other,
}
