"""Merging a pull request: one commit on its base, the pull request closed by it, all in one write unit.

The base may have moved since, and may move while the merge is built: then it is built anew on the new tip. What
cannot be put together is `conflicts`' to say.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from openhood.base.errors import Conflict, Forbidden, NotFound, Unavailable
from openhood.base.names import EMPTY_TREE, MAIN, Oid, RefName, RepoId, RepoType, pr_ref
from openhood.domain import audit
from openhood.domain.access import Need, Viewer
from openhood.domain.discussions import actions, conflicts, diffs, finding, pull_rows, references, rows
from openhood.domain.discussions.conflicts import Combined
from openhood.domain.discussions.pull_rows import PullRow
from openhood.domain.discussions.types import Discussion
from openhood.domain.repos import folding, gitdb, lookup, publish, pull_events, pulls, refs
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.authors import sign
from openhood.domain.repos.changes import path_changes, read_pointer
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.types import Consequences, LfsPointerAt, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.engines import markup
from openhood.engines.git.edit import Change, EditedTree, compare_trees
from openhood.engines.git.objects import CommitInfo, encode_commit, is_file_mode
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from openhood.infra.db.engine import Tx

ATTEMPTS = 10
_MAX_NAMED_FILES = 10
_MAX_COMMITS_IN_MESSAGE = 100
_MAX_COAUTHORS = 50
_MAX_DESCRIPTION = 10_000


@dataclass(frozen=True, slots=True)
class MergeResult:
    """Where a pull request went: the commit it became, and the branch it is on now."""

    repo: Repo
    number: int
    commit_oid: Oid
    base_ref: RefName


@dataclass(frozen=True, slots=True)
class _Ground:
    """What one attempt is built on."""

    repo: Repo
    pull: PullRow
    base_tip: Oid | None
    head: Oid


@dataclass(frozen=True, slots=True)
class _Comment:
    """What is said with the merge, and the discussions it refers to."""

    wording: pulls.Wording
    named: Sequence[markup.Reference]


@dataclass(frozen=True, slots=True)
class _Built:
    """A merge commit in the store, and what becomes true with it."""

    commit: Oid
    consequences: Consequences


def merge(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    number: int,
    comment: str = "",
    hub_url: str = "",
) -> MergeResult:
    """Merge an open pull request into its base: one commit with its changes, as the Hub makes them.

    Args: ``comment`` is Markdown to say with it, empty for none; ``hub_url`` the address under which it may name
    discussions. Opens units of its own.
    Raises: what `lookup.find` raises, Forbidden without the right to write; NotFound; Conflict for a draft, a
    closed or merged one, a base that is gone, and changes that contradict the base; LfsObjectMissing; Unavailable.
    **Source**: huggingface_hub ``hf_api.py::merge_pull_request``, which may send no body at all.
    """
    text = finding.check_body(comment, is_needed=False)
    first = _ground(sv, viewer, repo_type, repo_id, number)
    said = _word(text, first.repo, hub_url=hub_url) if text.strip() else None
    with publish.bench(sv) as directory, publish.Landing(sv, first.repo) as landing:
        for attempt in range(ATTEMPTS):
            try:
                with sv.packs.writing(first.repo.id):
                    ground = _ground(sv, viewer, repo_type, repo_id, number)
                    if ground.repo.id != first.repo.id:
                        raise NotFound(f"{repo_id} has no pull request #{number}.")
                    folding.relieve(sv, ground.repo)
                    built = _build(sv, viewer, ground, directory / "pack", landing)
                    _land(sv, viewer, ground, built, landing, comment=said)
                return MergeResult(ground.repo, number, built.commit, ground.pull.base_ref)
            except refs.RefRaceLost:
                # Replicas that lost the same race must not meet again.
                time.sleep(random.uniform(0, 0.03) * (attempt + 1))  # noqa: S311  (no secret)
    raise Unavailable("Too many commits to this branch at once. Try again in a moment.")


def _word(text: str, repo: Repo, *, hub_url: str) -> _Comment:
    wording = pulls.word(text, web_path=repo.web_path)
    return _Comment(wording, markup.references(wording.body, hub_url=hub_url))


def _ground(sv: Services, viewer: Viewer, repo_type: RepoType, repo_id: RepoId, number: int) -> _Ground:
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        pull = pull_rows.get(tx, repo.id, number)
        _check_may_merge(viewer, repo)
        if pull is None:
            raise NotFound(f"{repo.repo_id} has no pull request #{number}.")
        found = repo_rows.find_refs(tx, repo.id, [pull.base_ref, pr_ref(number)])
    _check_state(pull)
    head, base = found.get(pr_ref(number)), found.get(pull.base_ref)
    if head is None:
        raise Conflict(f"Pull request #{number} has no commits: its ref {pr_ref(number)} is gone.")
    if base is None and pull.base_ref != MAIN:
        shown = pull.base_ref.removeprefix("refs/heads/")
        raise Conflict(
            f"Pull request #{number} cannot be merged: the branch '{shown}' does not exist any more."
        )
    return _Ground(repo, pull, None if base is None else base.commit_oid, head.commit_oid)


def _check_may_merge(viewer: Viewer, repo: Repo) -> None:
    try:
        lookup.check(viewer, repo, need=Need.WRITE)
    except Forbidden as error:
        if not viewer.may_write_anything or type(error) is not Forbidden:
            raise
        raise Forbidden(
            f"You may not merge into {repo.type.value} {repo.repo_id}: only those may who can write to it."
        ) from None


def _check_state(pull: PullRow) -> None:
    if pull.status == "draft":
        raise Conflict(
            f"Pull request #{pull.number} is a draft: publish it first by changing its status to open."
        )
    if pull.status == "closed":
        raise Conflict(f"Pull request #{pull.number} is closed: open it again before merging it.")
    if pull.status != "open":
        raise Conflict(f"Pull request #{pull.number} is {pull.status} already.")


# Building


def _build(sv: Services, viewer: Viewer, ground: _Ground, pack_dir: Path, landing: publish.Landing) -> _Built:
    objects = gitdb.open_objects(sv, ground.repo, expect=ground.head)
    start = diffs.fork_of(sv, ground.repo, ground.base_tip, ground.head)
    combined = _combine(objects, ground, start)
    if combined.edited is None:
        raise Conflict(_conflict_message(ground.pull, combined.conflicts))
    edited = combined.edited
    known = [] if ground.base_tip is None else [ground.base_tip]
    theirs = objects.log_between(known, ground.head, limit=pull_events.MAX_COMMITS)
    message = merge_message(
        ground.pull, theirs, skip_email=sign(sv, viewer).email, author_email=_email_of(sv, ground.pull)
    )
    with PackWriter(pack_dir) as writer:
        for oid, content in combined.blobs.items():
            writer.add_known(oid, "blob", content)
        for oid, raw in edited.new_trees.items():
            writer.add_known(oid, "tree", raw)
        author = sign(sv, viewer)
        commit = writer.add(
            "commit",
            encode_commit(tree=edited.tree, parents=known, author=author, committer=author, message=message),
        )
        landing.put(writer.finish())
    changes = path_changes(edited.changes, commit)
    base = ground.pull.base_ref
    return _Built(
        commit,
        Consequences(
            tip=describe_tip(objects, commit, ground.repo.type) if base == MAIN else None,
            changes={} if changes is None else {base: changes},
            pointers=tuple(_pointers(objects, edited.changes)),
            message=message,
        ),
    )


def _combine(objects: ObjectDb, ground: _Ground, start: Oid | None) -> Combined:
    if start == ground.base_tip:  # nothing happened on the base: its tree becomes theirs
        before = EMPTY_TREE if start is None else objects.commit(start).tree
        after = objects.commit(ground.head).tree
        return Combined(EditedTree(after, {}, compare_trees(objects, before, after)), {}, ())
    return conflicts.combine(objects, start=start, ours=ground.base_tip, theirs=ground.head)


def _conflict_message(pull: PullRow, paths: Sequence[str]) -> str:
    named = ", ".join(f"'{path}'" for path in paths[:_MAX_NAMED_FILES])
    more = f" and {len(paths) - _MAX_NAMED_FILES} more" if len(paths) > _MAX_NAMED_FILES else ""
    branch = pull.base_ref.removeprefix("refs/heads/")
    return (
        f"Pull request #{pull.number} conflicts with '{branch}' in {named}{more}. Both changed "
        f"{'it' if len(paths) == 1 else 'them'} in different ways: bring refs/pr/{pull.number} up to date, then merge again."
    )


def _pointers(objects: ObjectDb, changes: Iterable[Change]) -> Iterable[LfsPointerAt]:
    """Yield the LFS pointers that come to the base; their objects are checked when the ref moves."""
    for change in changes:
        if change.new is not None and is_file_mode(change.new.mode) and objects.exists(change.new.oid):
            pointer = read_pointer(objects, change.new.oid)
            if pointer is not None:
                yield LfsPointerAt(change.path, pointer.oid, pointer.size_bytes)


def merge_message(
    pull: PullRow, commits: Sequence[CommitInfo], *, skip_email: str, author_email: str | None
) -> str:
    """Return the message of the commit a pull request becomes. Pure.

    Its title with the number, its description, the commits it is made of, and those who made them.
    Args: ``commits`` come newest first; ``skip_email`` is the address of who merges, no co-author.
    """
    title = " ".join(pull.title.split())
    parts = [f"{title} (#{pull.number})"]
    description = pull.description.replace("\r\n", "\n").strip()[:_MAX_DESCRIPTION].rstrip()
    if description:
        parts.append(description)
    told = commits[:_MAX_COMMITS_IN_MESSAGE]
    if told:
        parts.append("\n".join(f"- {commit.title} ({commit.oid})" for commit in reversed(told)))
    people: dict[str, str] = {}
    if author_email is not None and pull.author_name is not None:
        people[author_email] = pull.author_fullname or pull.author_name
    for commit in reversed(commits):
        people.setdefault(commit.author.email, commit.author.name)
    people.pop(skip_email, None)
    lines = [f"Co-authored-by: {name} <{email}>" for email, name in people.items() if email]
    if lines:
        parts.append("\n".join(lines[:_MAX_COAUTHORS]))
    return "\n\n".join(parts)


def _email_of(sv: Services, pull: PullRow) -> str | None:
    if pull.author_name is None:
        return None
    host = urlsplit(sv.settings.public_url or "").hostname or "localhost"
    return f"{pull.author_name}@users.noreply.{host}"


# Landing


def _land(
    sv: Services,
    viewer: Viewer,
    ground: _Ground,
    built: _Built,
    landing: publish.Landing,
    *,
    comment: _Comment | None,
) -> None:
    """Move the base and make the pull request a merged one, all in one write unit.

    Raises: RefRaceLost where the base or the pull request's own ref moved on; Conflict where its state changed.
    """
    repo, pull = ground.repo, ground.pull
    now = sv.clock.now()
    update = RefUpdate(pull.base_ref, ground.base_tip, built.commit, built.commit)
    with landing.unit() as tx:
        head = repo_rows.get_ref(tx, repo.id, pr_ref(pull.number))
        if head is None or head.commit_oid != ground.head:
            raise refs.RefRaceLost(pr_ref(pull.number))
        refs.move(tx, viewer, repo, [update], consequences=built.consequences, now=now)
        discussion = rows.lock_discussion(tx, repo.id, pull.number)
        if discussion is None:
            raise NotFound(f"{repo.repo_id} has no pull request #{pull.number}.")
        _check_state(replace(pull, status=discussion.status))
        pull_rows.mark_merged(tx, pull.id, merge_oid=built.commit, now=now)
        merged = replace(discussion, status="merged", merge_oid=built.commit, updated_at=now)
        after = repo if pull.base_ref != MAIN else replace(repo, head_oid=built.commit)
        _tell(tx, viewer, after, merged, comment=comment, now=now)


def _tell(
    tx: Tx, viewer: Viewer, repo: Repo, merged: Discussion, *, comment: _Comment | None, now: datetime
) -> None:
    """Write what happened into the pull request's history, and tell others of it."""
    if comment is not None:
        actions.say(tx, viewer, repo, merged, comment.wording, at=now)
        references.spread(tx, viewer, repo, merged, comment.named, at=now)
    rows.insert_event(tx, merged, "status-change", viewer.user_id, now, facts={"status": "merged"})
    actions.record_update(tx, viewer, repo, merged, change="merge", at=now, old="open")
    audit.record(
        tx,
        at=now,
        actor=viewer.name,
        action="pull.merge",
        subject=f"{repo.type.value}:{repo.repo_id}",
        owner_id=repo.owner_id,
        number=merged.number,
        commit=merged.merge_oid,
    )
