"""One operation of a Handle administrator, from the request of a worker to its answer."""

import logging
from datetime import datetime
from typing import Final

import msgspec

from identifiers.changes import Cursor
from identifiers.handle import fold
from identifiers.handle_changes import INVALID_HANDLE, Refused, check_openly, named, plan
from identifiers.handle_requests import (
    Create,
    HandleAnswer,
    HandleRequest,
    Home,
    ListDerived,
    ListHandles,
    ListHomed,
    Unhome,
    Writing,
)
from identifiers.handle_rights import GROUP_BOUNDS, GroupBounds
from identifiers.values import Reference
from registry.admission import admit
from registry.authority import Principal
from registry.context import RegistryContext
from registry.database import Connection, connected
from registry.errors import RegistryError
from registry.handle_admin import listing
from registry.handle_admin.homing import home
from registry.handle_admin.refusals import refused
from registry.handle_admin.rights import CreationMemo, Deciding, actor_of, is_allowed, owner
from registry.handle_admin.writes import AUTHENTICATION_NEEDED, Done, Stale, minted, write
from registry.origin import Origin, acting
from registry.service.audit import Recorder
from registry.service.change import Outcome, make_change
from registry.service.record_writes import Written
from registry.tables import prefixes
from registry.tables.prefixes import Prefix

_ERROR: Final = 2
_OBJECT_CHARACTERS_MAX: Final = 512
_EMPTY: Final = msgspec.Raw(b"{}")

log = logging.getLogger(__name__)


