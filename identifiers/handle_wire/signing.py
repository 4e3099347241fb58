"""Signatures and MACs of messages (handle wire 4)."""

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from identifiers import sm2
from identifiers.handle_wire.credential import MAC, MAC_ALGORITHM, SIGNED, Credential, covered_octets
from identifiers.handle_wire.keys import UsablePrivateKey, UsablePublicKey, sign, verify
from identifiers.handle_wire.message import Message
from identifiers.handle_wire.versions import effective

_RSA_SHA256_FROM: Final = (2, 7)
_ANY_SHA256_FROM: Final = (2, 11)


def signed(message: Message, key: UsablePrivateKey, counter: int = 0) -> Credential:
    """Return the credential HS_SIGNED of an answer, made with the server's key. Takes about a millisecond with RSA."""
    algorithm = hash_name(key, message)
    covered = covered_octets(message.envelope, counter, message.content)
    return Credential(SIGNED, algorithm, sign(covered, key, algorithm), counter)


def hash_name(key: UsablePrivateKey, message: Message) -> str:
    """Return the name of the hash that a signature over this message uses."""
    if isinstance(key, sm2.PrivateKey):
        return "SM3"
    version = effective(message.envelope.version)
    since = _RSA_SHA256_FROM if isinstance(key, rsa.RSAPrivateKey) else _ANY_SHA256_FROM
    return "SHA-256" if version >= since else "SHA-1"


def is_signed_by(message: Message, key: UsablePublicKey) -> bool:
    """Say whether a message carries the right signature of a server's key."""
    credential = message.credential
    if credential is None or credential.type != SIGNED:
        return False
    covered = covered_octets(message.envelope, credential.counter, message.content)
    return verify(covered, credential.signature, key, credential.algorithm)


def authenticated(message: Message, session_key: bytes, counter: int) -> Credential:
    """Return the credential HS_MAC of a message inside a session; ``counter`` is the sender's, from 1."""
    covered = covered_octets(message.envelope, counter, message.content)
    return Credential(MAC, MAC_ALGORITHM, hmac.digest(session_key, covered, hashlib.sha256), counter)


def is_authenticated(message: Message, session_key: bytes) -> bool:
    """Say whether a message carries the right MAC; compared in constant time. The counter is not looked at."""
    credential = message.credential
    if credential is None or credential.type != MAC or credential.algorithm != MAC_ALGORITHM:
        return False
    covered = covered_octets(message.envelope, credential.counter, message.content)
    return hmac.compare_digest(hmac.digest(session_key, covered, hashlib.sha256), credential.signature)
