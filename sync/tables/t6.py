"""T6 下属企业节点主体数据: each enterprise, its prefixes and what became of its verification (docking contract 4.6)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from registry.service.enterprise_decisions import Verification, verification_of
from registry.service.prefix_states import STATUS_CODES
from registry.tables.enterprises import Enterprise
from registry.tables.prefixes import Prefix
from sync.state_rows import Wanted, known

SITES: Final = (
    "site_registration_system",
    "site_registration_data",
    "site_registration_backup",
    "site_resolution_server",
    "site_service_backup",
)
"""Fields 32 to 36: those of a hosted enterprise are the node's own."""

_DECIDED_HERE: Final = ("under_review", "active", "suspended", "withdrawing")
"""States behind the administrator's approval; what is only applied for is not the national node's business yet."""


def enterprise_row(
    enterprise: Enterprise,
    prefixes: Sequence[Prefix],
    *,
    sites: Mapping[str, Any],
    told_before: Collection[str],
    now: datetime,
) -> Wanted | None:
    """Return an enterprise's row; None while no prefix of its was approved, and when none is left.

    `prefixes` are its prefixes below the reporter in the order they were made, `sites` the operator's fields,
    `told_before` the prefixes the collector knows: one that was told stays in the row when it is rejected.
    """
    told = [one for one in prefixes if one.state in _DECIDED_HERE or _rejected_there(one, told_before)]
    if enterprise.state == "withdrawn" or not told:
        return None
    details = {} if enterprise.details is None else msgspec.json.decode(enterprise.details, type=dict[str, Any])
    if enterprise.hosted:
        details |= {name: sites[name] for name in SITES if name in sites}
    data = {
        "enterprise_id": enterprise.id,
        "enterprise_prefixes": [{"prefix": one.prefix, "state": STATUS_CODES[one.state]} for one in told],
        **known(details),
        "x_verification": _verification(verification_of(enterprise.verification, now)),
    }
    return Wanted("T6", told[0].prefix, enterprise.id, data, tuple(one.prefix for one in told))


def _rejected_there(prefix: Prefix, told_before: Collection[str]) -> bool:
    return prefix.state == "rejected" and prefix.prefix in told_before


def _verification(verification: Verification) -> dict[str, Any]:
    data = known(msgspec.to_builtins(verification))
    if verified_at := data.get("verified_at"):
        data["verified_at"] = f"{verified_at[:19]}Z"
    return data
