"""The command line. Each command only says what it takes; heavy imports wait until it runs."""

from __future__ import annotations

import signal
import sys
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

TROUBLE = 1  # something did not go well
USAGE = 2  # the command or the configuration is at fault


class House(TyperGroup):
    """Tells our own errors as a message and an exit code, for every command."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            ours = sys.modules.get("qc.errors")  # not loaded: the error cannot be one of ours
            if ours is None or not isinstance(error, ours.ShiftmixError):
                raise
            print(f"shiftmix: {error}", file=sys.stderr)
            misused = isinstance(error, ours.ConfigError | ours.FitError)
            raise typer.Exit(USAGE if misused else TROUBLE) from None


app = typer.Typer(
    cls=House,
    name="shiftmix",
    help="Sorts a shift's mixed items into production batches, holds the doubtful ones, and "
    "reports why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Config = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The plant's configuration.")
]
Day = Annotated[
    datetime | None,
    typer.Option(
        "--date",
        metavar="YYYY-MM-DD",
        formats=["%Y-%m-%d"],
        help="Production date, the local date on which the shift starts.  [default: the last one]",
    ),
]
ShiftName = Annotated[
    str,
    typer.Option(
        "--shift", metavar="NAME", help="Name of the shift.  [default: the last one that ended]"
    ),
]
LookIn = Annotated[
    datetime | None,
    typer.Option(
        "--date",
        metavar="YYYY-MM-DD",
        formats=["%Y-%m-%d"],
        help="Production date of the shift to look in.  [default: any]",
    ),
]
First = Annotated[
    datetime,
    typer.Option(
        "--from", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="The first production date."
    ),
]
Last = Annotated[
    datetime,
    typer.Option(
        "--to", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="The last production date."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command()
def inspect(
    config: Config = Path("plant.toml"),
    date: Day = None,
    shift: ShiftName = "",
    line: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="NAME", help="Inspect this line only; may be repeated."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Inspect one shift and publish its report.

    Runs on the Prefect server of PREFECT_API_URL where that is set, else without Prefect. Exit
    code 1 if a line could not be read or computed; its other lines are published all the same.
    """
    from flows.inspecting import inspect_and_tell

    day = None if date is None else date.date()
    raise typer.Exit(inspect_and_tell(config, day, shift, tuple(line or ()), as_json=json))


