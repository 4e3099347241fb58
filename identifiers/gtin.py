"""GTIN: the number of a trade item (GS1 General Specifications, sections 3.3.2 and 7.9)."""

from typing import Final

from identifiers.identifier import GS1Parts, Identifier, Invalid

GTIN_AI: Final = "01"
LENGTH: Final = 14
LENGTHS: Final = (8, 12, 13, 14)
RESTRICTED: Final = "restricted_circulation"
"""Warning: the number is given out by whoever circulates the goods, and may mean something else elsewhere."""

_RESTRICTED_GTIN13: Final = ("02", "04", *(str(number) for number in range(20, 30)))
_GTIN8_ZEROS: Final = "000000"


def check_digit(digits: str) -> str:
    """Return the GS1 check digit for ``digits`` without it: weights 3, 1, 3, … from the right."""
    values = [int(digit) for digit in reversed(digits)]
    return str(-(3 * sum(values[::2]) + sum(values[1::2])) % 10)


def parse_gtin(text: str) -> Identifier | Invalid:
    """Parse a GTIN of 8, 12, 13 or 14 digits; the key has 14, padded with zeros on the left."""
    return _parse(text, LENGTHS)


def parse_gtin14(text: str) -> Identifier | Invalid:
    """Parse a GTIN as paths and element strings carry it: always 14 digits."""
    return _parse(text, (LENGTH,))


def _parse(text: str, lengths: tuple[int, ...]) -> Identifier | Invalid:
    if not text:
        return Invalid("empty", 0, "the GTIN is empty")
    if not (text.isascii() and text.isdigit()):
        at = next(at for at, character in enumerate(text) if not ("0" <= character <= "9"))
        return Invalid("bad_char", at, "a GTIN has digits only")
    if len(text) not in lengths:
        allowed = ", ".join(str(length) for length in lengths)
        return Invalid("bad_length", 0, f"a GTIN has {allowed} digits here, not {len(text)}", _padded(text, lengths))
    if (expected := check_digit(text[:-1])) != text[-1]:
        return Invalid("bad_check_digit", len(text) - 1, f"the check digit is {expected} if all other digits are right")
    return _identifier(text)


def _identifier(text: str) -> Identifier:
    digits = text.zfill(LENGTH)
    canonical = f"{GTIN_AI}/{digits}"
    warnings = (RESTRICTED,) if _is_restricted(digits) else ()
    return Identifier("gs1", canonical, "gs1:" + canonical, text, GS1Parts(((GTIN_AI, digits),)), warnings=warnings)


def _padded(text: str, lengths: tuple[int, ...]) -> str | None:
    """Return the 14-digit form of a shorter GTIN that is right in itself."""
    if lengths == LENGTHS or len(text) not in LENGTHS or check_digit(text[:-1]) != text[-1]:
        return None
    return text.zfill(LENGTH)


def _is_restricted(digits: str) -> bool:
    """Say whether 14 digits are for restricted circulation; an indicator digit other than 0 excludes that."""
    if digits.startswith(_GTIN8_ZEROS):
        return digits[6] in "02"
    return digits[0] == "0" and digits[1:3] in _RESTRICTED_GTIN13
