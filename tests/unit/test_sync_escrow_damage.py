"""Deposits that were damaged, cut, mixed up or made to harm: each is refused, with the file and what to do."""

import asyncio
import base64
import hashlib
import io
import resource
import shutil
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from identifiers import sm2
from sync.escrow import opening
from sync.escrow.chain import in_order
from sync.escrow.errors import CryptographyFailed, EscrowError, PackagingFailed, VerificationFailed
from sync.escrow.packaging import IdnodeFormat, Keys, encrypted, signature_of
from sync.escrow.settings import Sizes
from sync.escrow.shape import Counts, Entry, Forms, Head, Kind, Manifest, PackedFile
from sync.escrow.xml_writing import document

OWN, PLATFORM = sm2.generate(), sm2.generate()
SIZES = Sizes(group=256, volume=400)
START = datetime(2031, 5, 6, 0, 30, tzinfo=UTC)
LINE = hashlib.sha512(b"does not shrink").hexdigest()


def head_of(day: int, kind: Kind = "DIFF", prev: str | None = None, prefix: str = "88.118") -> Head:
    at = START + timedelta(days=day)
    return Head(id=f"{at:%Y%m%dT%H%MZ}-{prefix}-0", kind=kind, prefix=prefix, watermark=at, prev_id=prev)


FULL = head_of(0, "FULL")
SECOND = head_of(1, prev=FULL.id)
THIRD = head_of(2, prev=SECOND.id)


async def entries(head: Head) -> AsyncIterator[Entry]:
    for number in range(3):
        yield Entry("enterprises", f'["{number}"]', 1, f'{{"id":"{head.id}{LINE}{number}"}}'.encode())


def make(directory: Path, head: Head) -> Path:
    """Make the files of a deposit, as a node hands them in."""
    directory.mkdir(parents=True, exist_ok=True)
    counts = Counts()
    form = IdnodeFormat(Keys(PLATFORM.public, OWN, own_copy=False), SIZES)
    asyncio.run(form.package(head, document(head, entries(head), counts, directory), counts, directory))
    return directory


def read(directory: Path, key: sm2.PrivateKey = PLATFORM, signer: sm2.PublicKey = OWN.public) -> int:
    """Do what verifying and restoring begin with, and return how many rows were read."""
    found = in_order(opening.for_key(opening.find([directory], signer), key, signer))
    rows = 0
    for one in found:
        opening.check_volumes(one, signer)
        with opening.opened(one, key, directory) as (_, pages):
            rows += sum(len(page) for page in pages)
    return rows


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deposits")
    for head in (FULL, SECOND, THIRD):
        make(directory, head)
    return directory


@pytest.fixture
def files(pristine: Path, tmp_path: Path) -> Path:
    shutil.copytree(pristine, directory := tmp_path / "files")
    return directory


def only_first(files: Path) -> list[Path]:
    """Leave the files of the FULL deposit, and return them."""
    for head in (SECOND, THIRD):
        cut(files, head, ".*")
    return sorted(files.iterdir())


def test_what_is_whole_is_read(files: Path) -> None:
    assert read(files) == 9


