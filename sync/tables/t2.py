"""T2 二级节点系统解析配置数据: where the node resolves (docking contract 4.2)."""

from typing import Any

from registry.tables.operator import ResolutionAddress
from sync.state_rows import Wanted


def resolution_row(reporter: str, address: ResolutionAddress) -> Wanted:
    """Return the row of an address, with all its ports."""
    return Wanted("T2", reporter, address.key, resolution_data(address))


def resolution_data(address: ResolutionAddress) -> dict[str, Any]:
    """Return the fields 1 to 5; `x_tls` says that the port of HTTP is one of HTTPS."""
    data: dict[str, Any] = {
        "code_type": address.code_type,
        "prefix_or_range": address.prefix_or_range,
        "ip_type": address.ip_type,
        "ip_address": address.ip_address,
        "endpoints": [{"protocol": protocol, "port": port} for protocol, port in address.endpoints],
    }
    return {**data, "x_tls": True} if address.tls else data
