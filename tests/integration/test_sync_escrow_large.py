"""A deposit above one gigabyte: two volumes, several groups, and memory that does not grow with it."""

import base64
import hashlib
import os
import resource
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from identifiers import sm2
from sync.escrow import opening
from sync.escrow.packaging import IdnodeFormat, Keys
from sync.escrow.settings import Sizes
from sync.escrow.shape import Counts, Entry, Head
from sync.escrow.xml_writing import document

ROWS = 1_500
ROW_OCTETS = 750_000
HEAD = Head(
    id="20310506T0030Z-88.118-0", kind="FULL", prefix="88.118", watermark=datetime(2031, 5, 6, 0, 30, tzinfo=UTC)
)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a gigabyte through SM3 and deflate, several times
async def test_a_deposit_above_a_gigabyte_spans_volumes_and_comes_back(tmp_path: Path) -> None:
    own, platform = sm2.generate(), sm2.generate()
    written = hashlib.sha256()

    async def entries() -> AsyncIterator[Entry]:
        for number in range(ROWS):
            data = b'"%b"' % base64.b64encode(os.urandom(ROW_OCTETS))
            written.update(data)
            yield Entry("identifiers", f'[1, "{number}"]', 1, data)

    counts = Counts()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    form = IdnodeFormat(Keys(platform.public, own, own_copy=False), Sizes())
    package = await form.package(HEAD, document(HEAD, entries(), counts, tmp_path), counts, tmp_path)
    assert [file.bytes for file in package.manifest.files][:-1] == [Sizes().volume]
    assert len(package.manifest.files) == 2
    (deposit,) = opening.find([tmp_path], own.public)
    opening.check_volumes(deposit, own.public)
    read = hashlib.sha256()
    with opening.opened(deposit, platform, tmp_path) as (_, pages):
        for page in pages:
            for entry in page:
                read.update(entry.data or b"")
    assert read.digest() == written.digest()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 128 * 1024
