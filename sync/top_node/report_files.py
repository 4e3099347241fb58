"""Reports that come as files: each is taken like its request over HTTP, and the answer is written beside it.

The layout is that of the profile's section "Reports as files". What has an answer is done; everything else is looked at
again and again, so nothing is remembered here.
"""

import asyncio
import base64
import hashlib
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from identifiers.json_text import decode_json
from identifiers.values import ValuesError
from sync.batch import PROFILE, Limits
from sync.collecting.batch_check import COMPRESSED_OCTETS_MAX, read_batch
from sync.collecting.files import HandedIn
from sync.collecting.header import TABLES
from sync.collecting.problems import Problem, problem_body
from sync.tables.field_kinds import FILE_OCTETS_MAX
from sync.top_node.files_named import files_named
from sync.top_node.store import Store, utc_now

LOOK_EVERY_S: Final = 1.0
JSON_OCTETS_MAX: Final = 1024 * 1024
DIRECTIVES_MAX: Final = 1_000

_PREFIX: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_BATCH: Final = re.compile(r"[0-9]{10}-(?P<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\.ndjson\.gz")
_SHA256: Final = re.compile("[0-9a-f]{64}")
_MONTH: Final = re.compile(r"(?P<month>[0-9]{4}-(0[1-9]|1[0-2]))\.json")

_log = logging.getLogger(__name__)

InThread = Callable[[Callable[[], None]], Awaitable[None]]


class ReportFiles:
    """The directory below which each reporter has one of its own. Every step runs in the thread of the store."""

    def __init__(self, store: Store, directory: Path, limits: Limits) -> None:
        self._store = store
        self._directory = directory
        self._limits = limits

    async def run(self, in_thread: InThread) -> None:
        """Look for new files until cancelled."""
        while True:
            try:
                await in_thread(self.step)
            except OSError as error:
                _log.error("reports in %s cannot be read now: %s", self._directory, error)
            await asyncio.sleep(LOOK_EVERY_S)

    def step(self) -> None:
        """Take what has come since the last time."""
        if not self._directory.is_dir():
            return
        for own in sorted(self._directory.iterdir()):
            if own.is_dir() and _PREFIX.fullmatch(own.name):
                self._tell_capabilities(own)
                self._exchange_directives(own)
                self._take_attachments(own)
                self._take_batches(own)
                self._take_monthly_reports(own)

    def _tell_capabilities(self, own: Path) -> None:
        path = own / "capabilities.json"
        if not path.exists():
            told = {"profiles": [PROFILE], "tables": TABLES, "limits": self._limits, "encodings": ["gzip"]}
            _write(path, msgspec.json.encode(told))

    def _take_attachments(self, own: Path) -> None:
        for path in _files(own / "attachments"):
            known = not _SHA256.fullmatch(path.name) or self._store.attachments.has(path.name)
            if known or path.stat().st_size > FILE_OCTETS_MAX:
                continue
            try:
                self._store.attachments.put(own.name, HandedIn(path.name, "", path.read_bytes()), utc_now())
            except Problem:
                path.rename(path.with_name(f"{path.name}.refused"))

    def _take_batches(self, own: Path) -> None:
        folders = [*sorted((own / "batches").glob("*/*")), *sorted((own / "resends").glob("*"))]
        dropped = set(self._store.dropped(own.name))
        for folder in folders:
            directive = folder.name if folder.parent.name == "resends" else None
            for path in _files(folder):
                found = _BATCH.fullmatch(path.name)
                if found is None or (directive is None and found["id"] in dropped):
                    continue
                answer = own / "answers" / f"{found['id']}.json"
                if not answer.exists():
                    self._take_batch(own, path, found["id"], answer, directive)

    def _take_batch(self, own: Path, path: Path, batch_id: str, answer: Path, directive: str | None) -> None:
        try:
            content = _read(path, COMPRESSED_OCTETS_MAX)
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
            batch = read_batch(
                content,
                path_id=batch_id,
                reporter=own.name,
                digest=f"sha-256=:{digest}:",
                encoding="gzip",
                limits=self._limits,
            )
            receipt = self._store.take(batch, directive=directive)
        except Problem as problem:
            _answer(answer, problem.status, problem_body(problem))
            return
        if receipt is None:
            return
        rejections, header = list(receipt.rejections), batch.header
        while rejections and len(rejections) < receipt.rows_rejected:
            rejections += self._store.rejections(own.name, header.batch_id, rejections[-1].n, len(rejections))
        _answer(answer, 200, msgspec.structs.replace(receipt, rejections=rejections, rejections_more=False))
        stream = self._store.stream(own.name, header.table, header.scope)
        _write(own / "streams" / header.table / f"{header.scope}.json", msgspec.json.encode(stream))

    def _take_monthly_reports(self, own: Path) -> None:
        for path in _files(own / "monthly-reports"):
            found, answer = _MONTH.fullmatch(path.name), path.with_suffix(".answer.json")
            if found is None or (answer.exists() and answer.stat().st_mtime_ns >= path.stat().st_mtime_ns):
                continue
            try:
                report = _object(path)
                missing = self._store.attachments.missing(sorted(set(files_named(report))))
                if missing:
                    continue
                told: Any = self._store.monthly.put(own.name, found["month"], report, utc_now())
            except Problem as problem:
                told = problem_body(problem)
            _write(answer, msgspec.json.encode(told))

    def _exchange_directives(self, own: Path) -> None:
        for directive in self._store.directives.after(own.name, "", DIRECTIVES_MAX):
            path = own / "directives" / f"{directive['id']}.json"
            if path.exists():
                continue
            for batch_id in self._store.dropped(own.name):
                (own / "answers" / f"{batch_id}.json").unlink(missing_ok=True)
            _write(path, msgspec.json.encode(directive))
        for path in _files(own / "directive-acks"):
            if path.suffix == ".json":
                self._acknowledge(own, path)

    def _acknowledge(self, own: Path, path: Path) -> None:
        try:
            self._store.directives.acknowledge(own.name, path.stem, _object(path), utc_now())
        except Problem:
            path.rename(path.with_suffix(".refused"))
        else:
            path.rename(path.with_suffix(".done"))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the finished files of a folder in the order of their names."""
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if path.suffix != ".part" and path.is_file())


def _read(path: Path, octets_max: int) -> bytes:
    if path.stat().st_size > octets_max:
        raise Problem(413, "too_large", f"{path.name} has more than {octets_max} octets")
    return path.read_bytes()


def _object(path: Path) -> dict[str, Any]:
    try:
        value = decode_json(_read(path, JSON_OCTETS_MAX))
    except ValuesError as error:
        raise Problem(400, "malformed", str(error)) from error
    if not isinstance(value, dict):
        raise Problem(400, "malformed", "a JSON object is needed")
    return value


def _answer(path: Path, status: int, body: Any) -> None:
    _write(path, json.dumps({"status": status, "body": msgspec.to_builtins(body)}, ensure_ascii=False).encode())


def _write(path: Path, content: bytes) -> None:
    """Write a file so that nobody sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
