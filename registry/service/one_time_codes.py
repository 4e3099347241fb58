"""One-time codes at sign-in: TOTP (RFC 6238), six digits, a new one every 30 seconds, each good for one use."""

from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final

import pyotp

STEP: Final = timedelta(seconds=30)
STEPS_AROUND: Final = (-1, 0, 1)
"""Clocks may differ, and typing takes a while: the code before and the one after are good too."""
ISSUER: Final = "idnode"


def new_secret() -> str:
    """Make the secret that the node and a person's device share: 160 random bits in Base32."""
    return pyotp.random_base32(32)


def uri(secret: str, username: str) -> str:
    """Return the `otpauth:` address that a device reads, usually from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, None if it is none of those that are good now."""
    code = code.replace(" ", "")
    if not (code.isascii() and code.isdigit()):
        return None
    step = int(now.timestamp()) // int(STEP.total_seconds())
    totp = pyotp.TOTP(secret)
    found = None
    for near in STEPS_AROUND:
        # All are compared, so that the time taken does not tell which one it was.
        if compare_digest(totp.generate_otp(step + near), code):
            found = step + near
    return found
