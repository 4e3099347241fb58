"""Handlers: the operator's record, its documents, and where the node resolves."""

from urllib.parse import quote

import msgspec
from aiohttp import web

from registry.api.call import Answer, Call, answer, outcome
from registry.api.operator_shapes import (
    OperatorAnswer,
    OperatorFileAnswer,
    OperatorRequest,
    ResolutionAnswer,
    ResolutionEndpoint,
    ResolutionRequest,
    ResolutionRow,
)
from registry.api.routing import OCTETS
from registry.database import Connection
from registry.service import operator
from registry.service.change import Outcome
from registry.service.operator_details import OperatorDetails
from registry.states import instant
from registry.tables.operator import Operator, OperatorFile, ResolutionAddress


async def get(call: Call) -> Answer:
    """GET /api/v1/operator."""
    async with call.connected() as connection:
        found, files = await operator.get(connection, call.principal)
    return answer(_shown(found, files))


async def put(call: Call) -> Answer:
    """PUT /api/v1/operator."""
    body = await call.read(OperatorRequest)

    async def work(connection: Connection) -> Outcome:
        stored, files, cursor = await operator.put(
            connection, call.principal, call.now, node_prefix=body.node_prefix, details=body.details
        )
        return outcome(200, _shown(stored, files), cursor)

    return await call.change(work)


async def get_file(call: Call) -> web.Response:
    """GET /api/v1/operator/files/{file}."""
    async with call.connected() as connection:
        found, content = await operator.file_content(connection, call.principal, call.path("file"))
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(body=content, content_type=OCTETS, headers=headers)


async def get_resolution(call: Call) -> Answer:
    """GET /api/v1/operator/resolution."""
    async with call.connected() as connection:
        return answer(_resolution(await operator.addresses(connection, call.principal)))


async def put_resolution(call: Call) -> Answer:
    """PUT /api/v1/operator/resolution."""
    body = await call.read(ResolutionRequest)
    wanted = [
        ResolutionAddress(
            row.code_type,
            row.prefix_or_range,
            row.ip_address,
            tuple((endpoint.protocol, endpoint.port) for endpoint in row.endpoints),
            row.tls,
        )
        for row in body.addresses
    ]

    async def work(connection: Connection) -> Outcome:
        stored, cursor = await operator.put_addresses(connection, call.principal, wanted)
        return outcome(200, _resolution(stored), cursor)

    return await call.change(work)


def _shown(found: Operator, files: dict[str, OperatorFile]) -> OperatorAnswer:
    return OperatorAnswer(
        node_prefix=found.node_prefix,
        details=msgspec.convert(found.details, OperatorDetails),
        files=[
            OperatorFileAnswer(file.id, file.name, file.media_type, file.octets, file.sha256.hex())
            for file in sorted(files.values(), key=lambda file: file.id)
        ],
        version=found.version,
        updated_at=instant(found.updated_at),
    )


def _resolution(addresses: list[ResolutionAddress]) -> ResolutionAnswer:
    return ResolutionAnswer(
        [
            ResolutionRow(
                one.code_type,
                one.prefix_or_range,
                one.ip_address,
                [ResolutionEndpoint(protocol, port) for protocol, port in one.endpoints],
                one.tls,
            )
            for one in addresses
        ]
    )
