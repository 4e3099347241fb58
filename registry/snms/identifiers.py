"""Calls about identifiers: one, or up to 2,000 at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from identifiers.changes import START, Cursor
from identifiers.handle import check_new_handle, parse_handle
from identifiers.identifier import HandleParts, Invalid
from identifiers.value_json import decode_stored
from identifiers.values import Value
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection, Pool, connected
from registry.errors import Gone, NotFound, RegistryError
from registry.service import identifiers as service
from registry.service import records
from registry.service.batch_policy import ListOp
from registry.service.identifier_list import Entry, EntryResult, cut, write_list
from registry.service.prefixes import check_takes_registrations
from registry.snms.call import Call
from registry.snms.entries import (
    HANDLE_CHARACTERS_MAX,
    Registration,
    handle_of,
    is_name,
    plain_entries,
    read_again,
    read_entries,
    read_registration,
)
from registry.snms.envelope import Refusal, Status, refused
from registry.snms.refusals import BAD_HANDLE, refusal_of, unknown_prefix
from registry.snms.values import TEMPLATE_INDEX, TEMPLATE_TYPE, check_values, plain_record, record_values
from registry.tables import identifiers as table
from registry.tables import prefixes, templates
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from registry.tables.templates import Template

T = TypeVar("T")

ENTRIES_MAX: Final = 2_000
"""Most entries of one list."""
SLICE_ENTRIES: Final = 50
"""Checked in one turn of the event loop; then PostgreSQL's answers about the chunks before have theirs."""
NOT_FOUND: Final = "没有找到标识"
NOT_THERE: Final = "标识不存在"
ALREADY_THERE: Final = "标识已存在"
NO_TEMPLATE: Final = "模板不存在"
TOO_MANY: Final = f"批量操作最多支持{ENTRIES_MAX}条"
_ADMINISTRATIVE: Final = ("HS_",)


async def detail(call: Call) -> Any:
    """`GET /identityv2/data/detail`: the record as its template shows it, with the values the caller may read."""
    if call.anonymous and call.context.settings.snms.public_detail == "off":
        call.principal  # noqa: B018 - raises that a token is needed
    name = call.query.text("handle", limit=HANDLE_CHARACTERS_MAX)
    reader = Principal("", "reader") if call.anonymous else call.principal
    async with connected(call.context.pool) as connection:
        try:
            seen, prefix = await records.get(connection, reader, name)
        except (NotFound, Gone) as error:
            raise refused(NOT_FOUND, "unknown_identifier", "handle", 404) from error
        followed = await _followed(connection, seen.record)
    return _shown(seen.record, prefix, followed)


async def create(call: Call) -> Any:
    """`POST /identityv2/data`: the same registration again is success."""
    sent = read_registration(await call.members())

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        template = await _checked(connection, call.principal, sent)
        written = await service.put(
            connection,
            call.principal,
            call.now,
            sent.handle,
            values=record_values(sent.version, sent.values),
            template=template.code,
            create_only=True,
            revive=True,
        )
        return True, written.cursor

    return await call.change(work)


async def update(call: Call) -> Any:
    """`PUT /identityv2/data`: the list replaces all values of the template, others are kept."""
    sent = read_registration(await call.members())

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        prefix = await _writable_prefix(connection, call.principal, sent.handle)
        stored = await _stored(connection, prefix, sent.handle)
        if stored is None:
            raise refused(NOT_FOUND, "unknown_identifier", "handle", 404)
        template = await _template(connection, prefix, sent.version)
        check_values(template, sent.values, _texts(stored))
        written = await service.put(
            connection,
            call.principal,
            call.now,
            sent.handle,
            values=record_values(sent.version, sent.values),
            template=template.code,
            merge_template=True,
        )
        return True, written.cursor

    return await call.change(work)


async def delete(call: Call) -> Any:
    """`DELETE /identityv2/data`: the identifier is gone; registering it again is allowed."""
    handle = (await call.members()).text("handle", limit=HANDLE_CHARACTERS_MAX)

    async def work(connection: Connection) -> tuple[Any, Cursor | None]:
        prefix = await _writable_prefix(connection, call.principal, handle)
        if await _stored(connection, prefix, handle) is None:
            raise refused(NOT_FOUND, "unknown_identifier", "handle", 404)
        withdrawn = await service.withdraw(connection, call.principal, call.now, handle, for_good=False)
        return True, withdrawn.cursor

    return await call.change(work)


async def create_many(call: Call) -> Any:
    """`POST /identityv2/data/batchCreate`."""
    return await _write_many(call, "create")


async def update_many(call: Call) -> Any:
    """`PUT /identityv2/data/batchUpdate`."""
    return await _write_many(call, "update")


async def delete_many(call: Call) -> Any:
    """`DELETE /identityv2/data/batchDelete`: a bare list of names, or an object with `handles`."""
    body = await call.json()
    names = _checked_list(body.get("handles") if isinstance(body, dict) else body)

    async def checked(chunk: Sequence[Any]) -> list[Entry | Refusal]:
        return [Entry(name) if isinstance(name, str) and name else _bad_handle() for name in chunk]

    return await _write_list(call, "delete", names, names, checked, {})


