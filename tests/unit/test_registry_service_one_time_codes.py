"""One-time codes against the test vectors of RFC 6238 (SHA-1, cut to six digits), and what is not good any more."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from registry.service.one_time_codes import STEP, new_secret, step_of, uri

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_the_vectors_of_the_standard(at: int, code: str) -> None:
    assert step_of(SECRET, code, datetime.fromtimestamp(at, UTC)) == at // 30


def test_the_codes_beside_the_present_one_are_good_and_none_further_away() -> None:
    now = datetime.fromtimestamp(1111111109, UTC)
    good = [apart for apart in range(-4, 5) if step_of(SECRET, "081804", now + apart * STEP) is not None]
    assert good == [-1, 0, 1]


@pytest.mark.parametrize("code", ["", "28708", "2870822", "abcdef", "٢٨٧٠٨٢", "287 083"])
def test_other_texts_are_no_codes(code: str) -> None:
    assert step_of(SECRET, code, datetime.fromtimestamp(59, UTC)) is None


def test_a_blank_in_the_middle_is_read_over() -> None:
    assert step_of(SECRET, "287 082", datetime.fromtimestamp(59, UTC)) == 1


def test_secrets_are_new_each_time_and_their_address_names_the_user() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(base64.b32decode(first)) == 20
    assert uri(first, "demo pump").startswith("otpauth://totp/idnode:demo%20pump?")
    assert first in uri(first, "demo pump")
    assert timedelta(seconds=30) == STEP
