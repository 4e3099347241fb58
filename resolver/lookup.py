"""The one lookup behind every face: a name to Found, Referral, Absent or Gone."""

from dataclasses import dataclass
from unicodedata import normalize

from identifiers.changes import PrefixState
from identifiers.handle import fold, parse_handle
from identifiers.identifier import HandleParts, Identifier, Invalid, storage_key
from resolver.counting import UNSERVED
from resolver.record import Record, RecordDamaged
from resolver.replica_reader import ReplicaReader


@dataclass(frozen=True, slots=True)
class Found:
    """The record, with the prefix it lives under."""

    prefix: PrefixState
    record: Record


@dataclass(frozen=True, slots=True)
class Gone:
    """The identifier was withdrawn; its last record."""

    prefix: PrefixState
    record: Record


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
        """Look one Handle name up: as it is written, then in NFC. Touches only the local replica."""
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

    def _find(self, parsed: Identifier) -> Answer:
        assert isinstance(parsed.parts, HandleParts)  # noqa: S101 - parse_handle makes nothing else
        transaction = self._reader.begin()
        try:
            prefix = parsed.parts.named_prefix or fold(parsed.parts.prefix)
            state = self._reader.prefix(transaction, prefix)
            if state is None:
                return Absent(None)
            if state.hosting == "routed" and parsed.parts.named_prefix is None:
                return Referral(state)
            if state.exact_case:
                parsed = _in_exact_case(parsed)
            octets = self._reader.record(transaction, storage_key(parsed.key))
            if octets is None:
                return Absent(state)
            return self._answer(state, octets, parsed)
        finally:
            transaction.abort()

    def _answer(self, state: PrefixState, octets: bytes, parsed: Identifier) -> Answer:
        try:
            record = Record(octets)
        except RecordDamaged as error:
            self._reader.report_damage(f"{parsed.key}: {error}")
            raise
        return Gone(state, record) if record.withdrawn else Found(state, record)


def _in_exact_case(parsed: Identifier) -> Identifier:
    exact = parse_handle(parsed.spelling, exact_case=True)
    return parsed if isinstance(exact, Invalid) else exact