async def _write_many(call: Call, op: ListOp) -> msgspec.Raw:
    authorise(call.principal, Action.WRITE_IDENTIFIER)
    plain = plain_entries(await call.body())
    body = _checked_list(plain if plain is not None else await call.json())
    known = _Known(call.context.pool, call.principal)
    timestamp_s = int(call.now.timestamp())

    async def checked(chunk: Sequence[Registration | Refusal]) -> list[Entry | Refusal]:
        return await _entries(known, op, chunk, timestamp_s)

    sent = plain if plain is not None else read_entries(body)
    return await _write_list(call, op, body, sent, checked, known.usable)


async def _write_list(
    call: Call,
    op: ListOp,
    body: Sequence[Any],
    sent: Sequence[T],
    check: Callable[[Sequence[T]], Awaitable[list[Entry | Refusal]]],
    known: Mapping[str, Template],
) -> msgspec.Raw:
    """Write the entries that pass `check`, and give every one its result, in the order of the request.

    `known`: the templates that `check` has found, by their codes.
    """

    async def work() -> tuple[list[dict[str, Any]], Cursor | None]:
        checked: list[Entry | Refusal] = []

        async def good() -> AsyncIterator[list[Entry]]:
            for chunk in cut(sent, alone=lambda: len(call.context.lists_under_way) == 1):
                found = await check(chunk)
                checked.extend(found)
                yield [entry for entry in found if isinstance(entry, Entry)]

        results, reached = await write_list(call.context, call.principal, call.now, op, good(), known)
        left = iter(results)
        answers = [
            _result(handle_of(entry), op, one if isinstance(one, Refusal) else next(left))
            for entry, one in zip(body, checked, strict=True)
        ]
        return answers, reached if reached != START else None

    return await call.change_list(work)


def _result(handle: str, op: ListOp, result: EntryResult | Refusal) -> dict[str, Any]:
    refusal = result if isinstance(result, Refusal) else _refusal(op, result.error)
    if refusal is None:
        return {"handle": handle, "code": int(Status.SUCCESS), "msg": "success"}
    return {"handle": handle, "code": int(Status.REFUSED), "msg": refusal.message, "error": refusal.code}


def _refusal(op: ListOp, error: RegistryError | None) -> Refusal | None:
    if error is None:
        return None
    if (
        op != "create"
        and isinstance(error, NotFound | Gone)
        and error.code in ("unknown_identifier", "identifier_withdrawn")
    ):
        return refused(NOT_THERE, "unknown_identifier")
    return refusal_of(error)


def _checked_list(entries: Any) -> list[Any]:
    if not isinstance(entries, list) or not entries:
        raise refused("请求体应为非空列表", "empty_list")
    if len(entries) > ENTRIES_MAX:
        raise refused(TOO_MANY, "too_many_entries")
    return entries


def _bad_handle() -> Refusal:
    return refused("参数handle取值不合法", "bad_parameter", "handle")


async def _entries(
    known: "_Known", op: ListOp, sent: Sequence[Registration | Refusal], timestamp_s: int
) -> list[Entry | Refusal]:
    """Check entries as far as it goes without writing."""
    stored = await known.stored_texts(sent) if op == "update" else {}
    entries: list[Entry | Refusal] = []
    for number, one in enumerate(sent, 1):
        if number % SLICE_ENTRIES == 0:
            await asyncio.sleep(0)
        if isinstance(one, Refusal):
            entries.append(one)
            continue
        template = known.met(one)
        if template is not None and is_name(one.handle):
            plain = plain_record(template, one.version, one.values, timestamp_s)
            if plain is not None:
                entries.append(Entry(one.handle, template.code, plain=plain))
                continue
        entries.append(await _carefully(known, one, stored.get(one.handle, {})))
    return entries


async def _carefully(known: "_Known", sent: Registration, stored: Mapping[int, str]) -> Entry | Refusal:
    """Check an entry in the documented order."""
    try:
        read = read_again(sent)
        template = known.met(read) or await known.template(read)
        check_values(template, read.values, stored)
    except (Refusal, RegistryError) as error:
        return refusal_of(error) or _bad_handle()
    return Entry(read.handle, template.code, record_values(read.version, read.values))


