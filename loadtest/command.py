"""`idnode loadtest`: the command line of the load generator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from loadtest.keys import DEFAULT_FORMAT, KeyFile, KeyPattern, KeysError, open_keys
from loadtest.launch import RunFailed, run_generator
from loadtest.live import LiveView
from loadtest.plan import DURATION_S_MAX, RATE_MAX, Plan, PlanError, check_plan
from loadtest.plots import duration as shown
from loadtest.report import SHOWN_PERCENTILES, write_report
from loadtest.target import TargetError, parse_target

if TYPE_CHECKING:
    from loadtest.figures import Figures

EXIT_WRONG_ANSWERS = 1
EXIT_NOT_RUN = 3
SECRET_CHARACTERS_MAX = 16_384
_HANDLE_URL = "handle://127.0.0.1:2641"
DEFAULT_URLS = {"http": "http://127.0.0.1:8080", "handle-udp": _HANDLE_URL, "handle-tcp": _HANDLE_URL}

Protocol = Annotated[
    Literal["http", "handle-udp", "handle-tcp"], typer.Option(help="How to ask: HTTP, or the Handle protocol.")
]
Url = Annotated[
    str | None,
    typer.Option(
        help="The node to load. Default: http://127.0.0.1:8080, for the Handle protocol handle://127.0.0.1:2641."
    ),
]
Auth = Annotated[
    str, typer.Option(metavar="INDEX:HANDLE", help="Who creates records over handle-tcp: the place of a secret.")
]
SecretFile = Annotated[Path | None, typer.Option(metavar="FILE", help="The secret there, as text.")]
Scenario = Annotated[
    Literal["uniform", "zipf", "misses", "mixed", "register"],
    typer.Option(
        help="What is asked for: all alike, few often, unknown ones, look-ups and registrations, registrations only."
    ),
]
Loop = Annotated[
    Literal["open", "closed"], typer.Option(help="open: at --rate, whatever happens; closed: as fast as answered.")
]
Rate = Annotated[float, typer.Option(help="Requests per second (open loop).", min=0.001, max=RATE_MAX)]
Duration = Annotated[float, typer.Option(help="Seconds to record.", min=0.1, max=DURATION_S_MAX)]
Warmup = Annotated[float, typer.Option(help="Seconds before recording begins.", min=0, max=60)]
Connections = Annotated[int, typer.Option(help="Keep-alive connections.", min=1, max=10_000)]
Prefix = Annotated[str, typer.Option(help="Prefix of the identifiers to ask for, with --count.")]
Count = Annotated[int, typer.Option(help="How many identifiers there are below --prefix.", min=1)]
Format = Annotated[str, typer.Option("--format", help="How they are numbered; n = 0 … count - 1.")]
KeysPath = Annotated[
    Path | None, typer.Option("--keys", help="A file of identifiers, one a line, instead of --prefix.")
]
ZipfExponent = Annotated[float, typer.Option(help="How unequal the zipf scenario is.", min=0.01, max=5)]
WriteShare = Annotated[float, typer.Option(help="Share of registrations (mixed).", min=0, max=1)]
WritePrefix = Annotated[str, typer.Option(help="Where registrations go; default --prefix.")]
Token = Annotated[str, typer.Option(help="API token for registrations.", envvar="IDNODE_TOKEN")]
Timeout = Annotated[float, typer.Option(help="Seconds until a request counts as timed out.", min=0.01, max=600)]
OutstandingMax = Annotated[int, typer.Option(help="Requests without an answer before new ones are dropped.", min=1)]
Seed = Annotated[int, typer.Option(help="Beginning of the random draw; the same seed asks for the same identifiers.")]
Report = Annotated[Path | None, typer.Option(help="Write an HTML report here, its figures as JSON beside it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
AllowRemote = Annotated[bool, typer.Option("--allow-remote", help="Load another machine; its owner has agreed.")]

app = typer.Typer(add_completion=False)


@app.command("loadtest")
def loadtest_command(
    *,
    url: Url = None,
    protocol: Protocol = "http",
    scenario: Scenario = "uniform",
    loop: Loop = "open",
    rate: Rate = 1000.0,
    duration: Duration = 10.0,
    warmup: Warmup = 1.0,
    connections: Connections = 64,
    prefix: Prefix = "",
    count: Count = 1,
    key_format: Format = DEFAULT_FORMAT,
    keys: KeysPath = None,
    zipf_exponent: ZipfExponent = 1.0,
    write_share: WriteShare = 0.1,
    write_prefix: WritePrefix = "",
    token: Token = "",
    auth: Auth = "",
    secret_file: SecretFile = None,
    timeout: Timeout = 10.0,
    outstanding_max: OutstandingMax = 100_000,
    seed: Seed = 1,
    report: Report = None,
    as_json: AsJson = False,
    allow_remote: AllowRemote = False,
) -> None:
    """Load a node with look-ups (and registrations), and measure what its users would see.

    Exit code 0: every answer was right; 1: some were not; 2: the options make no sense; 3: the node was not reached.
    """
    _check_report(report)
    asked = {"keys": _keys(prefix, count, key_format, keys), "zipf_exponent": zipf_exponent, "seed": seed}
    load = {"scenario": scenario, "loop": loop, "rate": rate, "duration_s": duration, "warmup_s": warmup}
    bounds = {"connections": connections, "outstanding_max": outstanding_max, "timeout_s": timeout}
    writes = {"write_share": write_share, "write_prefix": write_prefix or prefix, "user": auth}
    secret = token if protocol == "http" else _secret(secret_file)
    at = {"url": url or DEFAULT_URLS[protocol], "protocol": protocol, "allow_remote": allow_remote, "token": secret}
    plan = _checked(at | asked | load | bounds | writes)
    figures = _run(plan)
    if report is not None:
        write_report(figures, report)
    _print(figures, as_json=as_json)
    if any(series.wrong for series in figures.series):
        raise typer.Exit(EXIT_WRONG_ANSWERS)


def _secret(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(SECRET_CHARACTERS_MAX).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"the secret in {path} cannot be read") from error


def _keys(prefix: str, count: int, key_format: str, path: Path | None) -> KeyPattern | KeyFile:
    if (path is None) == (not prefix):
        raise typer.BadParameter("say which identifiers exist: either --prefix with --count, or --keys FILE")
    return KeyPattern(prefix, count, key_format) if path is None else KeyFile(str(path))


def _check_report(path: Path | None) -> None:
    if path is not None and (path.suffix == ".json" or not path.parent.is_dir()):
        raise typer.BadParameter(f"--report {path}: name an .html file in a folder that exists")


def _checked(fields: dict[str, Any]) -> Plan:
    """Return the plan of these fields, if it can be run: the generator's own checks, made before it is started."""
    try:
        plan = msgspec.convert(msgspec.to_builtins(fields), Plan)
        check_plan(plan)
        open_keys(plan.keys)
        parse_target(plan.url, allow_remote=plan.allow_remote, scheme=plan.scheme)
    except (PlanError, KeysError, TargetError, msgspec.ValidationError) as error:
        raise typer.BadParameter(str(error)) from error
    return plan


def _run(plan: Plan) -> Figures:
    view = LiveView(plan, Console(stderr=True))
    try:
        with view:
            return run_generator(plan, on_progress=view.show)
    except RunFailed as error:
        typer.echo(f"The load test did not run: {error}", err=True)
        raise typer.Exit(EXIT_NOT_RUN) from error


def _print(figures: Figures, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
        return
    names = ("series", "answers/s", *(f"p{name}" for name in SHOWN_PERCENTILES), "longest", "wrong")
    table = Table(*names, box=None, header_style="dim")
    for series in figures.series:
        times = [*(series.latency.at[name] for name in SHOWN_PERCENTILES), series.latency.max_us]
        table.add_row(series.name, f"{series.rate:,.0f}", *(shown(time) for time in times), f"{series.wrong:,}")
    Console().print(table)
