"""Rows of every table for a rehearsal (docking contract 4 and 5), all of an invented node and enterprise."""

from collections.abc import Mapping
from typing import Any, Final

USCC: Final = "91990000MA0DEMAT2P"
CARD: Final = "11010519491231002X"
DAY: Final = "2024-05-06"

Data = dict[str, Any]

_PREMISES: Final = {
    "deploy_mode": 1,
    "province": "110000",
    "city": "110100",
    "county": "110105",
    "address": "示例路 1 号",
}
_CLOUD: Final = {"deploy_mode": 2, "provider": "示例云"}
_INDUSTRY: Final = {"category": "C", "specific": "34", "trade": "344", "subclass": "3441"}


def file_reference(sha256: str, octets: int) -> Data:
    """Return the reference to an uploaded PDF."""
    return {"sha256": sha256, "media_type": "application/pdf", "bytes": octets, "name": "sample.pdf"}


def _organisation(name: str, uscc: str) -> Data:
    return {
        "org_name": name,
        "org_nature": 2,
        "org_address": "示例路 1 号",
        "org_id_type": 1,
        "org_id_number": uscc,
        "legal_rep_name": "张三",
        "legal_rep_id_type": 1,
        "legal_rep_id_number": CARD,
        "org_profile": "为对接演练虚构的单位",
        "industry_category": "C",
        "industry_specific": "34",
        "contact_name": "李四",
        "contact_mobile": "13800000000",
        "contact_id_type": 2,
        "contact_id_number": "E00000000",
        "contact_email": "docking@example.com",
        "website": "https://example.com",
        "registration_authority": "示例市场监督管理局",
        "registered_capital": 1000,
        "established_on": "2015-03-02",
        "org_address_province": "110000",
        "org_address_city": "110100",
        "org_address_county": "110105",
        "domain_licences": [{"type": 4, "number": "B2-20240001"}],
        "site_registration_system": {**_CLOUD, "endpoints": [{"ip": "192.0.2.10", "port": 443}]},
        "site_registration_data": _PREMISES,
        "site_registration_backup": _CLOUD,
        "site_resolution_server": _PREMISES,
        "served_industries": [_INDUSTRY],
        "public_site": {"name": "示例", "domain": "id.example.com", "ips": ["192.0.2.10", "2001:db8::10"]},
    }


def operator(node: str, file: Data) -> Data:
    """Return T1."""
    return {
        "node_prefix": node,
        **_organisation("示例二级节点运行单位", USCC),
        "org_id_images": [file],
        "legal_rep_id_images": [file, file],
        "contact_id_images": [file],
        "service_build": {"mode": 1},
        "service_operation": {"mode": 2, "org_name": "示例运维公司", "contracts": [file]},
        "data_escrow": {"org_name": "示例托管单位", "contracts": [file]},
        "service_escrow": {"org_name": "示例灾备节点", "contracts": [file]},
        "identity_check": {"mode": 1, "data_sources": [file]},
        "name_compliance": "GB/T 0000-2024",
    }


def enterprise(prefix: str, enterprise_id: str, org_id_number: str) -> Data:
    """Return T6, the organisation told by another kind of number, so that each run has its own."""
    return {
        **_organisation("示例机械有限公司", org_id_number),
        "org_id_type": 2,
        "enterprise_id": enterprise_id,
        "enterprise_prefixes": [{"prefix": prefix, "state": 5}],
        "service_build": {"mode": 1},
        "service_operation": {"mode": 1},
        "x_verification": {
            "status": "verified",
            "method": "manual",
            "verified_at": "2024-01-02T03:04:05Z",
            "verifier": "node",
        },
    }


def route(prefix: str) -> Data:
    """Return T2; T7 has two members more."""
    return {
        "code_type": "Handle",
        "prefix_or_range": prefix,
        "ip_type": "IPv4",
        "ip_address": "192.0.2.17",
        "endpoints": [{"protocol": "TCP", "port": 2641}, {"protocol": "UDP", "port": 2641}],
    }


def enterprise_route(prefix: str) -> Data:
    """Return T7."""
    return {**route(prefix), "enterprise_prefix": prefix, "x_hosted": False}


