"""Finding a repository for a viewer, and a revision in it: the one door where permission is asked.

Whoever holds a `Repo` got it here, so no action decides access by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from openhood.base.errors import (
    Forbidden,
    GatedRepo,
    Moved,
    RepoDisabled,
    RepoNotFound,
    RevisionNotFound,
    Unauthorized,
)
from openhood.base.names import MAIN, Oid, RefName, RepoId, RepoType, is_oid, is_short_oid
from openhood.domain.access import Need, OrgRole, Verdict, Viewer, decide
from openhood.domain.repos import gitdb, rows
from openhood.domain.repos.types import At, Repo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

_MAX_REF_SEGMENTS = 8


def find(tx: Tx, viewer: Viewer, repo_type: RepoType, repo_id: RepoId, *, need: Need) -> Repo:
    """Return the repository if ``viewer`` may do ``need`` with it. Runs in the caller's unit.

    Raises: RepoNotFound (also where the viewer must not know of it), Moved, GatedRepo,
    RepoDisabled, Forbidden.
    """
    repo = rows.get_repo(tx, repo_type, repo_id)
    if repo is None:
        raise _missing(tx, viewer, repo_type, repo_id)
    repo = at_gate(tx, viewer, repo)
    check(viewer, repo, need=need)
    return repo


def at_gate(tx: Tx, viewer: Viewer, repo: Repo) -> Repo:
    """Return the repository with what its gate knows of the viewer. Asks the database for gated ones only."""
    if not repo.gated or viewer.user_id is None or viewer.is_admin:
        return repo
    orgs = [number for number, role in viewer.roles.items() if role >= OrgRole.READ]
    return replace(repo, admission=rows.get_admission(tx, repo.id, user=viewer.user_id, orgs=orgs))


def check(viewer: Viewer, repo: Repo, *, need: Need) -> None:
    """Raise what `find` raises if ``viewer`` may not do ``need`` with a repository that `find` or `at_gate` gave."""
    verdict = decide(viewer, repo.facts, need)
    if verdict is Verdict.ALLOW:
        return
    if verdict is Verdict.HIDE:
        raise RepoNotFound(anonymous=viewer.is_anonymous)
    if verdict is Verdict.DISABLED:
        raise RepoDisabled
    if verdict is Verdict.GATE:
        raise GatedRepo(gate_message(viewer, repo), anonymous=viewer.is_anonymous)
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
    raise Forbidden(_forbidden_message(viewer, repo, need))


def gate_message(viewer: Viewer, repo: Repo) -> str:
    """Return the Hub's sentence for a gate met without access (``datasets`` tells users apart by it)."""
    restricted = f"Access to {repo.type.value} {repo.repo_id} is restricted"
    if viewer.is_anonymous:
        return f"{restricted}. You must have access to it and be authenticated to access it. Please log in."
    if repo.admission.status == "pending":
        what = f"Your request to access {repo.type.value} {repo.repo_id}"
        return f"{what} is awaiting a review from the repo authors."
    if repo.admission.status == "rejected":
        return "Your request to access this repo has been rejected by the repo's authors."
    return f"{restricted} and you are not in the authorized list. Visit {repo.web_path} to ask for access."


def locate(
    sv: Services,
    viewer: Viewer,
    repo_type: RepoType,
    repo_id: RepoId,
    *,
    revision: str,
    need: Need,
) -> At:
    """Find a repository and a commit in it. Opens its own read unit.

    ``revision`` is a branch, a tag, a full ref name, ``HEAD`` or a full or short commit oid, in that
    order of preference. Raises: what `find` raises, RevisionNotFound.
    """
    names = ref_candidates(revision)
    with sv.db.read() as tx:
        repo, found = rows.get_repo_with_refs(tx, repo_type, repo_id, names)
        if repo is None:
            raise _missing(tx, viewer, repo_type, repo_id)
        repo = at_gate(tx, viewer, repo)
    check(viewer, repo, need=need)
    for name in names:
        if name in found:
            return At(repo, found[name].commit_oid, name)
    return At(repo, resolve_oid(sv, repo, revision), None)


