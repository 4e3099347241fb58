"""Handle names: syntax, case folding and keys (RFC 3651, section 3; Handle names of the industrial internet)."""

import re
import unicodedata
from typing import Final

import msgspec

from identifiers.identifier import HandleParts, Identifier, Invalid
from identifiers.values import HANDLE_OCTETS_MAX, Reference

REGISTERED_CHARACTERS_MAX: Final = 255
"""Longest name that may be registered, in characters (SNMS API)."""
PREFIX_CHARACTERS_MAX: Final = 64
ROOTS: Final = ("86", "88")
PREFIX: Final = re.compile(r"(86|88)\.([0-9]{3,5})(?:\.([0-9]{1,55}))?")
"""A prefix of the national roots; use with fullmatch. Leading zeros of the enterprise number count."""
RESERVED_SUFFIXES: Final = ("TPL-", "META_", "App_", "User_", "Group_")
"""Suffix beginnings ordinary registrations may not use: templates, and conventions of enterprise nodes."""

_FOLD: Final = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
_REFERENCE: Final = re.compile(r"(0|[1-9][0-9]{0,9}):(.+)", re.DOTALL)
_REFERENCE_INDEX_MAX: Final = 2**32 - 1
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls
    "\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # white space other than U+0020
    "\u202a-\u202e\u2066-\u2069\ufeff"  # bidirectional overrides, byte order mark
    "\ud800-\udfff\ufdd0-\ufdef"  # surrogates, noncharacters
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
# What nearly every new name looks like, in one match: bulk imports spend their time here.
_PLAIN_NEW: Final = re.compile(
    r"((?:86|88)\.[0-9]{3,5}(?:\.[0-9]{1,55})?)/((?!(?i:TPL-|META_|APP_|USER_|GROUP_))[!-~]{1,190})"
)
_EXAMPLE: Final = "write it like 88.118.8/SN0001"


class Prefix(msgspec.Struct, frozen=True, gc=False):
    """A prefix of the national roots: root and secondary number, and the enterprise number if there is one."""

    text: str
    secondary: str
    enterprise: str | None

    @property
    def key(self) -> str:
        """The key of the prefix as an object."""
        return f"hdl:0.NA/{self.text}"


def fold(text: str) -> str:
    """Return ``text`` with a-z as A-Z and nothing else changed: Handle comparison knows no other case rule."""
    return text.upper() if text.isascii() else text.translate(_FOLD)


def parse_prefix(text: str) -> Prefix | Invalid:
    """Parse a bare prefix such as ``88.118`` or ``88.118.8``."""
    match = PREFIX.fullmatch(text)
    if match is None or len(text) > PREFIX_CHARACTERS_MAX:
        return _bad_prefix(text)
    root, number, enterprise = match.groups()
    return Prefix(text, f"{root}.{number}", enterprise)


def parse_handle(text: str, *, exact_case: bool = False) -> Identifier | Invalid:
    """Parse any name RFC 3651 allows, for look-ups and imports; a bare prefix is ``0.NA/<prefix>``.

    ``exact_case`` keeps the case of the suffix in the key, for prefixes set to it. Names of the system (prefix
    beginning ``0.``) are folded all the same. At most 2,048 octets of UTF-8; the suffix may be empty.
    """
    if (fault := _unreadable(text)) is not None:
        return fault
    prefix, slash, suffix = text.partition("/")
    if not slash:
        prefix, suffix = "0.NA", text
    if not _is_rfc_prefix(prefix) or (not slash and not _is_rfc_prefix(suffix)):
        return Invalid("bad_prefix", 0, f"the prefix of a Handle has no empty part between dots: {_EXAMPLE}")
    folded = suffix if exact_case and not prefix.startswith("0.") else fold(suffix)
    canonical = f"{fold(prefix)}/{folded}"
    return Identifier("hdl", canonical, "hdl:" + canonical, text, HandleParts(prefix, suffix))


def check_handle(text: str, *, exact_case: bool = False) -> Identifier | Invalid:
    """Parse a name by the strict rules: national prefixes keep their grammar, suffixes hold printable NFC text."""
    if not text:
        return Invalid("empty", 0, f"the identifier is empty: {_EXAMPLE}")
    prefix, slash, suffix = text.partition("/")
    named = suffix if fold(prefix) == "0.NA" else prefix
    if named.startswith(("86.", "88.")) and isinstance(fault := parse_prefix(named), Invalid):
        return fault
    if slash and (found := _bad_suffix(text, suffix)) is not None:
        helps = found.suggestion is not None and isinstance(check_handle(found.suggestion), Identifier)
        return found if helps else msgspec.structs.replace(found, suggestion=None)
    return parse_handle(text, exact_case=exact_case)


