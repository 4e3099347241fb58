"""`idnode sync …`: how reporting stands, what is wrong, and what can be done about it."""

from typing import Final

import typer

from sync.commands import acting, asking, comparing, events, keys, looking, monthly
from sync.rehearsal import command as rehearsal

EXIT_NOT_ALL: Final = asking.EXIT_NOT_ALL
EXIT_USAGE: Final = asking.EXIT_USAGE
EXIT_AWAY: Final = asking.EXIT_AWAY

app = typer.Typer(no_args_is_help=True, help="How reporting to the national top-level node stands.")
for _command in (
    looking.status,
    looking.link,
    looking.check,
    looking.rejections,
    looking.directives,
    looking.dead_letters,
    acting.resume,
    acting.retry,
    acting.resend,
    acting.dismiss,
    acting.pause,
    acting.unpause,
    acting.send_full,
    comparing.reconcile,
    monthly.report,
    events.agreement,
):
    app.command()(_command)
app.command("rehearse")(rehearsal.rehearse)
app.add_typer(keys.app, name="key")
app.add_typer(events.event, name="event")
app.add_typer(events.note, name="note")
app.add_typer(events.contact, name="contact")
