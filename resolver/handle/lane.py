"""The fast path of both transports: plain resolutions answered in the turn of the event loop that brought them.

What is looked for is among the public values that were put into octets when they were written, in the hot table or,
for what is not there, in LMDB. Everything it does not know it leaves to `dispatch`, which gives the same answers; a
property test holds the two together. Benchmark: `make bench`, measures `handle-udp` and `handle-tcp`.
"""

import struct
from typing import Final, NamedTuple

import lmdb

from identifiers.handle_wire.codes import EXPIRATION_SECONDS, PUBLIC_ONLY, ResponseCode
from identifiers.handle_wire.credential import NO_CREDENTIAL
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS
from identifiers.handle_wire.header import HEADER_OCTETS
from identifiers.handle_wire.quick import Quick, QuickWriter
from identifiers.handle_wire.replies import Site
from resolver.counting import Face, Outcome, Source, Tallies
from resolver.faces.desk import Desk
from resolver.handle.wire_values import NOTHING, Selection, cut, joined, select
from resolver.hot_table import RESTRICTED_BIT, without_mark
from resolver.hot_table_reader import FindWire, find_nothing
from resolver.record import FLAG_WITHDRAWN, LANE_HEAD, Record, RecordDamaged
from resolver.replica_reader import Hosted, ReplicaReader

PLAIN_SUFFIX: Final = bytes(octet for octet in range(0x21, 0x7F))
"""Characters of a suffix that need no second look."""
SUFFIX_OCTETS_MAX: Final = 200
_LENGTH_OCTETS: Final = 4
_u4: Final = struct.Struct(">I").pack
_SUCCESS: Final = int(ResponseCode.SUCCESS)
_NOT_FOUND: Final = int(ResponseCode.HANDLE_NOT_FOUND)
_VALUES_NOT_FOUND: Final = int(ResponseCode.VALUES_NOT_FOUND)


class Seen(NamedTuple):
    """What a plain resolution finds: response code, counted values (of code 1), and where it is counted."""

    rc: int
    values: bytes
    under: Hosted


class Habit:
    """What requests of one kind for all values of records below one prefix have in common, and how answers begin.

    Nothing of it depends on how long a name is.
    """

    __slots__ = ("answer_front", "answer_kind", "fold", "front", "key_head", "kind", "lead", "suffix_at", "under")

    def __init__(self, data: bytes, lead: bytes, under: Hosted, answer_front: bytes, answer_kind: bytes) -> None:
        """Take what repeats from a request; `lead` is its name up to the suffix."""
        self.front = data[_FRONT]
        self.kind = data[_KIND]
        self.lead = lead
        self.suffix_at = slice(_NAME_AT + len(lead), -len(_ALL_VALUES))
        self.under = under
        self.key_head = under.key_head
        self.fold = under.fold
        self.answer_front = answer_front
        self.answer_kind = answer_kind


class Counted:
    """Where one address is counted: it usually asks below the same prefix again.

    `source` is where records found on the shortest way are counted, as long as `habit` is that of the request.
    """

    __slots__ = ("_address", "_face", "habit", "source")

    def __init__(self, address: str, face: Face) -> None:
        self._address = address
        self._face = face
        self.habit: Habit | None = None
        self.source: Source

    def adopt(self, tallies: Tallies, habit: Habit) -> None:
        """Count what is found by requests of this habit from now on."""
        self.source = tallies.source(habit.under.prefix, self._address, self._face, "found")
        self.habit = habit

    def seen(self, tallies: Tallies, seen: Seen) -> Source:
        """Return where to count what a plain resolution found."""
        outcome: Outcome = "absent" if seen.rc == _NOT_FOUND else "found"
        return tallies.source(seen.under.prefix, self._address, self._face, outcome)

    def unsaid(self, tallies: Tallies, seen: Seen) -> Source:
        """Return where to count what was found and not said: whoever asked was sent to TCP, or had had enough."""
        return tallies.source(seen.under.prefix, self._address, self._face, "denied")


