"""The one parser: any scanned or typed text to its Identifier, or to the reason why it is none."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from identifiers.gtin import GTIN_AI, parse_gtin, parse_gtin14
from identifiers.handle import check_handle, parse_handle
from identifiers.identifier import Identifier, Invalid
from identifiers.recognise import Claim, Context, Scheme, gs1_key_path, recognise

CHARACTERS_MAX: Final = 4_096

Parser = Callable[[Claim], Identifier | Invalid]

_BLANKS: Final = " \t\r\n\v\f\x85\u00a0\u2028\u2029\u3000\ufeff"  # without GS and RS, which separate data elements
_BAD_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_HALF_WIDTH: Final = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
_NO_HOSTS: Final = Context()
_NAMES: Final = {"vaa": "VAA", "oid": "OID", "ecode": "Ecode", "gs1": "GS1", "did": "DID"}


def parse(text: str, scheme: Scheme | None = None, context: Context = _NO_HOSTS) -> Identifier | Invalid:
    """Parse a text in any scheme, at most 4,096 characters; bad input gives Invalid, never an exception.

    ``scheme`` overrides the rules: the text is read as that scheme's, and a Handle may then be any RFC 3651 name.
    """
    if len(text) > CHARACTERS_MAX:
        return Invalid("too_long", CHARACTERS_MAX, "a code has at most 4,096 characters")
    stripped = text.strip(_BLANKS)
    if not stripped:
        return Invalid("empty", 0, "the code is empty")
    result = _parse(stripped, scheme, context)
    if isinstance(result, Identifier):
        return result
    leading = len(text) - len(text.lstrip(_BLANKS))
    suggestion = result.suggestion or _half_width(stripped, scheme, context)
    return msgspec.structs.replace(result, position=result.position + leading, suggestion=suggestion)


def candidates(identifier: Identifier, *, exact_case: bool = False) -> tuple[str, ...]:
    """Return the keys a look-up tries, in order: the key itself, then for a Handle not in NFC the key of its NFC form.

    ``exact_case`` is the case policy of the prefix, as for ``parse_handle``.
    """
    key, spelling = identifier.key, identifier.spelling
    if identifier.scheme != "hdl" or unicodedata.is_normalized("NFC", spelling):
        return (key,)
    # The spelling, not the key: folding before composing would turn a letter and its accent into another letter.
    composed = parse_handle(unicodedata.normalize("NFC", spelling), exact_case=exact_case)
    return (key,) if isinstance(composed, Invalid) or composed.key == key else (key, composed.key)


def _parse(text: str, scheme: Scheme | None, context: Context) -> Identifier | Invalid:
    if scheme is not None and scheme not in PARSERS:
        return Invalid("unknown_scheme", 0, f"there is no scheme {str(scheme)[:20]!r}: {', '.join(PARSERS)} are known")
    claim = recognise(text, context)
    if scheme is not None:
        claim = _claimed(claim, scheme, text)
    if isinstance(claim, Invalid):
        return claim
    result = PARSERS[claim.scheme](claim)
    if isinstance(result, Invalid):
        return msgspec.structs.replace(result, position=result.position + claim.offset)
    return msgspec.structs.replace(result, query=claim.query, fragment=claim.fragment)


def _claimed(claim: Claim | Invalid, scheme: Scheme, text: str) -> Claim:
    """Return the caller's claim: unwrapped if a rule of the same scheme fits, else the text as it stands."""
    if isinstance(claim, Invalid) or claim.scheme != scheme:
        return Claim(scheme, "bare", text, 0)
    return claim._replace(form="bare") if claim.form == "text" else claim


def _parse_handle(claim: Claim) -> Identifier | Invalid:
    if claim.form == "bare":
        return parse_handle(claim.text)
    name = _percent_decoded(claim.text) if claim.form == "uri" else claim.text
    return name if isinstance(name, Invalid) else check_handle(name)


def _parse_gs1(claim: Claim) -> Identifier | Invalid:
    if claim.form == "elements":
        return _unsupported(claim)
    return _parse_digital_link(claim) if claim.form == "path" else parse_gtin(claim.text)


def _parse_digital_link(claim: Claim) -> Identifier | Invalid:
    """Parse a Digital Link of a GTIN alone; other keys and qualifiers are recognised and not served."""
    segments = gs1_key_path(claim.text)
    if segments is None or segments[0] != GTIN_AI or len(segments) != len((GTIN_AI, "value")):
        return _unsupported(claim)
    value = _percent_decoded(segments[1])
    at = claim.text.rindex(f"/{segments[1]}") + 1
    result = value if isinstance(value, Invalid) else parse_gtin14(value)
    return msgspec.structs.replace(result, position=result.position + at) if isinstance(result, Invalid) else result


def _unsupported(claim: Claim) -> Invalid:
    name = _NAMES[claim.scheme]
    return Invalid("unsupported_form", 0, f"this is a code of the scheme {name}, in a form this node does not serve")


PARSERS: Final[Mapping[Scheme, Parser]] = {
    "hdl": _parse_handle,
    "gs1": _parse_gs1,
    "vaa": _unsupported,
    "oid": _unsupported,
    "ecode": _unsupported,
    "did": _unsupported,
}


def _percent_decoded(text: str) -> str | Invalid:
    """Decode a URI form once; ``+`` stays a plus sign."""
    if (bad := _BAD_PERCENT.search(text)) is not None:
        return Invalid("bad_char", bad.start(), "two hexadecimal digits follow a percent sign in a URI")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        return Invalid("bad_char", 0, "the percent-encoded text is not UTF-8")


def _half_width(text: str, scheme: Scheme | None, context: Context) -> str | None:
    """Return the text with half-width letters and digits, if that makes it valid: never converted silently."""
    narrow = text.translate(_HALF_WIDTH)
    return narrow if narrow != text and isinstance(_parse(narrow, scheme, context), Identifier) else None