class HandleAdministration:
    """Carries operations out. `administrators` may do everything on this node (`handle.administrators`).

    `bounds` are those of groups.
    """

    def __init__(
        self,
        context: RegistryContext,
        administrators: tuple[Reference, ...] = (),
        bounds: GroupBounds = GROUP_BOUNDS,
    ) -> None:
        self._context = context
        self._deciding = Deciding(administrators, bounds)
        self._recorder = Recorder(context.pool)
        self._creators = CreationMemo()

    async def execute(self, request: HandleRequest) -> HandleAnswer:
        """Carry one operation out and answer, whatever happens. On record like a request of the API."""
        now = self._context.clock()
        origin = _origin(request)
        with acting(origin):
            try:
                answer = await self._execute(request, now)
            except Stale as error:
                answer = HandleAnswer(request.number, error.code, error.text, stale=True)
            except Refused as error:
                answer = HandleAnswer(request.number, error.code, error.text)
            except RegistryError as error:
                found = refused(error)
                answer = HandleAnswer(request.number, found.code, found.text)
            except Exception:
                log.exception("%s failed", origin.action)
                answer = HandleAnswer(request.number, _ERROR, "The operation failed; the node's log says why")
        if answer.code != 1:
            origin.result = f"handle_{answer.code}"
        changing = not isinstance(request.operation, ListHandles | ListDerived | ListHomed)
        if not origin.recorded and answer.code != AUTHENTICATION_NEEDED:
            await self._recorder.record(origin, now, changing=changing)
        self._context.samples.take(origin, self._context.clock().timestamp())
        return answer

    async def _execute(self, request: HandleRequest, now: datetime) -> HandleAnswer:
        operation, user = request.operation, request.user
        deciding = self._deciding.with_groups(request.groups)
        if isinstance(operation, Create) and user is not None and operation.entity_tag is None:
            together = await self._create_plainly(operation, user, deciding, now)
            if together is not None:
                return await self._made(request, Done(together.record.spelling, existed=False, cursor=together.cursor))
        if isinstance(operation, ListHandles | ListDerived | ListHomed):
            return await self._list(request, user, deciding)
        if isinstance(operation, Home | Unhome):
            return await self._home(request, user, deciding, now)
        return await self._made(request, await self._write(operation, user, deciding, now))

    async def _create_plainly(
        self, operation: Create, user: Reference, deciding: Deciding, now: datetime
    ) -> Written | None:
        """Store a new record together with others that come at the same time; None for the ordinary way."""
        if operation.mint:
            operation = minted(operation)
        parts = named(operation.name)
        if parts.named_prefix is not None:
            return None
        prefix = await self._creatable(operation, user, fold(parts.prefix), deciding, now)
        if prefix is None:
            return None
        check_openly(operation, None)
        principal = owner(user, prefix)
        await admit(self._context, principal, now)
        values = tuple(sorted(operation.values, key=lambda value: value.index))
        return await self._context.registrar.register(principal, now, operation.name, values=values, template=None)

    async def _creatable(
        self, operation: Create, user: Reference, name: str, deciding: Deciding, now: datetime
    ) -> Prefix | None:
        """Return the prefix if the user may create below it. Whether it takes registrations, the registrar looks."""
        known = self._creators.recall(user, name, now)
        if known is not None:
            return known
        needs = plan(operation, None).needs
        async with connected(self._context.pool) as connection:
            prefix = await prefixes.by_prefix(connection, name)
            if prefix is None or not await is_allowed(connection, user, needs, deciding):
                return None
        self._creators.remember(user, prefix, now)
        return prefix

    async def _write(self, operation: Writing, user: Reference | None, deciding: Deciding, now: datetime) -> Done:
        done: list[Done] = []

        async def admitted(principal: Principal) -> None:
            if not done:  # a transaction that is repeated is the same request
                await admit(self._context, principal, now)

        async def work(connection: Connection) -> Outcome:
            done.append(await write(connection, user, deciding, now, operation, admitted))
            return Outcome(status=1, body=_EMPTY, cursor=done[-1].cursor)

        await make_change(self._context.pool, now, work)
        self._creators.forget()
        return done[-1]

    async def _made(self, request: HandleRequest, done: Done) -> HandleAnswer:
        return HandleAnswer(
            request.number,
            name=done.name,
            existed=done.existed,
            replaced=done.existed and done.cursor is not None,
            resolvable=await self._resolvable(done.cursor),
        )

    async def _home(
        self, request: HandleRequest, user: Reference | None, deciding: Deciding, now: datetime
    ) -> HandleAnswer:
        operation, known = request.operation, _known(user)
        if not isinstance(operation, Home | Unhome):
            raise Refused(INVALID_HANDLE)
        reached: list[Cursor | None] = []

        async def work(connection: Connection) -> Outcome:
            reached.append(await home(connection, known, deciding, now, operation))
            return Outcome(status=1, body=_EMPTY, cursor=reached[-1])

        await make_change(self._context.pool, now, work)
        self._creators.forget()
        return HandleAnswer(request.number, name=operation.prefix, resolvable=await self._resolvable(reached[-1]))

    async def _list(self, request: HandleRequest, user: Reference | None, deciding: Deciding) -> HandleAnswer:
        operation, known = request.operation, _known(user)
        if not isinstance(operation, ListHandles | ListDerived | ListHomed):
            raise Refused(INVALID_HANDLE)
        async with connected(self._context.pool) as connection:
            found = await listing.page(connection, known, deciding, operation)
        return HandleAnswer(request.number, names=found.names, next=found.next, total=found.total)

    async def _resolvable(self, cursor: Cursor | None) -> bool:
        return cursor is None or await self._context.resolvable(cursor)


def _known(user: Reference | None) -> Reference:
    if user is None:
        raise Refused(AUTHENTICATION_NEEDED, "This needs an administrator")
    return user


def _origin(request: HandleRequest) -> Origin:
    operation = request.operation
    name = operation.prefix if isinstance(operation, ListHandles | ListDerived | Home | Unhome) else ""
    name = name if isinstance(operation, ListHomed) or name else getattr(operation, "name", "")
    return Origin(
        address=request.address,
        action=f"handle {str(type(operation).__struct_config__.tag).replace('_', ' ')}",
        object=name[:_OBJECT_CHARACTERS_MAX].replace("\x00", ""),
        actor=None if request.user is None else actor_of(request.user),
    )
