"""Clauses about rows among each other: versions, references, facts, pairs, full sets (contract 4.9, 9.4 to 9.8)."""

from typing import Any, Final

from sync.rehearsal import rows
from sync.rehearsal.clause import Clauses, NotOffered, must, require, taken
from sync.rehearsal.reporter import Answer, Reporter

CLAUSES: Final = Clauses()
ADD: Final = 1
DELETE: Final = 2
MODIFY: Final = 3
INLINE_MAX: Final = 1_000
HTTP_NOT_FOUND: Final = 404


def _identifier(reporter: Reporter, name: str, operation: int = ADD) -> rows.Data:
    return rows.identifier(reporter.enterprise, name, f"{reporter.enterprise}/TPL-1", operation)


@CLAUSES.clause("9.4", "a period with nothing to tell is told by an empty batch; one may cover every enterprise")
async def _empty(reporter: Reporter) -> None:
    taken(await reporter.tell("T9", []))
    taken(await reporter.tell("T9", [], scope=reporter.prefix, x_covers="unchanged"))


@CLAUSES.clause("9.5", "of a batch with one good and one bad row, the good one is stored and the sequence consumed")
async def _partial(reporter: Reporter) -> None:
    bad = {**_identifier(reporter, "BAD"), "created_on": "today"}
    answer = taken(await reporter.tell("T9", [_identifier(reporter, "GOOD"), bad]), {2: "format"})
    path = f"/v1/batches/{answer.value['batch_id']}/rejections?after_n=1&limit=10"
    page = must(await reporter.ask("GET", path), 200).value["rejections"]
    require([(one["n"], one["code"]) for one in page] == [(2, "format")], f"the page of rejections is {page}")


@CLAUSES.clause("9.5", "more rejections than a receipt holds are read in pages")
async def _many_rejections(reporter: Reporter) -> None:
    limits = must(await reporter.ask("GET", "/v1/capabilities"), 200).value["limits"]
    count = INLINE_MAX + 50
    if limits["max_rows"] < count:
        raise NotOffered(f"batches hold {limits['max_rows']} rows at most")
    told = [{**_identifier(reporter, f"N{n}"), "created_on": "today"} for n in range(count)]
    receipt = must(await reporter.tell("T9", told), 200).value
    require(len(receipt["rejections"]) <= INLINE_MAX and receipt["rejections_more"], "all came inline")
    after, found = 0, set[int]()
    while page := await _page(reporter, receipt["batch_id"], after):
        found |= {one["n"] for one in page}
        require(page[-1]["n"] > after, "a page does not go on")
        after = page[-1]["n"]
    require(found == set(range(1, count + 1)), f"the pages hold {len(found)} of {count}")


async def _page(reporter: Reporter, batch_id: str, after: int) -> list[dict[str, Any]]:
    answer = must(await reporter.ask("GET", f"/v1/batches/{batch_id}/rejections?after_n={after}&limit=400"), 200)
    return list(answer.value["rejections"])


@CLAUSES.clause("9.5", "a version that is not newer is stale")
async def _stale(reporter: Reporter) -> None:
    row = reporter.row("T9", _identifier(reporter, "STALE"))
    taken(await reporter.tell("T9", [row]))
    taken(await reporter.tell("T9", [row]), {1: "stale"})
    taken(await reporter.tell("T9", [{**row, "ver": row["ver"] - 1}]), {1: "stale"})


@CLAUSES.clause(
    "4.9", "identifiers are added, modified, deleted and added again; unknown ones are not modified or deleted"
)
async def _operations(reporter: Reporter) -> None:
    for operation in (MODIFY, DELETE):
        taken(await reporter.tell("T9", [_identifier(reporter, "OPS", operation)]), {1: "unknown_identifier"})
    for operation in (ADD, MODIFY, DELETE, ADD):
        taken(await reporter.tell("T9", [_identifier(reporter, "OPS", operation)]))


