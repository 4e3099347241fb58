"""What can be done to records, prefixes and lists of a Handle server, and doing it with the native protocol."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from identifiers.handle_wire.answers import Created, Names, SiteInfo
from identifiers.handle_wire.codes import CACHE_CERTIFY, MINT_SUFFIX, OVERWRITE, RECURSIVE
from identifiers.handle_wire.requests import (
    AddValue,
    CreateHandle,
    DeleteHandle,
    GetSiteInfo,
    HomePrefix,
    ListHandles,
    ListHomedPrefixes,
    ListPrefixes,
    ModifyValue,
    RemoveValue,
    Request,
    UnhomePrefix,
)
from identifiers.hs_site_json import site_to_json
from identifiers.values import Value
from node.client.handle_errors import UntrustedError
from node.client.handle_server import HandleServer, accepted

FLAGS = RECURSIVE | CACHE_CERTIFY


class Administration(Protocol):
    """What administrators do, whichever protocol carries it.

    Every method raises HandleRefusedError with the response code, UnavailableError, UntrustedError, UsageError. None
    of them is tried again by itself: a change whose answer was lost may have been made.
    """

    async def create(self, name: str, values: Sequence[Value], *, overwrite: bool, mint: bool) -> str:
        """Create a record; return its name. ``mint``: the server appends a random suffix."""

    async def delete(self, name: str) -> None:
        """Delete a record."""

    async def add(self, name: str, values: Sequence[Value], *, overwrite: bool) -> None:
        """Add values to a record."""

    async def modify(self, name: str, values: Sequence[Value]) -> None:
        """Replace the values with these indexes."""

    async def remove(self, name: str, indexes: Sequence[int]) -> None:
        """Remove the values with these indexes."""

    def names(self, prefix: str) -> AsyncGenerator[Sequence[str]]:
        """Yield the names below a prefix, part by part."""

    def prefixes(self, below: str | None) -> AsyncGenerator[Sequence[str]]:
        """Yield the prefixes below one, or, for None, those that are homed."""

    async def home(self, prefix: str, *, here: bool) -> None:
        """Let the server answer for a prefix, or no longer."""

    async def site(self) -> dict[str, Any]:
        """Return the server's site record as JSON."""


class WireAdministration:
    """Administration over the Handle protocol."""

    def __init__(self, server: HandleServer) -> None:
        self._server = server

    async def create(self, name: str, values: Sequence[Value], *, overwrite: bool, mint: bool) -> str:
        """Create a record; see Administration."""
        flags = (OVERWRITE if overwrite else 0) | (MINT_SUFFIX if mint else 0)
        made = (await self._do(CreateHandle(name, tuple(values)), flags)).answer
        return made.name if isinstance(made, Created) and made.name else name

    async def delete(self, name: str) -> None:
        """Delete a record."""
        await self._do(DeleteHandle(name))

    async def add(self, name: str, values: Sequence[Value], *, overwrite: bool) -> None:
        """Add values to a record."""
        await self._do(AddValue(name, tuple(values)), OVERWRITE if overwrite else 0)

    async def modify(self, name: str, values: Sequence[Value]) -> None:
        """Replace the values with these indexes."""
        await self._do(ModifyValue(name, tuple(values)))

    async def remove(self, name: str, indexes: Sequence[int]) -> None:
        """Remove the values with these indexes."""
        await self._do(RemoveValue(name, tuple(indexes)))

    def names(self, prefix: str) -> AsyncGenerator[Sequence[str]]:
        """Yield the names below a prefix."""
        return self._listed(ListHandles(prefix))

    def prefixes(self, below: str | None) -> AsyncGenerator[Sequence[str]]:
        """Yield the prefixes below one, or those that are homed."""
        return self._listed(ListHomedPrefixes() if below is None else ListPrefixes(below))

    async def home(self, prefix: str, *, here: bool) -> None:
        """Let the server answer for a prefix, or no longer."""
        await self._do(HomePrefix(prefix) if here else UnhomePrefix(prefix))

    async def site(self) -> dict[str, Any]:
        """Return the server's site record as JSON."""
        answer = (await self._do(GetSiteInfo())).answer
        if not isinstance(answer, SiteInfo):
            raise UntrustedError(f"the Handle server at {self._server} showed no site")
        return site_to_json(answer.site)

    async def _do(self, request: Request, flags: int = 0) -> Any:
        return await self._server.do(request, FLAGS | flags)

    async def _listed(self, request: Request) -> AsyncGenerator[Sequence[str]]:
        async with aclosing(self._server.answers(request, FLAGS)) as answers:
            async for answer in answers:
                part = accepted(answer).answer
                if not isinstance(part, Names):
                    raise UntrustedError(f"the Handle server at {self._server} sent no list")
                yield part.names
