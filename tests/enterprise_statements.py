"""What an enterprise states of itself in the tests, and how it uploads what proves it."""

from typing import Any

from registry.reference.uscc import check_character
from registry.service import takeover
from tests.documents import document
from tests.registry_api import Client

CLOUD = {"deploy_mode": 2, "provider": "示例云"}
PREMISES = {"deploy_mode": 1, "province": "320000", "city": "320100", "county": "320102", "address": "示例路 1 号"}


def certificate(number: int) -> str:
    """Make a unified social credit code."""
    first = f"91990000MA0DE{number:04d}"
    return first + check_character(first)


def details(number: int = 1, **changed: Any) -> dict[str, Any]:
    """State the fields that every enterprise has to state."""
    return {
        "org_name": f"示例机械 {number} 有限公司",
        "org_nature": 2,
        "org_address": "示例路 1 号",
        "org_address_province": "320000",
        "org_address_city": "320100",
        "org_id_type": 1,
        "org_id_number": certificate(number),
        "industry_category": "C",
        "industry_specific": "34",
        "legal_rep_name": "张三",
        "legal_rep_id_type": 1,
        "legal_rep_id_number": "11010519491231002X",
        "contact_name": "李四",
        "contact_mobile": "+86 000 0000",
        "contact_id_type": 2,
        "contact_id_number": "E0000001",
        "contact_email": "contact@example.com",
        "service_build": {"mode": 1},
        "service_operation": {"mode": 2, "org_name": "示例运维"},
        **changed,
    }


def full_details(number: int = 1) -> dict[str, Any]:
    """State every field there is."""
    return details(
        number,
        org_address_county="320102",
        org_profile="做泵的",
        website="https://example.com",
        registration_authority="示例市场监督管理局",
        registered_capital=5000,
        established_on="2001-02-03",
        valid_until="2051-02-03",
        legal_rep_email="zhang@example.com",
        legal_rep_mobile="+86 000 0001",
        legal_rep_fax="+86 000 0002",
        domain_licences=[{"type": 4, "number": "B1-0001"}],
        site_registration_system={**PREMISES, "endpoints": [{"ip": "192.0.2.17", "port": 8000}]},
        site_registration_data=CLOUD,
        site_registration_backup=CLOUD,
        site_resolution_server=PREMISES,
        site_service_backup=CLOUD,
        data_escrow_org="示例托管",
        service_escrow_org="示例灾备",
        identity_check={"mode": 1},
        name_compliance={"run": {"mode": 1}, "standard": "GB/T 1234"},
        served_industries=[{"category": "C", "specific": "34", "trade": "344", "subclass": "3441"}],
        public_site={"name": "示例", "domain": "id.example.com", "ips": ["192.0.2.18", "2001:db8::18"]},
    )


async def upload(client: Client, content: bytes, name: str = "licence.pdf") -> Any:
    """Upload a file and return its description."""
    reply = await client(
        "POST", f"/api/v1/files?name={name}", data=content, headers={"Content-Type": "application/octet-stream"}
    )
    assert reply.status == 201, reply.body
    return reply.json


async def documents(client: Client, number: int = 1) -> dict[str, Any]:
    """Upload the documents that every enterprise has to give."""
    licence, front = [(await upload(client, document(number * 100 + at)))["id"] for at in range(2)]
    return {"org_id_images": [licence], "legal_rep_id_images": [front]}


async def application(client: Client, number: int = 1, **rest: Any) -> dict[str, Any]:
    """Make the body of an application, with its documents uploaded."""
    return {
        "details": details(number),
        "documents": await documents(client, number),
        "prefix": f"88.118.{number}",
        "takeover_version": takeover.VERSION,
        **rest,
    }
