"""Request digests: what ties an answer to the request it answers (handle wire 12)."""

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from identifiers.handle_wire.codes import MD5, SHA1, SHA256
from identifiers.handle_wire.versions import Version, digest_algorithm
from identifiers.octets import OctetReader, WireError

HASHES: Final[dict[int, Callable[[bytes], Any]]] = {MD5: hashlib.md5, SHA1: hashlib.sha1, SHA256: hashlib.sha256}
SIZES: Final = {MD5: 16, SHA1: 20, SHA256: 32}
_ALGORITHM_OF_SIZE: Final = {size: algorithm for algorithm, size in SIZES.items()}
_OLD_MD5: Final = 0


class Digest(NamedTuple):
    """A digest and the number of its algorithm."""

    algorithm: int
    octets: bytes


def digest_of(content: bytes, algorithm: int) -> Digest:
    """Return the digest of a request's header and body, as they were before encryption."""
    return Digest(algorithm, HASHES[algorithm](content).digest())


def request_digest(content: bytes, version: Version) -> Digest:
    """Return the digest that an answer of this version carries."""
    return digest_of(content, digest_algorithm(version))


def read_digest(reader: OctetReader) -> Digest:
    """Read a digest as answers have it: the algorithm's octet and as many octets as it makes; raise WireError."""
    at = reader.offset
    algorithm = reader.u1()
    if algorithm == _OLD_MD5:
        octets = reader.octets()
        if len(octets) != SIZES[MD5]:
            raise WireError("an MD5 digest has 16 octets", at)
        return Digest(MD5, octets)
    if algorithm not in SIZES:
        raise WireError(f"digest algorithm {algorithm} is not known, 1 to 3 are", at)
    return Digest(algorithm, reader.take(SIZES[algorithm]))


def read_digest_either_way(reader: OctetReader) -> tuple[Digest, bool]:
    """Read the digest of a VERIFY_CHALLENGE, and whether it came with a length in place of the algorithm."""
    at = reader.offset
    if reader.all[at : at + 1] != b"\0":
        return read_digest(reader), False
    octets = reader.octets()
    if (algorithm := _ALGORITHM_OF_SIZE.get(len(octets))) is None:
        raise WireError(f"no digest has {len(octets)} octets, some have 16, 20 and 32", at)
    return Digest(algorithm, octets), True


def encode_digest(digest: Digest) -> bytes:
    """Return the algorithm's octet and the digest."""
    return bytes((digest.algorithm,)) + digest.octets
