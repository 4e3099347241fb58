"""The simulator's verdict on rows and batches: strict, and with the contract's codes."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from sync import body
from sync.batch import Limits
from sync.collecting.batch_check import read_batch
from sync.collecting.conditions import is_identity_card, is_uscc
from sync.collecting.header import Handed
from sync.collecting.judgement import Event, Held, Template, judge
from sync.collecting.problems import Problem
from sync.top_node.faults import Faults, FaultsError, FaultSource, change_faults, parse_faults

SCOPE, REPORTER, BATCH_ID = "88.999.1", "88.999", str(uuid4())


def header(table: str = "T9", **members: Any) -> Handed:
    """Return the header of a batch that the rows of a test come in."""
    told = {
        "profile": "idn-report/1",
        "batch_id": BATCH_ID,
        "reporter": REPORTER,
        "table": table,
        "schema": 1,
        "scope": SCOPE,
        "sequence": 1,
        "mode": "delta",
        "period": {"kind": "day", "start": "2031-05-05T16:00:00Z", "end": "2031-05-06T16:00:00Z"},
        "requires": [],
        "row_count": 1,
        "rows_sha256": "0" * 64,
        "created_at": "2031-05-06T16:10:02Z",
    }
    return msgspec.convert(told | members, Handed)


@dataclass
class Known:
    """What a test lets the collector know of other rows."""

    checks_references: bool = False
    operator: bool = True
    enterprises: frozenset[str] = frozenset({SCOPE})
    templates: dict[str, int] = field(default_factory=dict)
    elsewhere: tuple[str, str] | None = None
    holder: str | None = None
    events: dict[str, Event] = field(default_factory=dict)
    recoveries: dict[str, str] = field(default_factory=dict)

    def node(self) -> bool:
        return self.operator

    def enterprise(self, prefix: str) -> bool:
        return prefix in self.enterprises

    def template(self, metadata_id: str) -> Template | None:
        found = self.templates.get(metadata_id)
        return None if found is None else Template(found)

    def scope_of(self, _key: str) -> tuple[str, str] | None:
        return self.elsewhere

    def enterprise_with(self, _type: int, _number: str) -> str | None:
        return self.holder

    def event(self, event_no: str) -> Event | None:
        return self.events.get(event_no)

    def recovery_of(self, event_no: str) -> str | None:
        return self.recoveries.get(event_no)


def row(operation: int = 1, ver: int = 5, **members: Any) -> dict[str, Any]:
    data = {"enterprise_prefix": SCOPE, "identifier": f"{SCOPE}/A", "operation_type": operation}
    if operation != 2:
        data |= {"created_on": "2031-05-06", "metadata_id": f"{SCOPE}/TPL-1"}
    op = "delete" if operation == 2 else "upsert"
    return {"n": 1, "key": f"{SCOPE}/A", "op": op, "ver": ver, "at": "2031-05-06T01:02:03Z", "data": data, **members}


def code_of(judged: Mapping[str, Any], held: Held | None = None, known: Known | None = None, **told: Any) -> str | None:
    problem = judge(judged, header(**told), held, known or Known())
    return problem.code if problem else None


@pytest.mark.parametrize(
    ("operation", "held", "code"),
    [
        (1, None, None),
        (1, Held(4, deleted=False), None),
        (1, Held(4, deleted=True), None),
        (1, Held(5, deleted=False), "stale"),
        (1, Held(6, deleted=True), "stale"),
        (3, Held(4, deleted=False), None),
        (3, Held(4, deleted=True), "unknown_identifier"),
        (3, None, "unknown_identifier"),
        (2, Held(4, deleted=False), None),
        (2, None, "unknown_identifier"),
    ],
)
def test_a_row_is_judged_by_what_is_held_of_its_key(operation: int, held: Held | None, code: str | None) -> None:
    assert code_of(row(operation), held) == code


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"op": "delete"}, "schema"),
        ({"key": f"{SCOPE}/B"}, "schema"),
        ({"data": {**row()["data"], "enterprise_prefix": "88.999.2"}}, "forbidden"),
        ({"data": {**row()["data"], "identifier": "88.999.2/A"}, "key": "88.999.2/A"}, "unknown_prefix"),
        ({"data": {**row()["data"], "metadata_id": None}}, "required"),
        ({"data": {**row()["data"], "colour": "red"}}, "schema"),
    ],
)
def test_a_row_that_contradicts_itself_is_rejected(changed: dict[str, Any], code: str) -> None:
    assert code_of({**row(), **changed}) == code


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (Known(checks_references=True, operator=False), "unknown_prefix"),
        (Known(checks_references=True, enterprises=frozenset()), "unknown_enterprise"),
        (Known(checks_references=True), "unknown_template"),
        (Known(checks_references=True, templates={f"{SCOPE}/TPL-1": 2}), None),
        (Known(checks_references=True, templates={f"{SCOPE}/TPL-1": 1}), "required"),
    ],
)
def test_what_an_identifier_refers_to_must_have_been_told_before(known: Known, code: str | None) -> None:
    assert code_of(row(), known=known) == code


def fact(ver: int = 1, **members: Any) -> dict[str, Any]:
    data = {
        "prefix": SCOPE,
        "stat_date": "2031-05-06",
        "registrations_day": 1,
        "registrations_total": 9,
        "resolution_requests": 5,
        "resolution_successes": 4,
        "sources": [{"ip": "192.0.2.1", "count": 5}],
        "x_measured_by": "node",
        **members,
    }
    key = f"{SCOPE}|{data['stat_date']}"
    return {"n": 1, "key": key, "op": "upsert", "ver": ver, "at": "2031-05-06T16:00:00Z", "data": data}


PART = fact(part=1, parts=2, sources=[{"ip": "192.0.2.1", "count": 3}])


@pytest.mark.parametrize(
    ("judged", "held", "mode", "code"),
    [
        (fact(), None, "delta", None),
        (fact(sources=[{"ip": "192.0.2.1", "count": 4}]), None, "delta", "format"),
        (fact(resolution_successes=6), None, "delta", "format"),
        (fact(stat_date="2031-05-07"), None, "delta", "format"),
        (fact(2), Held(1, deleted=False, parts=(fact()["data"],)), "delta", "period_closed"),
        (fact(2), Held(1, deleted=False, parts=(fact()["data"],)), "revision", None),
        (fact(1), Held(1, deleted=False, parts=(fact()["data"],)), "delta", "stale"),
        (PART, None, "delta", None),
        (fact(part=2, parts=2, sources=[{"ip": "192.0.2.2", "count": 2}]), None, "delta", "format"),
        (
            fact(part=2, parts=2, sources=[{"ip": "192.0.2.2", "count": 2}]),
            Held(1, deleted=False, parts=(PART["data"],)),
            "delta",
            None,
        ),
        (
            fact(part=2, parts=2, sources=[{"ip": "192.0.2.2", "count": 1}]),
            Held(1, deleted=False, parts=(PART["data"],)),
            "delta",
            "format",
        ),
        (
            fact(part=2, parts=2, registrations_day=2, sources=[{"ip": "192.0.2.2", "count": 2}]),
            Held(1, deleted=False, parts=(PART["data"],)),
            "delta",
            "format",
        ),
    ],
)
def test_a_days_figures_add_up_and_are_told_once(
    judged: dict[str, Any], held: Held | None, mode: str, code: str | None
) -> None:
    assert code_of(judged, held, table="T8", mode=mode) == code


def test_a_day_that_is_not_over_has_no_figures_yet() -> None:
    assert code_of(fact(), table="T8", created_at="2031-05-06T15:59:59Z") == "format"


ABNORMAL, RECOVERED = f"{SCOPE}-20310506010203-0000000A", f"{SCOPE}-20310506010303-0000000B"


def event(event_type: str = "recovered", number: str = RECOVERED, **members: Any) -> dict[str, Any]:
    data = {"prefix": SCOPE, "event_type": event_type, "event_no": number, "occurred_at": "2031-05-06T01:03:03Z"}
    data |= {"abnormal_type": 1} if event_type == "abnormal" else {"related_event_no": ABNORMAL}
    return {"n": 1, "key": number, "op": "upsert", "ver": 1, "at": "2031-05-06T01:03:03Z", "data": data | members}


TOLD = {ABNORMAL: Event(SCOPE, "abnormal"), RECOVERED: Event(SCOPE, "recovered")}


@pytest.mark.parametrize(
    ("judged", "known", "code"),
    [
        (event("abnormal", ABNORMAL), Known(), None),
        (event("abnormal", ABNORMAL, abnormal_type=None), Known(), "required"),
        (event("abnormal", "7"), Known(), "format"),
        (event(), Known(events=TOLD), None),
        (event(), Known(), "unknown_identifier"),
        (event(related_event_no=RECOVERED), Known(events=TOLD), "unknown_identifier"),
        (event(), Known(events=TOLD, recoveries={ABNORMAL: "another"}), "duplicate"),
    ],
)
def test_a_recovery_ends_one_abnormal_event_that_was_told(
    judged: dict[str, Any], known: Known, code: str | None
) -> None:
    assert code_of(judged, known=known, table="E2") == code


def test_events_are_never_changed_nor_facts_deleted() -> None:
    assert code_of({**event("abnormal", ABNORMAL), "ver": 2}, Held(1, deleted=False), table="E2") == "duplicate"
    deletion = {"n": 1, "key": "x", "op": "delete", "ver": 2, "at": "2031-05-06T01:03:03Z"}
    assert code_of(deletion, Held(1, deleted=False), table="T8") == "schema"
    assert code_of(deletion, Held(1, deleted=False), table="T7") is None
    assert code_of(deletion, None, table="T7") == "unknown_identifier"


def route(**members: Any) -> dict[str, Any]:
    data = {
        "enterprise_prefix": SCOPE,
        "code_type": "Handle",
        "prefix_or_range": SCOPE,
        "ip_type": "IPv4",
        "ip_address": "192.0.2.17",
        "endpoints": [{"protocol": "TCP", "port": 2641}],
        "x_hosted": False,
        **members,
    }
    key = "|".join(str(data[name]) for name in ("code_type", "prefix_or_range", "ip_type", "ip_address"))
    return {"n": 1, "key": key, "op": "upsert", "ver": 1, "at": "2031-05-06T01:02:03Z", "data": data}


@pytest.mark.parametrize(
    ("judged", "known", "code"),
    [
        (route(), Known(), None),
        (route(prefix_or_range="88.999.2"), Known(), "forbidden"),
        (route(code_type="GS1", prefix_or_range="69"), Known(), "format"),
        (route(ip_type="IPv6"), Known(), "format"),
        (route(ip_address="192.0.2.017"), Known(), "format"),
        (route(code_type="URN"), Known(), "enum"),
        (route(endpoints=[{"protocol": "TCP", "port": 0}]), Known(), "format"),
        (route(), Known(elsewhere=(REPORTER, "88.999.2")), "duplicate"),
    ],
)
def test_a_route_belongs_to_its_enterprise_alone(judged: dict[str, Any], known: Known, code: str | None) -> None:
    assert code_of(judged, known=known, table="T7") == code


@pytest.mark.parametrize(
    ("measured", "code"),
    [
        ({}, None),
        ({"resolution_latency_avg_ms": 9.0}, "format"),
        ({"resolution_latency_avg_ms": None}, "required"),
        ({"resolution_latency_max_at": "2031-05-06T16:00:00Z"}, "format"),
        ({"registration_latency_avg_ms": 0}, "format"),
        ({"resolution_qps_max_at": None}, "required"),
        ({"x_registration_count": None}, "required"),
    ],
)
def test_measurements_lie_within_their_day_and_between_their_extremes(
    measured: dict[str, Any], code: str | None
) -> None:
    data = {
        "prefix": SCOPE,
        "stat_date": "2031-05-06",
        "x_resolution_count": 3,
        "x_registration_count": 0,
        "resolution_latency_avg_ms": 0.2,
        "resolution_latency_max_at": "2031-05-06T01:00:00Z",
        "resolution_latency_max_ms": 0.3,
        "resolution_latency_min_at": "2031-05-06T02:00:00Z",
        "resolution_latency_min_ms": 0.1,
        "resolution_qps_max": 2,
        "resolution_qps_max_at": "2031-05-06T01:00:00Z",
        **measured,
    }
    judged = {"n": 1, "key": f"{SCOPE}|2031-05-06", "op": "upsert", "ver": 1, "at": data["stat_date"], "data": data}
    assert code_of(judged, table="M2") == code


def test_check_characters_are_computed_as_the_standards_say() -> None:
    assert is_uscc("91990000MA0DEMAT2P")
    assert not is_uscc("91990000MA0DEMAT2Q")
    assert not is_uscc("91990000MA0DEMAT2I")
    assert is_identity_card("11010519491231002X")
    assert not is_identity_card("110105194912310021")


def content(rows: list[dict[str, Any]] | None = None, lines: bytes | None = None, **members: Any) -> bytes:
    told = [row()] if rows is None else rows
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in told) if lines is None else lines
    first = json.loads(msgspec.json.encode(header(row_count=len(told), rows_sha256=hashlib.sha256(lines).hexdigest())))
    first = {name: value for name, value in first.items() if value is not None} | members
    return json.dumps(first).encode() + b"\n" + lines


def read(sent: bytes, *, digest: str | None = None, encoding: str = "") -> Any:
    own = "sha-256=:" + base64.b64encode(hashlib.sha256(sent).digest()).decode() + ":"
    return read_batch(
        sent,
        path_id=BATCH_ID,
        reporter=REPORTER,
        digest=own if digest is None else digest,
        encoding=encoding,
        limits=Limits(),
    )


def test_a_batch_is_the_same_however_it_was_compressed() -> None:
    plain = read(content())
    packed = read(gzip.compress(content(), 9), encoding="gzip")
    assert plain.rows == packed.rows == [row()]
    assert plain.content_sha256 == packed.content_sha256


def test_unknown_header_members_are_ignored_only_if_they_begin_with_x() -> None:
    assert read(content(x_colour="red")).rows
    assert read(content([], scope=REPORTER, x_covers="unchanged")).rows == []
    with pytest.raises(Problem, match="unknown header members"):
        read(content(colour="red"))


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"", 400, "malformed"),
        (content()[:-1], 400, "malformed"),
        (content(batch_id=str(uuid4())), 400, "malformed"),
        (content(reporter="88.998"), 400, "malformed"),
        (content(mode="full"), 400, "malformed"),
        (content(sequence=0), 400, "malformed"),
        (content(created_at="yesterday"), 400, "malformed"),
        (content(profile="idn-report/2"), 400, "malformed"),
        (content(table="T12"), 404, "unknown_table"),
        (content(table="T3"), 403, "forbidden_scope"),
        (content(mode="revision"), 400, "malformed"),
        (content(full={"id": BATCH_ID, "part": 1, "last": True}), 400, "malformed"),
        (content(mode="full", full={"id": BATCH_ID, "part": 0, "last": True}), 400, "malformed"),
        (content(x_covers="unchanged"), 400, "malformed"),
        (
            content(period={"kind": "hour", "start": "2031-05-05T16:00:00Z", "end": "2031-05-05T17:00:00Z"}),
            400,
            "malformed",
        ),
        (
            content(period={"kind": "day", "start": "2031-05-05T00:00:00Z", "end": "2031-05-06T00:00:00Z"}),
            400,
            "malformed",
        ),
        (
            content(period={"kind": "day", "start": "2031-05-05T16:00:00Z", "end": "2031-05-07T16:00:00Z"}),
            400,
            "malformed",
        ),
        (content(requires=[{"table": "T12", "scope": SCOPE, "sequence": 1}]), 400, "malformed"),
        (content(batch_id=BATCH_ID.upper()), 400, "malformed"),
        (content(schema=2), 422, "schema_unsupported"),
        (content(scope="88.9991"), 403, "forbidden_scope"),
        (content(row_count=2), 422, "row_count_mismatch"),
        (content(rows_sha256="0" * 64), 422, "digest_mismatch"),
        (content([row(n=2)]), 400, "malformed"),
        (content([row(ver=0)]), 400, "malformed"),
        (content([row(colour="red")]), 400, "malformed"),
        (content([row(key="x" * 401)]), 400, "malformed"),
        (content([], lines=b"[]\n", row_count=1), 400, "malformed"),
        (content([], lines=b'{"n":1,"n":1}\n', row_count=1), 400, "malformed"),
        (content([], lines=b"\n" * 2_001, row_count=2_001), 413, "too_large"),
        (content([], lines=b" " * 262_144 + b"\n", row_count=1), 413, "too_large"),
        (content() + b" " * 8_388_608 + b"\n", 413, "too_large"),
    ],
)
def test_a_batch_that_breaks_the_profile_is_refused_as_a_whole(sent: bytes, status: int, code: str) -> None:
    with pytest.raises(Problem) as caught:
        read(sent)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_a_digest_that_is_not_of_the_content_as_sent_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        read(content(), digest="sha-256=:" + base64.b64encode(bytes(32)).decode() + ":")
    assert caught.value.code == "digest_mismatch"
    with pytest.raises(Problem) as caught:
        read(content(), digest="md5=:AAAA:")
    assert caught.value.code == "malformed"


def test_other_encodings_and_bombs_are_refused() -> None:
    with pytest.raises(Problem) as caught:
        read(content(), encoding="br")
    assert (caught.value.status, caught.value.code) == (415, "unsupported_encoding")
    with pytest.raises(Problem) as caught:
        read(body.compress(bytes(9 * 2**20)), encoding="gzip")
    assert (caught.value.status, caught.value.code) == (413, "too_large")
    with pytest.raises(Problem) as caught:
        read(b"no gzip", encoding="gzip")
    assert caught.value.code == "malformed"


def test_faults_are_read_from_text_and_repeat_with_their_seed() -> None:
    faults = parse_faults("lose-acks=0.5, slow-ms=20,retry-after-s=0")
    assert faults == Faults(lose_acks=0.5, slow_ms=20, retry_after_s=0)
    first, again = FaultSource(faults, 7), FaultSource(faults, 7)
    assert [first.strikes(0.5) for _ in range(50)] == [again.strikes(0.5) for _ in range(50)]
    refusing = FaultSource(parse_faults("refuse=0.5"), 7)
    assert {refusing.refuses(f"k{n}", 1) for n in range(50)} == {True, False}
    assert refusing.refuses("k1", 1) == refusing.refuses("k1", 1)


@pytest.mark.parametrize("text", ["earthquake=1", "reject", "reject=often", "reject=1.5", "slow-ms=-1"])
def test_a_fault_that_does_not_exist_is_refused_with_what_does(text: str) -> None:
    with pytest.raises(FaultsError):
        parse_faults(text)


def test_faults_change_while_it_runs_and_an_outage_ends_by_itself() -> None:
    time = 0.0
    source = FaultSource(Faults(lose_acks=0.5), 1, clock=lambda: time)
    source.change(change_faults(source.faults, {"down-s": 30, "reject": "0.1"}))
    assert source.faults == Faults(lose_acks=0.5, down_s=30, reject=0.1)
    assert source.is_down()
    time = 30.0
    assert not source.is_down()
