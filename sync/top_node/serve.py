"""Running the simulator: listening, until SIGTERM or Ctrl-C."""

import asyncio
import signal
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from identifiers.signing_keys import KeyUnusable, PrivateKey, PublicKey, read_private, read_public
from sync.batch import Limits
from sync.top_node.api import DEFAULT_LIMITS, TopNode
from sync.top_node.faults import Faults, FaultSource
from sync.top_node.store import Store

FILE_NAME: Final = "top-node.sqlite3"
DRAIN_S: Final = 1.0


class OptionsError(ValueError):
    """An option cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate and key, and whose certificates clients must show (None: nobody's)."""

    certificate_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Make the context; raises OptionsError."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate_file, self.key_file, password=lambda: "")
            if self.client_ca_file is not None:
                context.load_verify_locations(self.client_ca_file)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise OptionsError(f"the TLS files cannot be used: {error}") from error
        return context


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulator is run. `strict` checks references between tables even before T1 was told."""

    data_dir: Path
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    token: str | None = None
    limits: Limits = DEFAULT_LIMITS
    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    allow_unsigned: bool | None = None
    receipt_key: PrivateKey | None = None
    batches_per_s: int | None = None
    strict: bool = False
    inbox: Path | None = None
    reports: Path | None = None
    tls: Tls | None = None


async def serve(host: str, port: int, options: Options, *, say: Callable[[str], None]) -> None:
    """Serve until told to end. Raises OSError if the address or the directory cannot be used, and OptionsError."""
    source = FaultSource(options.faults, options.seed)
    context = None if options.tls is None else options.tls.context()
    store = Store(options.data_dir / FILE_NAME, source, strict=options.strict)
    app = TopNode(
        store,
        source,
        token=options.token,
        limits=options.limits,
        keys=options.keys,
        allow_unsigned=options.allow_unsigned,
        receipt_key=options.receipt_key,
        batches_per_s=options.batches_per_s,
        inbox=options.inbox,
        reports=options.reports,
    ).application()
    runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=DRAIN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
        scheme = "http" if context is None else "https"
        say(f"top-level node simulator on {_url(scheme, runner.addresses[0])}, data in {options.data_dir}")
        await _told_to_end()
    finally:
        await runner.cleanup()


def read_public_keys(told: list[str]) -> dict[str, PublicKey]:
    """Read `KEYID=FILE` options; raises OptionsError."""
    keys = {}
    for one in told:
        key_id, content = _key_file(one)
        try:
            keys[key_id] = read_public(key_id, content)
        except KeyUnusable as error:
            raise OptionsError(f"--key {one}: {error}") from error
    return keys


def read_receipt_key(told: str | None) -> PrivateKey | None:
    """Read the `KEYID=FILE` that receipts are signed with; raises OptionsError."""
    if told is None:
        return None
    key_id, content = _key_file(told)
    try:
        return read_private(key_id, content)
    except KeyUnusable as error:
        raise OptionsError(f"--receipt-key {told}: {error}") from error


def _key_file(told: str) -> tuple[str, str]:
    key_id, _, name = told.partition("=")
    try:
        return key_id, Path(name).read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise OptionsError(f"{told}: write KEYID=FILE, the key as PEM ({error})") from error


async def _told_to_end() -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    await over.wait()


def _url(scheme: str, address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
