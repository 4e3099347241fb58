"""Which children a node has: PostgreSQL when it is embedded, and the processes of the registry, resolver and sync."""

import os
import signal
import sys
from collections.abc import Mapping

from node.child import ChildSpec
from node.postgres import EmbeddedPostgres
from node.processes.order import Order

# A checkpoint of a full log may take a while; ended earlier, the next start would have to replay it.
_POSTGRES_STOP_S = 60.0
# After a crash PostgreSQL replays its log before it answers.
_POSTGRES_READY_S = 900.0
# Workers end their answers in flight within ten seconds; the rest is for writing their counts.
_WORKER_STOP_S = 12.0


def postgres_spec(server: EmbeddedPostgres) -> ChildSpec:
    """Say how the embedded PostgreSQL is run."""

    async def ready() -> None:
        await server.wait_ready(_POSTGRES_READY_S)

    return ChildSpec(
        name="postgres",
        command=server.command(),
        environment=server.environment,
        before=server.settle_leftovers,
        ready=ready,
        foreign=True,
        stop_signal=signal.SIGINT,
        stop_timeout_s=_POSTGRES_STOP_S,
        force_signal=signal.SIGQUIT,
    )


def process_spec(program: str, order: Order, shared_lock: int) -> ChildSpec:
    """Say how one of our own processes is run; it inherits the lock that shows the node's successor it still lives."""
    return ChildSpec(
        name=order.process,
        command=[sys.executable, "-m", "node.processes", program],
        environment=_without_settings(os.environ),
        first_line=order.line(),
        inherits=(shared_lock,),
        stop_timeout_s=_WORKER_STOP_S,
    )


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    # Settled by now, and sent in the order: a secret in the environment is readable for longer and by more.
    return {name: value for name, value in environment.items() if not name.startswith("IDNODE_")}
