"""`escrow verify`: everything that can be said of deposits without loading them (docking contract 7.5)."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from identifiers import sm2
from sync.escrow import opening
from sync.escrow.errors import DatabaseFailed, VerificationFailed
from sync.escrow.opening import Deposit
from sync.escrow.private_tables import PRIVATE
from sync.escrow.shape import Manifest

CONNECT_TIMEOUT_S: Final = 10.0


class Verdict(NamedTuple):
    """What was found of one deposit. `read`: it was decrypted and its document read."""

    manifest: Manifest
    read: bool


async def verify(
    paths: Iterable[Path], *, signer: sm2.PublicKey, key: sm2.PrivateKey | None, work: Path
) -> list[Verdict]:
    """Check signatures, digests and manifests; with a key also decrypt, parse and count. Raises EscrowError."""
    return await asyncio.to_thread(_verify, list(paths), signer, key, work)


async def compare(verdicts: Iterable[Verdict], dsn: str) -> None:
    """Compare a FULL deposit's rows with what the registry holds now. Raises VerificationFailed and DatabaseFailed.

    Changes since the deposit count as differences: compare a deposit with the registry that has made it, at rest.
    """
    full = [one.manifest for one in verdicts if one.manifest.type == "FULL"]
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        try:
            here = {name: await connection.fetchval(f'SELECT count(*) FROM "{name}"') for name in PRIVATE}  # noqa: S608 - names of our own
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseFailed(f"the database cannot be read: {error or type(error).__name__}") from error
    for manifest in full:
        for name, count in here.items():
            if (deposited := manifest.rows.get(name, 0)) != count:
                raise VerificationFailed(
                    f"{manifest.id} has {deposited} rows of {name}, the registry {count}: it has changed since, "
                    "or the deposit is not of this registry"
                )


def _verify(paths: list[Path], signer: sm2.PublicKey, key: sm2.PrivateKey | None, work: Path) -> list[Verdict]:
    found = opening.find(paths, signer)
    return [_one(deposit, signer, key, work) for deposit in found]


def _one(deposit: Deposit, signer: sm2.PublicKey, key: sm2.PrivateKey | None, work: Path) -> Verdict:
    opening.check_volumes(deposit, signer)
    readable = key is not None and deposit.manifest.own == (key.public == signer)
    if key is not None and readable:
        with opening.opened(deposit, key, work) as (_, pages):
            for _page in pages:
                pass
    return Verdict(deposit.manifest, readable)
