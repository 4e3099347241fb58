"""The bounds of authentication (handle wire 13, 14, 24), and what is switched on."""

from dataclasses import dataclass
from typing import Final, Literal

from identifiers.values import Reference

CHALLENGES_MAX: Final = 10_000
CHALLENGES_PER_ADDRESS: Final = 100
CHALLENGE_OCTETS_MAX: Final = 2**26
REMEMBERED_S: Final = 600
"""For so long it is known that a challenge was issued, and has expired or was used."""
REMEMBERED_MAX: Final = 100_000
ANSWER_KEPT_OCTETS_MAX: Final = 65_536
"""Longer answers are not given again to the same message sent twice."""
SESSIONS_MAX: Final = 10_000
SESSIONS_PER_ADDRESS: Final = 100
SESSION_S_MAX: Final = 86_400
SESSION_IDLE_S: Final = 3_600
SESSION_ID_MAX: Final = 0x7FFFFFFF
LOGINS_PER_CONNECTION: Final = 32
"""Session ids that one connection may have made up and bound something to."""
PBKDF2_AT_ONCE: Final = 4
PBKDF2_PER_S: Final = 20
FAILED_PER_MINUTE: Final = 30
LOGIN_S_MAX: Final = 9.0
"""A client takes a login's answer that comes later for the answer of its next request (handle wire 20.4)."""


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """What operators set. `administrators` may do everything on this node.

    `anonymous_admin`: what an administrative request without session and user is told, to prove who sends it or that
    it is refused (handle wire 20.4). `weak_hashes`: whether MD5 and SHA-1 count in proofs with keys. `upstream`: host
    and port of the node where keys of users elsewhere are looked up; None: they are not. `lists`: whether names are
    listed at all.
    """

    administrators: tuple[Reference, ...] = ()
    anonymous_admin: Literal["challenge", "refuse"] = "challenge"
    weak_hashes: bool = True
    lists: bool = True
    challenge_s: float = 60.0
    upstream: tuple[str, int] | None = None
