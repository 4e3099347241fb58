"""Reports as files in a directory, and answers as files in the same directory: by SFTP, or for a hand-over by people.

Below the reporter's prefix, written by the reporter: `batches/T9/88.118.8/0000000042-<batch id>.ndjson.gz`, the body of
9.3; `refused/<batch id>.json`, the refusal it has read; `resends/<directive>/…`; `attachments/<sha256>`;
`monthly-reports/2031-05.json`; `directive-acks/<id>.json`.
Written by the collector: `capabilities.json`; `answers/<batch id>.json` with `status` and `body` as over HTTP;
`streams/T9/88.118.8.json`; `directives/<id>.json`; `monthly-reports/2031-05.answer.json`.
A file under a name ending in .part is not finished.
"""

import re
from typing import Final, Protocol, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec

from sync.access_points import AccessPoint
from sync.batch import Batch, Limits, Pending, Receipt, Rejection, StreamState, Unknown, Untold
from sync.digests import DigestAnswer, KeyRange
from sync.directives.shapes import DIRECTIVES_PER_PAGE, Directive, Outcome
from sync.transport import TransportError
from sync.transports.http_answer import DETAIL_CHARACTERS_MAX, OCTETS_MAX, PROBLEM, Answer
from sync.transports.verdicts import HTTP_OK, verdict

T = TypeVar("T")

POLL_S: Final = 30.0
"""Files are fetched and answered by jobs of the other side, not at once."""
HTTP_ACCEPTED: Final = 202
SMALL_OCTETS_MAX: Final = 256 * 1024
NAMES_MAX: Final = 10_000
_NAME: Final = re.compile(r"(?P<id>[A-Za-z0-9_-][A-Za-z0-9._-]{0,63})\.json")


class Directory(Protocol):
    """A place for files. Paths are relative, with slashes. Every method raises TransportError and nothing else."""

    async def read(self, path: str, octets_max: int) -> bytes | None:
        """Return a file's content, None if there is none."""
        ...

    async def write(self, path: str, content: bytes) -> None:
        """Write a file, directories included: under another name first, so that nobody sees half of it."""
        ...

    async def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        ...

    async def remove(self, path: str) -> None:
        """Remove a file; that there is none is no error."""
        ...

    async def names(self, path: str) -> list[str]:
        """Return the names in a directory, at most `NAMES_MAX`; none if there is no such directory."""
        ...

    async def aclose(self) -> None:
        """Give up connections."""
        ...


class _Capabilities(msgspec.Struct, frozen=True):
    tables: dict[str, list[int]]
    limits: Limits = Limits()


class _Problem(msgspec.Struct, frozen=True):
    type: str = ""
    detail: str = ""
    max_rows: int | None = None
    max_bytes: int | None = None


class _Written(msgspec.Struct, frozen=True):
    """An answer file."""

    status: int
    body: msgspec.Raw = msgspec.Raw(b"{}")
    retry_after_s: float | None = None