def test_a_changed_octet_anywhere_is_noticed_and_its_file_named(files: Path) -> None:
    of_one = only_first(files)
    assert len(of_one) >= 6  # volumes, their signatures, the manifest and its signature
    for path in of_one:
        content = path.read_bytes()
        for at in (0, len(content) // 2, len(content) - 1) if path.suffix == ".001" else (len(content) // 2,):
            path.write_bytes(content[:at] + bytes([content[at] ^ 0x80]) + content[at + 1 :])
            with pytest.raises(EscrowError, match=r"fetch|--signer") as caught:
                read(files)
            assert path.name.removesuffix(".sig") in str(caught.value)
        path.write_bytes(content)
    assert read(files) == 3


def test_a_missing_or_cut_file_is_named(files: Path) -> None:
    for path in only_first(files):
        content = path.read_bytes()
        for left in (None, content[:-3]):
            path.unlink() if left is None else path.write_bytes(left)
            with pytest.raises(EscrowError, match=r"fetch|--signer|there is no deposit"):
                read(files)
            path.write_bytes(content)


def cut(files: Path, head: Head, ending: str) -> None:
    for path in files.glob(f"{head.id}{ending}"):
        path.unlink()


def extra(files: Path) -> None:
    shutil.copy(files / f"{SECOND.id}.zip.sm2.001", files / f"{SECOND.id}.zip.sm2.099")


def sibling(files: Path) -> None:
    make(files, head_of(3, prev=FULL.id))


def older(files: Path) -> None:
    for head in (SECOND, THIRD):
        cut(files, head, ".*")
    make(files, head_of(1))
    later = head_of(2, "FULL")
    make(files, later)
    make(files, head_of(1, prev=later.id))


SPOILT: list[tuple[str, Callable[[Path], Any], str]] = [
    (
        "a DIFF is missing",
        lambda files: cut(files, SECOND, ".*"),
        f"{THIRD.id} goes on from {SECOND.id}, which is missing",
    ),
    ("there is no FULL one", lambda files: cut(files, FULL, ".*"), "there is no FULL deposit"),
    (
        "one has not arrived",
        lambda files: cut(files, THIRD, ".manifest.json*"),
        r"manifest\.json is missing.* fetch it",
    ),
    ("a volume too much", extra, r"sm2\.099 is in no manifest.* take it away"),
    ("two after one", sibling, f"both go on from {FULL.id}: take away the one"),
    ("out of order", older, r"is older than .* have a FULL one made"),
    (
        "another node's",
        lambda files: make(files, head_of(0, "FULL", prefix="88.119")),
        r"several prefixes, 88\.118, 88",
    ),
]


@pytest.mark.parametrize(("spoil", "told"), [case[1:] for case in SPOILT], ids=[case[0] for case in SPOILT])
def test_a_chain_that_does_not_fit_is_refused(files: Path, spoil: Callable[[Path], Any], told: str) -> None:
    spoil(files)
    with pytest.raises(VerificationFailed, match=told):
        read(files)


def test_the_wrong_keys_are_told_from_damage(files: Path) -> None:
    other = sm2.generate()
    with pytest.raises(CryptographyFailed, match="name the key of who signed it with --signer"):
        read(files, signer=other.public)
    with pytest.raises(CryptographyFailed, match="does not open this deposit; name the one it was made for with --key"):
        read(files, key=other)


def zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED, *names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name in names or (f"{FULL.id}.xml",):
            archive.writestr(name, content)
    return packed.getvalue()


def seal(directory: Path, packed: bytes, **changed: Any) -> Path:
    """Make a deposit of any zip, signed as a node would."""
    directory.mkdir()
    (source := directory / "source").write_bytes(packed)
    forms = Forms(FULL.id)
    volume = directory / forms.volume(1)
    volume.write_bytes(b"".join(encrypted(source, 2**20, PLATFORM.public)))
    source.unlink()
    content = volume.read_bytes()
    told = {"rows": {}, "deletes": {}, **changed}
    hashes = hashlib.sha256(content).hexdigest(), hashlib.new("sm3", content).hexdigest()
    manifest = Manifest(
        format="urn:idnode:escrow:1",
        id=FULL.id,
        type="FULL",
        prefix="88.118",
        watermark="2031-05-06T00:30:00Z",
        prev_id=None,
        resend=0,
        files=(PackedFile(volume.name, len(content), *hashes),),
        **told,
    )
    (directory / forms.manifest).write_bytes(msgspec.json.encode(manifest))
    for path in (volume, directory / forms.manifest):
        signature_of(path).write_bytes(base64.b64encode(sm2.sign(path.read_bytes(), OWN)))
    return directory


def written(body: str) -> bytes:
    """Write a document with anything in its contents."""
    return (
        f'<deposit xmlns="urn:idnode:escrow:1" type="FULL" id="{FULL.id}" resend="0">'
        "<watermark>2031-05-06T00:30:00Z</watermark><menu><version>1</version><objects>T1</objects></menu>"
        f"<deletes></deletes><contents>{body}</contents></deposit>"
    ).encode()


ROW = '<row table="T1" key="{}" ver="1"><data>{{}}</data></row>'
BOMB = b"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"


HARMFUL: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("octets", zipped(written(" " * 2**20)), {"document_bytes": 1_000}, r"document would have .* manifest says 1000"),
    (
        "rows",
        zipped(written("".join(map(ROW.format, range(40_000))))[:-20]),
        {"rows": {"T1": 1}},
        "as many rows as the manifest",
    ),
    ("tag", zipped(written(ROW.format("k" * 2**24))), {"rows": {"T1": 1}}, "a tag of more than"),
    ("entities", zipped(BOMB + written("&b;")), {}, "document type"),
    ("cut", zipped(written("")[:-20]), {}, "XML is damaged"),
    ("element", zipped(written("<script/>")), {}, "an element deposit/contents/script that no deposit has"),
    ("coding", zipped(written(""), zipfile.ZIP_LZMA), {}, "does not hold the one document"),
    (
        "members",
        zipped(written(""), zipfile.ZIP_DEFLATED, f"{FULL.id}.xml", "../evil"),
        {},
        "does not hold the one document",
    ),
    ("cut zip", zipped(written(""))[:-30], {}, "zip is damaged"),
    ("no zip", b"no zip at all", {}, "zip is damaged"),
]


@pytest.mark.parametrize(("packed", "changed", "told"), [one[1:] for one in HARMFUL], ids=[one[0] for one in HARMFUL])
def test_what_is_signed_and_made_to_harm_is_refused(
    tmp_path: Path, packed: bytes, changed: dict[str, Any], told: str
) -> None:
    directory = seal(tmp_path / "files", packed, **changed)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EscrowError, match=told):
        read(directory)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64 * 1024
    assert not list(directory.glob("*.zip"))  # nothing that was decrypted has a name


def test_what_was_made_that_way_and_is_whole_is_read(tmp_path: Path) -> None:
    assert read(seal(tmp_path / "files", zipped(written("")))) == 0


@contextmanager
def full_disk(octets: int) -> Iterator[None]:
    """Let no file grow beyond so many octets: writing more fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_where_a_deposit_is_made_and_where_it_is_read(files: Path, tmp_path: Path) -> None:
    with full_disk(100), pytest.raises(PackagingFailed, match=r"cannot be written below .* make room"):
        make(tmp_path / "new", head_of(9, "FULL"))
    with full_disk(100), pytest.raises(PackagingFailed, match=r"cannot be decrypted below .* make room there"):
        read(files)
    assert not list((tmp_path / "new").glob("*.zip"))
    assert read(files) == 9
