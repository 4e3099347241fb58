"""T7 下属企业节点解析路由配置数据: where each enterprise prefix resolves (docking contract 4.7)."""

from collections.abc import Sequence
from typing import Any

from registry.service.prefix_routes import Address, addresses_of
from registry.tables.operator import ResolutionAddress
from registry.tables.prefixes import Prefix
from sync.state_rows import Wanted
from sync.tables.t2 import resolution_data

RESOLVING = ("active", "withdrawing")
"""States in which names below a prefix are answered."""


def route_rows(prefix: Prefix, node: Sequence[ResolutionAddress], reporter: str) -> list[Wanted]:
    """Return a row for each address that answers names below the prefix; none while it does not resolve.

    A prefix hosted here is answered at the node's own addresses for Handle names, `node`.
    """
    if prefix.state not in RESOLVING:
        return []
    if prefix.hosting == "routed":
        return [_row(prefix.prefix, _data(prefix.prefix, address), hosted=False) for address in addresses_of(prefix)]
    served = (reporter, prefix.prefix)
    serving = {one.ip_address: one for one in node if one.code_type == "Handle" and one.prefix_or_range in served}
    return [
        _row(prefix.prefix, {**resolution_data(one), "prefix_or_range": prefix.prefix}, hosted=True)
        for one in serving.values()
    ]


def _data(prefix: str, address: Address) -> dict[str, Any]:
    ports = (("TCP", address.tcp_port), ("UDP", address.udp_port), ("HTTP", address.http_port))
    data: dict[str, Any] = {
        "code_type": "Handle",
        "prefix_or_range": prefix,
        "ip_type": address.ip_type,
        "ip_address": address.ip,
        "endpoints": [{"protocol": protocol, "port": port} for protocol, port in ports if port],
    }
    return {**data, "x_tls": True} if address.http_tls else data


def _row(prefix: str, data: dict[str, Any], *, hosted: bool) -> Wanted:
    key = f"{data['code_type']}|{prefix}|{data['ip_type']}|{data['ip_address']}"
    return Wanted("T7", prefix, key, {"enterprise_prefix": prefix, **data, "x_hosted": hosted})