class FilesTransport:
    """Reports by files in a directory."""

    def __init__(self, directory: Directory, reporter: str, *, name: str) -> None:
        self.name = name
        self._directory = directory
        self._reporter = reporter
        self._tables: dict[str, list[int]] | None = {}

    def access_points(self) -> tuple[AccessPoint, ...]:
        """Return nothing: there is one directory."""
        return ()

    def supports(self, table: str) -> bool:
        """Whether the collector takes schema 1 of this table; one that does not say takes all."""
        return self._tables is None or 1 in self._tables.get(table, ())

    async def limits(self) -> Limits:
        """Read the capabilities, if the collector has written any."""
        content = await self._directory.read(f"{self._reporter}/capabilities.json", SMALL_OCTETS_MAX)
        if content is None:
            self._tables = None
            return Limits()
        capabilities = _decoded(content, _Capabilities, "capabilities.json")
        self._tables = capabilities.tables
        return capabilities.limits

    async def submit(self, batch: Batch) -> Receipt | Pending:
        """Write the batch, unless it is there and was not refused, and look for its answer."""
        name = f"{batch.sequence:010d}-{batch.batch_id}.ndjson.gz"
        folder = f"batches/{batch.table}/{batch.scope}"
        if batch.resend_of is not None:
            folder = f"resends/{quote(batch.resend_of, safe='')}"
        path = f"{self._reporter}/{folder}/{name}"
        refused = await self._directory.exists(self._refused(batch.batch_id))
        if refused or not await self._directory.exists(path):
            await self._directory.write(path, batch.body)
            await self._directory.remove(self._refused(batch.batch_id))
        return await self._answered(batch.batch_id) or Pending(POLL_S)

    async def receipt(self, batch_id: UUID) -> Receipt | Pending | Unknown:
        """Look for the answer. A batch that was refused before has to be handed in again, as if it were unknown."""
        if await self._directory.exists(self._refused(batch_id)):
            return Unknown()
        return await self._answered(batch_id) or Pending(POLL_S)

    async def rejections(self, batch_id: UUID, after_n: int) -> tuple[Rejection, ...]:
        """Return nothing: an answer file names all rejections."""
        del batch_id, after_n
        return ()

    async def last_sequence(self, table: str, scope: str) -> StreamState | Unknown | Untold:
        """Read how far the stream has come, if the collector writes that."""
        content = await self._directory.read(f"{self._reporter}/streams/{table}/{scope}.json", SMALL_OCTETS_MAX)
        return Untold() if content is None else _decoded(content, StreamState, "a stream's state")

    async def put_file(self, sha256: str, media_type: str, content: bytes) -> None:
        """Write the file, unless it is there."""
        del media_type
        path = f"{self._reporter}/attachments/{sha256}"
        if not await self._directory.exists(path):
            await self._directory.write(path, content)

    async def put_monthly_report(self, month: str, content: bytes) -> bytes:
        """Write the report; the answer is what the collector has written, `{}` as long as there is none."""
        path = f"{self._reporter}/monthly-reports/{month}"
        await self._directory.write(f"{path}.json", content)
        return await self._directory.read(f"{path}.answer.json", SMALL_OCTETS_MAX) or b"{}"

    async def directives(self, after: str) -> tuple[Directive, ...]:
        """Return the next directives in the order of their names."""
        names = sorted(await self._directory.names(f"{self._reporter}/directives"))
        ids = [found["id"] for name in names if (found := _NAME.fullmatch(name)) and found["id"] > after]
        return tuple([await self._directive(one) for one in ids[:DIRECTIVES_PER_PAGE]])

    async def acknowledge_directive(self, directive_id: str, outcome: Outcome) -> None:
        """Write what became of a directive."""
        path = f"{self._reporter}/directive-acks/{quote(directive_id, safe='')}.json"
        await self._directory.write(path, msgspec.json.encode(outcome))

    async def digests(self, table: str, scope: str, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        """Refuse: there is nobody to ask."""
        del table, scope, keys, depth, rows
        raise TransportError(f"the transport {self.name} cannot ask for digests", kind="halt_stream")

    async def aclose(self) -> None:
        """Give up connections."""
        await self._directory.aclose()

    async def _directive(self, name: str) -> Directive:
        content = await self._directory.read(f"{self._reporter}/directives/{name}.json", SMALL_OCTETS_MAX)
        directive = _decoded(content or b"", Directive, f"the directive {name}")
        return msgspec.structs.replace(directive, id=name)

    async def _answered(self, batch_id: UUID) -> Receipt | Pending | None:
        """Return what the answer file says; None if there is none. A refusal is for one attempt only, and is noted."""
        path = f"{self._reporter}/answers/{batch_id}.json"
        content = await self._directory.read(path, OCTETS_MAX)
        if content is None:
            return None
        answer = _answer(_decoded(content, _Written, f"the answer {batch_id}"))
        if answer.status != HTTP_OK:
            if answer.status != HTTP_ACCEPTED:
                await self._directory.write(self._refused(batch_id), content)
            await self._directory.remove(path)
        return verdict(answer, batch_id)

    def _refused(self, batch_id: UUID) -> str:
        return f"{self._reporter}/refused/{batch_id}.json"


def _answer(written: _Written) -> Answer:
    problem = _Problem()
    if written.status != HTTP_OK:
        problem = _decoded(bytes(written.body), _Problem, "an answer's problem")
    return Answer(
        status=written.status,
        content=bytes(written.body),
        code=problem.type.removeprefix(PROBLEM) if problem.type.startswith(PROBLEM) else "",
        detail=problem.detail[:DETAIL_CHARACTERS_MAX],
        retry_after_s=written.retry_after_s,
        max_rows=problem.max_rows,
        max_bytes=problem.max_bytes,
    )


def _decoded(content: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise TransportError(f"{what} cannot be read: {error}", kind="retry") from error
