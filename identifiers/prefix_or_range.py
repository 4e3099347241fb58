"""A prefix or range of codes, as resolution routes name them: one syntax for each code type.

A range is `<first>..<last>`, both whole prefixes that differ in their last number only, written with equally many
digits; both ends are included. (T2 and T7 of the national docking contract, field 2.)
"""

import re
from typing import Final, Literal, get_args

from identifiers.handle import PREFIX, PREFIX_CHARACTERS_MAX

CodeType = Literal["Handle", "OID", "DID:BID", "VAA", "Ecode", "GS1"]
CODE_TYPES: Final[tuple[CodeType, ...]] = get_args(CodeType)
CHARACTERS_MAX: Final = 128

_FORMS: Final[dict[CodeType, tuple[re.Pattern[str], str]]] = {
    "Handle": (PREFIX, "a prefix like 88.118 or 88.118.8"),
    "OID": (re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,127}"), "an OID like 1.2.156.999999.7"),
    "DID:BID": (
        re.compile(r"did:bid:([a-z0-9]{4}|([a-z0-9]{4}:)?[ezs][ft][0-9A-Za-z]{22,42})"),
        "did:bid: and a service number of four characters, or one BID",
    ),
    "VAA": (re.compile(r"VAA([0-9]{6}|[0-9]{14})"), "VAA and 6 or 14 digits"),
    "Ecode": (re.compile(rf"[!-~]{{1,{CHARACTERS_MAX}}}"), "the first characters of an Ecode, printable ASCII"),
    "GS1": (re.compile(r"[0-9]{4,12}"), "a company prefix of 4 to 12 digits"),
}
_LAST_NUMBER: Final = re.compile(r"(.*?)([0-9]+)", re.DOTALL)
_RANGES: Final = frozenset({"Handle", "OID", "VAA", "Ecode", "GS1"})


def prefix_or_range_fault(code_type: CodeType, text: str) -> str | None:
    """Say what is wrong with a prefix or range of a code type; None if nothing is. At most 128 characters."""
    if len(text) > CHARACTERS_MAX:
        return f"a prefix or range has at most {CHARACTERS_MAX} characters"
    first, dots, last = text.partition("..")
    if not dots or (code_type == "Ecode" and not (first.isdecimal() and last.isdecimal())):
        return _prefix_fault(code_type, text)
    if code_type not in _RANGES:
        return f"{code_type} has no ranges: name one prefix"
    return _prefix_fault(code_type, first) or _prefix_fault(code_type, last) or _order_fault(first, last)


def _prefix_fault(code_type: CodeType, text: str) -> str | None:
    form, words = _FORMS[code_type]
    too_long = code_type == "Handle" and len(text) > PREFIX_CHARACTERS_MAX
    return None if form.fullmatch(text) and not too_long else f"write {words}"


def _order_fault(first: str, last: str) -> str | None:
    lower, upper = _LAST_NUMBER.fullmatch(first), _LAST_NUMBER.fullmatch(last)
    if lower is None or upper is None or lower[1] != upper[1] or len(lower[2]) != len(upper[2]):
        return "both ends of a range differ in their last number only, written with equally many digits"
    return "a range begins with its lower number" if lower[2] > upper[2] else None
