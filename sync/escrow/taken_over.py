"""Deposits of a body that took over, read as the names it holds (docking contract 7.6)."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from identifiers import sm2
from identifiers.changes import AliasKind
from registry.service.takeovers import Content, Taken
from sync.escrow import opening
from sync.escrow.chain import in_order
from sync.escrow.errors import PackagingFailed
from sync.escrow.opening import Deposit
from sync.escrow.private_tables import ALIASES, IDENTIFIERS
from sync.escrow.shape import Entry

T = TypeVar("T")

TEMPLATES: Final = "templates"


class _Identifier(msgspec.Struct, frozen=True):
    spelling: str
    state: str
    values: str
    created_at: str
    template_id: int | None = None
    successor: str | None = None


class _Alias(msgspec.Struct, frozen=True):
    kind: AliasKind


class _Template(msgspec.Struct, frozen=True):
    id: int
    code: str


def taken_over(paths: Iterable[Path], key: sm2.PrivateKey, signer: sm2.PublicKey, work: Path) -> Iterator[Taken]:
    """Yield every name as the newest of the deposits has it, other names of records last. Raises EscrowError.

    Memory holds the templates, the other names, and the keys of what the DIFFs tell.
    """
    deposits = in_order(opening.for_key(opening.find(paths, signer), key, signer))
    for one in deposits:
        opening.check_volumes(one, signer)
    codes = _codes(deposits, key, work)
    seen: set[str] = set()
    others: dict[str, Content] = {}
    spellings: dict[str, str] = {}
    for deposit in reversed(deposits):
        told: set[str] = set()
        for entry in _entries(deposit, key, work):
            if entry.data is None or entry.key in seen:
                continue
            if entry.table == ALIASES.name and entry.key in others:
                kind = _read(entry.data, _Alias).kind
                others[entry.key] = msgspec.structs.replace(others[entry.key], alias_kind=kind)
            elif entry.table == IDENTIFIERS.name:
                if deposit is not deposits[0]:
                    told.add(entry.key)
                row = _read(entry.data, _Identifier)
                content = _content(row, codes)
                if content.state == "alias":
                    others[entry.key], spellings[entry.key] = content, row.spelling
                else:
                    yield Taken(row.spelling, content)
        seen |= told
    for place, content in others.items():
        yield Taken(spellings[place], content)


def _codes(deposits: Sequence[Deposit], key: sm2.PrivateKey, work: Path) -> dict[int, str]:
    """Return the codes of the templates by their numbers there."""
    rows = (entry for deposit in deposits for entry in _entries(deposit, key, work) if entry.table == TEMPLATES)
    templates = [_read(entry.data, _Template) for entry in rows if entry.data is not None]
    return {template.id: template.code for template in templates}


def _entries(deposit: Deposit, key: sm2.PrivateKey, work: Path) -> Iterator[Entry]:
    with opening.opened(deposit, key, work) as (_, pages):
        for page in pages:
            yield from page


def _content(row: _Identifier, codes: dict[int, str]) -> Content:
    if row.state not in ("active", "withdrawn", "alias"):
        raise PackagingFailed(f"{row.spelling[:200]} has a state that no identifier has")
    return Content(
        state=row.state,  # type: ignore[arg-type] # checked above
        values=msgspec.Raw(row.values.encode()),
        template=None if row.template_id is None else codes.get(row.template_id),
        successor=row.successor,
        created_at=row.created_at,
    )


def _read(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise PackagingFailed(f"a row of the deposit cannot be read: {error}") from None
