"""Resolution and site information: the one lookup, in the order of the Handle protocol (handle wire 16).

Hidden values, with neither read bit, are in no answer, whoever asks. Private ones need a user who may read them.
"""

from operator import attrgetter
from time import perf_counter
from typing import Final, NamedTuple

from identifiers.handle_wire import codes
from identifiers.handle_wire.answers import Prepared
from identifiers.handle_wire.codes import ResponseCode
from identifiers.handle_wire.names import prefix_named
from identifiers.handle_wire.requests import Resolution as Asked
from identifiers.handle_wire.requests import decode_request
from identifiers.identifier import Invalid
from identifiers.octets import string
from resolver.counting import UNSERVED, Outcome
from resolver.faces.desk import Desk, LookupsUnavailable
from resolver.faces.handle_json import gone_message
from resolver.handle.answering import Authentication
from resolver.handle.exchange import Answer, Refused, Request, User, error
from resolver.handle.prefix_records import PrefixRecords, sites_of
from resolver.handle.wire_values import EVERYTHING, Selection, WireValue, cut, joined, select
from resolver.lookup import Absent, Found, Gone, Referral
from resolver.record import Record, RecordDamaged
from resolver.replica_reader import ReplicaReader

NOT_SERVED: Final = "That prefix is not served here"
_EMPTY_REFERRAL: Final = bytes(4)


class Served(NamedTuple):
    """A record's counted values, the prefix it is counted under, and whether some of them are not public.

    `unsaid` are the sites of a prefix whose record does not tell them: for those who ask for that type.
    """

    prefix: str
    counted_wire: bytes
    restricted: bool = False
    unsaid: tuple[WireValue, ...] = ()


class _Private(NamedTuple):
    """Private values were asked for: who asks decides."""

    name: bytes
    served: Served
    selected: list[WireValue]


