"""`python -m loadtest.bench`: runs the side by side and writes bench/latest.json and bench/latest.html."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from loadtest.bench import measures
from loadtest.bench.bench_page import render_bench
from loadtest.bench.beside import measure_beside, measure_beside_reports
from loadtest.bench.bulk_import import measure_bulk_import
from loadtest.bench.growth import measure_growth
from loadtest.bench.handle_creates import measure_handle_creates
from loadtest.bench.handle_lookups import measure_handle_lookups
from loadtest.bench.lookups import measure_lookups
from loadtest.bench.measures import MEASURES, Measure, Outcome, not_measured
from loadtest.bench.register import measure_register
from loadtest.bench.registry_load import measure_registry_load
from loadtest.bench.reports import measure_reports
from loadtest.bench.results import Results, merged, taken, write_results
from loadtest.bench.settings import Settings, quick
from loadtest.launch import RunFailed
from loadtest.peers.served import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    Group = Callable[[Settings, set[Measure], Callable[[str], None]], list[Outcome]]

CORES_NEEDED = 2
IDLE_LOAD_MAX = 0.5
EXIT_FAILED = 1

# One group shares its servers and its records; groups run one after the other.
GROUPS: tuple[tuple[Group, tuple[Measure, ...]], ...] = (
    (
        measure_lookups,
        (
            measures.LOOKUP_THROUGHPUT,
            measures.LOOKUP_CPU,
            measures.AIOHTTP_THROUGHPUT,
            measures.TAIL,
            measures.MEMORY,
        ),
    ),
    (measure_growth, (measures.GROWTH,)),
    (measure_bulk_import, (measures.BULK_IMPORT,)),
    (measure_register, (measures.REGISTER,)),
    (
        measure_registry_load,
        (measures.SINGLES, measures.SNMS_BATCH, measures.SEARCH),
    ),
    (measure_beside, (measures.BESIDE,)),
    (measure_beside_reports, (measures.BESIDE_REPORTS,)),
    (measure_reports, (measures.REPORTS,)),
    (measure_handle_lookups, (measures.HANDLE_UDP_CPU, measures.HANDLE_TCP)),
    (measure_handle_creates, (measures.HANDLE_CREATE,)),
)

_SIZES = Settings(work=Path("bench/work"))

Only = Annotated[list[str] | None, typer.Option(help=f"Take only this measure (repeatable): {', '.join(MEASURES)}.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small sizes: shows that the bench works; figures mean nothing.")]
Folder = Annotated[Path, typer.Option(help="Where the results and the data directories go.")]
Records = Annotated[int, typer.Option(help="Records of the look-up measures.", min=1)]
SmallRecords = Annotated[int, typer.Option(help="Few records, for growth.", min=1)]
LargeRecords = Annotated[int, typer.Option(help="Many records, for growth.", min=1)]
ImportRows = Annotated[int, typer.Option(help="Records of one import round.", min=1)]
Rounds = Annotated[int, typer.Option(help="Interleaved rounds; the median counts.", min=1, max=100)]
Seconds = Annotated[float, typer.Option(help="Seconds of one run.", min=0.5, max=600)]


def bench_command(
    *,
    only: Only = None,
    quick_run: Quick = False,
    folder: Folder = Path("bench"),
    records: Records = _SIZES.records,
    small_records: SmallRecords = _SIZES.small_records,
    large_records: LargeRecords = _SIZES.large_records,
    import_rows: ImportRows = _SIZES.import_rows,
    rounds: Rounds = _SIZES.rounds,
    seconds: Seconds = _SIZES.seconds,
) -> None:
    """Measure the node side by side with its peers. Needs two cores: one for the server, one for the client."""
    wanted = _wanted(only)
    settings = Settings(folder / "work", records, small_records, large_records, import_rows, rounds, seconds)
    if quick_run:
        settings = quick(settings)
    if len(os.sched_getaffinity(0)) < CORES_NEEDED:
        raise typer.BadParameter("the bench needs two cores, one for the server and one for the client")
    settings.work.mkdir(parents=True, exist_ok=True)
    console = Console()
    if (load := os.getloadavg()[0]) > IDLE_LOAD_MAX:
        console.print(f"[yellow]This machine is busy (load {load:.1f}): the figures will scatter.[/yellow]")
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    outcomes = [
        outcome for group, covered in GROUPS for outcome in _outcomes(group, covered, wanted, settings, console)
    ]
    # A quick run never replaces figures that mean something.
    target = settings.work / "quick" if settings.quick else folder / "latest"
    results = merged(target.with_suffix(".json"), taken(outcomes, settings, measured_at=measured_at))
    write_results(target.with_suffix(".json"), results)
    target.with_suffix(".html").write_text(render_bench(results), encoding="utf-8")
    _print(results, console, target)
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(EXIT_FAILED)


def _wanted(only: list[str] | None) -> set[Measure]:
    if unknown := set(only or ()) - set(MEASURES):
        raise typer.BadParameter(f"--only {' '.join(sorted(unknown))}: choose from {', '.join(MEASURES)}")
    return {MEASURES[name] for name in only or MEASURES}


def _outcomes(
    group: Group, covered: tuple[Measure, ...], wanted: set[Measure], settings: Settings, console: Console
) -> list[Outcome]:
    """Return the wanted outcomes of a group; one that fails leaves the others to be measured."""
    asked = wanted & set(covered)
    if not asked:
        return []
    try:
        found = group(settings, asked, lambda text: console.print(text, highlight=False, soft_wrap=True))
    except (ServerFailed, RunFailed, OSError) as error:
        console.print(f"[red]not measured:[/red] {error}", highlight=False, soft_wrap=True)
        return [not_measured(measure, str(error), failed=True) for measure in covered if measure in asked]
    return [outcome for outcome in found if MEASURES[outcome.measure] in asked]


def _print(results: Results, console: Console, target: Path) -> None:
    table = Table("measure", "value", "to reach", "aim", "verdict", box=None, header_style="dim")
    for name, one in results.measures.items():
        measure, outcome = MEASURES[name], one.outcome
        value = "–" if outcome.value is None else f"{outcome.value:.3g} {measure.unit}"
        aim = "" if measure.aim is None else f"{measure.aim:g}"
        table.add_row(measure.title, value, f"{measure.to_reach:g}", aim, outcome.verdict)
    console.print(table)
    console.print(f"{target}.json, {target}.html")


if __name__ == "__main__":
    typer.run(bench_command)
