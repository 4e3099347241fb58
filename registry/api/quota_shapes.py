"""The JSON bodies of quotas, as types."""

from typing import Annotated

import msgspec
from msgspec import Meta

from registry.api.shapes import Instant

_Amount = Annotated[int, Meta(ge=0, le=2**53)]
_Rate = Annotated[int, Meta(ge=1, le=1_000_000)]
Identifiers = Annotated[_Amount | None, Meta(description="active identifiers below all prefixes of the enterprise")]
PerDay = Annotated[_Amount | None, Meta(description="identifiers registered on a calendar day in Beijing")]
Octets = Annotated[_Amount | None, Meta(description="octets of all values as they are stored")]
JobRows = Annotated[_Amount | None, Meta(description="rows of one job")]
PerSecond = Annotated[_Rate | None, Meta(description="requests a second, over a longer time")]
Burst = Annotated[_Rate | None, Meta(description="requests at once; without it, those of one second")]


class QuotaRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of an enterprise, in place of all it had. A member left out or null is no limit."""

    identifiers_max: Identifiers = None
    identifiers_per_day_max: PerDay = None
    octets_max: Octets = None
    job_rows_max: JobRows = None
    requests_per_s_max: PerSecond = None
    requests_burst_max: Burst = None


class QuotaUse(msgspec.Struct, frozen=True):
    """What is used of a quota. `counted_at`: when it was last compared with what is stored; null: that is to come."""

    identifiers: int
    identifiers_today: int
    octets: int
    counted_at: Instant | None


class QuotaAnswer(msgspec.Struct, frozen=True):
    """The limits of an enterprise, and what is used of them; null where nothing is counted against a limit."""

    enterprise: str
    identifiers_max: Identifiers
    identifiers_per_day_max: PerDay
    octets_max: Octets
    job_rows_max: JobRows
    requests_per_s_max: PerSecond
    requests_burst_max: Burst
    updated_at: Instant | None
    used: QuotaUse | None


class QuotaRow(msgspec.Struct, frozen=True):
    """The limits of an enterprise in a list."""

    enterprise: str
    identifiers_max: Identifiers
    identifiers_per_day_max: PerDay
    octets_max: Octets
    job_rows_max: JobRows
    requests_per_s_max: PerSecond
    requests_burst_max: Burst
    updated_at: Instant


class QuotaPage(msgspec.Struct, frozen=True):
    """Quotas in the order of the enterprises' ids. `next` is the cursor of the next page, null on the last one."""

    items: list[QuotaRow]
    next: str | None
