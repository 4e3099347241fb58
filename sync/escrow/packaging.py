"""From a document to the files of a deposit: zip, SM2 groups, volumes, signatures, manifest (docking contract 7.4).

The zip is on disk before it is encrypted, because a group's check value stands before the group. Memory holds blocks of
64 KiB. Everything is written with mode 0600, and the zip is removed as soon as it is encrypted.
"""

import asyncio
import base64
import hashlib
import os
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec

from identifiers import sm2
from sync.calendar_time import instant
from sync.escrow.errors import PackagingFailed
from sync.escrow.settings import Sizes
from sync.escrow.shape import NAMESPACE, Counts, Entry, Forms, Head, Manifest, Package, PackedFile
from sync.escrow.xml_writing import document

LENGTH_OCTETS: Final = 4
SIGNATURE_SUFFIX: Final = ".sig"
_GATHERED_OCTETS: Final = 1_048_576
_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Keys:
    """The platform's public key, the node's own key, and whether a copy is made that the own key opens."""

    platform: sm2.PublicKey
    own: sm2.PrivateKey
    own_copy: bool = True


class IdnodeFormat:
    """Our deposit profile."""

    def __init__(self, keys: Keys, sizes: Sizes | None = None) -> None:
        self._keys = keys
        self._sizes = sizes or Sizes()

    def build(self, head: Head, entries: AsyncIterator[Entry], counts: Counts, work: Path) -> AsyncIterator[bytes]:
        """Yield the document."""
        return document(head, entries, counts, work)

    async def package(self, head: Head, stream: AsyncIterator[bytes], counts: Counts, work: Path) -> Package:
        """Make the files in `work`, and the own copy in its folder `own`. Raises PackagingFailed."""
        zipped = work / f"{head.id}.zip"
        try:
            octets = await _zip(stream, zipped, f"{head.id}.xml")
            if self._keys.own_copy:
                own = work / "own"
                own.mkdir(exist_ok=True, mode=0o700)
                await asyncio.to_thread(self._seal, zipped, own, head, counts, octets, own=True)
            return await asyncio.to_thread(self._seal, zipped, work, head, counts, octets, own=False)
        except OSError as error:
            raise PackagingFailed(
                f"the deposit cannot be written below {work}: {error.strerror or error}; make room or choose another "
                "escrow.work_dir"
            ) from error
        finally:
            zipped.unlink(missing_ok=True)

    def _seal(
        self, zipped: Path, directory: Path, head: Head, counts: Counts, document_octets: int, *, own: bool
    ) -> Package:
        forms = Forms(f"{head.id}.own" if own else head.id)
        key = self._keys.own.public if own else self._keys.platform
        volumes = _Volumes(directory, forms, self._sizes.volume, self._keys.own)
        try:
            for block in encrypted(zipped, self._sizes.group, key):
                volumes.write(block)
        finally:
            volumes.close()
        manifest = Manifest(
            format=NAMESPACE,
            id=head.id,
            type=head.kind,
            prefix=head.prefix,
            watermark=instant(head.watermark),
            prev_id=head.prev_id,
            resend=head.resend,
            files=tuple(volumes.files),
            rows=dict(counts.rows),
            deletes=dict(counts.deletes),
            own=own,
            document_bytes=document_octets,
        )
        content = msgspec.json.encode(manifest)
        path = directory / forms.manifest
        _write(path, content)
        signature = _signature_file(path, sm2.sign(content, self._keys.own))
        names = [directory / file.name for file in manifest.files]
        signatures = [signature_of(name) for name in names]
        return Package(directory, (*names, *signatures, signature, path), manifest)


def signature_of(file: Path) -> Path:
    """Return where the signature of a file stands."""
    return file.with_name(file.name + SIGNATURE_SUFFIX)


def encrypted(zipped: Path, group: int, key: sm2.PublicKey) -> Iterator[bytes]:
    """Yield the groups, each behind its length as a 4-byte big-endian integer."""
    left = zipped.stat().st_size
    with zipped.open("rb") as file:
        while left:
            octets, start = min(group, left), file.tell()

            def blocks(octets: int = octets, start: int = start) -> Iterator[bytes]:
                file.seek(start)
                return blocks_of(file, octets)

            yield (octets + sm2.CIPHERTEXT_OVERHEAD_OCTETS).to_bytes(LENGTH_OCTETS, "big")
            yield from sm2.encrypt_long(blocks, octets, key)
            left -= octets


def blocks_of(file: IO[bytes], octets: int) -> Iterator[bytes]:
    """Yield the next octets of a file in blocks; PackagingFailed when it ends before."""
    while octets:
        block = file.read(min(octets, sm2.BLOCK_OCTETS))
        if len(block) != min(octets, sm2.BLOCK_OCTETS):
            raise PackagingFailed("the files of the deposit end too early")
        octets -= len(block)
        yield block


class _Volumes:
    """Cuts what is written into volumes, hashing and signing each."""

    def __init__(self, directory: Path, forms: Forms, octets_max: int, key: sm2.PrivateKey) -> None:
        self.files: list[PackedFile] = []
        self._directory = directory
        self._forms = forms
        self._octets_max = octets_max
        self._key = key
        self._file: IO[bytes] | None = None
        self._octets = 0

    def write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            if self._file is None:
                self._begin()
            room = self._octets_max - self._octets
            self._add(rest[:room])
            rest = rest[room:]
            if self._octets == self._octets_max:
                self.close()

    def close(self) -> None:
        """Finish the volume that is open."""
        if self._file is None:
            return
        name = self._forms.volume(len(self.files) + 1)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self.files.append(PackedFile(name, self._octets, self._sha256.hexdigest(), self._sm3.hexdigest()))
        _signature_file(self._directory / name, sm2.sign_hash(self._signed.digest(), self._key))

    def _begin(self) -> None:
        path = self._directory / self._forms.volume(len(self.files) + 1)
        self._file = _created(path)
        self._octets = 0
        self._sha256, self._sm3 = hashlib.sha256(), hashlib.new("sm3")
        self._signed = sm2.signature_hash(self._key.public)

    def _add(self, octets: memoryview) -> None:
        assert self._file is not None  # noqa: S101 - `write` has begun a volume
        self._file.write(octets)
        for one in (self._sha256, self._sm3, self._signed):
            one.update(octets)
        self._octets += len(octets)


async def _zip(stream: AsyncIterator[bytes], path: Path, member: str) -> int:
    """Write the zip, and return the length of what is in it."""
    written, told = 0, zipfile.ZipInfo(member)
    told.compress_type = zipfile.ZIP_DEFLATED  # else a member made from its description is only stored
    with (
        _created(path) as file,
        zipfile.ZipFile(file, "w", allowZip64=True) as archive,
        archive.open(told, "w", force_zip64=True) as opened,
    ):
        gathered = bytearray()
        async for octets in stream:
            gathered += octets
            written += len(octets)
            if len(gathered) >= _GATHERED_OCTETS:
                await asyncio.to_thread(opened.write, bytes(gathered))
                gathered.clear()
        await asyncio.to_thread(opened.write, bytes(gathered))
    return written


def _signature_file(file: Path, signature: bytes) -> Path:
    path = signature_of(file)
    _write(path, base64.b64encode(signature) + b"\n")
    return path


def _write(path: Path, content: bytes) -> None:
    with _created(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _created(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "wb")
