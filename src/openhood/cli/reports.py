"""``openhood report …``: administrators read what people report, and act on it. The rules are the domain's."""

from __future__ import annotations

from typing import Annotated

import typer

from openhood.cli.options import Data, opened
from openhood.cli.output import AsJson, refusals, write_done, write_rows
from openhood.domain.access import SYSTEM

app = typer.Typer(help="Read what people report, and act on it.", no_args_is_help=True)

_PAGE = 200


@app.command("list")
@refusals
def list_reports(
    state: Annotated[str, typer.Option(help="open, acted or dismissed.")] = "open",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List reports, the newest first."""
    from openhood.domain.moderation import actions

    rows: list[dict[str, object]] = []
    cursor: str | None = None
    with opened(data, create=False) as sv:
        while True:
            page = actions.list_reports(sv, SYSTEM, state=state, cursor=cursor, limit=_PAGE)
            rows += [
                {
                    "id": each.hex_id,
                    "about": dict(each.shown) if as_json else _about(each.shown),
                    "reason": each.reason,
                    "text": each.words,
                    "reporter": each.reporter,
                    "created": each.created_at,
                }
                for each in page.items
            ]
            cursor = page.cursor
            if cursor is None:
                break
    write_rows(rows, as_json=as_json, empty=f"There are no reports that are {state}.")


@app.command("act")
@refusals
def act(
    report: Annotated[str, typer.Argument(help="The id of the report.")],
    measure: Annotated[
        str,
        typer.Argument(
            help="disable_repo, enable_repo, hide_repo, show_repo, hide_comment, lock_discussion, lock_account or "
            "dismiss."
        ),
    ],
    answer: Annotated[str | None, typer.Option(help="What to write down about it.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Do something about a report, or dismiss it."""
    from openhood.domain.moderation import actions

    with opened(data, create=False) as sv:
        closed = actions.act(
            sv,
            SYSTEM,
            report_id=report,
            measure=None if measure == "dismiss" else measure,
            answer=answer,
        )
    write_done(f"The report was {closed.state}.", as_json=as_json, id=closed.hex_id, state=closed.state)


def _about(shown: object) -> str:
    parts = []
    for what, value in shown.items() if isinstance(shown, dict) else ():
        name = value.get("name") or value.get("id")
        parts.append(f"{what} {name}")
    return ", ".join(parts)
