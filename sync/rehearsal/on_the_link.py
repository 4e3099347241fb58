"""Clauses about who speaks and in which form: capabilities, signatures, whole batches (contract 9.1 to 9.3, 9.11)."""

import hashlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

from identifiers.signing_keys import generate
from sync.batch import PROFILE
from sync.rehearsal.clause import Broken, Clauses, NotOffered, must, require, taken
from sync.rehearsal.reporter import Reporter, packed
from sync.rehearsal.rows import identifier

CLAUSES: Final = Clauses()
TABLES: Final = {*(f"T{n}" for n in range(1, 12)), "M1", "M2", "E1", "E2"}
HARD_LIMITS: Final = {"max_rows": 10_000, "max_bytes": 32 * 2**20, "max_line_bytes": 2**20, "max_parallel": 64}
STREAMS: Final = "/v1/streams?limit=1"


@CLAUSES.clause("9.13", "capabilities name the profile, every table, limits, gzip and the time")
async def _capabilities(reporter: Reporter) -> None:
    told = must(await reporter.ask("GET", "/v1/capabilities"), 200).value
    require(PROFILE in told["profiles"], f"profiles are {told['profiles']}")
    missing = {name for name in TABLES if 1 not in told["tables"].get(name, [])}
    require(not missing, f"schema 1 is not taken of {sorted(missing)}")
    for name, most in HARD_LIMITS.items():
        require(0 < told["limits"].get(name, 0) <= most, f"{name} is {told['limits'].get(name)}, at most {most}")
    away = abs(datetime.now(UTC) - datetime.fromisoformat(told["server_time"]))
    require(away < timedelta(minutes=5), f"the collector's clock is {away} away")
    require("gzip" in told.get("encodings", []), "gzip is not among the encodings")


@CLAUSES.clause("9.1", "a request that names another profile is refused")
async def _other_profile(reporter: Reporter) -> None:
    must(await reporter.ask("GET", STREAMS, headers={"Idn-Profile": "idn-report/0"}), 400, "malformed")


@CLAUSES.clause("9.11", "an unsigned request is refused, and the answer tells the time")
async def _unsigned(reporter: Reporter) -> None:
    _needs_key(reporter)
    answer = must(await reporter.ask("GET", STREAMS, signed=False), 401, "signature_missing")
    require("server_time" in answer.value, "the answer has no server_time")


@CLAUSES.clause("9.11", "a signature that differs in one octet is refused")
async def _broken_signature(reporter: Reporter) -> None:
    _needs_key(reporter)
    must(await reporter.ask("GET", STREAMS, break_signature=True), 401, "signature_invalid")


@CLAUSES.clause("9.11", "a signature made ten minutes ago, or in ten minutes, is refused")
async def _old_signature(reporter: Reporter) -> None:
    _needs_key(reporter)
    for minutes in (-10, 10):
        at = datetime.now(UTC) + timedelta(minutes=minutes)
        answer = must(await reporter.ask("GET", STREAMS, at=at), 401, "clock_skew")
        require("server_time" in answer.value, "the answer has no server_time")


@CLAUSES.clause("9.11", "a repeated nonce is refused")
async def _repeated_nonce(reporter: Reporter) -> None:
    _needs_key(reporter)
    nonce = os.urandom(16)
    must(await reporter.ask("GET", STREAMS, nonce=nonce), 200)
    must(await reporter.ask("GET", STREAMS, nonce=nonce), 401, "signature_invalid")


@CLAUSES.clause("9.11", "an unknown key is refused")
async def _unknown_key(reporter: Reporter) -> None:
    _needs_key(reporter)
    stranger = generate(f"{reporter.prefix}#stranger")
    must(await reporter.ask("GET", STREAMS, key=stranger), 401, "key_unknown")


