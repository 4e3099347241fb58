"""Running a command to its exit code: every foreseen failure is one line on standard error."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any

import typer

from node.client.errors import ClientError, UnavailableError
from node.client.problems import printable


class Exit(IntEnum):
    """The exit codes that scripts may trust; each command's --help says which it uses and when."""

    DONE = 0
    NOT_ALL = 1
    UNEXPECTED = 1
    USAGE = 2
    SOME_REJECTED = 3
    NODE = 4
    INTERRUPTED = 130


def run(command: Coroutine[Any, Any, Exit], *, on_failure: str = "") -> None:
    """Run a command and leave the program with its exit code; `on_failure` is added where running it again may help."""
    try:
        code = asyncio.run(command)
    except ClientError as error:
        say(f"idnode: {error}" + (f"; {on_failure}" if on_failure and isinstance(error, UnavailableError) else ""))
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as interrupt:
        say("idnode: interrupted" + (f"; {on_failure}" if on_failure else ""))
        raise typer.Exit(Exit.INTERRUPTED) from interrupt
    except BrokenPipeError:
        raise  # nobody reads on; the command line ends quietly
    except Exception as error:  # the last resort: a traceback helps nobody at a terminal
        if sys.flags.dev_mode:
            raise
        say(f"idnode: unexpected {type(error).__name__}: {error}; set PYTHONDEVMODE=1 to see where")
        raise typer.Exit(Exit.UNEXPECTED) from error
    raise typer.Exit(code)


def say(text: str) -> None:
    """Print one line for a person on standard error."""
    typer.echo(printable(text), err=True)


def waiting(report: Callable[[str], None]) -> Callable[[UnavailableError, float], None]:
    """Return a listener that reports each wait for the node."""

    def on_wait(error: UnavailableError, delay_s: float) -> None:
        report(f"{error}; trying again in {delay_s:.1f} s")

    return on_wait
