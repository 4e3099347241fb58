"""Which version answers which request, and what depends on it (handle wire 5)."""

from typing import Final, NamedTuple

from identifiers.handle_wire.codes import MD5, SHA1, SHA256


class Version(NamedTuple):
    """A protocol version; the order of tuples is the order of versions."""

    major: int
    minor: int


OURS: Final = Version(2, 11)
MAJOR_MAX: Final = 5
_MISLABELLED: Final = Version(5, 0)  # what some peers write who speak 2.0


def effective(version: Version) -> Version:
    """Return the version whose rules hold: major 5 is a mislabelled 2.0."""
    return Version(2, 0) if version.major == MAJOR_MAX else version


def peer_version(written: Version, suggested: Version) -> Version:
    """Return what the peer speaks: the version it suggests, if it suggests one, otherwise the one it writes."""
    return suggested if suggested.major else written


def answer_version(written: Version, suggested: Version) -> Version:
    """Return the version octets of the answer: the peer's version, at most ours; 5.0 is written back as it came."""
    peer = peer_version(written, suggested)
    if peer.major == MAJOR_MAX:
        return _MISLABELLED
    return min(peer, OURS) if peer.major else OURS


def digest_algorithm(version: Version) -> int:
    """Return the algorithm of request digests in answers of this version (MD5 stands in challenges only)."""
    rules = effective(version)
    if rules >= (2, 7):
        return SHA256
    return SHA1 if has_digest(version) else MD5


def has_digest(version: Version) -> bool:
    """Say whether answers of this version can carry a request digest, and challenges their modern form."""
    return effective(version) >= (2, 1)


def knows_sessions(version: Version) -> bool:
    """Say whether a peer of this version can set up sessions."""
    return effective(version) >= (2, 7)


def signs_suggestion(version: Version) -> bool:
    """Say whether signatures cover the suggested version too."""
    return effective(version) >= (2, 8)


def signs_envelope(version: Version) -> bool:
    """Say whether signatures cover fields of the envelope."""
    return effective(version) >= (2, 7)


def encrypts_private(version: Version) -> bool:
    """Say whether answers with non-public values are encrypted inside a session without being asked."""
    return effective(version) >= (2, 8)


def code_for(rc: int, version: Version) -> int:
    """Return the response code as a peer of this version knows it: below 2.5, 303 stands for 7 and 201 for 202."""
    if effective(version) < (2, 5):
        return {7: 303, 202: 201}.get(rc, rc)
    return rc