@CLAUSES.clause("9.11", "a header that the signature must cover cannot be changed behind it")
async def _changed_behind(reporter: Reporter) -> None:
    _needs_key(reporter)
    content = reporter.batch("T9", reporter.enterprise, 1, [])[1]
    other = "sha-256=:" + "A" * 43 + "=:"
    answer = await reporter.put(str(uuid.uuid4()), content, headers={"Content-Digest": other})
    require(answer.status in (401, 422), f"expected 401 or 422, got {answer}")


@CLAUSES.clause("9.3", "a right batch is taken, plain and compressed, and told again gives the same receipt")
async def _taken_twice(reporter: Reporter) -> None:
    scope = reporter.enterprise
    sequence = await reporter.next_sequence("T9", scope)
    batch_id, content = reporter.batch("T9", scope, sequence, [])
    first = taken(await reporter.put(batch_id, packed(content), headers={"Content-Encoding": "gzip"}))
    reporter.sequences["T9", scope] = sequence
    again = taken(await reporter.put(batch_id, content))
    require(first.value == again.value, "the second receipt differs from the first")
    named = {name: first.value.get(name) for name in ("table", "scope", "sequence", "next_sequence")}
    expected = {"table": "T9", "scope": scope, "sequence": sequence, "next_sequence": sequence + 1}
    require(named == expected, f"the receipt names {named}")
    require(first.value["rows_sha256"] == hashlib.sha256(b"").hexdigest(), "the receipt has another rows_sha256")
    later = must(await reporter.ask("GET", f"/v1/batches/{batch_id}"), 200)
    require(later.value == first.value, "asked for later, the receipt differs")


@CLAUSES.clause("9.7", "a batch id used for other content is a conflict")
async def _conflict(reporter: Reporter) -> None:
    scope = reporter.enterprise
    sequence = await reporter.next_sequence("T9", scope)
    batch_id, content = reporter.batch("T9", scope, sequence, [])
    taken(await reporter.put(batch_id, content))
    reporter.sequences["T9", scope] = sequence
    other = reporter.batch("T9", scope, sequence, [], batch_id=batch_id, producer="another")[1]
    must(await reporter.put(batch_id, other), 409, "batch_conflict")


@CLAUSES.clause("9.2", "a sequence that is not the next one is refused, tells the expected one and consumes nothing")
async def _out_of_order(reporter: Reporter) -> None:
    scope = reporter.enterprise
    following = await reporter.next_sequence("T9", scope)
    for sequence in (following - 1, following + 1):
        if sequence < 1:
            continue
        answer = must(await reporter.put(*reporter.batch("T9", scope, sequence, [])), 409, "out_of_order")
        require(answer.value.get("expected") == following, f"expected is {answer.value.get('expected')}")
    stream = must(await reporter.ask("GET", f"/v1/streams/T9/{scope}"), 200).value
    require(stream["last_sequence"] == following - 1, f"the stream stands at {stream['last_sequence']}")


@CLAUSES.clause("9.3", "a header that contradicts the request, or is none, is refused as a whole")
async def _wrong_headers(reporter: Reporter) -> None:
    scope = reporter.enterprise
    sequence = await reporter.next_sequence("T9", scope)
    cases = (
        ({"batch_id": str(uuid.uuid4())}, 400, "malformed"),
        ({"reporter": f"{reporter.prefix}9"}, 400, "malformed"),
        ({"profile": "idn-report/2"}, 400, "malformed"),
        ({"mode": "sometimes"}, 400, "malformed"),
        ({"mode": "full"}, 400, "malformed"),
        ({"sequence": 0}, 400, "malformed"),
        ({"created_at": "yesterday"}, 400, "malformed"),
        ({"period": {"kind": "day", "start": "2024-05-06T00:00:00Z", "end": "2024-05-07T00:00:00Z"}}, 400, "malformed"),
        ({"colour": "red"}, 400, "malformed"),
        ({"table": "T12"}, 404, "unknown_table"),
        ({"schema": 99}, 422, "schema_unsupported"),
        ({"scope": "0.0"}, 403, "forbidden_scope"),
        ({"row_count": 1}, 422, "row_count_mismatch"),
        ({"rows_sha256": "0" * 64}, 422, "digest_mismatch"),
    )
    for changed, status, code in cases:
        batch_id, content = reporter.batch("T9", scope, sequence, [], **changed)
        path_id = str(uuid.uuid4()) if "batch_id" in changed else batch_id
        try:
            must(await reporter.put(path_id, content), status, code)
        except Broken as error:
            raise Broken(f"{next(iter(changed))}: {error}") from error


