"""Signed requests and receipts (docking contract 9.11): HTTP Message Signatures (RFC 9421), Content-Digest (RFC 9530).

Pure: time, randomness and keys come in as arguments. Who asks calls `sign_request`, and for a receipt `read_signature`
and `check_response`; who is asked `read_signature`, then looks the key up, then `check_request`, which also asks its
`Nonces`. The tag says what a signature is for: reports, or reading the change feed (docking contract 10).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from identifiers.signing_keys import ALGORITHMS, KEY_ID_CHARACTERS_MAX, PrivateKey, PublicKey

SignatureCode = Literal["signature_missing", "signature_invalid", "key_unknown", "clock_skew"]

LABEL: Final = "sig1"
REPORT_TAG: Final = "idn-report"
FEED_TAG: Final = "idn-feed"
VALID_S: Final = 300
SKEW_S_MAX: Final = 300
NONCE_OCTETS: Final = 16
NONCE_KEPT_S: Final = 900
NONCES_MAX: Final = 100_000
"""At the contract's 50 requests a second a reporter sends 45,000 in the time a nonce is kept."""
HEADER_CHARACTERS_MAX: Final = 1_024

REQUEST_FIELDS: Final = ("content-type", "content-digest", "content-encoding", "idn-reporter", "idn-profile")
"""Covered in this order, each if the request has it, behind the method and the target."""
REQUIRED_FIELDS: Final = ("idn-reporter", "idn-profile")
RESPONSE_COMPONENTS: Final = ('"@status"', '"content-type"', '"content-digest"', '"@method";req', '"@target-uri";req')

_INPUT: Final = re.compile(
    rf"{LABEL}="
    r"(?P<parameters>\((?P<components>[^()]{1,300})\)"
    r";created=(?P<created>[0-9]{1,12});expires=(?P<expires>[0-9]{1,12})"
    r';nonce="(?P<nonce>[A-Za-z0-9+/=]{1,64})"'
    rf';keyid="(?P<key_id>[A-Za-z0-9._#-]{{1,{KEY_ID_CHARACTERS_MAX}}})"'
    r';alg="(?P<algorithm>[a-z0-9-]{1,32})"'
    r';tag="(?P<tag>[a-z-]{1,32})")'
)
_SIGNATURE: Final = re.compile(rf"{LABEL}=:(?P<octets>[A-Za-z0-9+/=]{{1,128}}):")
_DIGEST: Final = re.compile(r"sha-256=:(?P<octets>[A-Za-z0-9+/=]{44}):")


class SignatureRefused(Exception):  # noqa: N818 - what the collector answers with 401
    """A signature does not prove who speaks. `code` is the problem to answer with; the message is safe to show."""

    def __init__(self, code: SignatureCode, message: str) -> None:
        super().__init__(message)
        self.code: SignatureCode = code


@dataclass(frozen=True, slots=True)
class Message:
    """What is signed of a request: `target_uri` as the client sees it; header names in lower case."""

    method: str
    target_uri: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Presented:
    """A signature as it came, nothing of it believed yet."""

    components: tuple[str, ...]
    parameters: str
    created: int
    expires: int
    nonce: str
    key_id: str
    algorithm: str
    octets: bytes


class Nonces:
    """The nonces seen in the last 15 minutes, at most `size`; the oldest go first when there are more. For one thread.

    A nonce forgotten for lack of room cannot be told from a new one, so `size` has to cover what comes in 10 minutes,
    the longest a signature is taken for.
    """

    def __init__(self, size: int = NONCES_MAX) -> None:
        self._size = size
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def is_new(self, key_id: str, nonce: str, now: datetime) -> bool:
        """Remember a nonce; False if this key used it before."""
        at = now.timestamp()
        while self._seen and next(iter(self._seen.values())) <= at - NONCE_KEPT_S:
            self._seen.popitem(last=False)
        if (key_id, nonce) in self._seen:
            return False
        while len(self._seen) >= self._size:
            self._seen.popitem(last=False)
        self._seen[key_id, nonce] = at
        return True


