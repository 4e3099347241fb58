"""What belongs to a connection and a session id it made up: a login, a challenge, a key (handle wire 14.1, 20.3)."""

from dataclasses import dataclass

from identifiers.handle_wire.message import Cipher
from identifiers.values import Reference
from resolver.handle.auth.challenges import Pending
from resolver.handle.auth.limits import LOGINS_PER_CONNECTION
from resolver.handle.exchange import Answer, Peer


@dataclass(slots=True)
class Bound:
    """What one session id of one connection stands for.

    `answered`: the last answer to a challenge of its own, with the fingerprint of the message that got it.
    """

    user: Reference | None = None
    challenge: Pending | None = None
    answered: tuple[bytes, Answer] | None = None
    cipher: Cipher | None = None


def bound_to(peer: Peer, session_id: int) -> Bound | None:
    """Return what a connection has bound to an id."""
    found = peer.bound.get(session_id)
    return found if isinstance(found, Bound) else None


def bind(peer: Peer, session_id: int) -> Bound:
    """Return what a connection has bound to an id, made if there is nothing. Of too many ids, that bound first goes."""
    found = bound_to(peer, session_id)
    if found is None:
        if len(peer.bound) >= LOGINS_PER_CONNECTION:
            del peer.bound[next(iter(peer.bound))]
        found = peer.bound[session_id] = Bound()
    return found


def has_login(peer: Peer) -> bool:
    """Say whether anyone has logged in on a connection, under whatever id."""
    return any(bound.user is not None for bound in peer.bound.values())