class Lane:
    """Reads the replica for one turn at a time: `begin`, any number of `answer` and `see`, `end`.

    `answer` knows requests by octets that clients repeat: the front of the envelope, the header up to its expiration,
    the prefix. What it does not know `see` reads properly, and `learn` remembers it.
    """

    __slots__ = (
        "_desk",
        "_expiration",
        "_find",
        "_fronts",
        "_generation",
        "_habits",
        "_hosted",
        "_keeps",
        "_kinds",
        "_reader",
        "_transaction",
        "habit",
        "writer",
    )

    _find: FindWire

    def __init__(self, desk: Desk, site: Site, *, keeps: bool) -> None:
        """Say with `keeps` that the transport has connections, which may have to be closed after an answer."""
        self._desk = desk
        self._keeps = keeps
        self.writer = QuickWriter(site, keeps=keeps)
        self._reader: ReplicaReader | None = None
        self._transaction: lmdb.Transaction | None = None
        self._find = find_nothing
        self._hosted: dict[bytes, Hosted] = {}
        self._expiration = b""
        self._fronts: dict[bytes, bytes] = {}
        self._kinds: dict[bytes, bytes] = {}
        self._habits: dict[tuple[bytes, bytes, bytes], Habit] = {}
        self._generation = -1
        self.habit = _NO_HABIT

    def begin(self, now_s: int) -> None:
        """Open this turn's transaction; where that fails nothing is seen. `now_s` is the time since 1970."""
        reader = self._reader = self._desk.reader
        if reader is None:
            return
        try:
            self._transaction = reader.begin()
            if reader.hosted is not self._hosted or self._desk.tallies.generation != self._generation:
                self._break_habits()
                self._hosted, self._generation = reader.hosted, self._desk.tallies.generation
            self._find = reader.hot_table.wire_turn() or find_nothing
        except lmdb.Error:
            self._reader = None  # `dispatch` says what is wrong
        self._expiration = _u4(now_s + EXPIRATION_SECONDS)

    def end(self) -> None:
        """End it."""
        self._reader = None
        self._find = find_nothing
        if self._transaction is not None:
            self._transaction.abort()
            self._transaction = None

    def answer(self, data: bytes) -> bytes | None:
        """Answer one request of a known `habit` for all values of a record in the hot table; None for any other."""
        octets = len(data)
        if octets > _HOT_OCTETS_MAX or data[_SIZES] != _SIZES_OF[octets] or data[_MIDDLE] != _MIDDLES[octets]:
            return None
        habit = self.habit
        if not (data[_KIND] == habit.kind and data.startswith(habit.front) and data.startswith(habit.lead, _NAME_AT)):
            known = self._habit_of(data)
            if known is None:
                return None
            self.habit = habit = known
        suffix = data[habit.suffix_at]
        if (
            # Most suffixes are letters and digits only, which the first question finds out sooner.
            not (suffix.isalnum() or (suffix and not suffix.translate(None, PLAIN_SUFFIX)))
            or not data.endswith(_ALL_VALUES)
            or (values := self._find(habit.key_head + (suffix.upper() if habit.fold else suffix))) is None
            or values[0]
        ):
            return None
        size = octets + len(values) - _UNNAMED_OCTETS
        middle, body = _LENGTHS[size] if size < _LENGTHS_MAX else _lengths(size)
        return b"".join(
            (
                habit.answer_front,
                data[_ID],
                middle,
                habit.answer_kind,
                self._expiration,
                body,
                data[_NAME],
                values,
                NO_CREDENTIAL,
            )
        )

    def _habit_of(self, data: bytes) -> Habit | None:
        """Return the habit of a request of known kind below a prefix known to be hosted here."""
        lead = data[_NAME_AT : data.find(b"/", _NAME_AT, -len(_ALL_VALUES)) + 1]
        key = data[_FRONT], data[_KIND], lead
        habit = self._habits.get(key)
        if habit is not None:
            return habit
        front, kind, under = self._fronts.get(key[0]), self._kinds.get(key[1]), self._hosted.get(lead[:-1])
        if front is None or kind is None or under is None:
            return None
        if len(self._habits) >= _LEARNT_MAX:
            self._break_habits()
        habit = self._habits[key] = Habit(data, lead, under, front, kind)
        return habit

    def _break_habits(self) -> None:
        """Forget what was learnt of clients and prefixes together: prefixes may have changed, or counts begin anew."""
        self._habits = {}
        self.habit = _NO_HABIT

    def learn(self, data: bytes, quick: Quick) -> None:
        """Remember what a plain request has in common with the next ones of its client."""
        version, keeps_open = quick[6], quick[7]
        if not keeps_open and self._keeps:
            return
        if len(self._fronts) < _LEARNT_MAX and (not self._keeps or _suggests_version(data)):
            self._fronts[data[_FRONT]] = _u4(version) + bytes(4)
        if len(self._kinds) < _LEARNT_MAX:
            self._kinds[data[_KIND]] = self.writer.found(quick, b"", 0)[_KIND]

    def see(self, quick: Quick) -> Seen | None:
        """Return what a plain resolution finds, or None where it takes a second look."""
        reader = self._reader
        if reader is None:
            return None
        prefix, _, suffix = quick[1][_LENGTH_OCTETS:].partition(b"/")
        if not suffix.isalnum() and (not suffix or suffix.translate(None, PLAIN_SUFFIX)):
            return None
        under = self._hosted.get(prefix) or self._find_hosted(reader, prefix)
        if under is None or len(suffix) > SUFFIX_OCTETS_MAX:
            return None
        key = under.key_head + (suffix.upper() if under.fold else suffix)
        values = self._find(key)
        if values is None:
            return self._see_in_lmdb(reader, quick, under, key)
        if values[0] & RESTRICTED_BIT:
            if not quick[4] & PUBLIC_ONLY:
                return None
            values = without_mark(values)
        return _chosen(quick, values, under)

    def _find_hosted(self, reader: ReplicaReader, prefix: bytes) -> Hosted | None:
        try:
            return None if self._transaction is None else reader.find_hosted(self._transaction, prefix.upper())
        except lmdb.Error:
            return None

    def _see_in_lmdb(self, reader: ReplicaReader, quick: Quick, under: Hosted, key: bytes) -> Seen | None:
        assert self._transaction is not None  # noqa: S101 - begun with the reader
        try:
            octets = reader.record(self._transaction, key)
            if octets is None:
                return Seen(_NOT_FOUND, NOTHING, under)
            if LANE_HEAD.unpack_from(octets)[0] & FLAG_WITHDRAWN:
                return None
            record = Record(octets)
        except (lmdb.Error, RecordDamaged, struct.error):
            return None  # `dispatch` says what is wrong
        if record.restricted and not quick[4] & PUBLIC_ONLY:
            return None
        return _chosen(quick, record.public_wire, under)


