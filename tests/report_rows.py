"""One full and one minimal row of data for each report table, with made-up people and places."""

import copy
from typing import Any, Final

FILE: Final = {"sha256": "a" * 64, "media_type": "application/pdf", "bytes": 10, "name": "合同.pdf"}
PREMISES: Final = {
    "deploy_mode": 1,
    "province": "320000",
    "city": "320100",
    "county": "320102",
    "address": "示例路 1 号",
}
CLOUD: Final = {"deploy_mode": 2, "provider": "示例云"}
INDUSTRY: Final = {"category": "C", "specific": "34", "trade": "344", "subclass": "3441"}
_ORGANISATION: Final = {
    "org_name": "示例机械有限公司",
    "org_nature": 2,
    "org_address": "示例路 1 号",
    "org_id_type": 1,
    "org_id_number": "91990000MA0DEMAT2P",
    "legal_rep_name": "张三",
    "legal_rep_id_type": 1,
    "legal_rep_id_number": "11010519491231002X",
    "industry_category": "C",
    "industry_specific": "34",
    "contact_name": "李四",
    "contact_mobile": "+86 000 0000",
    "contact_id_type": 2,
    "contact_id_number": "E0000001",
    "contact_email": "contact@example.com",
    "org_address_province": "320000",
    "org_address_city": "320100",
    "site_registration_system": CLOUD,
    "site_registration_data": CLOUD,
    "site_registration_backup": CLOUD,
    "site_resolution_server": CLOUD,
}
_ORGANISATION_MORE: Final = {
    "website": "https://example.com",
    "registration_authority": "示例市场监督管理局",
    "registered_capital": 5000,
    "established_on": "2001-02-03",
    "valid_until": "2051-02-03",
    "org_address_county": "320102",
    "legal_rep_email": "zhang@example.com",
    "legal_rep_mobile": "+86 000 0001",
    "legal_rep_fax": "+86 000 0002",
    "domain_licences": [{"type": 4, "number": "B1-0001"}],
    "site_registration_system": {**PREMISES, "endpoints": [{"ip": "2001:db8::17", "port": 8000}]},
    "site_service_backup": PREMISES,
    "public_site": {"name": "示例", "domain": "id.example.com", "ips": ["192.0.2.18", "2001:db8::18"]},
    "served_industries": [INDUSTRY],
}
_ROUTE: Final = {
    "code_type": "Handle",
    "prefix_or_range": "88.999",
    "ip_type": "IPv4",
    "ip_address": "192.0.2.17",
    "endpoints": [{"protocol": "TCP", "port": 2641}],
}
_STATISTICS: Final = {
    "stat_date": "2031-05-06",
    "prefix": "88.999",
    "registrations_day": 1,
    "registrations_total": 10,
    "resolution_requests": 3,
    "resolution_successes": 2,
    "sources": [{"ip": "192.0.2.1", "count": 3}],
}
_TEMPLATE: Final = {
    "metadata_id": "88.999/TPL-1",
    "industry": INDUSTRY,
    "version": "A1",
    "object_type": 2,
    "elements": [{"name": "name", "alias": "名称", "data_type": "string", "length": 200}],
}
_APPLICATION: Final = {
    "app_id": "app_1",
    "month": "2031-05",
    "app_name": "示例应用",
    "app_type": 2,
    "app_intro": "示例",
    "app_users": 0,
    "recursive_service": "192.0.2.53 port 2641",
    "app_developer": "示例研发",
}
_IDENTIFIER: Final = {
    "enterprise_prefix": "88.999.1",
    "identifier": "88.999.1/PUMP-1",
    "created_on": "2031-05-06",
    "metadata_id": "88.999.1/TPL-1",
    "operation_type": 1,
}
_LATENCY: Final = {
    f"{measure}_latency_{name}": value
    for measure in ("resolution", "registration")
    for name, value in {
        "avg_ms": 0.5,
        "max_ms": 1.125,
        "min_ms": 0,
        "max_at": "2031-05-06T01:02:03Z",
        "min_at": "2031-05-06T01:02:04Z",
    }.items()
}
_EVENT: Final = {
    "prefix": "88.999",
    "event_no": "88.999-20310506010203-0123ABCD",
    "occurred_at": "2031-05-06T01:02:03Z",
}

