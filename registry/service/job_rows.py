"""Rows of jobs that change or withdraw identifiers one by one, by the same rules as single requests."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from identifiers.value_json import decode_json
from identifiers.values import ValuesError
from registry.authority import Principal
from registry.database import Connection
from registry.errors import Gone, RegistryError
from registry.service import identifiers
from registry.service.batch_answers import Answers, Rejection, Status
from registry.tables.jobs import Kind

INDEXES_MAX: Final = 2_048


class UpdateRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a record: values to add or replace, by their index, and indexes of values to remove."""

    identifier: str
    values: list[Any] = []
    remove: Annotated[list[int], Meta(max_length=INDEXES_MAX)] = []


class WithdrawRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to withdraw, and the identifier to use instead."""

    identifier: str
    successor: str | None = None


class _Work(NamedTuple):
    shape: type[Any]
    do: Callable[[Connection, Principal, datetime, Any], Awaitable[Status]]


async def carry_out(
    connection: Connection, principal: Principal, now: datetime, kind: Kind, lines: Iterable[tuple[int, bytes]]
) -> Answers:
    """Carry out numbered lines in one transaction; a row that is rejected leaves nothing behind.

    Raises `ChangedMeanwhile` when another writer was faster; then the transaction has to be repeated.
    """
    work = _WORK[kind]
    answers = Answers()
    for number, line in lines:
        row = _read(number, line, work.shape)
        if isinstance(row, Rejection):
            answers.reject(row)
            continue
        try:
            async with connection.transaction():
                status = await work.do(connection, principal, now, row)
        except RegistryError as error:
            answers.reject(_rejection(number, row.identifier, error))
            continue
        answers.give(number, msgspec.json.encode(row.identifier), status)
    return answers


async def _update(connection: Connection, principal: Principal, now: datetime, row: UpdateRow) -> Status:
    written = await identifiers.patch(connection, principal, now, row.identifier, values=row.values, remove=row.remove)
    return "replaced" if written.cursor is not None else "unchanged"


async def _withdraw(connection: Connection, principal: Principal, now: datetime, row: WithdrawRow) -> Status:
    try:
        await identifiers.withdraw(connection, principal, now, row.identifier, successor=row.successor)
    except Gone:
        return "unchanged"
    return "withdrawn"


def _read(number: int, line: bytes, shape: type[Any]) -> Any:
    try:
        row = decode_json(line)
    except ValuesError as error:
        return Rejection(number, None, "bad_row", "", error.message)
    name = row.get("identifier") if isinstance(row, dict) else None
    shown = name if isinstance(name, str) else None
    for other in row if isinstance(row, dict) else ():
        if other not in shape.__struct_fields__:
            return Rejection(number, shown, "bad_row", other[:64], "there is no such field: remove it")
    try:
        return msgspec.convert(row, shape)
    except msgspec.ValidationError as error:
        return Rejection(number, shown, "bad_row", "", str(error))


def _rejection(number: int, identifier: str, error: RegistryError) -> Rejection:
    field = error.errors[0].field if error.errors else "identifier"
    reasons = "; ".join(f"{fault.field}: {fault.message}" for fault in error.errors)
    return Rejection(number, identifier, error.code, field, reasons or error.message)


_WORK: Final[Mapping[Kind, _Work]] = {"update": _Work(UpdateRow, _update), "withdraw": _Work(WithdrawRow, _withdraw)}
