"""``openhood reindex``: describes repositories anew from git and the store, for lists and search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from openhood.base.names import RepoId, RepoType
from openhood.cli.options import Config, Data, opened
from openhood.cli.output import EXIT_PROBLEM, AsJson, count_text, err, out, refusals, refuse, write_json

if TYPE_CHECKING:
    from openhood.domain.repos.types import Repo
    from openhood.domain.services import Services


@refusals
def reindex(
    repo_id: Annotated[
        str | None, typer.Argument(help="Describe this repository (namespace/name) only; unset: everything.")
    ] = None,
    repo_type: Annotated[str, typer.Option("--type", help="model, dataset or space.")] = "model",
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Describe repositories anew: card, tags, texts, files, parameters and sizes; and count every tag and like.

    Reads git and the headers of weights only, and writes the same rows as the commits once did. Works beside a
    running hub, which does this by itself after an upgrade that needs it.
    """
    from openhood.domain.discovery import reindex as indexing

    with opened(data, config, create=False) as sv, _progress() as progress:
        only = None if repo_id is None else _find(sv, repo_id, repo_type)
        done = indexing.reindex(sv, only=only, progress=progress)
    if as_json:
        failures = [{"repo": each.repo, "reason": each.reason} for each in done.failures]
        write_json(
            {"ok": not failures, "repos": done.repo_count, "tags": done.tag_count, "failures": failures}
        )
    else:
        for each in done.failures:
            out.print(f"{each.repo}: {each.reason}", markup=False)
        described = count_text(done.repo_count, "repository", many="repositories")
        counted = f" and counted {count_text(done.tag_count, 'tag')}" if only is None else ""
        out.print(f"Described {described} anew{counted}.")
        if done.failures:
            failed = count_text(len(done.failures), "repository", many="repositories")
            out.print(f"{failed} could not be described; 'openhood fsck' says what is damaged.")
    if done.failures:
        raise typer.Exit(EXIT_PROBLEM)


def _find(sv: Services, repo_id: str, repo_type: str) -> Repo:
    from openhood.base.errors import NotFound
    from openhood.domain.repos import rows

    kind = next((each for each in RepoType if repo_type in (each.value, each.plural)), None)
    if kind is None:
        raise refuse(f"Unknown repository type {repo_type!r}. Use model, dataset or space.")
    with sv.db.read() as tx:
        repo = rows.get_repo(tx, kind, RepoId.parse(repo_id))
    if repo is None:
        raise NotFound(f"There is no {kind.value} {repo_id}.")
    return repo


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many are done; elsewhere nothing."""
    if not err.is_terminal:
        yield lambda count: None
        return
    with err.status("Describing …") as status:
        yield lambda count: status.update(f"Described {count} …")
