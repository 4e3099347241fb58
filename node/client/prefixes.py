"""Prefixes of a node: created and listed."""

import uuid
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import msgspec
import orjson

from node.client.errors import RefusedError
from node.client.listing import decoded, pages
from node.client.session import NodeSession, accepted

PREFIXES_PATH = "/api/v1/prefixes"
_NOT_FOUND = 404


class Prefix(msgspec.Struct, frozen=True):
    """A prefix as a node shows it."""

    prefix: str
    name: str = ""
    state: str = ""
    hosting: str = ""
    enterprise: str | None = None


async def create_prefix(session: NodeSession, prefix: str, name: str, enterprise: str | None) -> Prefix:
    """Create a prefix; raises RefusedError, UnavailableError. Safe to repeat: the node knows the request again."""
    members = {"prefix": prefix, "name": name} | ({} if enterprise is None else {"enterprise": enterprise})
    key = {"Idempotency-Key": str(uuid.uuid4())}
    return decoded(await session.post(PREFIXES_PATH, orjson.dumps(members), headers=key), Prefix)


async def check_prefix(session: NodeSession, prefix: str) -> None:
    """Check that a prefix takes registrations; raises RefusedError if it does not, UnavailableError.

    Better one answer than a rejection for each row of a file.
    """
    answer = await session.ask("GET", f"{PREFIXES_PATH}/{quote(prefix, safe='')}")
    if answer.status == _NOT_FOUND:
        remedy = f"create it with `idnode prefix create {prefix} --name NAME`"
        raise RefusedError(f"the node does not have the prefix {prefix}; {remedy}", status=answer.status)
    found = decoded(accepted(answer), Prefix)
    if found.state != "active":
        raise RefusedError(f"the prefix {prefix} is {found.state} and takes no registrations", status=answer.status)


def prefix_pages(session: NodeSession) -> AsyncIterator[Sequence[Prefix]]:
    """Yield the prefixes that the token's account may see; raises RefusedError, UnavailableError."""
    return pages(session, PREFIXES_PATH, {}, Prefix)