class _Known:
    """The prefixes and templates of one list, each asked for once."""

    def __init__(self, pool: Pool, principal: Principal) -> None:
        self._pool = pool
        self._principal = principal
        self._prefixes: dict[str, Prefix | Exception] = {}
        self._templates: dict[tuple[str, str], Template | Exception] = {}
        self.usable: dict[str, Template] = {}
        """Those found, by their codes."""

    def met(self, sent: Registration) -> Template | None:
        """Return the template of an entry if an entry before had the same prefix, spelled the same way, and version."""
        found = self._templates.get((sent.handle.partition("/")[0], sent.version))
        return found if isinstance(found, Template) else None

    async def template(self, sent: Registration) -> Template:
        """Return the template of an entry, once its prefix is known to take registrations from the caller."""
        async with connected(self._pool) as connection:
            prefix = await self._prefix(connection, sent.handle)
            key = (prefix.prefix, sent.version)
            if key not in self._templates:
                self._templates[key] = await _outcome(_template(connection, prefix, sent.version))
        template = _raised(self._templates[key])
        self.usable[template.code] = template
        return template

    async def stored_texts(self, sent: Sequence[Registration | Refusal]) -> dict[str, Mapping[int, str]]:
        """Return what is stored for the entries, by name and index; a disabled item may repeat it."""
        texts: dict[str, Mapping[int, str]] = {}
        async with connected(self._pool) as connection:
            for one in sent:
                if isinstance(one, Refusal) or one.handle in texts:
                    continue
                try:
                    prefix = await self._prefix(connection, one.handle)
                except (Refusal, RegistryError):
                    continue
                if (stored := await _stored(connection, prefix, one.handle)) is not None:
                    texts[one.handle] = _texts(stored)
        return texts

    async def _prefix(self, connection: Connection, handle: str) -> Prefix:
        name = _prefix_of(handle)
        if name not in self._prefixes:
            self._prefixes[name] = await _outcome(_writable(connection, self._principal, name))
        return _raised(self._prefixes[name])


async def _outcome(answer: Awaitable[T]) -> T | Exception:
    try:
        return await answer
    except (Refusal, RegistryError) as error:
        return error


def _raised(outcome: T | Exception) -> T:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _checked(connection: Connection, principal: Principal, sent: Registration) -> Template:
    """Make the checks of a new registration in their order and return its template."""
    prefix = await _writable_prefix(connection, principal, sent.handle)
    template = await _template(connection, prefix, sent.version)
    check_values(template, sent.values, {})
    return template


async def _writable_prefix(connection: Connection, principal: Principal, handle: str) -> Prefix:
    return await _writable(connection, principal, _prefix_of(handle))


def _prefix_of(handle: str) -> str:
    parsed = parse_handle(handle) if "/" in handle else check_new_handle(handle)
    if isinstance(parsed, Invalid):
        raise refused(f"{BAD_HANDLE}: {parsed.message}", parsed.code, "handle")
    assert isinstance(parsed.parts, HandleParts)  # noqa: S101 - the Handle parser makes nothing else
    return parsed.parts.prefix


async def _writable(connection: Connection, principal: Principal, name: str) -> Prefix:
    authorise(principal, Action.WRITE_IDENTIFIER)
    prefix = await prefixes.by_prefix(connection, name)
    if prefix is None:
        raise unknown_prefix("handle")
    check_reaches(principal, Action.WRITE_IDENTIFIER, prefix.enterprise)
    check_takes_registrations(prefix)
    return prefix


async def _template(connection: Connection, prefix: Prefix, version: str) -> Template:
    template = await templates.by_version(connection, prefix.prefix, version)
    if template is None or template.state != "published":
        raise refused(NO_TEMPLATE, "unknown_template", "templateVersion", 404)
    return template


async def _stored(connection: Connection, prefix: Prefix, handle: str) -> Record | None:
    parsed = parse_handle(handle, exact_case=prefix.exact_case)
    if isinstance(parsed, Invalid):
        return None
    record = await table.by_key(connection, prefix.id, parsed.key)
    return record if record is not None and record.state == "active" else None


def _texts(record: Record) -> dict[int, str]:
    return {value.index: _text(value) for value in decode_stored(record.values)}


async def _followed(connection: Connection, record: Record) -> str | None:
    """Return the version of the template a record follows, if no row names it: other faces write none."""
    if any(value.index == TEMPLATE_INDEX for value in decode_stored(record.values)):
        return None
    template = await templates.by_code(connection, record.template) if record.template is not None else None
    return template.version if template is not None else None


def _shown(record: Record, prefix: Prefix, followed: str | None) -> dict[str, Any]:
    values = decode_stored(record.values)
    version = next((_text(value) for value in values if value.index == TEMPLATE_INDEX), followed)
    first = [value for value in values if value.index == TEMPLATE_INDEX and value.type == TEMPLATE_TYPE]
    rest = [value for value in values if value.index != TEMPLATE_INDEX and not value.type.startswith(_ADMINISTRATIVE)]
    return {
        "code": "200",
        "prefix": prefix.prefix,
        "handle": record.spelling,
        "templateVersion": version,
        "value": [_value(value) for value in (*first, *rest)],
    }


def _value(value: Value) -> dict[str, Any]:
    data = {"format": "string", "value": _text(value)}
    return {"data": data, "auth": "1", "index": value.index, "type": value.type}


def _text(value: Value) -> str:
    return value.data.decode(errors="replace")