def content_digest(content: bytes) -> str:
    """Return the Content-Digest header of these octets, as they are sent."""
    return f"sha-256=:{_base64(hashlib.sha256(content).digest())}:"


def is_digest_of(header: str, content: bytes) -> bool:
    """Whether a Content-Digest header is the one of these octets."""
    found = _DIGEST.fullmatch(header)
    return found is not None and hmac.compare_digest(header, content_digest(content))


def request_components(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the components that the signature of a request with these headers covers, in their order."""
    return ('"@method"', '"@target-uri"', *(f'"{name}"' for name in REQUEST_FIELDS if name in headers))


def signature_base(message: Message, components: Sequence[str], parameters: str, *, status: int | None = None) -> bytes:
    """Return the octets that are signed. With a `status` the headers are the response's, the rest the request's."""
    lines = [f"{component}: {_value(message, component, status)}" for component in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def sign_request(
    key: PrivateKey, message: Message, *, now: datetime, nonce: bytes, tag: str = REPORT_TAG
) -> dict[str, str]:
    """Return the headers Signature-Input and Signature of a request; `nonce` is 16 fresh random octets.

    The message needs Idn-Reporter and Idn-Profile, and with content its Content-Digest.
    """
    return _sign(key, message, request_components(message.headers), now=now, nonce=nonce, tag=tag)


def sign_response(key: PrivateKey, message: Message, status: int, *, now: datetime, nonce: bytes) -> dict[str, str]:
    """Return the two headers for an answer: the request's method and target, the answer's Content-Type and -Digest."""
    return _sign(key, message, RESPONSE_COMPONENTS, now=now, nonce=nonce, status=status)


def read_signature(headers: Mapping[str, str], tag: str = REPORT_TAG) -> Presented:
    """Take the two headers apart (names in lower case); raises SignatureRefused. Finding the key is the caller's.

    A signature made for another `tag` is none.
    """
    told, signature = headers.get("signature-input"), headers.get("signature")
    if not told or not signature:
        raise SignatureRefused("signature_missing", "the request needs Signature-Input and Signature")
    if len(told) > HEADER_CHARACTERS_MAX or len(signature) > HEADER_CHARACTERS_MAX:
        raise SignatureRefused("signature_invalid", f"a signature header is longer than {HEADER_CHARACTERS_MAX}")
    found, octets = _INPUT.fullmatch(told), _SIGNATURE.fullmatch(signature)
    if found is None or octets is None or found["tag"] != tag:
        raise SignatureRefused(
            "signature_invalid",
            f'one signature labelled {LABEL} is needed, with created, expires, nonce, keyid, alg and tag="{tag}"',
        )
    return Presented(
        components=tuple(found["components"].split(" ")),
        parameters=found["parameters"],
        created=int(found["created"]),
        expires=int(found["expires"]),
        nonce=found["nonce"],
        key_id=found["key_id"],
        algorithm=found["algorithm"],
        octets=_octets(octets["octets"]),
    )


def check_request(
    presented: Presented,
    key: PublicKey | None,
    message: Message,
    content: bytes | None,
    *,
    now: datetime,
    nonces: Nonces | None,
) -> None:
    """Raise SignatureRefused unless this request was signed just now, once, by the holder of `key`.

    The key must belong to the prefix in Idn-Reporter; None stands for a key id that is not known. Without `content`
    the caller looks at that itself, with `check_content`: whoever cannot sign need not be listened to. Without
    `nonces`, which are for one thread, it calls `check_nonce` afterwards.
    """
    if key is None or key.key_id != presented.key_id or not key.is_valid(now):
        raise SignatureRefused("key_unknown", f"no key {presented.key_id} is valid now")
    if key.key_id.partition("#")[0] != message.headers.get("idn-reporter"):
        raise SignatureRefused("key_unknown", f"the key {presented.key_id} is not one of the reporter in Idn-Reporter")
    _check_time(presented, now)
    missing = [name for name in REQUIRED_FIELDS if name not in message.headers]
    if missing or presented.components != request_components(message.headers):
        covered = " ".join(request_components(message.headers))
        raise SignatureRefused("signature_invalid", f"the signature of this request must cover {covered}")
    if content is not None:
        check_content(message, content)
    _check_octets(presented, key, signature_base(message, presented.components, presented.parameters))
    # Last, so that only holders of keys fill the memory.
    if nonces is not None:
        check_nonce(presented, now, nonces)


def check_nonce(presented: Presented, now: datetime, nonces: Nonces) -> None:
    """Raise SignatureRefused if this signature, which was checked, came before."""
    if not nonces.is_new(presented.key_id, presented.nonce, now):
        raise SignatureRefused("signature_invalid", "the nonce was used before")


def check_content(message: Message, content: bytes) -> None:
    """Raise SignatureRefused unless the request's Content-Digest is that of its content."""
    if content and not is_digest_of(message.headers.get("content-digest", ""), content):
        raise SignatureRefused("signature_invalid", "Content-Digest is not the SHA-256 of the content as sent")
    if not content and "content-digest" in message.headers and not is_digest_of(message.headers["content-digest"], b""):
        raise SignatureRefused("signature_invalid", "Content-Digest is there, but no content")


def check_response(
    presented: Presented, key: PublicKey, message: Message, status: int, content: bytes, *, now: datetime
) -> None:
    """Raise SignatureRefused unless the answer to this request was signed just now by the holder of `key`."""
    if key.key_id != presented.key_id or not key.is_valid(now):
        raise SignatureRefused("key_unknown", f"no key {presented.key_id} is valid now")
    _check_time(presented, now)
    if presented.components != RESPONSE_COMPONENTS:
        raise SignatureRefused(
            "signature_invalid", f"the answer's signature must cover {' '.join(RESPONSE_COMPONENTS)}"
        )
    if not is_digest_of(message.headers.get("content-digest", ""), content):
        raise SignatureRefused("signature_invalid", "Content-Digest is not the SHA-256 of the content as sent")
    _check_octets(presented, key, signature_base(message, presented.components, presented.parameters, status=status))


def _sign(
    key: PrivateKey,
    message: Message,
    components: Sequence[str],
    *,
    now: datetime,
    nonce: bytes,
    tag: str = REPORT_TAG,
    status: int | None = None,
) -> dict[str, str]:
    created = int(now.timestamp())
    parameters = (
        f"({' '.join(components)});created={created};expires={created + VALID_S}"
        f';nonce="{_base64(nonce)}";keyid="{key.key_id}";alg="{key.algorithm}";tag="{tag}"'
    )
    signature = key.sign(signature_base(message, components, parameters, status=status))
    return {"Signature-Input": f"{LABEL}={parameters}", "Signature": f"{LABEL}=:{_base64(signature)}:"}


def _value(message: Message, component: str, status: int | None) -> str:
    name = component.removesuffix(";req").strip('"')
    if name == "@method":
        return message.method
    if name == "@target-uri":
        return message.target_uri
    if name == "@status":
        return str(status)
    return message.headers.get(name, "").strip()


def _check_time(presented: Presented, now: datetime) -> None:
    moment = int(now.timestamp())
    if abs(moment - presented.created) > SKEW_S_MAX or moment > presented.expires:
        raise SignatureRefused("clock_skew", f"signed at {presented.created}, the time here is {moment}")
    if presented.expires != presented.created + VALID_S:
        raise SignatureRefused("signature_invalid", f"expires must be created + {VALID_S}")


def _check_octets(presented: Presented, key: PublicKey, base: bytes) -> None:
    if presented.algorithm not in ALGORITHMS or presented.algorithm != key.algorithm:
        raise SignatureRefused("signature_invalid", f"the key {key.key_id} signs with {key.algorithm}")
    if len(_octets(presented.nonce)) != NONCE_OCTETS:
        raise SignatureRefused("signature_invalid", f"the nonce must be {NONCE_OCTETS} octets in Base64")
    if not key.verifies(presented.octets, base):
        raise SignatureRefused("signature_invalid", "the signature is not that of this request by this key")


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise SignatureRefused("signature_invalid", "a signature header holds broken Base64") from error
