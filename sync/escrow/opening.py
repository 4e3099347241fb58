"""Deposits as files again: found, checked against manifest and signatures, decrypted, unzipped (contract 7.4, 7.5)."""

import base64
import binascii
import hashlib
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from identifiers import sm2
from sync.escrow.errors import CryptographyFailed, PackagingFailed, VerificationFailed
from sync.escrow.packaging import LENGTH_OCTETS, SIGNATURE_SUFFIX, blocks_of, signature_of
from sync.escrow.shape import NAMESPACE, Counts, Entry, Forms, Head, Manifest
from sync.escrow.xml_reading import read_document

SLICES: Final = "slices"
"""The folder of a backup that volumes are kept in."""
MANIFEST_OCTETS_MAX: Final = 16 * 1024 * 1024
_ENCRYPTED: Final = 1
_NAME_THE_KEY: Final = "name the key of who signed it with --signer"
_SIGNATURE_CHARACTERS_MAX: Final = 200
_READ_OCTETS: Final = 1_048_576
_MANIFEST_SUFFIX: Final = ".manifest.json"
_STEM: Final = re.compile(
    r"(?P<stem>[0-9]{8}T[0-9]+Z-[0-9.]+-[0-9]+(\.own)?)\.(manifest\.json|zip\.sm2\.[0-9]+)(\.sig)?"
)


@dataclass(frozen=True, slots=True)
class Deposit:
    """A deposit whose manifest and signature have been checked; its volumes have not."""

    manifest: Manifest
    directory: Path

    @property
    def watermark(self) -> datetime:
        """The instant of its snapshot, to the second."""
        return datetime.fromisoformat(self.manifest.watermark)

    @property
    def volumes(self) -> list[Path]:
        """Its volumes in order: beside the manifest, or in the folder `slices` there, as in a backup."""
        inside = self.directory / SLICES
        beside = [self.directory / file.name for file in self.manifest.files]
        return [inside / path.name if not path.exists() and (inside / path.name).exists() else path for path in beside]


def find(paths: Iterable[Path], signer: sm2.PublicKey) -> list[Deposit]:
    """Return the deposits that files, or directories with them, belong to, by name.

    Raises VerificationFailed for a missing manifest and a volume that none names, and CryptographyFailed for a manifest
    that `signer` has not signed.
    """
    manifests: set[Path] = set()
    for path in paths:
        if path.is_dir():
            manifests |= set(path.rglob(f"[0-9]*{_MANIFEST_SUFFIX}"))
            _check_arrived(path)
        elif (found := _STEM.fullmatch(path.name)) is not None:
            folder = path.parent.parent if path.parent.name == SLICES else path.parent
            manifests.add(folder / Forms(found["stem"]).manifest)
        else:
            raise VerificationFailed(f"{path} is no file of a deposit: name manifests, volumes or directories of them")
    if not manifests:
        raise VerificationFailed("there is no deposit: name its files, or a directory with them")
    return [_deposit(path, signer) for path in sorted(manifests)]


def _check_arrived(directory: Path) -> None:
    """Raise VerificationFailed for volumes whose manifest, which is handed in last, is not there."""
    for volume in sorted(directory.rglob("[0-9]*.zip.sm2.*")):
        found = _STEM.fullmatch(volume.name)
        folder = volume.parent.parent if volume.parent.name == SLICES else volume.parent
        if found is not None and not (manifest := folder / Forms(found["stem"]).manifest).exists():
            raise VerificationFailed(
                f"{manifest} is missing, its deposit has not arrived whole: fetch it, or take {volume.name} away"
            )


def for_key(deposits: Sequence[Deposit], key: sm2.PrivateKey, signer: sm2.PublicKey) -> list[Deposit]:
    """Return those that a key opens: the node's own key its own copies, another one what was handed in."""
    found = [one for one in deposits if one.manifest.own == (key.public == signer)]
    if not found:
        which = "own copies, which the node's key opens" if key.public == signer else "deposits as they were handed in"
        raise VerificationFailed(f"among the files are no {which}")
    return found


