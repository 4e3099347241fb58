"""`idnode top-node` runs the simulator of the national top-level node."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from sync.batch import Limits
from sync.top_node.faults import FaultsError, parse_faults
from sync.top_node.serve import Options, OptionsError, Tls, read_public_keys, read_receipt_key, serve

EXIT_USAGE: Final = 2
EXIT_AWAY: Final = 4
PORT_MAX: Final = 65_535
LIMITS: Final = Limits()


def top_node(
    *,
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Where it keeps what it acknowledged.")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Port 0 takes any free one.")] = "127.0.0.1:9900",
    fault: Annotated[
        str,
        typer.Option(
            metavar="NAME=NUMBER,…",
            help="What to do wrong: lose-acks, unavailable, error, duplicate, pending, reject, refuse, unknown-code, "
            "wrong-sequence, shrink (0 to 1); slow-ms, retry-after-s, pending-polls, down-s.",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Repeats the same faults for the same requests.")] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Reject rows whose references are missing even before T1 was reported.")
    ] = False,
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEYID=FILE", help="A reporter's public key; then requests must be signed. Repeatable."),
    ] = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="With --key: take unsigned requests too; wrong ones never.")
    ] = False,
    receipt_key: Annotated[
        str | None, typer.Option(metavar="KEYID=FILE", help="Sign the answers with this private key.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="Serve HTTPS with it.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate's private key.")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Demand client certificates that these authorities signed.")
    ] = None,
    inbox: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where an SFTP server puts escrow deposits, to show them.")
    ] = None,
    reports: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take reports that come as files below this directory, too.")
    ] = None,
    max_rows: Annotated[int, typer.Option(min=1, help="Take at most this many rows in a batch.")] = LIMITS.max_rows,
    max_bytes: Annotated[
        int, typer.Option(min=1_024, help="Take at most this many octets in a batch, uncompressed.")
    ] = LIMITS.max_bytes,
    batches_per_s: Annotated[
        int | None, typer.Option(min=1, help="Take at most this many batches a second from a reporter; default: any.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="TOP_NODE_TOKEN", help="Demand this bearer token; default: none.")
    ] = None,
) -> None:
    """Run a simulator of the national top-level node that takes reports strictly by the profile and shows them.

    Example: idnode top-node --data-dir ./top-node --fault lose-acks=0.05,unavailable=0.05
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > PORT_MAX:
        raise _failure(f"{listen!r} is not HOST:PORT, such as 127.0.0.1:9900", EXIT_USAGE)
    try:
        options = Options(
            data_dir=data_dir,
            faults=parse_faults(fault),
            seed=seed,
            token=token,
            limits=Limits(max_rows=max_rows, max_bytes=max_bytes),
            keys=read_public_keys(key or []),
            allow_unsigned=True if allow_unsigned else None,
            receipt_key=read_receipt_key(receipt_key),
            batches_per_s=batches_per_s,
            strict=strict,
            inbox=inbox,
            reports=reports,
            tls=_tls(tls_certificate, tls_key, client_ca),
        )
        asyncio.run(serve(host.strip("[]"), int(port), options, say=_say))
    except (FaultsError, OptionsError) as error:
        raise _failure(str(error), EXIT_USAGE) from error
    except OSError as error:
        raise _failure(f"cannot serve on {listen} with data in {data_dir}: {error}", EXIT_AWAY) from error


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Tls | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise OptionsError("HTTPS needs both --tls-certificate and --tls-key")
    return Tls(certificate, key, client_ca)


def _failure(message: str, code: int) -> typer.Exit:
    typer.echo(f"idnode: {message}", err=True)
    return typer.Exit(code)


def _say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()
