"""The operator's own record (T1) and where the node resolves (T2 of the national docking contract)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from identifiers.changes import KIND_OPERATOR, Cursor, Op
from identifiers.prefix_or_range import prefix_or_range_fault
from registry import journal
from registry.authority import Action, Principal, authorise
from registry.database import Connection
from registry.errors import Conflict, FieldError, InvalidFields, NotFound, one_field
from registry.operator_states import operator_state, resolution_state
from registry.service import prefix_allocation as allocations
from registry.service.operator_details import files_of, read_operator_details
from registry.service.prefix_allocation import parse_node_prefix
from registry.service.prefix_routes import NO_ADDRESS, canonical_address
from registry.states import to_millisecond
from registry.tables import files as uploads
from registry.tables import operator, prefix_allocation
from registry.tables.operator import Operator, OperatorFile, ResolutionAddress

OPERATOR_KEY: Final = "operator"
ADDRESSES_MAX: Final = 256
NUMBER_LAST: Final = 999_999
"""Unless something else is said, numbers up to this one are given out."""


async def put(
    connection: Connection, principal: Principal, now: datetime, *, node_prefix: str, details: Mapping[str, Any]
) -> tuple[Operator, dict[str, OperatorFile], Cursor]:
    """Enter the operator's record, in the place of the one before; the files it names become the operator's own.

    Raises `InvalidFields` with every fault of all fields, `Conflict` when the node is known by another prefix.
    """
    authorise(principal, Action.CHANGE_OPERATOR)
    parse_node_prefix(node_prefix, "node_prefix")
    read = read_operator_details(details)
    await journal.serialise(connection, KIND_OPERATOR, OPERATOR_KEY)
    await _agree(connection, principal, now, node_prefix)
    before = await operator.find(connection)
    at = to_millisecond(now)
    files = await _keep_files(connection, read, at)
    stored = await operator.put(connection, node_prefix, read, at)
    cursor = await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_OPERATOR,
        key=OPERATOR_KEY,
        op="update" if before else "create",
        after=operator_state(stored, files),
    )
    return stored, files, cursor


async def get(connection: Connection, principal: Principal) -> tuple[Operator, dict[str, OperatorFile]]:
    """Return the operator's record with its files. Raises `NotFound` before it is entered."""
    authorise(principal, Action.READ_OPERATOR)
    found = await operator.find(connection)
    if found is None:
        raise NotFound("no_operator", "the operator's record is not entered", remedy="enter it with PUT")
    return found, await operator.files(connection, [file_id for _, file_id, _ in files_of(found.details)])


async def file_content(connection: Connection, principal: Principal, file_id: str) -> tuple[OperatorFile, bytes]:
    """Return one of the operator's documents. Raises `NotFound`."""
    authorise(principal, Action.READ_OPERATOR)
    found = (await operator.files(connection, [file_id])).get(file_id)
    octets = await operator.content(connection, file_id)
    if found is None or octets is None:
        raise NotFound(
            "unknown_file", f"the operator has no file {file_id[:64]}", remedy="GET /api/v1/operator names its files"
        )
    return found, octets


async def addresses(connection: Connection, principal: Principal) -> list[ResolutionAddress]:
    """Return where the node resolves."""
    authorise(principal, Action.READ_OPERATOR)
    return await operator.addresses(connection)


async def put_addresses(
    connection: Connection, principal: Principal, wanted: Sequence[ResolutionAddress]
) -> tuple[list[ResolutionAddress], Cursor | None]:
    """Say where the node resolves: all of it. Each address that is new, changed or gone is a change of its own.

    Raises `InvalidFields` with every fault. Without a cursor nothing changed.
    """
    authorise(principal, Action.CHANGE_OPERATOR)
    checked = _checked(wanted)
    await journal.serialise(connection, KIND_OPERATOR, "resolution")
    before = {address.key: address for address in await operator.addresses(connection)}
    after = {address.key: address for address in checked}
    cursor: Cursor | None = None
    for key, address in before.items():
        if key not in after:
            await operator.drop_address(connection, address)
            cursor = await _record(connection, principal, "withdraw", address)
    for key, address in after.items():
        if address != before.get(key):
            await operator.put_address(connection, address)
            cursor = await _record(connection, principal, "update" if key in before else "create", address)
    return await operator.addresses(connection), cursor


async def _agree(connection: Connection, principal: Principal, now: datetime, node_prefix: str) -> None:
    """See that prefixes are given out below the node's prefix, and below no other."""
    allocation = await prefix_allocation.find(connection)
    if allocation is None:
        await allocations.put(connection, principal, now, node_prefix=node_prefix, first=1, last=NUMBER_LAST)
    elif allocation.node_prefix != node_prefix:
        raise Conflict(
            "node_prefix_differs",
            f"prefixes are given out below {allocation.node_prefix}",
            remedy="correct node_prefix, or first change it with PUT /api/v1/prefix-allocation",
        )


async def _keep_files(connection: Connection, details: Mapping[str, Any], now: datetime) -> dict[str, OperatorFile]:
    named = list(files_of(details))
    ids = [file_id for _, file_id, _ in named]
    own = await operator.files(connection, ids)
    uploaded = await uploads.by_ids(connection, ids)
    faults = []
    for path, file_id, types in named:
        found = own.get(file_id) or uploaded.get(file_id)
        if found is None:
            faults.append(FieldError(path, f"there is no file {file_id}: upload it with POST /api/v1/files"))
        elif found.media_type not in types:
            faults.append(FieldError(path, f"the file is {found.media_type}, not {' or '.join(sorted(types))}"))
    if faults:
        raise InvalidFields(
            "bad_files", "some files cannot be used", remedy="upload them and use the new ids", errors=tuple(faults)
        )
    return await operator.keep_files(connection, ids, now)


def _checked(wanted: Sequence[ResolutionAddress]) -> list[ResolutionAddress]:
    if len(wanted) > ADDRESSES_MAX:
        raise one_field("bad_addresses", "addresses", f"at most {ADDRESSES_MAX} addresses are kept")
    faults: list[FieldError] = []
    checked: list[ResolutionAddress] = []
    for at, address in enumerate(wanted):
        where = f"addresses[{at}]"
        if (fault := prefix_or_range_fault(address.code_type, address.prefix_or_range)) is not None:
            faults.append(FieldError(f"{where}.prefix_or_range", fault))
        ip = canonical_address(address.ip_address)
        if ip is None:
            faults.append(FieldError(f"{where}.ip_address", NO_ADDRESS))
        protocols = [protocol for protocol, _ in address.endpoints]
        if not 1 <= len(protocols) == len(set(protocols)):
            faults.append(FieldError(f"{where}.endpoints", "each protocol is named once, and one at least"))
        canonical = replace(address, ip_address=ip or "", tls=address.tls and "HTTP" in protocols)
        if ip is not None and any(canonical.key == before.key for before in checked):
            faults.append(FieldError(where, "this address occurs twice: name all its ports in one place"))
        checked.append(canonical)
    if faults:
        raise InvalidFields(
            "bad_addresses",
            "some addresses are not acceptable",
            remedy="correct the fields named",
            errors=tuple(faults),
        )
    return checked


async def _record(connection: Connection, principal: Principal, op: Op, address: ResolutionAddress) -> Cursor:
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_OPERATOR,
        key=f"resolution {address.key}",
        op=op,
        after=resolution_state(address),
    )
