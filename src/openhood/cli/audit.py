"""``openhood audit …``: look at the trail of privileged actions, hand it out, and prove that nobody changed it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from openhood.cli.options import Data, opened
from openhood.cli.output import (
    EXIT_PROBLEM,
    AsJson,
    err,
    refusals,
    refuse,
    write_facts,
    write_json,
    write_rows,
)
from openhood.domain.access import SYSTEM

app = typer.Typer(help="Look at the trail of privileged actions and prove it is whole.", no_args_is_help=True)

Org = Annotated[str | None, typer.Option("--org", help="Only what concerns this organization.")]
Start = Annotated[str | None, typer.Option("--from", help="First day or moment, such as 2030-01-31.")]
End = Annotated[
    str | None, typer.Option("--to", help="Last day, all of it, or the moment where it ends (UTC).")
]


@app.command("list")
@refusals
def list_events(
    org: Org = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as repo.delete.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this user did.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many of the newest.")] = 50,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the newest privileged actions."""
    with opened(data, create=False) as sv:
        from openhood.domain import auditing

        found = auditing.list_events(
            sv,
            SYSTEM,
            org=org,
            wanted=auditing.Wanted(action=action, actor=actor),
            before=None,
            limit=limit,
        )
    if as_json:
        write_json([auditing.as_json(each) for each in found])
        return
    rows = [
        {
            "at": each.at,
            "actor": each.actor,
            "action": each.action,
            "subject": each.subject,
            "details": ", ".join(f"{key}={value}" for key, value in each.details.items()),
        }
        for each in found
    ]
    write_rows(rows, as_json=False, empty="Nothing was done yet.")


@app.command("export")
@refusals
def export(org: Org = None, start: Start = None, end: End = None, data: Data = None) -> None:
    """Write the trail to standard output, a JSON object per line, in order and sealed."""
    first, last = _moment(start, is_end=False), _moment(end, is_end=True)
    with opened(data, create=False) as sv:
        from openhood.domain import auditing

        owner = auditing.begin_export(sv, SYSTEM, org=org)
        wanted = auditing.Wanted(start=first, end=last)
        after = auditing.BEGIN
        while page := auditing.export_page(sv, owner_id=owner, wanted=wanted, after=after):
            for each in page:
                sys.stdout.write(json.dumps(auditing.as_json(each), ensure_ascii=False) + "\n")
            after = page[-1].id


@app.command("seal")
@refusals
def seal(data: Data = None, as_json: AsJson = False) -> None:
    """Seal what is not sealed yet, and show the last seal, to be kept elsewhere."""
    with opened(data, create=False) as sv:
        from openhood.domain import auditing

        auditing.seal_new(sv)
        report = auditing.verify(sv, SYSTEM)
    write_facts({"last_id": report.last_id, "last_seal": report.last_seal}, as_json=as_json)


@app.command("verify")
@refusals
def verify(
    known: Annotated[
        str | None, typer.Option("--seal", help="A seal you wrote down earlier, which must be there.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Check every sealed row. Ends with exit code 1 where one was changed, taken out, put in or moved."""
    with opened(data, create=False) as sv:
        from openhood.domain import auditing

        report = auditing.verify(sv, SYSTEM, known_seal=known)
    facts = {
        "intact": report.is_intact,
        "rows": report.row_count,
        "unsealed": report.unsealed,
        "last_id": report.last_id,
        "last_seal": report.last_seal,
    }
    if as_json:
        write_json({**facts, "findings": [{"id": each.id, "what": each.what} for each in report.findings]})
    else:
        write_facts(facts, as_json=False)
        for each in report.findings:
            err.print(f"row {each.id}: {each.what}", markup=False)
    if not report.is_intact:
        raise typer.Exit(EXIT_PROBLEM)


def _moment(text: str | None, *, is_end: bool) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(f"{text!r} is no date. Write 2030-01-31 or 2030-01-31T12:00:00Z.") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    is_day = len(text) == len("2030-01-31")
    return found.astimezone(UTC) + timedelta(days=1 if is_end and is_day else 0)
