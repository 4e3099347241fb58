"""Clauses about each table: a full row is taken, a broken one is rejected, with the right code (contract 3 to 5)."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from sync.rehearsal import rows
from sync.rehearsal.clause import Broken, Clause, Clauses, must, require, taken
from sync.rehearsal.reporter import Reporter
from sync.rehearsal.rows import Data

CLAUSES: Final = Clauses()
PDF: Final = b"%PDF-1.4\n% a rehearsal\n"


def pdf(reporter: Reporter) -> tuple[bytes, Data]:
    """Return a document of this run, and the reference to it."""
    content = PDF + reporter.random.encode()
    return content, rows.file_reference(hashlib.sha256(content).hexdigest(), len(content))


async def upload(reporter: Reporter) -> Data:
    """Upload the run's document and return the reference."""
    content, reference = pdf(reporter)
    path, headers = f"/v1/attachments/{reference['sha256']}", {"Content-Type": reference["media_type"]}
    answer = await reporter.ask("PUT", path, content, headers=headers)
    require(answer.status in (200, 201), f"expected 200 or 201, got {answer}")
    return reference


@CLAUSES.clause("9.6", "a row that refers to a file waits for it: 424 names the file and consumes nothing")
async def _file_missing(reporter: Reporter) -> None:
    reference = pdf(reporter)[1]
    answer = must(await reporter.tell("T1", [rows.operator(reporter.prefix, reference)]), 424, "dependency_missing")
    missing = answer.value.get("missing")
    require(missing == [{"attachment": reference["sha256"]}], f"missing is {missing}")


@CLAUSES.clause("9.9", "a file is taken once, by its digest, and no other content under it")
async def _attachments(reporter: Reporter) -> None:
    content, reference = pdf(reporter)
    path, headers = f"/v1/attachments/{reference['sha256']}", {"Content-Type": reference["media_type"]}
    require((await reporter.ask("HEAD", path)).status == 404, "the file is there before it was sent")  # noqa: PLR2004
    must(await reporter.ask("PUT", path, content + b"x", headers=headers), 422, "digest_mismatch")
    must(await reporter.ask("PUT", path, content, headers=headers), 201)
    must(await reporter.ask("PUT", path, content, headers=headers), 200)
    require((await reporter.ask("HEAD", path)).status == 200, "HEAD does not know the file")  # noqa: PLR2004


_Wrong: TypeAlias = Mapping[str, tuple[tuple[str, Any], ...]]


class Sample(NamedTuple):
    """How a table is tried: a full row, and what makes it wrong, by the code of the rejection."""

    table: str
    title: str
    full: Callable[[Reporter, Data], Data]
    wrong: _Wrong


_SCHEMA: Final = ("colour", "red")
_DAILY_WRONG: Final[_Wrong] = {
    "required": (("resolution_requests", None),),
    "format": (("resolution_successes", 6), ("sources", []), ("stat_date", "2024-13-01")),
    "schema": (_SCHEMA, ("registrations_day", "1")),
}
_ROUTE_WRONG: Final[_Wrong] = {
    "required": (("endpoints", None),),
    "enum": (("code_type", "URN"),),
    "format": (("ip_address", "192.0.2.017"), ("ip_type", "IPv6"), ("endpoints", [{"protocol": "TCP", "port": 0}])),
    "schema": (_SCHEMA,),
}
_TEMPLATE_WRONG: Final[_Wrong] = {
    "required": (("elements", None), ("industry", {"category": "C", "specific": "34", "trade": "344"})),
    "enum": (("object_type", 3),),
    "format": (("industry", {"category": "A", "specific": "34", "trade": "344", "subclass": "3441"}),),
    "length": (("version", "x" * 129),),
    "schema": (_SCHEMA,),
}
_APPLICATION_WRONG: Final[_Wrong] = {
    "required": (("app_name", None),),
    "enum": (("app_type", 6),),
    "format": (("month", "2024-04"),),
    "length": (("app_intro", "x" * 1025),),
    "schema": (_SCHEMA, ("app_users", "10")),
}
_ORGANISATION_WRONG: Final[_Wrong] = {
    "required": (("contact_name", None), ("site_resolution_server", {"deploy_mode": 1})),
    "enum": (("org_nature", 6),),
    "format": (
        ("org_address_city", "310100"),
        ("industry_specific", "01"),
        ("legal_rep_id_number", "110105194912310021"),
        ("org_name", "示例 "),
    ),
    "length": (("org_name", "x" * 256),),
    "schema": (_SCHEMA,),
}
_MEASURED_WRONG: Final[_Wrong] = {
    "required": (("x_resolution_count", None), ("resolution_latency_max_at", None)),
    "format": (("registration_latency_avg_ms", 0), ("resolution_latency_avg_ms", 0.1234)),
    "schema": (_SCHEMA,),
}
_EVENT_WRONG: Final[_Wrong] = {
    "required": (("abnormal_type", None),),
    "enum": (("event_type", "odd"), ("abnormal_type", 5)),
    "schema": (_SCHEMA,),
}


