"""Clauses about monthly reports, directives and digests (contract 6, 9.9, 9.10, and our reconciliation)."""

import hashlib
from typing import Final
from urllib.parse import quote

import msgspec

from sync.rehearsal import rows
from sync.rehearsal.clause import Clauses, NotOffered, must, require
from sync.rehearsal.on_the_tables import upload
from sync.rehearsal.reporter import Answer, Reporter

CLAUSES: Final = Clauses()
HTTP_NOT_FOUND: Final = 404
JSON: Final = {"Content-Type": "application/json"}


@CLAUSES.clause("9.9", "a monthly report is taken; a later one needs a higher revision; a wrong one is refused")
async def _monthly(reporter: Reporter) -> None:
    month = f"{1900 + int(reporter.random, 16) // 12 % 100}-{int(reporter.random, 16) % 12 + 1:02d}"
    file = await upload(reporter)
    held = await reporter.ask("GET", f"/v1/monthly-reports/{month}")
    revision = held.value["revision"] + 1 if held.status == 200 else 0  # noqa: PLR2004 - HTTP
    report = rows.monthly_report(reporter.prefix, month, revision, file)
    must(await _put_report(reporter, month, {**report, "sla_percent": 101}), 400, "malformed")
    must(await _put_report(reporter, month, {**report, "month": "2024-13"}), 400, "malformed")
    unknown = {**file, "sha256": hashlib.sha256(b"never sent").hexdigest()}
    must(await _put_report(reporter, month, {**report, "documents": [unknown]}), 424, "dependency_missing")
    answer = must(await _put_report(reporter, month, report), 200).value
    require(answer.get("month") == month and answer.get("revision") == revision, f"the answer is {answer}")
    require(isinstance(answer.get("in_time"), bool), "the answer does not say whether it is in time")
    must(await _put_report(reporter, month, {**report, "operator_name": "另一单位"}), 409, "stale")
    must(await _put_report(reporter, month, {**report, "revision": revision + 1}), 200)


async def _put_report(reporter: Reporter, month: str, report: rows.Data) -> Answer:
    return await reporter.ask("PUT", f"/v1/monthly-reports/{month}", msgspec.json.encode(report), headers=JSON)


@CLAUSES.clause("9.10", "directives are listed; one that was never issued cannot be answered")
async def _directives(reporter: Reporter) -> None:
    listed = must(await reporter.ask("GET", "/v1/directives?after=&limit=100"), 200).value["directives"]
    require(all({"id", "issued_at", "kind", "body"} <= one.keys() for one in listed), "a directive lacks members")
    answer = await reporter.ask("POST", "/v1/directives/never-issued/ack", b'{"result":"done","text":""}', headers=JSON)
    require(answer.status == HTTP_NOT_FOUND, f"expected 404, got {answer}")


@CLAUSES.clause("9.8", "digests tell what is held, in ranges that add up")
async def _digests(reporter: Reporter) -> None:
    path = f"/v1/digests/T9/{reporter.enterprise}"
    answer = await reporter.ask("GET", f"{path}?rows=true&depth=2")
    if answer.status == HTTP_NOT_FOUND:
        raise NotOffered("the collector has no digests")
    told = must(answer, 200).value
    lines = b"".join(f"{one['key']}\0{one['ver']}\n".encode() for one in told["rows"])
    require(told["sha256"] == hashlib.sha256(lines).hexdigest(), "the digest is not that of the rows")
    require(len(told["ranges"]) == min(4, told["count"]), f"there are {len(told['ranges'])} ranges")
    require(sum(one["count"] for one in told["ranges"]) == told["count"], "the ranges do not add up")
    second = told["ranges"][1]
    bounds = f"?from={quote(second['from'])}&to={quote(second['to'])}"
    alone = must(await reporter.ask("GET", path + bounds), 200).value
    require((alone["count"], alone["sha256"]) == (second["count"], second["sha256"]), "a range asked for alone differs")
    must(await reporter.ask("GET", f"{path}?depth=9"), 400, "malformed")