def template(metadata_id: str, *, object_type: int = 2) -> Data:
    """Return T4; T11 has the prefix too."""
    return {
        "metadata_id": metadata_id,
        "industry": _INDUSTRY,
        "version": "1.0",
        "object_type": object_type,
        "elements": [{"name": "name", "alias": "名称", "data_type": "string", "length": 255, "x_required": True}],
        "x_state": 1,
    }


def application(app_id: str, month: str) -> Data:
    """Return T5; T10 has the prefix too."""
    return {
        "app_id": app_id,
        "month": month,
        "app_name": "示例应用",
        "app_type": 3,
        "app_intro": "对接演练",
        "app_users": 10,
        "recursive_service": "192.0.2.53:2641",
        "app_developer": "示例单位",
    }


def statistics(prefix: str, day: str) -> Data:
    """Return T3; T8 says who measured."""
    return {
        "prefix": prefix,
        "stat_date": day,
        "registrations_day": 1,
        "registrations_total": 7,
        "resolution_requests": 5,
        "resolution_successes": 4,
        "sources": [{"ip": "192.0.2.1", "count": 3}, {"ip": "2001:db8::1", "count": 2}],
    }


def performance(prefix: str, day: str) -> Data:
    """Return M1 or M2 of a day with look-ups and without registrations."""
    return {
        "prefix": prefix,
        "stat_date": day,
        "x_resolution_count": 5,
        "x_registration_count": 0,
        "resolution_latency_avg_ms": 0.25,
        "resolution_latency_max_at": f"{day}T01:00:00Z",
        "resolution_latency_max_ms": 0.5,
        "resolution_latency_min_at": f"{day}T02:00:00Z",
        "resolution_latency_min_ms": 0.125,
        "resolution_qps_max": 2,
        "resolution_qps_max_at": f"{day}T01:00:00Z",
    }


def abnormal(prefix: str, event_no: str) -> Data:
    """Return the beginning of a pair of E1 or E2."""
    return {
        "prefix": prefix,
        "event_type": "abnormal",
        "event_no": event_no,
        "occurred_at": "2024-05-06T01:02:03Z",
        "abnormal_type": 1,
        "cause": "演练",
    }


def recovered(prefix: str, event_no: str, related: str) -> Data:
    """Return the end of a pair."""
    return {
        "prefix": prefix,
        "event_type": "recovered",
        "event_no": event_no,
        "related_event_no": related,
        "occurred_at": "2024-05-06T01:12:03Z",
    }


def identifier(prefix: str, name: str, metadata_id: str, operation: int = 1) -> Data:
    """Return T9."""
    data = {"enterprise_prefix": prefix, "identifier": f"{prefix}/{name}", "operation_type": operation}
    if operation == 2:  # noqa: PLR2004 - delete (3.2)
        return data
    return {
        **data,
        "created_on": DAY,
        "metadata_id": metadata_id,
        "product_type": "液压泵",
        "product_name": "轴向柱塞泵 A10",
        "manufacturer_name": "示例机械有限公司",
        "produced_at": "2024-05-05",
    }


def monthly_report(node: str, month: str, revision: int, file: Data) -> Data:
    """Return a monthly report."""
    return {
        "month": month,
        "node_prefix": node,
        "operator_name": "示例二级节点运行单位",
        "sla_percent": 99.994,
        "sla_history": [{"month": month, "percent": 99.994}],
        "sla_average": 99.994,
        "registration_rtt_ms": 3.412,
        "resolution_rtt_ms": 0.187,
        "registration_effective_hours": 0.0001,
        "running_hours_history": [{"month": month, "hours": 719.9}],
        "running_hours_average": 719.9,
        "maintenance": [],
        "emergencies": [],
        "generated_at": "2024-05-03T01:00:00Z",
        "revision": revision,
        "documents": [file],
    }


KEY_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "T1": ("node_prefix",),
    **dict.fromkeys(("T2", "T7"), ("code_type", "prefix_or_range", "ip_type", "ip_address")),
    **dict.fromkeys(("T3", "T8", "M1", "M2"), ("prefix", "stat_date")),
    **dict.fromkeys(("T4", "T11"), ("metadata_id",)),
    **dict.fromkeys(("T5", "T10"), ("app_id",)),
    "T6": ("enterprise_id",),
    "T9": ("identifier",),
    **dict.fromkeys(("E1", "E2"), ("event_no",)),
}
"""What the key of each table's rows is made of, joined by |."""
