"""The number of a Chinese resident identity card (居民身份证), GB 11643-1999."""

import re
from datetime import date
from typing import Final

_FORM = re.compile(r"[0-9]{17}[0-9X]")
_WEIGHTS: Final = tuple(pow(2, 17 - place, 11) for place in range(17))
_CHECK_CHARACTERS: Final = "10X98765432"
_BIRTH: Final = slice(6, 14)


def check_character(first_17: str) -> str:
    """Return the check character for 17 digits."""
    total = sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True))
    return _CHECK_CHARACTERS[total % 11]


def resident_id_fault(text: str) -> str | None:
    """Say what is wrong with a number; None if nothing is. The last character may be a capital X."""
    if _FORM.fullmatch(text) is None:
        return "an identity card number has 17 digits and a digit or X"
    try:
        date.fromisoformat(text[_BIRTH])
    except ValueError:
        return f"{text[_BIRTH]} is no date of birth: a digit is mistyped"
    if check_character(text[:-1]) != text[-1]:
        return "the check character is wrong: a digit is mistyped"
    return None
