"""`Authorization` headers of Handle clients: Basic (a secret key) and Handle (a challenge's answer, or a session).

Handle over HTTP, 7.1, 7.2 and 7.4. Pure: nothing is verified here.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from identifiers.values import U4_MAX, Reference

CNONCE_OCTETS: Final = (8, 64)

_PAIR: Final = re.compile(r'[ \t]*([A-Za-z][A-Za-z0-9_-]*)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^",\s]*))[ \t]*(?:,|$)')
_EMPTY: Final = re.compile(r"[ \t]*(?:,|$)")
_ESCAPE: Final = re.compile(r"\\(.)")
_DIGITS: Final = re.compile("[0-9]{1,10}")
_PROOF_FIELDS: Final = ("id", "type", "cnonce", "alg", "signature")
_FIELDS: Final = frozenset((*_PROOF_FIELDS, "version", "sessionid", "clientcert", "salt", "iterations", "length"))


class BadAuthorization(ValueError):  # noqa: N818 - names what was sent
    """A header or a body that is no authentication. The text is for the client."""


@dataclass(frozen=True, slots=True)
class BasicCredential:
    """A user with the octets of a secret."""

    user: Reference
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """An answer to a challenge. `type` is HS_PUBKEY or HS_SECKEY, `alg` folded to letters and digits.

    `salt`, `iterations` and `length` (bits) belong to PBKDF2.
    """

    user: Reference
    type: str
    cnonce: bytes
    alg: str
    signature: bytes
    salt: bytes = b""
    iterations: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class HandleCredential:
    """What a client says in the Handle scheme: a session, an answer to its challenge, or a challenge for us."""

    session_id: str | None = None
    proof: Proof | None = None
    cnonce: bytes | None = None
    """Without a proof: the client wants the site's signature over nonce and this."""
    shows_certificate: bool = False
    """The client wants to be known by the certificate of its connection."""


def scheme_of(authorization: str) -> tuple[str, str]:
    """Return the scheme, folded, and what follows it."""
    scheme, _, rest = authorization.strip().partition(" ")
    return scheme.lower(), rest.strip()


def basic_credentials(text: str) -> list[BasicCredential]:
    """Return what a Basic credential can mean, likeliest first. Raises BadAuthorization.

    `300:20.500/ADMIN:secret`, with a colon that should have been encoded, means two things: the user 300, as the
    scheme has it, and what its author wanted.
    """
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAuthorization("The Basic credential is not Base64") from error
    user, colon, secret = decoded.partition(b":")
    if not colon:
        raise BadAuthorization("The Basic credential has no colon")
    meant = [BasicCredential(identity(_percent_decoded(user)), secret)]
    slash = secret.find(b"/")
    if user.isdigit() and slash >= 0 and (again := secret.find(b":", slash)) >= 0:
        whole = _percent_decoded(user + b":" + secret[:again])
        meant.append(BasicCredential(identity(whole), secret[again + 1 :]))
    return meant


def handle_fields(text: str) -> dict[str, str]:
    """Return the pairs of a Handle credential by their folded names; the first of equal names wins.

    Values are as they were sent, only `id` is percent-decoded. Raises BadAuthorization.
    """
    fields: dict[str, str] = {}
    at = 0
    while at < len(text):
        if (pair := _PAIR.match(text, at)) is not None:
            name, quoted, plain = pair.groups()
            fields.setdefault(name.lower(), plain if quoted is None else _ESCAPE.sub(r"\1", quoted))
            at = pair.end()
        elif (empty := _EMPTY.match(text, at)) is not None and empty.end() > at:
            at = empty.end()
        else:
            raise BadAuthorization("The Authorization header cannot be read")
    if "id" in fields:
        fields["id"] = _percent_decoded(fields["id"].encode("utf-8", "surrogateescape"))
    return fields


def handle_credential(fields: Mapping[str, str]) -> HandleCredential:
    """Return what the fields of a header or a JSON body say. Raises BadAuthorization."""
    given = {name: text for name, text in fields.items() if name in _FIELDS}
    if given.get("version", "0") != "0":
        raise BadAuthorization("Unknown version in Authorization: Handle")
    session_id, certificate = given.get("sessionid"), given.get("clientcert", "").lower() == "true"
    present = [name for name in _PROOF_FIELDS if name in given]
    if not present:
        return HandleCredential(session_id, shows_certificate=certificate)
    if present == ["cnonce"]:
        return HandleCredential(session_id, cnonce=_cnonce(given["cnonce"]), shows_certificate=certificate)
    if len(present) < len(_PROOF_FIELDS):
        raise BadAuthorization("Missing fields in authentication data")
    return HandleCredential(session_id, _proof(given))


def identity(text: str) -> Reference:
    """Return who `index:handle` or a bare handle (index 0: whichever key fits) names. Raises BadAuthorization."""
    index, colon, handle = text.partition(":")
    if colon and _DIGITS.fullmatch(index):
        if int(index) > U4_MAX or not handle:
            raise BadAuthorization("The identity is not index:handle")
        return Reference(handle, int(index))
    if not text:
        raise BadAuthorization("The identity is empty")
    return Reference(text, 0)


def folded_algorithm(text: str) -> str:
    """Return the name of an algorithm without case and punctuation."""
    return "".join(character for character in text.upper() if character.isalnum())


def octets_of(text: str, name: str) -> bytes:
    """Return the octets of a Base64 field. Raises BadAuthorization."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAuthorization(f"{name} is not Base64") from error


def number_of(text: str, name: str) -> int:
    """Return a field that is a number of 32 bits. Raises BadAuthorization."""
    if not _DIGITS.fullmatch(text) or int(text) > U4_MAX:
        raise BadAuthorization(f"{name} is not a number")
    return int(text)


def _proof(given: Mapping[str, str]) -> Proof:
    return Proof(
        identity(given["id"]),
        given["type"].upper(),
        _cnonce(given["cnonce"]),
        folded_algorithm(given["alg"]),
        octets_of(given["signature"], "signature"),
        octets_of(given.get("salt", ""), "salt"),
        number_of(given.get("iterations", "0"), "iterations"),
        number_of(given.get("length", "0"), "length"),
    )


def _cnonce(text: str) -> bytes:
    octets = octets_of(text, "cnonce")
    shortest, longest = CNONCE_OCTETS
    if not shortest <= len(octets) <= longest:
        raise BadAuthorization(f"cnonce has {shortest} to {longest} octets")
    return octets


def _percent_decoded(octets: bytes) -> str:
    try:
        return unquote_to_bytes(octets).decode()
    except UnicodeDecodeError as error:
        raise BadAuthorization("The identity is not UTF-8") from error
