"""The bounds of authentication (handle wire 13, 14, 24), and what is switched on."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

from identifiers.handle_wire.keys import UsablePublicKey
from identifiers.values import Reference

REMEMBERED_S: Final = 600
"""For so long it is known that a challenge was issued, and has expired or was used."""
REMEMBERED_MAX: Final = 100_000
ANSWER_KEPT_OCTETS_MAX: Final = 65_536
"""Longer answers are not given again to the same message sent twice."""
SESSION_ID_MAX: Final = 0x7FFFFFFF
PBKDF2_WAIT_S: Final = 1.0
"""A proof that finds all computations at work waits so long for its turn; one takes some 10 ms."""
LOGINS_PER_CONNECTION: Final = 32
"""Session ids that one connection may have made up and bound something to."""

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AuthLimits:
    """Counts, octets and seconds; none unlimited.

    Challenges and sessions are those of the host, everything else is counted by each worker. `remote_*` bound what is
    asked of other servers: seconds for one question, seconds an answer is kept, new questions a second for one address.
    """

    challenges: int = 10_000
    challenges_per_address: int = 100
    challenge_octets: int = 2**26
    sessions: int = 10_000
    sessions_per_address: int = 100
    session_s: int = 86_400
    session_idle_s: int = 3_600
    session_window: int = 200
    pbkdf2_iterations: int = 100_000
    pbkdf2_at_once: int = 4
    pbkdf2_per_s: int = 20
    failed_per_minute: int = 30
    key_bits: range = range(1_024, 4_097)
    vlist_depth: int = 32
    vlist_references: int = 1_024
    names_per_part: int = 50
    remote_timeout_s: float = 5.0
    remote_kept_s: float = 3_600.0
    remote_per_s: int = 20


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """What operators set. `administrators` may do everything on this node.

    `anonymous_admin`: what an administrative request without session and user is told, to prove who sends it or that
    it is refused (handle wire 20.4). `weak_hashes`: whether MD5 and SHA-1 count in proofs with keys. `lists`: whether
    names are listed at all. `read_only`: the node takes no changes and lists nothing, whoever asks. `upstream`: host
    and port of the node where users elsewhere are looked up; None: they are not. `upstream_key`: its answers count only
    with this key's signature. `upstream_networks`: networks, besides public addresses, whose servers are asked where
    the upstream names them.
    """

    administrators: tuple[Reference, ...] = ()
    anonymous_admin: Literal["challenge", "refuse"] = "challenge"
    weak_hashes: bool = True
    lists: bool = True
    read_only: bool = False
    challenge_s: float = 60.0
    upstream: tuple[str, int] | None = None
    upstream_key: UsablePublicKey | None = field(default=None, repr=False)
    upstream_networks: tuple[Network, ...] = ()
    limits: AuthLimits = field(default_factory=AuthLimits)
