"""The unified social credit code (统一社会信用代码) of organisations, GB 32100-2015."""

from typing import Final

LENGTH: Final = 18
_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(LENGTH - 1))


def check_character(first_17: str) -> str:
    """Return the check character for the first 17. Raises `ValueError` for a character outside the alphabet."""
    total = sum(_ALPHABET.index(character) * weight for character, weight in zip(first_17, _WEIGHTS, strict=True))
    return _ALPHABET[-total % 31]


def uscc_fault(text: str) -> str | None:
    """Say what is wrong with a code; None if nothing is. Capital letters only, no blanks."""
    if len(text) != LENGTH:
        return f"a unified social credit code has {LENGTH} characters, not {len(text)}"
    if strange := next((character for character in text if character not in _ALPHABET), None):
        return f"{strange!r} does not occur in unified social credit codes (digits and capitals without I, O, S, V, Z)"
    if check_character(text[:-1]) != text[-1]:
        return "the check character is wrong: a character is mistyped"
    return None