@CLAUSES.clause("4.9", "a day's changes of one identifier are one row, or two: added and deleted, deleted and added")
async def _collapsed(reporter: Reporter) -> None:
    taken(await reporter.tell("T9", [_identifier(reporter, "DAY", operation) for operation in (ADD, DELETE)]))
    taken(await reporter.tell("T9", [_identifier(reporter, "DAY2")]))
    taken(await reporter.tell("T9", [_identifier(reporter, "DAY2", operation) for operation in (DELETE, ADD)]))
    three = [_identifier(reporter, "DAY3", operation) for operation in (ADD, MODIFY)]
    taken(await reporter.tell("T9", three), {2: "format"})


@CLAUSES.clause("9.5", "a row that belongs to another prefix, or whose key is another's, is rejected")
async def _foreign(reporter: Reporter) -> None:
    other = f"{reporter.prefix}.{int(reporter.random, 16) + 1}"
    taken(await reporter.tell("T9", [rows.identifier(other, "A", "x")]), {1: "forbidden"})
    row = reporter.row("T9", _identifier(reporter, "KEY"))
    taken(await reporter.tell("T9", [{**row, "key": f"{reporter.enterprise}/OTHER"}]), {1: "schema"})
    outside = {**_identifier(reporter, "X"), "identifier": f"{other}/X"}
    taken(await reporter.tell("T9", [outside]), {1: "unknown_prefix"})


@CLAUSES.clause("9.6", "an identifier whose template was not told is rejected, and the rows behind it are not")
async def _unknown_template(reporter: Reporter) -> None:
    missing = rows.identifier(reporter.enterprise, "TPL", f"{reporter.enterprise}/TPL-9")
    taken(await reporter.tell("T9", [missing, _identifier(reporter, "BEHIND")]), {1: "unknown_template"})


@CLAUSES.clause("4.9", "an active identifier without terminal type, owner, purpose and serial number is rejected")
async def _active(reporter: Reporter) -> None:
    name = f"{reporter.enterprise}/TPL-2"
    template = {**rows.template(name, object_type=1), "enterprise_prefix": reporter.enterprise}
    taken(await reporter.tell("T11", [template]))
    bare = rows.identifier(reporter.enterprise, "ACTIVE", name)
    whole = {**bare, "terminal_type": "SIM", "owner": "示例", "purpose": "演练", "serial_or_imei": "1"}
    taken(await reporter.tell("T9", [bare]), {1: "required"})
    taken(await reporter.tell("T9", [whole]))


@CLAUSES.clause("9.6", "rows of an enterprise that was not told are rejected")
async def _unknown_enterprise(reporter: Reporter) -> None:
    other = f"{reporter.prefix}.{int(reporter.random, 16) + 2}"
    answer = await reporter.tell("T7", [rows.enterprise_route(other)], scope=other)
    taken(answer, {1: "unknown_enterprise"})


@CLAUSES.clause("9.6", "a batch that requires what is not there gets 424 with what is missing, and consumes nothing")
async def _dependency(reporter: Reporter) -> None:
    needed = {"table": "T11", "scope": reporter.enterprise, "sequence": 1_000_000}
    before = await reporter.next_sequence("T9", reporter.enterprise)
    answer = must(await reporter.tell("T9", [], requires=[needed]), 424, "dependency_missing")
    require(answer.value.get("missing") == [needed], f"missing is {answer.value.get('missing')}")
    fulfilled = {**needed, "sequence": 1}
    taken(await reporter.tell("T9", [], requires=[fulfilled]))
    require(await reporter.next_sequence("T9", reporter.enterprise) == before + 1, "a sequence was lost")


@CLAUSES.clause("9.5", "a route that another enterprise holds, and an organisation told twice, are duplicates")
async def _duplicates(reporter: Reporter) -> None:
    other = f"{reporter.enterprise}.1"
    again = rows.enterprise(other, f"ent-{reporter.random}-2", f"R-{reporter.random}")
    taken(await reporter.tell("T6", [again], scope=other), {1: "duplicate"})
    taken(await reporter.tell("T6", [{**again, "org_id_number": f"R-{reporter.random}-2"}], scope=other))
    route = {**rows.enterprise_route(other), "code_type": "GS1", "prefix_or_range": _gs1(reporter)}
    taken(await reporter.tell("T7", [{**route, "enterprise_prefix": reporter.enterprise}]))
    taken(await reporter.tell("T7", [route], scope=other), {1: "duplicate"})


