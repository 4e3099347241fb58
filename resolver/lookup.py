"""The one lookup behind every face: a name to Found, Referral, Absent or Gone."""

from dataclasses import dataclass, replace
from unicodedata import normalize

from identifiers.changes import AliasKind, PrefixState
from identifiers.handle import fold, parse_handle
from identifiers.identifier import HandleParts, Identifier, Invalid, storage_key
from identifiers.parse import parse
from resolver.counting import UNSERVED
from resolver.record import Record, RecordDamaged
from resolver.replica_reader import ReplicaReader


@dataclass(frozen=True, slots=True)
class Found:
    """The record, with the prefix it lives under. `alias`: it was asked for under another name, of this kind."""

    prefix: PrefixState
    record: Record
    alias: AliasKind | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The identifier was withdrawn; its last record. None: its whole prefix is suspended or withdrawn."""

    prefix: PrefixState
    record: Record | None


@dataclass(frozen=True, slots=True)
class Referral:
    """The prefix is routed to its enterprise's own node."""

    prefix: PrefixState


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing is registered under the name. `prefix` is None when no prefix of the name is served here."""

    prefix: PrefixState | None


Answer = Found | Referral | Absent | Gone


class Lookup:
    """Finds names in the replica. Raises RecordDamaged, and reports it, rather than answer from broken octets."""

    def __init__(self, reader: ReplicaReader) -> None:
        self._reader = reader

    def find(self, name: str) -> Answer | Invalid:
        """Look one name up: as a Handle as it is written, then in NFC, then as a code of another scheme.

        Aliases are followed, once: they never lead to another. Touches only the local replica.
        """
        answer = self._find_handle(name)
        if isinstance(answer, Invalid) or (isinstance(answer, Absent) and answer.prefix is None):
            other = parse(name)
            if isinstance(other, Identifier) and other.scheme != "hdl":
                return self._find_foreign(other) or answer
        return answer

    def _find_handle(self, name: str) -> Answer | Invalid:
        parsed = parse_handle(name)
        if isinstance(parsed, Invalid):
            return parsed
        answer = self._find(parsed)
        if isinstance(answer, Absent) and not name.isascii() and (composed := normalize("NFC", name)) != name:
            again = parse_handle(composed)
            return again if isinstance(again, Invalid) else self._find(again)
        return answer

    def tally_prefix(self, name: str) -> str:
        """Return the prefix to count `name` under: the nearest one at or above its own that is served, or UNSERVED."""
        state = self._nearest(fold(name.partition("/")[0]))
        return state.prefix if state else UNSERVED

    def _nearest(self, prefix: str) -> PrefixState | None:
        transaction = self._reader.begin()
        try:
            while prefix:
                if (state := self._reader.prefix(transaction, prefix)) is not None:
                    return state
                prefix = prefix.rpartition(".")[0]
        finally:
            transaction.abort()
        return None

    def _find_foreign(self, code: Identifier) -> Answer | None:
        """Look up a code that may be another name of a record here."""
        transaction = self._reader.begin()
        try:
            octets = self._reader.record(transaction, storage_key(code.key))
        finally:
            transaction.abort()
        record = None if octets is None else self._read(octets, code)
        return None if record is None else self._follow(record)

    def _find(self, parsed: Identifier) -> Answer:
        answer = self._find_itself(parsed)
        if isinstance(answer, Gone) and answer.record is not None and answer.record.alias is not None:
            return self._follow(answer.record) or answer
        return answer

    def _follow(self, record: Record) -> Answer | None:
        """Return what an alias leads to; None for a name that leads nowhere."""
        target = parse_handle(record.instead or "")
        if record.alias is None or isinstance(target, Invalid):
            return None
        answer = self._find_itself(target)
        return replace(answer, alias=record.alias) if isinstance(answer, Found) else answer

    def _find_itself(self, parsed: Identifier) -> Answer:
        assert isinstance(parsed.parts, HandleParts)  # noqa: S101 - parse_handle makes nothing else
        transaction = self._reader.begin()
        try:
            prefix = parsed.parts.named_prefix or fold(parsed.parts.prefix)
            state = self._reader.prefix(transaction, prefix)
            if state is None:
                return Absent(None)
            if not state.resolves:
                return Gone(state, None)
            if state.hosting == "routed" and parsed.parts.named_prefix is None:
                # Before its enterprise says where, a prefix that is not hosted here leads nowhere.
                return Referral(state) if state.sites else Absent(state)
            if state.exact_case:
                parsed = _in_exact_case(parsed)
            octets = self._reader.record(transaction, storage_key(parsed.key))
            if octets is None:
                return Absent(state)
            return self._answer(state, octets, parsed)
        finally:
            transaction.abort()

    def _answer(self, state: PrefixState, octets: bytes, parsed: Identifier) -> Answer:
        record = self._read(octets, parsed)
        return Gone(state, record) if record.withdrawn or record.alias is not None else Found(state, record)

    def _read(self, octets: bytes, parsed: Identifier) -> Record:
        try:
            return Record(octets)
        except RecordDamaged as error:
            self._reader.report_damage(f"{parsed.key}: {error}")
            raise


def _in_exact_case(parsed: Identifier) -> Identifier:
    exact = parse_handle(parsed.spelling, exact_case=True)
    return parsed if isinstance(exact, Invalid) else exact