def check_new_handle(text: str, *, exact_case: bool = False) -> Identifier | Invalid:
    """Parse a name for registration: the strict rules, at most 255 characters, no reserved beginning.

    Whether the prefix is served here is the registry's question. Prefixes as objects (``0.NA/…``) and other names
    of the system are not registered this way.
    """
    if (plain := _PLAIN_NEW.fullmatch(text)) is not None:
        prefix, suffix = plain.groups()
        canonical = f"{prefix}/{suffix if exact_case else suffix.upper()}"
        return Identifier("hdl", canonical, "hdl:" + canonical, text, HandleParts(prefix, suffix))
    if len(text) > REGISTERED_CHARACTERS_MAX:
        return Invalid("too_long", REGISTERED_CHARACTERS_MAX, "the identifier has more than 255 characters: shorten it")
    prefix, slash, suffix = text.partition("/")
    if text and not slash:
        return Invalid("bad_suffix", len(text), f"there is no suffix after the prefix: {_EXAMPLE}")
    if prefix.startswith("0.") or len(prefix) > PREFIX_CHARACTERS_MAX:
        return _bad_prefix(prefix)
    for beginning in RESERVED_SUFFIXES:
        if fold(suffix).startswith(fold(beginning)):
            at = len(prefix) + 1
            return Invalid("bad_suffix", at, f"suffixes beginning {beginning} are reserved: choose another beginning")
    return check_handle(text, exact_case=exact_case)


def parse_reference(text: str) -> Reference | Invalid:
    """Parse ``index:handle``, the name of one value; only the first colon counts, suffixes contain colons."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return Invalid("bad_syntax", 0, "a value is named index:handle, for example 300:88.118.8/admin")
    index, name = int(match[1]), match[2]
    if index > _REFERENCE_INDEX_MAX:
        return Invalid("bad_range", 0, "the index of a value reference is at most 4,294,967,295")
    handle = parse_handle(name)
    return handle if isinstance(handle, Invalid) else Reference(name, index)


def _unreadable(text: str) -> Invalid | None:
    if not text:
        return Invalid("empty", 0, f"the identifier is empty: {_EXAMPLE}")
    # One character is at most 4 octets, so short names need no second look.
    if len(text) > HANDLE_OCTETS_MAX // 4 and len(text.encode(errors="replace")) > HANDLE_OCTETS_MAX:
        return Invalid("too_long", 0, "a Handle has at most 2,048 octets of UTF-8: shorten it")
    if text.isprintable() or (found := _CONTROLS.search(text)) is None:
        return None
    return Invalid("bad_char", found.start(), f"U+{ord(found[0]):04X} is not allowed in a Handle: remove it")


def _is_rfc_prefix(prefix: str) -> bool:
    return bool(prefix) and "/" not in prefix and ".." not in prefix and prefix[0] != "." and prefix[-1] != "."


def _bad_prefix(text: str) -> Invalid:
    return Invalid(
        "bad_prefix",
        0,
        f"{text[:PREFIX_CHARACTERS_MAX]!r} is no prefix: write 86 or 88, a dot, 3 to 5 digits, and for an enterprise "
        "a dot and its number, like 88.118.8",
    )


def _bad_suffix(text: str, suffix: str) -> Invalid | None:
    start = len(text) - len(suffix)
    if not suffix:
        return Invalid("bad_suffix", start, f"nothing follows the slash: {_EXAMPLE}")
    if (found := _UNPRINTABLE.search(suffix)) is not None:
        at = start + found.start()
        return Invalid("bad_char", at, f"U+{ord(found[0]):04X} is not allowed in a suffix: remove it")
    if suffix != suffix.strip(" "):
        at = start if suffix[0] == " " else len(text) - 1
        trimmed = text[:start] + suffix.strip(" ")
        return Invalid("bad_char", at, "a suffix neither begins nor ends with a blank: remove it", trimmed)
    if not unicodedata.is_normalized("NFC", suffix):
        composed = unicodedata.normalize("NFC", suffix)
        at = start + _first_difference(suffix, composed)
        message = "the suffix is not in Unicode NFC: write the composed form"
        return Invalid("not_nfc", at, message, text[:start] + composed)
    return None


def _first_difference(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
