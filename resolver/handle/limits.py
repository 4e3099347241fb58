"""The bounds of the Handle server, and where it listens (handle wire 24)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from identifiers.handle_wire.udp import ReassemblyLimits

UDP_TASKS_MAX: Final = 1_024
"""Datagrams answered at a time that need more than the replica: proofs, signatures."""
CLOSING_S: Final = 2.0
"""How long a peer may take to close after our side of a connection is closed (handle wire 19.2)."""
OCTETS_PER_S_MIN: Final = 1_024
"""The least speed at which a begun message must come in."""


@dataclass(frozen=True, slots=True)
class HandleLimits:
    """Octets, seconds and counts, of each worker; none unlimited.

    `udp_answer_octets`: longest message part answered over UDP; longer ones are for TCP (handle wire 19.3).
    `reassembly`: of requests in several datagrams.
    """

    connections: int = 4_096
    per_address: int = 256
    pipeline: int = 32
    first_message_s: float = 15.0
    message_s: float = 15.0
    idle_s: float = 600.0
    stall_s: float = 30.0
    answers_per_source: int = 200
    octets_per_source: int = 262_144
    signed_per_source: int = 20
    signed_in_all: int = 200
    udp_answer_octets: int = 4_096
    reassembly: ReassemblyLimits = field(default_factory=ReassemblyLimits)


@dataclass(frozen=True, slots=True)
class HandleSettings:
    """Where a worker speaks the Handle protocol. `site` is the data of this node's own HS_SITE value.

    `key_file` is the private key that answers are signed with, PEM; None: nothing is signed.
    """

    host: str
    port: int
    site: bytes
    key_file: Path | None = None
    limits: HandleLimits = field(default_factory=HandleLimits)