def check_volumes(deposit: Deposit, signer: sm2.PublicKey) -> None:
    """Check each volume's presence, length, hashes and signature. Raises VerificationFailed and CryptographyFailed."""
    for file, path in zip(deposit.manifest.files, deposit.volumes, strict=True):
        hashes = hashlib.sha256(), hashlib.new("sm3"), sm2.signature_hash(signer)
        octets = 0
        try:
            with path.open("rb") as opened:
                while block := opened.read(_READ_OCTETS):
                    octets += len(block)
                    for one in hashes:
                        one.update(block)
        except FileNotFoundError:
            raise VerificationFailed(f"{path} is missing: fetch it again, the deposit cannot be used without") from None
        except OSError as error:
            raise VerificationFailed(f"{path} cannot be read: {error.strerror}") from None
        if octets != file.bytes:
            raise VerificationFailed(f"{path} has {octets} octets, its manifest says {file.bytes}: fetch it again")
        sha256, sm3, signed = (one.digest() for one in hashes)
        if (sha256.hex(), sm3.hex()) != (file.sha256, file.sm3):
            raise VerificationFailed(
                f"{path} is damaged: its SHA-256 or SM3 is not that of the manifest; fetch it again"
            )
        if not sm2.verify_hash(signed, _signature(path), signer):
            raise CryptographyFailed(f"{signature_of(path)}: the signature is wrong; {_NAME_THE_KEY}")


@contextmanager
def opened(deposit: Deposit, key: sm2.PrivateKey, work: Path) -> Iterator[tuple[Head, Iterator[list[Entry]]]]:
    """Lend the head and the entries of a deposit; what is decrypted has no name, and is on the disk of `work`.

    Raises CryptographyFailed if the key does not open it, PackagingFailed for damaged content, and at the end of the
    entries VerificationFailed unless there were as many as the manifest says.
    """
    try:
        with _unnamed(work) as zipped:
            _decrypt(deposit, key, zipped, work)
            with zipfile.ZipFile(zipped) as archive, archive.open(_document(archive, deposit.manifest)) as stream:
                head, pages = read_document(stream)
                _check_head(head, deposit.manifest)
                yield head, _counted(pages, deposit.manifest)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError) as error:
        raise PackagingFailed(f"{deposit.manifest.id}: the zip is damaged: {error}; have it made again") from None


def _deposit(path: Path, signer: sm2.PublicKey) -> Deposit:
    try:
        with path.open("rb") as file:
            content = file.read(MANIFEST_OCTETS_MAX + 1)
    except OSError as error:
        raise VerificationFailed(f"the manifest {path} cannot be read: {error.strerror}") from None
    if not sm2.verify(content, _signature(path), signer):
        raise CryptographyFailed(f"{path}: the signature is wrong; {_NAME_THE_KEY}, or fetch both files again")
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
        datetime.fromisoformat(manifest.watermark)
    except ValueError as error:  # those of msgspec are some
        raise VerificationFailed(f"{path} is no manifest of a deposit: {error}") from None
    forms = Forms(f"{manifest.id}.own" if manifest.own else manifest.id)
    names = [forms.volume(number) for number in range(1, len(manifest.files) + 1)]
    if manifest.format != NAMESPACE or path.name != forms.manifest or [file.name for file in manifest.files] != names:
        raise VerificationFailed(f"{path} does not name the files of its deposit in this form")
    for folder in (path.parent, path.parent / SLICES):
        for other in sorted(folder.glob(f"{forms.stem}.zip.sm2.*")):
            if other.name.removesuffix(SIGNATURE_SUFFIX) not in names:
                raise VerificationFailed(f"{other} is in no manifest: it is not of this deposit; take it away")
    return Deposit(manifest, path.parent)


def _signature(file: Path) -> bytes:
    path = signature_of(file)
    try:
        with path.open("rb") as opened_file:
            return base64.b64decode(opened_file.read(_SIGNATURE_CHARACTERS_MAX).strip(), validate=True)
    except FileNotFoundError:
        raise VerificationFailed(f"{path} is missing: fetch it again, the deposit cannot be trusted without") from None
    except (OSError, binascii.Error):
        raise CryptographyFailed(f"{path} is no signature: fetch it again") from None


