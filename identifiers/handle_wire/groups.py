"""The Diffie-Hellman groups of sessions: RFC 2409, section 6.2, and RFC 3526, sections 2 to 5.

Their primes are defined by a formula over pi, so they are computed (2 ms) rather than spelled out.
"""

from collections.abc import Iterator
from typing import Final

GENERATOR: Final = 2

# The number added to pi's digits that makes 2^n − 2^(n−64) − 1 + 2^64 · (⌊2^(n−130) · pi⌋ + c) a safe prime.
_CONSTANTS: Final = {1_024: 129_093, 1_536: 741_804, 2_048: 124_476, 3_072: 1_690_314, 4_096: 240_904}
_GUARD_BITS: Final = 64


def _arctangent_terms(inverse: int, one: int) -> Iterator[int]:
    term, divisor, sign = one // inverse, 1, 1
    while term:
        yield sign * (term // divisor)
        term, divisor, sign = term // (inverse * inverse), divisor + 2, -sign


def _pi(bits: int) -> int:
    """Return ⌊2^bits · pi⌋ by Machin's formula."""
    one = 1 << (bits + _GUARD_BITS)
    pi = 4 * (4 * sum(_arctangent_terms(5, one)) - sum(_arctangent_terms(239, one)))
    return pi >> _GUARD_BITS


def _prime(bits: int, constant: int, pi: int) -> int:
    leading: int = pi >> (max(_CONSTANTS) - bits)
    return (1 << bits) - (1 << (bits - 64)) - 1 + ((leading + constant) << 64)


_PI: Final = _pi(max(_CONSTANTS) - 130)
PRIMES_BY_BITS: Final = {bits: _prime(bits, constant, _PI) for bits, constant in _CONSTANTS.items()}
PRIMES: Final = frozenset(PRIMES_BY_BITS.values())
OAKLEY_2: Final = PRIMES_BY_BITS[1_024]
"""The group of the classic client."""
