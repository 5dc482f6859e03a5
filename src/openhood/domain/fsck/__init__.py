"""Checking that everything the rows claim is really there: every ref, pack, large file, xorb and hash.

Reads only, but for `sweep`. Each finding says what is wrong and what to do; leftovers of crashes are notes, since
nothing names them.
"""

from __future__ import annotations

from collections.abc import Iterator

from openhood.base.errors import NotFound
from openhood.base.names import RepoId, RepoType
from openhood.domain.fsck.chunks import check_xorbs
from openhood.domain.fsck.findings import Finding, Step
from openhood.domain.fsck.large_files import check_large_files
from openhood.domain.fsck.leftovers import leftovers, sweep
from openhood.domain.fsck.repositories import check_repo, list_repos, subject_of
from openhood.domain.repos import rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services

__all__ = ["LEFTOVER_AGE_S", "Finding", "Step", "check_all", "check_one", "check_repo", "leftovers", "sweep"]

LEFTOVER_AGE_S = 86400.0


def check_all(sv: Services, *, deep: bool, step: Step) -> Iterator[Finding]:
    """Yield every finding, repository by repository, then xorbs and large files, then what nobody names.

    Args: ``deep`` reads and hashes every xorb and large file too; otherwise sizes are compared. Works beside a
    running hub.
    """
    for repo in list_repos(sv):
        step(subject_of(repo))
        yield from check_repo(sv, repo)
    yield from _check_content(sv, None, deep=deep, step=step)
    step("the object store")
    for stored in leftovers(sv, older_than_s=LEFTOVER_AGE_S):
        problem = (
            f"no row names these {stored.size_bytes} bytes: a change was cut off before it became visible"
        )
        yield Finding(
            "note",
            stored.key,
            problem,
            "Harmless. 'openhood fsck --sweep' removes such leftovers.",
            is_leftover=True,
        )


def check_one(
    sv: Services, *, repo_type: RepoType, repo_id: RepoId, deep: bool, step: Step
) -> Iterator[Finding]:
    """Yield the findings of one repository and of its large files. Raises NotFound."""
    with sv.db.read() as tx:
        repo = rows.get_repo(tx, repo_type, repo_id)
    if repo is None:
        raise NotFound(f"There is no {repo_type.value} {repo_id}.")
    step(subject_of(repo))
    yield from check_repo(sv, repo)
    yield from _check_content(sv, repo, deep=deep, step=step)


def _check_content(sv: Services, repo: Repo | None, *, deep: bool, step: Step) -> Iterator[Finding]:
    bad: set[int] = set()
    step("xorbs")
    yield from check_xorbs(sv, repo, deep=deep, bad=bad)
    step("large files")
    yield from check_large_files(sv, repo, deep=deep, bad_xorbs=bad)