@contextmanager
def _unnamed(work: Path) -> Iterator[IO[bytes]]:
    """Lend a file without a name: whatever ends the process, nothing that was decrypted stays behind."""
    try:
        file = tempfile.TemporaryFile(dir=work)  # noqa: SIM115 - lent below; only its making is guarded
    except OSError as error:
        raise PackagingFailed(f"nothing can be written in {work}: {error.strerror}") from None
    try:
        yield file
    finally:
        with suppress(OSError):  # what did not fit was said already
            file.close()


def _document(archive: zipfile.ZipFile, manifest: Manifest) -> zipfile.ZipInfo:
    """Return the one member of a deposit's zip; no more is read of it than the signed manifest says."""
    members = archive.infolist()
    packed = members[0] if len(members) == 1 else None
    if (
        packed is None
        or packed.filename != f"{manifest.id}.xml"
        or packed.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)
        or packed.flag_bits & _ENCRYPTED
    ):
        raise PackagingFailed(f"{manifest.id}: the zip does not hold the one document of a deposit; have it made again")
    if manifest.document_bytes is not None and packed.file_size != manifest.document_bytes:
        raise PackagingFailed(
            f"{manifest.id}: the document would have {packed.file_size} octets, its manifest says "
            f"{manifest.document_bytes}: it is not opened; have it made again"
        )
    return packed


def _decrypt(deposit: Deposit, key: sm2.PrivateKey, out: IO[bytes], work: Path) -> None:
    fault = f"{deposit.manifest.id}: the groups of the volumes do not fit together; have it made again"
    try:
        with _Joined(deposit.volumes) as joined:
            while length := joined.read(LENGTH_OCTETS):
                octets = int.from_bytes(length, "big") - sm2.CIPHERTEXT_OVERHEAD_OCTETS
                head = joined.read(sm2.CIPHERTEXT_OVERHEAD_OCTETS)
                if len(length) < LENGTH_OCTETS or octets < 1 or len(head) < sm2.CIPHERTEXT_OVERHEAD_OCTETS:
                    raise PackagingFailed(fault)
                for block in sm2.decrypt_long(head, blocks_of(joined, octets), octets, key):  # type: ignore[arg-type] # reads like a file
                    out.write(block)
        out.flush()
    except sm2.SM2Error:
        raise CryptographyFailed(
            f"{deposit.manifest.id}: the private key given does not open this deposit; name "
            "the one it was made for with --key"
        ) from None
    except OSError as error:
        raise PackagingFailed(
            f"{deposit.manifest.id} cannot be decrypted below {work}: {error.strerror}; make room there"
        ) from None


class _Joined:
    """Volumes read as one file."""

    def __init__(self, volumes: list[Path]) -> None:
        self._volumes = list(volumes)
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, octets: int) -> bytes:
        """Read so many octets, fewer only at the end of the last volume."""
        found = b""
        while len(found) < octets:
            if self._file is None:
                if not self._volumes:
                    break
                self._file = self._volumes.pop(0).open("rb")
            if not (block := self._file.read(octets - len(found))):
                self._file.close()
                self._file = None
            found += block
        return found


def _check_head(head: Head, manifest: Manifest) -> None:
    inside = (head.id, head.kind, head.prefix, head.prev_id, head.resend, head.watermark)
    outside = (manifest.id, manifest.type, manifest.prefix, manifest.prev_id, manifest.resend)
    if inside != (*outside, datetime.fromisoformat(manifest.watermark)):
        raise VerificationFailed(f"{manifest.id}: the document's head is not that of the manifest")


def _counted(pages: Iterator[list[Entry]], manifest: Manifest) -> Iterator[list[Entry]]:
    counts, expected = Counts(), sum(manifest.rows.values()) + sum(manifest.deletes.values())
    for page in pages:
        for entry in page:
            counts.add(entry)
        if counts.total > expected:
            break
        yield page
    if dict(counts.rows) != manifest.rows or dict(counts.deletes) != manifest.deletes:
        raise VerificationFailed(f"{manifest.id}: the document does not hold as many rows as the manifest says")