def locate_split(
    sv: Services,
    viewer: Viewer,
    repo_type: RepoType,
    repo_id: RepoId,
    *,
    segments: Sequence[str],
    need: Need,
) -> tuple[At, str]:
    """Find a revision that may be spelled over several segments, and what follows it as a path.

    huggingface.js writes ``tree/refs/pr/1/sub/dir`` without encoding the revision's slashes, so the
    longest known ref wins; a first segment that holds a slash was encoded and is the revision.
    Opens its own read unit. Raises: what `locate` raises.
    """
    most = 1 if "/" in segments[0] else min(len(segments), _MAX_REF_SEGMENTS)
    lengths = range(most, 0, -1)
    names = {length: ref_candidates("/".join(segments[:length])) for length in lengths}
    with sv.db.read() as tx:
        repo = find(tx, viewer, repo_type, repo_id, need=need)
        found = rows.find_refs(tx, repo.id, [name for length in lengths for name in names[length]])
    for length in lengths:
        for name in names[length]:
            if name in found:
                return At(repo, found[name].commit_oid, name), "/".join(segments[length:])
    return At(repo, resolve_oid(sv, repo, segments[0]), None), "/".join(segments[1:])


def resolve_oid(sv: Services, repo: Repo, revision: str) -> Oid:
    """Return the commit that a full or short oid names. Raises RevisionNotFound."""
    if not is_short_oid(revision):
        raise RevisionNotFound(revision)
    text = revision.lower()
    objects = gitdb.open_objects(sv, repo)
    if is_oid(text):
        oid = Oid(text)
        known = objects.exists(oid) or gitdb.open_objects(sv, repo, expect=oid).exists(oid)
        if known and objects.kind_and_size(oid)[0] == "commit":
            return oid
        raise RevisionNotFound(revision)
    matches = objects.expand_short(text)
    if len(matches) != 1:
        raise RevisionNotFound(revision)
    return matches[0]


def ref_candidates(revision: str) -> list[RefName]:
    """Return the refs a typed revision may mean, the most likely first."""
    if revision in ("", "HEAD"):
        return [MAIN]
    if revision.startswith("refs/"):
        return [RefName(revision)]
    candidates = [RefName(f"refs/heads/{revision}"), RefName(f"refs/tags/{revision}")]
    if revision.startswith(("heads/", "tags/", "pr/", "convert/")):
        candidates.append(RefName(f"refs/{revision}"))
    return candidates


def _missing(tx: Tx, viewer: Viewer, repo_type: RepoType, repo_id: RepoId) -> Moved | RepoNotFound:
    moved = rows.get_redirect(tx, repo_type, repo_id)
    if moved is not None and decide(viewer, moved.facts, Need.INFO) is not Verdict.HIDE:
        return Moved(old=str(repo_id), new=str(moved.repo_id))
    renamed = _under_another_name(tx, repo_type, repo_id)
    if renamed is not None and decide(viewer, renamed.facts, Need.INFO) is not Verdict.HIDE:
        return Moved(old=str(repo_id), new=str(renamed.repo_id))
    # `gpt2/refs` may be what is left of `/api/models/gpt2/refs`: an alias and an action. An alias is no
    # secret and says nothing of its target, so access is asked there.
    alias = rows.get_alias(tx, repo_type, repo_id.namespace)
    if alias is not None:
        return Moved(old=repo_id.namespace, new=str(alias))
    return RepoNotFound(anonymous=viewer.is_anonymous)


def _under_another_name(tx: Tx, repo_type: RepoType, repo_id: RepoId) -> Repo | None:
    """Return the repository where its owner was renamed: of a large one the repositories follow one by one."""
    key = repo_id.namespace.lower()
    present = rows.get_account_redirect(tx, key)
    names = rows.list_former_names(tx, key) if present is None else [present]
    for name in names:
        found = rows.get_repo(tx, repo_type, RepoId(name, repo_id.name))
        if found is not None:
            return found
    return None


def _forbidden_message(viewer: Viewer, repo: Repo, need: Need) -> str:
    if repo.visibility == "protected" and need is Need.READ:
        return f"The files of {repo.type.value} {repo.repo_id} are protected: only members of its namespace may read them."
    if not viewer.may_write_anything:
        return "Your token has the role 'read'. Use a token with the role 'write' to do this."
    if viewer.token is not None and repo.owner_id in viewer.token.denied_orgs:
        return f"The organization {repo.repo_id.namespace} does not let this token in: see its token policy."
    if need is Need.WRITE:
        return "Forbidden: pass create_pr=1 as a query parameter to create a Pull Request"
    if viewer.token is not None and viewer.token.role == "fineGrained":
        return f"Your fine-grained token does not allow this on {repo.type.value} {repo.repo_id}."
    return f"You don't have the rights to do this on {repo.type.value} {repo.repo_id}."