def _suggests_version(data: bytes) -> bool:
    return bool(data[2] & _SUGGESTED_BITS or data[3])


def _chosen(quick: Quick, values: bytes, under: Hosted) -> Seen:
    """Return what of public values was asked for."""
    if quick[2] or quick[3]:
        selection = Selection(frozenset(quick[2]), tuple(type_.encode().upper() for type_ in quick[3]))
        values = joined(select(cut(values), selection))
    return Seen(_VALUES_NOT_FOUND if values == NOTHING else _SUCCESS, values, under)


def _lengths(size: int) -> tuple[bytes, bytes]:
    """Return what stands between request id and header, and the body's length, of an answer with so long a body."""
    return bytes(4) + _u4(HEADER_OCTETS + size + len(NO_CREDENTIAL)), _u4(size)


_FRONT: Final = slice(0, 8)
_ID: Final = slice(8, 12)
_MIDDLE: Final = slice(12, 20)
_KIND: Final = slice(20, 36)
_SIZES: Final = slice(40, 48)
_NAME_AT: Final = 48
_ALL_VALUES: Final = bytes(12)
"""No indexes, no types, no credential."""
_NAME: Final = slice(44, -len(_ALL_VALUES))
"""The name with its length."""
_UNNAMED_OCTETS: Final = _NAME_AT + len(_ALL_VALUES) - _LENGTH_OCTETS
"""What a request has beside its name with its length."""
_HOT_OCTETS_MIN: Final = _NAME_AT + len(_ALL_VALUES)
_HOT_OCTETS_MAX: Final = 512
_SIZES_OF: Final = tuple(
    _u4(octets - _NAME_AT) + _u4(octets - _HOT_OCTETS_MIN) if octets > _HOT_OCTETS_MIN else None
    for octets in range(_HOT_OCTETS_MAX + 1)
)
"""By the octets of a whole request, those of its body and of its name; none is so short that it has no name."""
_MIDDLES: Final = tuple(bytes(4) + _u4(max(0, octets - ENVELOPE_OCTETS)) for octets in range(_HOT_OCTETS_MAX + 1))
_LENGTHS_MAX: Final = 2_048
_LENGTHS: Final = tuple(_lengths(size) for size in range(_LENGTHS_MAX))
_LEARNT_MAX: Final = 4_096
_SUGGESTED_BITS: Final = 0x1F
_NO_HABIT: Final = Habit(b"", b"nobody's/", Hosted("", b"", fold=False), b"", b"")
"""No request is of this kind, which has no octets."""
