"""What others found out or decided about an enterprise: its identity, and the national node's word."""

from datetime import date, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

VerificationStatus = Literal["pending", "verified", "failed", "expired"]
Verifier = Literal["node", "entrusted"]
Decision = Literal["waiting", "approved", "rejected"]


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The result of verifying the enterprise's identity (docking agreement, clause 3)."""

    status: VerificationStatus = "pending"
    method: Annotated[str, Meta(max_length=64)] = ""
    verified_at: str | None = None
    expires_on: str | None = None
    verifier: Verifier = "node"
    reason: Annotated[str, Meta(max_length=255)] | None = None

    def at(self, day: date) -> "Verification":
        """Return the result as it counts on a day: a verification ends with its last day."""
        if self.status == "verified" and self.expires_on is not None and self.expires_on < day.isoformat():
            return msgspec.structs.replace(self, status="expired")
        return self


PENDING: Final = Verification()


class NationalDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Where the enterprise stands with the national node."""

    decision: Decision
    decided_at: str | None = None
    reason: str | None = None


def verification_of(stored: str | None, now: datetime) -> Verification:
    """Read a stored verification as it counts at an instant; `PENDING` where there is none."""
    return msgspec.json.decode(stored, type=Verification).at(now.date()) if stored else PENDING


def national_of(stored: str | None) -> NationalDecision | None:
    """Read a stored decision; None where the national node was not asked."""
    return msgspec.json.decode(stored, type=NationalDecision) if stored else None
