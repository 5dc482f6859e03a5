"""``openhood demo``: fill a hub with believable content, to look at, to show and to try things on."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from openhood.cli.options import Config, Data, opened
from openhood.cli.output import AsJson, count_text, out, refusals, write_json

if TYPE_CHECKING:
    from openhood.domain.services import Services

_ELSEWHERE = frozenset({"deliver_webhook", "deliver_webhook_slowly", "mail_confirmation", "mail_notices"})
"""Jobs that talk to other machines: they are left to the hub itself."""


@refusals
def demo(
    jobs: Annotated[
        bool, typer.Option("--jobs/--no-jobs", help="Do now what the hub would do in the background.")
    ] = True,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Fill a hub with people, tiny models, datasets, spaces, discussions and a collection.

    What is there already stays as it is: a second run changes nothing. Meant for a hub of its own.
    """
    from openhood.demo import story

    password = secrets.token_urlsafe(9)
    with opened(data, config, create=True) as sv:
        made = story.tell(sv, password=password)
        if jobs:
            _run_jobs(sv)
    has_people = any(each.startswith("user ") for each in made)
    if as_json:
        write_json({"made": made, "password": password if has_people else None})
        return
    for each in made:
        out.print(f"+ {each}", markup=False)
    if not made:
        out.print("Nothing to do: the demonstration is there.", markup=False)
        return
    out.print(f"Done: {count_text(len(made), 'thing')} made.", markup=False)
    if has_people:
        out.print(f"Sign in as ada, mateo, yuki or amina with the password: {password}", markup=False)


def _run_jobs(sv: Services) -> None:
    from openhood.domain import jobs
    from openhood.infra.jobs.worker import Worker

    kinds = jobs.HANDLERS.keys() - _ELSEWHERE
    Worker(sv.db, sv.clock, {kind: partial(jobs.run, sv, kind) for kind in kinds}, threads=0).run_due()
