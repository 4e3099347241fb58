"""How a node says it is: its status, or its readiness alone while its registry is away."""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from node.client.problems import describe_problem
from node.client.session import Answer, NodeSession, accepted

STATUS_PATH = "/api/v1/status"
READY_PATH = "/readyz"
_OK = 200
_REGISTRY_AWAY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Status:
    """A node's status. `members` is what it tells, unread: a newer node may tell more."""

    url: str
    condition: Literal["ready", "lookups only", "not ready"]
    members: dict[str, Any]


async def node_status(session: NodeSession) -> Status:
    """Ask a node how it is, without retrying; raises RefusedError, UnavailableError."""
    readiness = await session.peek(READY_PATH)
    answer = await session.peek(STATUS_PATH)
    resolves = readiness.status == _OK
    if answer.status in _REGISTRY_AWAY:
        away, _ = describe_problem(answer.status, answer.body)
        members = {"registry": away, "readyz": _readiness(readiness)}
        return Status(session.node.url, "lookups only" if resolves else "not ready", members)
    told = accepted(answer).json()
    members = told if isinstance(told, dict) else {"status": told}
    return Status(session.node.url, "ready" if resolves else "not ready", members)


def _readiness(answer: Answer) -> Any:
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return answer.body[:2_000].decode("utf-8", "replace").strip()