@app.command()
def backfill(
    config: Config = Path("plant.toml"),
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="The first production date."
        ),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option(
            "--to", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="The last production date."
        ),
    ] = None,
    shift: Annotated[
        str, typer.Option("--shift", metavar="NAME", help="This shift only.  [default: all]")
    ] = "",
    missed: Annotated[
        bool,
        typer.Option(
            "--missed", help="Instead of a range: the shifts of the last days that nobody tried."
        ),
    ] = False,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Inspect again what other code has published."),
    ] = False,
    only_list: Annotated[
        bool, typer.Option("--list", help="Inspect nothing, and say what would be.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Inspect every ended shift of a range of dates, or the missed ones, oldest first.

    Shifts that are published for the same input and configuration are left as they are, so that a
    backfill that was stopped goes on where it was. Exit code 1 if a shift or a line of it could not
    be read or computed; a shift without data is told, and no error.
    """
    from flows.backfilling import backfill_and_tell, range_of

    asked = range_of(first, last, shift, missed=missed)
    raise typer.Exit(
        backfill_and_tell(config, asked, recompute=recompute, only_list=only_list, as_json=json)
    )


@app.command()
def check(
    config: Config = Path("plant.toml"),
    date: Day = None,
    shift: ShiftName = "",
    json: AsJson = False,
) -> None:
    """Judge the configuration and a shift's input files, without a fit.

    Exit code 1 if any line has nothing usable.
    """
    from flows.checking import check_and_tell

    day = None if date is None else date.date()
    raise typer.Exit(check_and_tell(config, day, shift, as_json=json))


@app.command()
def explain(
    item: Annotated[str, typer.Option("--item", metavar="ID", help="The item's id, as recorded.")],
    config: Config = Path("plant.toml"),
    date: LookIn = None,
    shift: Annotated[
        str, typer.Option("--shift", metavar="NAME", help="Name of the shift.  [default: any]")
    ] = "",
    line: Annotated[
        str, typer.Option("--line", metavar="NAME", help="The item's line.  [default: any]")
    ] = "",
    json: AsJson = False,
) -> None:
    """Say why an item was held or assigned, with all figures that decided on it.

    Looks through the published shifts, newest first. Exit code 1 if none of them has the item.
    """
    from flows.explaining import explain_and_tell

    day = None if date is None else date.date()
    raise typer.Exit(explain_and_tell(config, item, day, shift, line, as_json=json))


@app.command()
def replay(
    first: First,
    last: Last,
    policy: Annotated[
        Path,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="What to try: a whole plant.toml, or [policy] and [[line]] tables of changes.",
        ),
    ],
    config: Config = Path("plant.toml"),
    shift: Annotated[
        str, typer.Option("--shift", metavar="NAME", help="This shift only.  [default: all]")
    ] = "",
    line: Annotated[
        str, typer.Option("--line", metavar="NAME", help="This line only.  [default: all]")
    ] = "",
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="FOLDER",
            help="True batches, as `shiftmix simulate` writes them.  [default: the column "
            "known_batch, where the plant has one]",
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Write an HTML page, too.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Try another policy, configuration or code version on past shifts; publishes nothing.

    Exit code 1 if something that was stored cannot be read.
    """
    from flows.replaying import replay_and_tell

    days = first.date(), last.date()
    raise typer.Exit(replay_and_tell(config, policy, *days, shift, line, truth, page, as_json=json))


dispositions = typer.Typer(
    help="What people decided on held items: import a filled-in list, list what is open.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(dispositions, name="dispositions")


@dispositions.command("import")
def import_decisions(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A filled-in held.csv, or the same as Parquet.")
    ],
    config: Config = Path("plant.toml"),
    date: Day = None,
    shift: ShiftName = "",
    json: AsJson = False,
) -> None:
    """Record what was decided on a shift's held items, and publish its next version.

    The file is recorded whole or, if anything is wrong with it, not at all: exit code 1. What is
    recorded stays; a row that says in amendment why it was wrong is recorded beside it, and holds.
    """
    from flows.dispositions import import_and_tell

    day = None if date is None else date.date()
    raise typer.Exit(import_and_tell(config, file, day, shift, as_json=json))


@dispositions.command("list")
def list_decisions(
    config: Config = Path("plant.toml"),
    date: Day = None,
    shift: ShiftName = "",
    only_open: Annotated[
        bool, typer.Option("--open", help="Only items that nobody has decided on.")
    ] = False,
    json: AsJson = False,
) -> None:
    """List a published shift's held items with what was decided on them."""
    from flows.dispositions import list_and_tell

    day = None if date is None else date.date()
    raise typer.Exit(list_and_tell(config, day, shift, only_open=only_open, as_json=json))


@app.command()
def report(
    config: Config = Path("plant.toml"),
    date: Annotated[
        list[datetime] | None,
        typer.Option(
            "--date",
            metavar="YYYY-MM-DD",
            formats=["%Y-%m-%d"],
            help="Production date of a published shift; may be repeated.  [default: any]",
        ),
    ] = None,
    shift: Annotated[
        list[str] | None,
        typer.Option(
            "--shift",
            metavar="NAME",
            help="Name of the shift, one for each --date if both are named.  [default: any]",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Make the pages of published shifts anew, from their results alone.

    A shift whose pages come out otherwise than published gets a new version; its other files stay
    where they are. Exit code 1 if what is published is damaged.
    """
    from flows.reporting import report_and_tell

    days = [day.date() for day in date or ()]
    raise typer.Exit(report_and_tell(config, days, shift or (), as_json=json))


@app.command()
def retention(
    config: Config = Path("plant.toml"),
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            min=0,
            help="Age in days.  [default: retention_days of plant.toml]",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """List the versions past the plant's age, with what they weigh and what keeps them.

    Deletes nothing. Exit code 1 if something of that age cannot be read.
    """
    from flows.retention import retention_and_tell

    raise typer.Exit(retention_and_tell(config, older_than, as_json=json))


@app.command()
def verify(
    config: Config = Path("plant.toml"),
    date: LookIn = None,
    shift: Annotated[
        str, typer.Option("--shift", metavar="NAME", help="Name of the shift.  [default: any]")
    ] = "",
    json: AsJson = False,
) -> None:
    """Read every file of the published versions again, and hold it against its manifest.

    Names what is damaged, missing or not of the version. Exit code 1 if anything is.
    """
    from flows.verifying import verify_and_tell

    day = None if date is None else date.date()
    raise typer.Exit(verify_and_tell(config, day, shift, as_json=json))


@app.command()
def export(
    out: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to: a name in .parquet or .csv.")
    ],
    config: Config = Path("plant.toml"),
    date: Day = None,
    shift: ShiftName = "",
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="First date of a range."
        ),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option(
            "--to", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="Last date of a range."
        ),
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="NAME", help="This line only; may be repeated."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write the items of a shift, or of a range of dates, into one file, as they are published now.

    Without a range it is one shift, by date and name.
    """
    from flows.exporting import Wanted, export_and_tell

    day, begin, end = (None if one is None else one.date() for one in (date, first, last))
    wanted = Wanted(day, shift, begin, end, tuple(line or ()))
    raise typer.Exit(export_and_tell(config, wanted, out, as_json=json))


@app.command()
def fit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A Parquet file, or a CSV file with a header.")
    ],
    column: Annotated[
        str, typer.Option("--column", metavar="NAME", help="The column of readings.")
    ],
    batches: Annotated[
        int, typer.Option("--batches", metavar="K", min=1, help="How many batches to fit.")
    ],
    resolution: Annotated[
        float | None,
        typer.Option(
            "--resolution",
            metavar="STEP",
            help="Step of the gauge, to whose nearest multiple readings are rounded.  [default: "
            "none, plain maximum likelihood]",
        ),
    ] = None,
    background: Annotated[
        bool, typer.Option("--background", help="Add a uniform component, for strays.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Fit a mixture to one column of a file, and draw it.

    Exit code 1 if there is no fit, or it did not settle.
    """
    from flows.fitting import as_json, as_text, fit_column

    fitted = fit_column(file, column, batches, resolution=resolution, background=background)
    typer.echo(as_json(fitted) if json else as_text(fitted))
    raise typer.Exit(0 if fitted.went_well else TROUBLE)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Parquet file of readings.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the draft goes.")
    ] = Path("plant.toml"),
    column: Annotated[
        str,
        typer.Option(
            "--column", metavar="NAME", help="The column of readings.  [default: guessed]"
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Draft a plant.toml from a file of readings, with a TODO at all that only the plant knows."""
    from flows.draft import draft_and_tell

    draft_and_tell(file, out, column, force=force)


@app.command()
def simulate(
    config: Config = Path("plant.toml"),
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Equal seeds, equal files.")
    ] = 1,
    first: Annotated[
        datetime,
        typer.Option(
            "--from",
            metavar="YYYY-MM-DD",
            formats=["%Y-%m-%d"],
            show_default=False,
            help="The first day.  [default: 2026-11-20]",
        ),
    ] = datetime(2026, 11, 20),  # noqa: DTZ001 - a calendar day
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, help="How many days.")] = 1,
    items: Annotated[
        int, typer.Option("--items", metavar="N", min=1, help="Items of each line in each shift.")
    ] = 24_000,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="FOLDER",
            help="Folder of the true batches.  [default: truth, beside the configuration]",
        ),
    ] = None,
) -> None:
    """Write simulated measurements of a plant, and the true batches beside them."""
    from config import load_plant
    from qc.storage.simulated import write_simulation

    plant = load_plant(config)
    truth = truth or config.parent / "truth"
    shifts = write_simulation(
        plant,
        seed=seed,
        first_day=first.date(),
        n_days=days,
        items_per_shift=items,
        truth=truth,
    )
    print(f"{len(shifts)} shifts of {plant.name}, {shifts[0]} to {shifts[-1]}")
    print(f"readings: {plant.readings}")
    print(f"truth:    {truth.resolve()}")


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Option("--folder", metavar="FOLDER", help="Where the demo lives.")
    ] = Path("demo"),
) -> None:
    """Simulate a plant, inspect its shifts in Prefect, and say where the reports are."""
    from flows.demo import run_demo

    raise typer.Exit(run_demo(folder))


@app.command()
def serve(
    config: Config = Path("plant.toml"),
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="Where reports and a Prefect server are served."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option("--port", metavar="N", min=1, max=65535, help="Port of the Prefect server."),
    ] = 4200,
    reports_port: Annotated[
        int,
        typer.Option("--reports-port", metavar="N", min=1, max=65535, help="Port of the reports."),
    ] = 4201,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home",
            metavar="FOLDER",
            help="Folder of the Prefect server's database.  [default: prefect, beside the "
            "configuration]",
        ),
    ] = None,
) -> None:
    """Inspect shifts by themselves, from Prefect, and serve their reports to browsers.

    Joins the Prefect server of PREFECT_API_URL where that is set, else starts one.
    """
    from flows.serving import serve_and_wait

    raise typer.Exit(
        serve_and_wait(config, host=host, port=port, reports_port=reports_port, home=home)
    )


@app.command()
def version() -> None:
    """Print the version, and the hash of the code that results are marked with."""
    from flows.software import software

    print(software())


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign shows a question mark, and the command goes on.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    unwind_when_asked()
    app()


def unwind_when_asked() -> None:
    """Let a polite kill or a closed terminal end the run as an error would: it clears up first."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` leaves it
            signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
