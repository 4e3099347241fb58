"""The node that a command's options choose."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from node.client.errors import UnavailableError
from node.client.location import locate_node
from node.client.retry import NEVER, RetryPolicy
from node.client.session import NodeSession, open_session

BRIEF = RetryPolicy(give_up_after_s=5.0)
"""For a person who waits for one answer: bridges the restart of a process, no more."""


@dataclass(frozen=True, slots=True)
class NodeChoice:
    """The options --url, --token and --data-dir."""

    url: str | None
    token: str | None
    data_dir: Path

    @asynccontextmanager
    async def session(
        self, policy: RetryPolicy = NEVER, on_wait: Callable[[UnavailableError, float], None] | None = None
    ) -> AsyncIterator[NodeSession]:
        """Open a session with the node; raises UsageError or UnavailableError if there is none to be found."""
        async with open_session(locate_node(self.url, self.token, self.data_dir), policy, on_wait) as session:
            yield session

    @asynccontextmanager
    async def public_session(self, policy: RetryPolicy = NEVER) -> AsyncIterator[NodeSession]:
        """Open a session that carries only a token that was given outright: public questions need none."""
        node = locate_node(self.url, self.token, self.data_dir)
        async with open_session(node if self.token else node.anonymous(), policy) as session:
            yield session