def _gs1(reporter: Reporter) -> str:
    return f"{int(reporter.random, 16):012d}"[-12:]


@CLAUSES.clause("9.5", "a day's figures are told once; a correction says that it is one")
async def _closed(reporter: Reporter) -> None:
    fact = {**rows.statistics(reporter.enterprise, reporter.day), "x_measured_by": "node"}
    taken(await reporter.tell("T8", [fact]), {1: "period_closed"})
    taken(await reporter.tell("T8", [{**fact, "registrations_day": 2}], mode="revision"))


@CLAUSES.clause("4.3", "figures with more sources than a row holds come in parts, in order, and add up")
async def _parts(reporter: Reporter) -> None:
    fact = {**rows.statistics(reporter.enterprise, reporter.day), "x_measured_by": "node", "parts": 2}
    first = {**fact, "part": 1, "sources": [{"ip": "192.0.2.1", "count": 3}]}
    second = {**fact, "part": 2, "sources": [{"ip": "192.0.2.2", "count": 2}]}
    short = {**second, "sources": [{"ip": "192.0.2.2", "count": 1}]}
    taken(await _one_version(reporter, [second]), {1: "format"})
    taken(await _one_version(reporter, [first, short]), {2: "format"})
    taken(await _one_version(reporter, [first, second]))


async def _one_version(reporter: Reporter, data: list[rows.Data]) -> Answer:
    told = [reporter.row("T8", one, n) for n, one in enumerate(data, start=1)]
    return await reporter.tell("T8", [{**row, "ver": told[0]["ver"]} for row in told], mode="revision")


@CLAUSES.clause("5.2", "an abnormal event has exactly one recovery, told after it; events are never changed")
async def _pairs(reporter: Reporter) -> None:
    who = reporter.enterprise
    abnormal, end, other = reporter.event_no(who), reporter.event_no(who), reporter.event_no(who)
    taken(await reporter.tell("E2", [rows.recovered(who, end, abnormal)]), {1: "unknown_identifier"})
    taken(await reporter.tell("E2", [rows.abnormal(who, abnormal), rows.recovered(who, end, abnormal)]))
    taken(await reporter.tell("E2", [rows.recovered(who, other, abnormal)]), {1: "duplicate"})
    taken(await reporter.tell("E2", [rows.abnormal(who, abnormal)]), {1: "duplicate"})


@CLAUSES.clause("9.8", "a full set in two parts deletes what it does not name")
async def _full_set(reporter: Reporter) -> None:
    scope, full_id = reporter.enterprise, f"00000000-0000-4000-8000-0000{reporter.random}"
    first, second = ({**rows.template(f"{scope}/TPL-{n}"), "enterprise_prefix": scope} for n in (1, 3))
    part = {"id": full_id, "part": 1, "last": False}
    must(await reporter.tell("T11", [second], mode="full", full={**part, "part": 2}), 400, "malformed")
    taken(await reporter.tell("T11", [first], mode="full", full=part))
    taken(await reporter.tell("T11", [second], mode="full", full={**part, "part": 2, "last": True}))
    answer = await reporter.ask("GET", f"/v1/digests/T11/{scope}?rows=true")
    if answer.status == HTTP_NOT_FOUND:
        raise NotOffered("the collector has no digests to look with")
    held = [one["key"] for one in must(answer, 200).value["rows"]]
    require(held == [f"{scope}/TPL-1", f"{scope}/TPL-3"], f"held are {held}")


@CLAUSES.clause("9.3", "a deletion of a table other than T9 carries no data")
async def _deletion(reporter: Reporter) -> None:
    row = reporter.row("T7", rows.enterprise_route(reporter.enterprise))
    must(await reporter.tell("T7", [{**row, "op": "delete"}]), 400, "malformed")
    bare = {name: value for name, value in row.items() if name != "data"}
    taken(await reporter.tell("T7", [{**bare, "op": "delete"}]))
    taken(await reporter.tell("T7", [{**bare, "op": "delete", "ver": row["ver"] + 1}]), {1: "unknown_identifier"})