class Resolution:
    """Answers RESOLUTION. `site` is the data of our own HS_SITE."""

    def __init__(self, desk: Desk, site: bytes, authentication: Authentication) -> None:
        self._desk = desk
        self._prefixes = PrefixRecords(site)
        self._authentication = authentication

    def at_once(self, request: Request) -> Answer | None:
        """Answer from public values alone; None where it matters who asks. Raises Refused, and WireError."""
        found = self._look_up(request)
        return None if isinstance(found, _Private) else found

    async def answer(self, request: Request) -> Answer:
        """Answer whoever asks, challenging those whose word is needed. Raises Refused, and WireError."""
        found = self._look_up(request)
        if isinstance(found, Answer):
            return found
        user = self._authentication.reader(request)
        if request.has(codes.PUBLIC_ONLY) and (user is None or not self._authentication.is_login(request)):
            return self._public(request, found)
        if user is None:
            self._count(request, found.served.prefix, "denied")
            return self._authentication.challenge(request)
        return await self._for_user(request, found, user)

    async def answer_as(self, request: Request, user: User) -> Answer:
        """Answer a request whose sender has just proved to be `user`. Raises Refused, and WireError."""
        found = self._look_up(request)
        return found if isinstance(found, Answer) else await self._for_user(request, found, user)

    async def _for_user(self, request: Request, found: _Private, user: User) -> Answer:
        served = found.served
        if await self._authentication.may_read(request, user, served.prefix, served.counted_wire[4:]):
            shown = [value for value in found.selected if value.is_public or value.is_private]
            self._count(request, served.prefix, "found")
            return Answer(ResponseCode.SUCCESS, Prepared(found.name + joined(shown)), private=True)
        if request.has(codes.PUBLIC_ONLY):
            return self._public(request, found)
        self._count(request, served.prefix, "denied")
        raise Refused(ResponseCode.INVALID_ADMIN, "Some of these values are not yours to read")

    def _look_up(self, request: Request) -> Answer | _Private:
        asked = decode_request(codes.Op.RESOLUTION, request.message.body)
        assert isinstance(asked, Asked)  # noqa: S101 - what this operation decodes to
        try:
            served = self._find(request, asked.name)
        except (LookupsUnavailable, RecordDamaged) as reason:
            raise Refused(ResponseCode.ERROR, "No lookups now") from reason
        if isinstance(served, Answer):
            return served
        return self._select(request, asked, served)

    def _select(self, request: Request, asked: Asked, served: Served) -> Answer | _Private:
        name = string(asked.name.encode())
        selection = Selection(frozenset(asked.indexes), tuple(type_.encode().upper() for type_ in asked.types))
        if selection == EVERYTHING and not served.restricted and served.counted_wire != bytes(4):
            self._count(request, served.prefix, "found")
            return Answer(ResponseCode.SUCCESS, Prepared(name + served.counted_wire))
        selected = select(cut(served.counted_wire), selection)
        if served.unsaid and selection.types:
            selected += select(served.unsaid, Selection(types=selection.types))
            selected.sort(key=attrgetter("index"))
        if any(value.is_private for value in selected):
            found = _Private(name, served, selected)
            unknown = request.has(codes.PUBLIC_ONLY) and not request.session_id
            return self._public(request, found) if unknown else found
        shown = [value for value in selected if value.is_public]
        if shown:
            self._count(request, served.prefix, "found")
            return Answer(ResponseCode.SUCCESS, Prepared(name + joined(shown)))
        if not selected or request.has(codes.PUBLIC_ONLY):
            return self._nothing(request, served.prefix)
        self._count(request, served.prefix, "denied")
        return error(ResponseCode.INSUFFICIENT_PERMISSIONS, "These values are not readable")

    def _public(self, request: Request, found: _Private) -> Answer:
        shown = [value for value in found.selected if value.is_public]
        if not shown:
            return self._nothing(request, found.served.prefix)
        self._count(request, found.served.prefix, "found")
        return Answer(ResponseCode.SUCCESS, Prepared(found.name + joined(shown)))

    def _nothing(self, request: Request, prefix: str) -> Answer:
        self._count(request, prefix, "found")
        return error(ResponseCode.VALUES_NOT_FOUND)

    def _find(self, request: Request, name: str) -> Served | Answer:
        """Find a record or what stands for it, or answer for it. Raises LookupsUnavailable or RecordDamaged."""
        reader = self._desk.open_reader()
        prefix = prefix_named(name)
        if prefix is not None:
            return self._find_prefix(request, reader, name, prefix)
        found = self._desk.find(name)
        counted_under = self._desk.prefix_of(name, found)
        match found:
            case Found(record=record):
                return _served(counted_under, record)
            case Invalid(message=message):
                return self._say(request, UNSERVED, "malformed", ResponseCode.INVALID_HANDLE, message)
            case Gone():
                return self._say(request, counted_under, "gone", _code_of(found), gone_message(found))
            case Referral(prefix=state):
                return self._refer(request, counted_under, sites_of(state))
            case Absent(prefix=None):
                elsewhere = self._prefixes.sites_elsewhere(reader, name.partition("/")[0])
                return self._refer(request, counted_under, joined(elsewhere) if elsewhere else b"")
            case Absent():
                return self._say(request, counted_under, "absent", ResponseCode.HANDLE_NOT_FOUND)

    def _find_prefix(self, request: Request, reader: ReplicaReader, name: str, prefix: str) -> Served | Answer:
        """Find the record of a prefix (handle wire 16.2, steps 2 and 3)."""
        state = self._prefixes.state(reader, prefix)
        if state is not None and not state.resolves:
            gone = Gone(state, None)
            return self._say(request, state.prefix, "gone", _code_of(gone), gone_message(gone))
        record = self._prefixes.stored(reader, prefix)
        if record is not None:
            unsaid = self._prefixes.sites_unsaid(state, record)
            return Served(state.prefix if state else UNSERVED, record.counted_wire, record.restricted, unsaid)
        found = self._desk.find(name)
        if isinstance(found, Invalid):
            return self._say(request, UNSERVED, "malformed", ResponseCode.INVALID_HANDLE, found.message)
        if isinstance(found, Found):  # a bare code that is another name of a record here
            return _served(self._desk.prefix_of(name, found), found.record)
        made_up = None if state is None else self._prefixes.made_up(state)
        if state is not None and made_up is not None:
            return Served(state.prefix, made_up)
        if state is not None or self._prefixes.is_below_ours(reader, prefix):
            return self._say(request, state.prefix if state else UNSERVED, "absent", ResponseCode.HANDLE_NOT_FOUND)
        return self._say(request, UNSERVED, "absent", ResponseCode.SERVER_NOT_RESPONSIBLE, NOT_SERVED)

    def _refer(self, request: Request, prefix: str, sites: bytes) -> Answer:
        """Say where the prefix is served, unless that is not known or not wanted."""
        if not sites or request.has(codes.DO_NOT_REFER):
            outcome: Outcome = "referral" if sites else "absent"
            return self._say(request, prefix, outcome, ResponseCode.SERVER_NOT_RESPONSIBLE, NOT_SERVED)
        self._count(request, prefix, "referral")
        return Answer(ResponseCode.SERVICE_REFERRAL, Prepared(_EMPTY_REFERRAL + sites))

    def _say(self, request: Request, prefix: str, outcome: Outcome, rc: int, text: str = "") -> Answer:
        self._count(request, prefix, outcome)
        return error(rc, text)

    def _count(self, request: Request, prefix: str, outcome: Outcome) -> None:
        """Count a lookup; the node's own probes, which ask for a type that nobody else knows, are nobody's."""
        mark = self._desk.proxies.probe_mark
        if mark and mark in request.message.body:
            return
        us, ended = int((perf_counter() - request.started) * 1e6), self._desk.clock()
        peer = request.peer
        self._desk.tallies.record(prefix, peer.address, outcome, peer.face, int(ended - us / 1e6), us, int(ended))


def _code_of(gone: Gone) -> int:
    """Return the code for what is no more; a prefix that was unhomed may be served elsewhere (handle wire 18.2)."""
    is_unhomed = gone.record is None and gone.prefix.state == "suspended"
    return ResponseCode.SERVER_NOT_RESPONSIBLE if is_unhomed else ResponseCode.HANDLE_NOT_FOUND


def _served(prefix: str, record: Record) -> Served:
    return Served(prefix, record.counted_wire, record.restricted)
