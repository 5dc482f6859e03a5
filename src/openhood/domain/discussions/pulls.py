"""Opening a pull request before there is a commit in it: a draft whose ref is where its base is.

Commits that open one by themselves are `repos.commits`'; merging is `merging`'s.
"""

from __future__ import annotations

from openhood.base.errors import Unavailable
from openhood.base.names import EMPTY_TREE, MAIN, Oid, RepoId, RepoType
from openhood.domain.access import Viewer
from openhood.domain.repos import indexing, publish, pulls, refs
from openhood.domain.repos.authors import sign
from openhood.domain.repos.targets import Target, find_target
from openhood.domain.repos.types import Consequences, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.engines.git.objects import encode_commit
from openhood.engines.git.packs import PackWriter

ATTEMPTS = 10


def open_draft(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    title: str,
    description: str,
    base: str = MAIN,
) -> tuple[Repo, int]:
    """Open a draft pull request on a branch; it takes commits to its ref at once. Opens units of its own.

    Args: ``description`` is Markdown, the opening comment. Returns: the repository and the number.
    Raises: what `targets.find_target` raises with ``create_pr``; Forbidden where discussions are disabled;
    Unavailable where the branch kept moving.
    **Source**: huggingface_hub ``hf_api.py::create_pull_request``, ``_upload_pipeline.py``.
    """
    for _ in range(ATTEMPTS):
        target = find_target(sv, viewer, repo_type=repo_type, repo_id=repo_id, revision=base, create_pr=True)
        opening = pulls.word(description, web_path=target.repo.web_path)
        try:
            with publish.Landing(sv, target.repo) as landing:
                tip = target.tip or _root(sv, viewer, target, landing)
                number = _land(sv, viewer, target, landing, tip=tip, title=title, opening=opening)
            return target.repo, number
        except refs.RefRaceLost:
            continue
    raise Unavailable("Too many pull requests are opened here at once. Try again in a moment.")


def _land(
    sv: Services,
    viewer: Viewer,
    target: Target,
    landing: publish.Landing,
    *,
    tip: Oid,
    title: str,
    opening: pulls.Wording,
) -> int:
    now = sv.clock.now()
    with landing.unit() as tx:
        number, ref = pulls.open_pull(
            tx,
            viewer,
            target.repo,
            title=title,
            opening=opening,
            base=target.ref,
            now=now,
            status="draft",
        )
        refs.move(
            tx,
            viewer,
            target.repo,
            [RefUpdate(ref, None, tip, tip)],
            consequences=Consequences(commits={ref: ()}),
            now=now,
        )
        if target.tip is not None:
            indexing.inherit(tx, target.repo, source=target.ref, at=tip, target=ref, changes=())
    return number


def _root(sv: Services, viewer: Viewer, target: Target, landing: publish.Landing) -> Oid:
    """Store a commit without files, for a pull request on a branch that has no commit yet."""
    with publish.bench(sv) as directory, PackWriter(directory / "pack") as writer:
        writer.add_known(EMPTY_TREE, "tree", b"")
        author = sign(sv, viewer)
        raw = encode_commit(
            tree=EMPTY_TREE, parents=(), author=author, committer=author, message="initial commit"
        )
        commit = writer.add("commit", raw)
        landing.put(writer.finish())
    return commit
