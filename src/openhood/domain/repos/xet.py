"""Who may move the chunks of a repository: decides, and has the CAS token made that says so.

What a token permits is `domain.xet`'s; the routes that hand it out and its address are the doors'.
"""

from __future__ import annotations

from dataclasses import dataclass

from openhood.base.errors import Forbidden
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import lookup, pulls, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.xet import passes
from openhood.domain.xet.types import Pass

NO_REVISION = "None"
"""What clients write where they have no revision: that of a pull request which is still to be opened.

**Source**: huggingface_hub ``utils/_xet.py::xet_connection_info_refresh_url``.
"""


@dataclass(frozen=True, slots=True)
class Access:
    """A token for the CAS, until when it is good in seconds since the epoch, and the part its address needs."""

    token: str
    expires_at: int
    epoch: str
    repo: Repo


def issue_read(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, revision: str
) -> Access:
    """Permit to read the large files of a repository, at whatever revision. Opens units of its own.

    Raises: what `lookup.locate` raises.
    """
    if revision == NO_REVISION:
        with sv.db.read() as tx:
            repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.READ)
    else:
        repo = lookup.locate(sv, viewer, repo_type, repo_id, revision=revision, need=Need.READ).repo
    return make_access(sv, viewer, repo, may_write=False)


def issue_write(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    create_pr: bool,
) -> Access:
    """Permit to bring large files into a repository, for a commit that follows. Opens units of its own.

    Args: ``revision`` is where the commit will go and need not exist, unless it names a pull request: that may be
    changed by its author, too. ``create_pr``: it will go to a new one, which whoever may propose may open.
    Raises: what `lookup.find` and `pulls.check_may_change` raise.
    """
    names = [] if create_pr or revision == NO_REVISION else lookup.ref_candidates(revision)
    to_pull = any(pulls.number_of(name) is not None for name in names)
    need = Need.PROPOSE if create_pr or to_pull else Need.WRITE
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=need)
        if to_pull:
            found = rows.find_refs(tx, repo.id, names)
            ref = next((name for name in names if name in found), names[0])
            if pulls.number_of(ref) is not None:
                pulls.check_may_change(tx, viewer, repo, ref)
            else:
                lookup.check(viewer, repo, need=Need.WRITE)
    return make_access(sv, viewer, repo, may_write=True)


def make_access(sv: Services, viewer: Viewer, repo: Repo, *, may_write: bool) -> Access:
    """Make the token for a repository in which the viewer's right was decided already. May open units.

    Raises: Forbidden for writing as nobody's account.
    """
    if may_write and viewer.user_id is None:
        raise Forbidden("Only an account can do this, not the administrator at the command line.")
    gate = repo.admission.request or 0
    token, expires_at = passes.make_token(sv, Pass(viewer.user_id or 0, repo.id, may_write, gate))
    return Access(token, expires_at, passes.epoch(sv), repo)