MINIMAL: Final[dict[str, dict[str, Any]]] = {
    "T1": {
        **_ORGANISATION,
        "node_prefix": "88.999",
        "org_profile": "示例",
        "org_id_images": [FILE],
        "legal_rep_id_images": [FILE, {**FILE, "sha256": "b" * 64}],
        "contact_id_images": [FILE],
        "service_build": {"mode": 1},
        "service_operation": {"mode": 1},
        "data_escrow": {"org_name": "示例托管", "contracts": [FILE]},
        "service_escrow": {"org_name": "示例灾备", "contracts": [FILE]},
        "identity_check": {"mode": 1, "data_sources": [FILE]},
        "name_compliance": "GB/T 1234",
        "served_industries": [INDUSTRY],
        "public_site": {"name": "示例", "domain": "id.example.com", "ips": []},
    },
    "T2": _ROUTE,
    "T3": _STATISTICS,
    "T4": _TEMPLATE,
    "T5": _APPLICATION,
    "T6": {
        **_ORGANISATION,
        "enterprise_id": "ent_1",
        "enterprise_prefixes": [{"prefix": "88.999.1", "state": 5}],
        "service_build": {"mode": 1},
        "service_operation": {"mode": 1},
        "x_verification": {"status": "pending", "verifier": "node"},
    },
    "T7": {**_ROUTE, "enterprise_prefix": "88.999.1", "prefix_or_range": "88.999.1", "x_hosted": False},
    "T8": {**_STATISTICS, "prefix": "88.999.1", "x_measured_by": "node"},
    "T9": _IDENTIFIER,
    "T10": {**_APPLICATION, "enterprise_prefix": "88.999.1"},
    "T11": {**_TEMPLATE, "enterprise_prefix": "88.999.1"},
    "M1": {"prefix": "88.999", "stat_date": "2031-05-06", "x_resolution_count": 0, "x_registration_count": 0},
    "M2": {"prefix": "88.999.1", "stat_date": "2031-05-06", "x_resolution_count": 0, "x_registration_count": 0},
    "E1": {**_EVENT, "event_type": "abnormal", "abnormal_type": 1},
    "E2": {**_EVENT, "event_type": "recovered", "related_event_no": "88.999-20310506010203-0123ABCE"},
}
"""What each table cannot do without."""

_FULL: Final[dict[str, dict[str, Any]]] = {
    "T1": {
        **_ORGANISATION_MORE,
        "service_operation": {"mode": 2, "org_name": "示例运维", "contracts": [FILE]},
        "identity_check": {"mode": 2, "org_name": "示例核验", "contracts": [FILE], "data_sources": [FILE] * 5},
    },
    "T2": {"endpoints": [{"protocol": name, "port": 1} for name in ("TCP", "UDP", "HTTP")], "x_tls": True},
    "T3": {"part": 1, "parts": 2, "resolution_requests": 5},
    "T4": {
        "elements": [
            {**_TEMPLATE["elements"][0], "x_min_length": 1, "x_required": True, "x_index": 2000, "x_state": 1}  # type: ignore[index] # the first element of the list above
        ],
        "x_state": 0,
    },
    "T6": {
        **_ORGANISATION_MORE,
        "org_profile": "示例",
        "data_escrow_org": "示例托管",
        "service_escrow_org": "示例灾备",
        "identity_check": {"mode": 2, "org_name": "示例核验"},
        "name_compliance": {"run": {"mode": 1}, "standard": "GB/T 1234"},
        "service_build": {"mode": 2, "org_name": "示例建设"},
        "x_verification": {
            "status": "verified",
            "method": "portal",
            "verified_at": "2031-05-06T01:02:03Z",
            "expires_on": "2032-05-06",
            "verifier": "entrusted",
            "reason": "示例",
        },
    },
    "T9": {
        "product_type": "液压泵",
        "product_brand": "示例",
        "product_name": "轴向柱塞泵",
        "manufacturer_name": "示例机械有限公司",
        "produced_at": "2031-05-05",
        "expires_at": "2041-05-05T00:00:00Z",
        "terminal_type": "模组",
        "owner": "示例",
        "purpose": "示例",
        "serial_or_imei": "1",
        "access_licence_no": "2",
        "access_mark_code": "3",
        "access_mark_serial": "4",
    },
    "M1": {
        **_LATENCY,
        "resolution_qps_max": 7,
        "resolution_qps_max_at": "2031-05-06T01:02:03Z",
        "x_resolution_count": 9,
        "x_registration_count": 2,
        "x_measured_seconds": 86_399,
        "x_registration_items": 4,
    },
    "E1": {"cause": "示例"},
}
_FULL["T7"], _FULL["T8"], _FULL["T11"], _FULL["M2"] = _FULL["T2"], _FULL["T3"], _FULL["T4"], _FULL["M1"]


def minimal(table: str) -> dict[str, Any]:
    """Return a copy of the row that has only what it must have."""
    return copy.deepcopy(MINIMAL[table])


def full(table: str) -> dict[str, Any]:
    """Return a copy of a row that has every field there is for its kind."""
    return copy.deepcopy({**MINIMAL[table], **_FULL.get(table, {})})