@CLAUSES.clause("9.3", "a body that breaks the form is refused as a whole")
async def _wrong_bodies(reporter: Reporter) -> None:
    scope = reporter.enterprise
    sequence = await reporter.next_sequence("T9", scope)
    right = reporter.row("T9", identifier(scope, "A", f"{scope}/TPL-1"))
    double = b'{"n":1,"n":1,"key":"x","op":"upsert","ver":1,"at":"2024-05-06T01:02:03Z","data":{}}\n'
    for title, rows, lines in (
        ("a member twice", [right], double),
        ("no JSON", [right], b"{\n"),
        ("a number too many", [{**right, "n": 2}], None),
        ("version 0", [{**right, "ver": 0}], None),
        ("an unknown member of the row", [{**right, "colour": "red"}], None),
    ):
        try:
            answer = await reporter.put(*reporter.batch("T9", scope, sequence, rows, lines=lines))
            must(answer, 400, "malformed")
        except Broken as error:
            raise Broken(f"{title}: {error}") from error
    batch_id, content = reporter.batch("T9", scope, sequence, [])
    must(await reporter.put(batch_id, content[:-1]), 400, "malformed")


@CLAUSES.clause("9.7", "an encoding that is not spoken, and a batch above the limits, are refused with what to do")
async def _too_much(reporter: Reporter) -> None:
    scope = reporter.enterprise
    sequence = await reporter.next_sequence("T9", scope)
    batch_id, content = reporter.batch("T9", scope, sequence, [])
    must(await reporter.put(batch_id, content, headers={"Content-Encoding": "br"}), 415, "unsupported_encoding")
    limits = must(await reporter.ask("GET", "/v1/capabilities"), 200).value["limits"]
    rows = limits["max_rows"] + 1
    batch_id, content = reporter.batch("T9", scope, sequence, [], lines=b"{}\n" * rows, row_count=rows)
    answer = must(await reporter.put(batch_id, packed(content), headers={"Content-Encoding": "gzip"}), 413, "too_large")
    require({"max_rows", "max_bytes"} <= answer.value.keys(), "the answer tells neither max_rows nor max_bytes")


@CLAUSES.clause("9.1", "what was never told is answered as unknown")
async def _unknown_things(reporter: Reporter) -> None:
    must(await reporter.ask("GET", f"/v1/batches/{uuid.uuid4()}"), 404, "unknown_batch")
    must(await reporter.ask("GET", f"/v1/streams/T9/{reporter.enterprise}.1"), 404, "unknown_stream")
    must(await reporter.ask("GET", f"/v1/streams/T12/{reporter.prefix}"), 404, "unknown_table")
    must(await reporter.ask("GET", "/v1/streams?limit=x"), 400, "malformed")


@CLAUSES.clause("9.1", "streams are listed in pages, in order")
async def _listed(reporter: Reporter) -> None:
    after, found = "", list[tuple[str, str]]()
    for _ in range(5):
        page = must(await reporter.ask("GET", f"/v1/streams?limit=2&after={after}"), 200).value["streams"]
        found += [(one["table"], one["scope"]) for one in page]
        if len(page) < 2:  # noqa: PLR2004 - the limit asked for
            break
        after = "/".join(found[-1])
    require(found, "there are no streams, though batches were taken")
    require(found == sorted(set(found)), f"they come in the order {found[:6]}")


def _needs_key(reporter: Reporter) -> None:
    if reporter.key is None:
        raise NotOffered("no key was given: --key-id and --sign-key-file")
