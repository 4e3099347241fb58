"""Lists that a node gives page by page, behind a cursor."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from node.client.errors import RefusedError
from node.client.session import Answer, NodeSession

PAGE_ROWS = 1_000

T = TypeVar("T")


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next: str | None = None


async def pages(session: NodeSession, path: str, query: Mapping[str, str], kind: type[T]) -> AsyncIterator[Sequence[T]]:
    """Yield the pages of a list in the node's order; raises RefusedError, UnavailableError.

    A page that fails is asked for again. What changes meanwhile may or may not be seen; what does not change is
    seen exactly once, for the cursor is a place in the order and not a count.
    """
    asked = {**query, "limit": str(PAGE_ROWS)}
    while True:
        answer = await session.get(path, asked)
        page = decoded(answer, _Page)
        yield [_item(answer, item, kind) for item in page.items]
        if page.next is None:
            return
        if page.next == asked.get("cursor"):
            raise RefusedError("the node's list does not advance", status=answer.status)
        asked["cursor"] = page.next


def decoded(answer: Answer, kind: type[T]) -> T:
    """Return the answer's body as `kind`; raises RefusedError if it is something else."""
    return _item(answer, answer.body, kind)


def _item(answer: Answer, octets: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(octets, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(f"the node's answer is not as expected: {error}", status=answer.status) from error
