"""What is done for each kind of directive, in the transaction that also notes its end: so it is done once."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from registry import origin
from registry.authority import Principal
from registry.errors import RegistryError
from registry.origin import Origin
from registry.service import prefix_states, takeovers
from sync.batch import Period
from sync.context import Context
from sync.database import Connection
from sync.directives.bodies import (
    BodyUnfit,
    CorrectRows,
    EscrowVerdict,
    PrefixDecision,
    ResendFacts,
    RotateKey,
    SendFull,
    Tables,
    Takeover,
    body_of,
)
from sync.directives.shapes import Directive, Outcome
from sync.outbox import open_rows, pauses, streams
from sync.outbox.open_rows import OpenRow
from sync.tables.table import Operation, Standing

ORDERED_BY: Final = "top-level node"
ACCOUNT: Final = "top-level-node"
"""Stands in the journal and the audit log for what the national node decides."""

Duty = Callable[[Context, Connection, Directive], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Services:
    """What other parts do for directives, in the given transaction; each returns what to tell the collector.

    `full_set` of a table and scope, `facts` of a table, scope and period again, `verdict` on a deposit.
    """

    full_set: Callable[[Context, Connection, str, str], Awaitable[str]]
    facts: Callable[[Context, Connection, str, str, Period | str], Awaitable[str]]
    verdict: Callable[[Connection, str, str, str], Awaitable[str]]


class Declined(Exception):  # noqa: N818 - an outcome, as its name says
    """A directive is not carried out; the message is told to the collector."""


def duties(services: Services) -> Mapping[str, Duty]:
    """Return what is done for each kind but `resend_range`, which takes several transactions."""

    async def send_full(context: Context, connection: Connection, directive: Directive) -> Outcome:
        wanted = body_of(directive, SendFull)
        _check_scope(context, wanted.scope)
        return Outcome("done", await services.full_set(context, connection, wanted.table, wanted.scope))

    async def resend_facts(context: Context, connection: Connection, directive: Directive) -> Outcome:
        wanted = body_of(directive, ResendFacts)
        _check_scope(context, wanted.scope)
        return Outcome("done", await services.facts(context, connection, wanted.table, wanted.scope, wanted.period))

    async def escrow_verdict(_: Context, connection: Connection, directive: Directive) -> Outcome:
        told = body_of(directive, EscrowVerdict)
        return Outcome("done", await services.verdict(connection, told.deposit_id, told.verdict, told.text))

    return {
        "send_full": send_full,
        "correct_rows": _correct_rows,
        "resend_facts": resend_facts,
        "pause": _pause,
        "resume": _resume,
        "escrow_verdict": escrow_verdict,
        "prefix_decision": _prefix_decision,
        "takeover_started": _takeover_started,
        "takeover_ended": _takeover_ended,
        "rotate_key": _rotate_key,
    }


async def carry_out(duty: Duty | None, context: Context, connection: Connection, directive: Directive) -> Outcome:
    """Do what a directive asks for, or leave everything as it was; raises what may pass by itself."""
    if duty is None:
        return Outcome("refused", f"{directive.kind} is not known here")
    try:
        async with connection.transaction():
            return await duty(context, connection, directive)
    except (BodyUnfit, Declined) as error:
        return Outcome("refused", str(error))
    except RegistryError as error:
        return Outcome("refused", f"{error.code}: {error.message}")


async def _correct_rows(context: Context, connection: Connection, directive: Directive) -> Outcome:
    wanted = body_of(directive, CorrectRows)
    _check_scope(context, wanted.scope)
    found = await streams.lock_scopes(connection, context.reporter, wanted.table, [wanted.scope])
    stream = found[wanted.scope]
    reason = wanted.reason or directive.reason or "the top-level node asks for a correction"
    rows = [
        # Version 0: whatever is accepted next for the key closes it.
        OpenRow(key, 0, Operation.MODIFY, "correction_wanted", None, reason, Standing.PRESENT)
        for key in dict.fromkeys(wanted.keys)
    ]
    await open_rows.note(connection, stream.stream_id, rows, context.now())
    return Outcome("accepted", f"{len(rows)} rows are shown to their owners as open")


async def _pause(context: Context, connection: Connection, directive: Directive) -> Outcome:
    names = body_of(directive, Tables).names()
    await pauses.begin(
        connection, context.reporter, names, context.now(), ordered_by=ORDERED_BY, reason=directive.reason
    )
    return Outcome("done", f"nothing is sent of {_spoken(names)}")


async def _resume(context: Context, connection: Connection, directive: Directive) -> Outcome:
    names = body_of(directive, Tables).names()
    await pauses.end(connection, context.reporter, names)
    return Outcome("done", f"{_spoken(names)} go on")


async def _prefix_decision(context: Context, connection: Connection, directive: Directive) -> Outcome:
    told = body_of(directive, PrefixDecision)
    _check_scope(context, told.prefix)
    approved = told.decision == "approved"
    principal = Principal(ACCOUNT, "administrator")
    reason = told.reason or directive.reason or ("" if approved else "rejected by the top-level node")
    here = Origin(address="top-level node", action="directive prefix_decision", request_id=directive.id)
    with origin.acting(here):
        moved, _ = await prefix_states.decide(
            connection, principal, context.now(), told.prefix, approved=approved, reason="" if approved else reason
        )
    return Outcome("done", f"{told.prefix} is {moved.state}")


async def _takeover_started(context: Context, connection: Connection, directive: Directive) -> Outcome:
    scope = body_of(directive, Takeover).scope
    reason = directive.reason or f"take-over declared for {scope or context.reporter}"
    await takeovers.begin(connection, context.now(), reason, f"{ORDERED_BY}, {directive.id}")
    return Outcome("done", "the registry takes no changes; look-ups go on")


async def _takeover_ended(context: Context, connection: Connection, directive: Directive) -> Outcome:
    body_of(directive, Takeover)
    ended = await takeovers.end(connection, context.now(), f"{ORDERED_BY}, {directive.id}")
    return Outcome("done", "the registry takes changes again" if ended else "the registry took changes all along")


async def _rotate_key(context: Context, connection: Connection, directive: Directive) -> Outcome:
    del context, connection
    not_after = body_of(directive, RotateKey).not_after
    return Outcome("accepted", f"the operator is asked for a new key; the old one counts until {not_after}")


def _check_scope(context: Context, scope: str) -> None:
    if scope != context.reporter and not scope.startswith(context.reporter + "."):
        raise Declined(f"{scope} is not below {context.reporter}")


def _spoken(names: tuple[str, ...]) -> str:
    return "all tables" if "*" in names else ", ".join(names)
