"""``openhood fsck``: checks that everything the hub claims to hold is there, whole and reachable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from openhood.base.names import RepoId, RepoType
from openhood.cli.options import Config, Data, opened
from openhood.cli.output import EXIT_PROBLEM, AsJson, err, out, refusals, refuse, write_json

if TYPE_CHECKING:
    from openhood.domain.fsck import Finding
    from openhood.domain.services import Services

_MARKS = {"error": "[bold red]error[/]", "note": "[dim]note [/]"}


@refusals
def fsck(
    repo_id: Annotated[
        str | None, typer.Argument(help="Check this repository (namespace/name) only; unset: everything.")
    ] = None,
    repo_type: Annotated[str, typer.Option("--type", help="model, dataset or space.")] = "model",
    deep: Annotated[
        bool, typer.Option("--deep", help="Read and hash every xorb and large file too.")
    ] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Remove leftovers of crashes that nothing names, once a day old.")
    ] = False,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check every ref, pack, git object, large file and xorb; exit code 1 where something is damaged.

    Works beside a running hub.
    """
    from openhood.domain import fsck as checks

    if sweep and repo_id is not None:
        raise refuse("--sweep looks at the whole object store: leave the repository out.")
    findings: list[Finding] = []
    swept: list[str] = []
    with opened(data, config, create=False) as sv, _progress() as step:
        found = (
            checks.check_all(sv, deep=deep, step=step)
            if repo_id is None
            else _one(sv, repo_id, repo_type, deep=deep, step=step)
        )
        for finding in found:
            if not (sweep and finding.is_leftover):
                findings.append(finding)
                if not as_json:
                    _write(finding)
        if sweep:
            swept = list(checks.sweep(sv, older_than_s=checks.LEFTOVER_AGE_S))
    errors = sum(finding.level == "error" for finding in findings)
    if as_json:
        write_json({"ok": not errors, "findings": [_facts(each) for each in findings], "swept": swept})
    else:
        if sweep:
            out.print(f"Removed {len(swept)} leftovers.")
        out.print(f"{errors} errors." if errors else "Everything is in order.")
    if errors:
        raise typer.Exit(EXIT_PROBLEM)


def _one(
    sv: Services, repo_id: str, repo_type: str, *, deep: bool, step: Callable[[str], None]
) -> Iterator[Finding]:
    from openhood.domain import fsck as checks

    kind = next((each for each in RepoType if repo_type in (each.value, each.plural)), None)
    if kind is None:
        raise refuse(f"Unknown repository type {repo_type!r}. Use model, dataset or space.")
    return checks.check_one(sv, repo_type=kind, repo_id=RepoId.parse(repo_id), deep=deep, step=step)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being looked at; elsewhere nothing."""
    if not err.is_terminal:
        yield lambda what: None
        return
    with err.status("Checking …") as status:
        yield lambda what: status.update(f"Checking {what} …")


def _write(finding: Finding) -> None:
    out.print(f"{_MARKS[finding.level]} ", end="")
    out.print(f"{finding.subject}: {finding.problem}", markup=False)
    out.print(f"      {finding.remedy}", markup=False)


def _facts(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level,
        "subject": finding.subject,
        "problem": finding.problem,
        "remedy": finding.remedy,
    }
