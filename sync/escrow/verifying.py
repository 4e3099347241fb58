"""`escrow verify`: everything that can be said of deposits without loading them (docking contract 7.5)."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from identifiers import sm2
from sync.escrow import opening, stock
from sync.escrow.errors import VerificationFailed
from sync.escrow.opening import Deposit
from sync.escrow.private_tables import NODE
from sync.escrow.shape import Manifest
from sync.escrow.stock import TableStock


class Verdict(NamedTuple):
    """What was found of one deposit. `read`: it was decrypted and its document read."""

    manifest: Manifest
    read: bool


async def verify(
    paths: Iterable[Path], *, signer: sm2.PublicKey, key: sm2.PrivateKey | None, work: Path
) -> list[Verdict]:
    """Check signatures, digests and manifests. Raises EscrowError.

    With a key also decrypt and parse, and compare the rows of FULL deposits with what there was at the watermark.
    """
    return await asyncio.to_thread(_verify, list(paths), signer, key, work)


def _verify(paths: list[Path], signer: sm2.PublicKey, key: sm2.PrivateKey | None, work: Path) -> list[Verdict]:
    found = opening.find(paths, signer)
    return [_one(deposit, signer, key, work) for deposit in found]


def _one(deposit: Deposit, signer: sm2.PublicKey, key: sm2.PrivateKey | None, work: Path) -> Verdict:
    opening.check_volumes(deposit, signer)
    readable = key is not None and deposit.manifest.own == (key.public == signer)
    if key is not None and readable:
        node: bytes | None = None
        with opening.opened(deposit, key, work) as (_, pages):
            for page in pages:
                node = next((entry.data for entry in page if entry.table == NODE), node)
        _compare(deposit.manifest, node)
    return Verdict(deposit.manifest, readable)


def _compare(manifest: Manifest, node: bytes | None) -> None:
    """Compare a FULL deposit's rows with how many the registry had at the watermark. Raises VerificationFailed."""
    if manifest.type != "FULL" or node is None:
        return
    told = stock.read(node).stock
    if faults := stock.differences(told, {name: TableStock(manifest.rows.get(name, 0)) for name in told}):
        raise VerificationFailed(f"{manifest.id} does not hold all there was: {'; '.join(faults)}; make another one")
