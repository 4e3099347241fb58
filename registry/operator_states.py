"""The whole state of what the node says of itself, as the journal carries it: rows in, JSON out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from registry.states import instant
from registry.tables.applications import Application
from registry.tables.operator import Operator, OperatorFile, ResolutionAddress
from registry.tables.prefix_allocation import Allocation, Reservation

_encode = msgspec.json.Encoder().encode


def allocation_state(allocation: Allocation) -> bytes:
    """Encode how numbers are given out."""
    return _encode(
        {"node_prefix": allocation.node_prefix, "first": allocation.first, "last": allocation.last}
        | {"updated_at": instant(allocation.updated_at)}
    )


def reservation_state(reservation: Reservation) -> bytes:
    """Encode a reservation; a released one as it was."""
    return _encode(
        {"id": reservation.id, "first": reservation.first, "last": reservation.last, "reason": reservation.reason}
        | {"created_at": instant(reservation.created_at)}
    )


def operator_state(operator: Operator, files: Mapping[str, OperatorFile]) -> bytes:
    """Encode the operator's record as it is reported: documents by digest, type, size and name."""
    details = _with_files(operator.details, files)
    return _encode(
        {"node_prefix": operator.node_prefix, "version": operator.version, "updated_at": instant(operator.updated_at)}
        | {"details": details}
    )


def resolution_state(address: ResolutionAddress) -> bytes:
    """Encode an address at which the node resolves; a removed one as it was."""
    return _encode(
        {
            "code_type": address.code_type,
            "prefix_or_range": address.prefix_or_range,
            "ip_type": address.ip_type,
            "ip_address": address.ip_address,
            "endpoints": [{"protocol": protocol, "port": port} for protocol, port in address.endpoints],
            "tls": address.tls,
        }
    )


def application_state(application: Application) -> bytes:
    """Encode an application; fields by the names they are reported with."""
    return _encode(
        {
            "app_id": application.id,
            "enterprise": application.enterprise,
            "enterprise_prefix": application.enterprise_prefix,
            "app_name": application.app_name,
            "app_type": application.app_type,
            "app_intro": application.app_intro,
            "app_users": application.app_users,
            "recursive_service": application.recursive_service,
            "app_developer": application.app_developer,
            "created_at": instant(application.created_at),
            "updated_at": instant(application.updated_at),
            "ended_at": instant(application.ended_at) if application.ended_at else None,
        }
    )


def _with_files(value: Any, files: Mapping[str, OperatorFile]) -> Any:
    """Put the reported form of a file in the place of every id of one."""
    if isinstance(value, dict):
        return {name: _with_files(member, files) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_files(entry, files) for entry in value]
    if isinstance(value, str) and (file := files.get(value)) is not None:
        return {
            "sha256": file.sha256.hex(),
            "media_type": file.media_type,
            "bytes": file.octets,
            "name": file.name,
        }
    return value