def _below(reporter: Reporter, data: Data) -> Data:
    return {**data, "enterprise_prefix": reporter.enterprise}


def _app(reporter: Reporter) -> Data:
    return rows.application(f"app-{reporter.random}", "2024-05")


SAMPLES: Final = (
    Sample("T1", "the operator", lambda who, file: rows.operator(who.prefix, file), _ORGANISATION_WRONG),
    Sample("T2", "where the node resolves", lambda who, _: rows.route(who.prefix), _ROUTE_WRONG),
    Sample("T3", "the node's day", lambda who, _: rows.statistics(who.prefix, who.day), _DAILY_WRONG),
    Sample(
        "T4", "a template of the node", lambda who, _: rows.template(f"{who.prefix}/TPL-{who.random}"), _TEMPLATE_WRONG
    ),
    Sample("T5", "an application of the node", lambda who, _: _app(who), _APPLICATION_WRONG),
    Sample(
        "T6",
        "an enterprise",
        lambda who, _: rows.enterprise(who.enterprise, f"ent-{who.random}", f"R-{who.random}"),
        {**_ORGANISATION_WRONG, "required": (("x_verification", None), ("enterprise_prefixes", None))},
    ),
    Sample("T7", "a route of an enterprise", lambda who, _: rows.enterprise_route(who.enterprise), _ROUTE_WRONG),
    Sample(
        "T8",
        "an enterprise's day",
        lambda who, _: {**rows.statistics(who.enterprise, who.day), "x_measured_by": "node"},
        _DAILY_WRONG,
    ),
    Sample(
        "T11",
        "a template of an enterprise",
        lambda who, _: _below(who, rows.template(f"{who.enterprise}/TPL-1")),
        _TEMPLATE_WRONG,
    ),
    Sample(
        "T9",
        "an identifier",
        lambda who, _: rows.identifier(who.enterprise, "PUMP-0001", f"{who.enterprise}/TPL-1"),
        {
            "required": (("metadata_id", None), ("created_on", None)),
            "enum": (("operation_type", 4),),
            "format": (("created_on", "2024-02-30"), ("product_name", " x")),
            "length": (("product_name", "x" * 256),),
            "schema": (_SCHEMA, ("product_type", 7)),
        },
    ),
    Sample(
        "T10",
        "an application of an enterprise",
        lambda who, _: _below(who, {**_app(who), "app_id": f"app-{who.random}-e"}),
        _APPLICATION_WRONG,
    ),
    Sample("M1", "the node's performance", lambda who, _: rows.performance(who.prefix, who.day), _MEASURED_WRONG),
    Sample(
        "M2", "an enterprise's performance", lambda who, _: rows.performance(who.enterprise, who.day), _MEASURED_WRONG
    ),
    Sample(
        "E1", "an event of the node", lambda who, _: rows.abnormal(who.prefix, who.event_no(who.prefix)), _EVENT_WRONG
    ),
    Sample(
        "E2",
        "an event of an enterprise",
        lambda who, _: rows.abnormal(who.enterprise, who.event_no(who.enterprise)),
        _EVENT_WRONG,
    ),
)


def _rejecting(sample: Sample) -> Callable[[Reporter], Awaitable[None]]:
    async def check(reporter: Reporter) -> None:
        file = await upload(reporter)
        right = sample.full(reporter, file)
        key = reporter.row(sample.table, right)["key"]
        wrong = [(code, name, value) for code, cases in sample.wrong.items() for name, value in cases]
        told = []
        for n, (_, name, value) in enumerate(wrong, start=1):
            data = {member: one for member, one in {**right, name: value}.items() if one is not None}
            told.append({**reporter.row(sample.table, data, n), "key": key, "op": "upsert"})
        receipt = must(await reporter.tell(sample.table, told), 200).value
        found = {one["n"]: one["code"] for one in receipt.get("rejections", ())}
        for n, (code, name, value) in enumerate(wrong, start=1):
            if found.get(n) != code:
                raise Broken(f"{name} = {str(value)[:40]!r}: expected {code}, got {found.get(n, 'acceptance')}")

    return check


def _taking(sample: Sample) -> Callable[[Reporter], Awaitable[None]]:
    async def check(reporter: Reporter) -> None:
        file = await upload(reporter)
        taken(await reporter.tell(sample.table, [{**sample.full(reporter, file), "x_rehearsal": True}]))

    return check


for one in SAMPLES:
    ways = sum(map(len, one.wrong.values()))
    CLAUSES.append(Clause("3–5", f"{one.table}: {one.title}, broken in {ways} ways, is rejected", _rejecting(one)))
    CLAUSES.append(Clause("3–5", f"{one.table}: {one.title} is taken", _taking(one)))
