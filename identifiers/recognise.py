"""Which scheme a scanned or typed text belongs to: one ordered table of rules, the first that applies decides."""

import re
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec

from identifiers.identifier import Invalid

Scheme = Literal["hdl", "vaa", "oid", "ecode", "gs1", "did"]
Form = Literal["text", "uri", "path", "elements", "bare"]


class Context(msgspec.Struct, frozen=True):
    """What a node knows about hosts: its own, and those of Ecode resolvers; lower case, without ports."""

    own_hosts: frozenset[str] = frozenset()
    ecode_hosts: frozenset[str] = frozenset()


class Claim(NamedTuple):
    """A text claimed by a scheme, without carriers and wrappers.

    ``form`` says how to read ``text``: ``uri`` is percent-encoded, ``path`` a Digital Link path, ``elements`` a GS1
    element string, ``bare`` was claimed by the caller. ``offset`` is where it begins in the input.
    """

    scheme: Scheme
    form: Form
    text: str
    offset: int
    query: str | None = None
    fragment: str | None = None


Rule = Callable[[str, int, Context], Claim | Invalid | None]

_UNKNOWN: Final = Invalid("unknown_scheme", 0, "no known code looks like this; a Handle looks like 88.118.8/SN0001")
GS: Final = "\x1d"
_RS: Final = "\x1e"
_EOT: Final = "\x04"
_GS1_SYMBOLOGIES: Final = ("]C1", "]e0", "]d2", "]Q3", "]J1")
_PLAIN_SYMBOLOGIES: Final = ("]C0", "]d1", "]Q1", "]A0")
_MESSAGE_15434: Final = "[)>"
_FORMAT_06: Final = f"{_MESSAGE_15434}{_RS}06{GS}"
_HANDLE_WRAPPERS: Final = ("hdl:", "urn:hdl:", "info:hdl/")
_OID_WRAPPERS: Final = ("urn:oid:", "oid:")
_HANDLE_HOST: Final = "hdl.handle.net"
_HANDLE_PATH: Final = re.compile(r"/([0-9]+(?:\.[^./]*)+)(?:/.*)?", re.DOTALL)
_WEB: Final = re.compile(
    r"https?://(?:[^/?#]*@)?([^/?#]*?)(?::[0-9]*)?(/[^?#]*)?(\?[^#]*)?(#.*)?", re.DOTALL | re.IGNORECASE
)
_VAA: Final = re.compile(r"15N|VAA[0-9]", re.IGNORECASE)
_OID: Final = re.compile(r"[0-2]\.[0-9.]*")
_GTIN: Final = re.compile(r"[0-9]{8}|[0-9]{12,14}")
_GS1_KEYS: Final = frozenset(
    [
        "00",
        "01",
        "253",
        "255",
        "401",
        "402",
        "414",
        "415",
        "417",
        "8003",
        "8004",
        "8006",
        "8010",
        "8013",
        "8017",
        "8018",
    ],
)


def recognise(text: str, context: Context) -> Claim | Invalid:
    """Return who claims ``text`` (without white space around it), or Invalid if no scheme does."""
    offset = 0
    if text.startswith(_PLAIN_SYMBOLOGIES):
        text, offset = text[3:], 3
    found = (rule(text, offset, context) for rule in RULES)
    return next((claim for claim in found if claim is not None), _UNKNOWN)


def gs1_key_path(path: str) -> list[str] | None:
    """Return the segments of a Digital Link path from the key's AI on, still percent-encoded; None if it has no key."""
    segments = path.removesuffix("/").split("/")
    for at, segment in enumerate(segments):
        if segment in _GS1_KEYS and (len(segments) - at) % 2 == 0:
            return segments[at:]
    return None


def _gs1_symbology(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("gs1", "elements", text[3:], offset + 3) if text.startswith(_GS1_SYMBOLOGIES) else None


def _format_06(text: str, offset: int, _: Context) -> Claim | Invalid | None:
    """ISO/IEC 15434 format 06: the first data element with the identifier 15N is a VAA code."""
    if not text.startswith(_MESSAGE_15434):
        return None
    if not text.startswith(_FORMAT_06):
        return _UNKNOWN
    at = offset + len(_FORMAT_06)
    for element in text[len(_FORMAT_06) :].rstrip(_EOT).rstrip(_RS).split(GS):
        if element.startswith("15N"):
            return Claim("vaa", "text", element, at)
        at += len(element) + 1
    return _UNKNOWN


def _handle_uri(text: str, offset: int, _: Context) -> Claim | None:
    return _wrapped("hdl", "uri", _HANDLE_WRAPPERS, text, offset)


def _did(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("did", "text", text, offset) if text[:4].lower() == "did:" else None


def _oid_uri(text: str, offset: int, _: Context) -> Claim | None:
    return _wrapped("oid", "uri", _OID_WRAPPERS, text, offset)


def _web(text: str, offset: int, context: Context) -> Claim | Invalid | None:
    match = _WEB.fullmatch(text)
    if match is None:
        return None
    host, path, query, fragment = match[1].lower(), match[2] or "", match[3], match[4]
    rest = (query[1:] if query else None, fragment[1:] if fragment else None)
    at = offset + (match.start(2) if match[2] else len(text))
    if host in {_HANDLE_HOST} | context.own_hosts and _HANDLE_PATH.fullmatch(path):
        return Claim("hdl", "uri", path[1:], at + 1, *rest)
    if gs1_key_path(path) is not None:
        return Claim("gs1", "path", path, at, *rest)
    if host in context.ecode_hosts and (mark := path.find("/E=")) >= 0:
        return Claim("ecode", "uri", path[mark + 1 :], at + mark + 1, *rest)
    return Invalid("unsupported_form", 0, "this web address carries no code that is known here")


def _ecode(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("ecode", "text", text, offset) if text.startswith("E=") else None


def _vaa(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("vaa", "text", text, offset) if _VAA.match(text) else None


def _brackets(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("gs1", "elements", text, offset) if text.startswith("(") else None


def _national_handle(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("hdl", "text", text, offset) if text.startswith(("86.", "88.")) else None


def _prefix_handle(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("hdl", "text", text, offset) if text[:5].upper() == "0.NA/" else None


def _oid(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("oid", "text", text, offset) if _OID.fullmatch(text) else None


def _gtin(text: str, offset: int, _: Context) -> Claim | None:
    return Claim("gs1", "text", text, offset) if _GTIN.fullmatch(text) else None


def _wrapped(scheme: Scheme, form: Form, wrappers: tuple[str, ...], text: str, offset: int) -> Claim | None:
    for wrapper in wrappers:
        if text[: len(wrapper)].lower() == wrapper:
            return Claim(scheme, form, text[len(wrapper) :], offset + len(wrapper))
    return None


RULES: Final[tuple[Rule, ...]] = (
    _gs1_symbology,
    _format_06,
    _handle_uri,
    _did,
    _oid_uri,
    _web,
    _ecode,
    _vaa,
    _brackets,
    _national_handle,
    _prefix_handle,
    _oid,
    _gtin,
)
